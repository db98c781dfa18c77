package doctor

import (
	"fmt"
	"time"
)

// Told is what the relay itself says is wrong with a stream, and what to do.
type Told struct{ Text, Mend string }

// Stream is one stream: what the relay says of it, and what a viewer saw.
type Stream struct {
	Name    string
	Paused  bool
	Arrival bool          // capture times are times of arrival: there are no sender reports
	Error   time.Duration // bound of capture times
	Tracks  []Track
	Health  []Told // the relay's own words
	Seen    *Seen  // nil if nobody watched
}

// Track counts what came from the studio.
type Track struct {
	Name                   string
	Packets, Lost, Foreign uint64
}

// Seen is what a native viewer saw in a few seconds.
type Seen struct {
	Err         string // why it saw nothing
	Span        time.Duration
	Codec       string
	Frames      int
	Backward    int           // frames whose timestamp is before that of the one before
	KeyDistance time.Duration // longest time without a keyframe
	Keyframes   int
	WithoutSets int // H.264 keyframes without a sequence parameter set
	Packets     int
	Oversize    int // packets too long for a marker
	Jitter      time.Duration
	Lost        uint64
	ClockAhead  time.Duration // of the studio before the relay; negative: capture to arrival
	ClockKnown  bool
	Broken      []string // promises of the protocol that were broken
}

// Limits of what viewers do not notice.
const (
	longGOP     = 4 * time.Second
	muchJitter  = 40 * time.Millisecond
	muchLoss    = 0.001
	clockAhead  = 20 * time.Millisecond
	clockBehind = time.Second
)

func (e *exam) stream(s *Stream) {
	before := len(e.found)
	say := func(severity Severity, code, what, why, do string) { e.say(severity, code, s.Name, what, why, do) }
	if s.Paused {
		say(Error, "paused", "nothing comes from the studio", "the picture stands still, and events wait",
			"check that the studio sends to the address that the relay printed, with the payload type of the configuration")
	}
	if s.Arrival && !s.Paused {
		say(Warning, "no-sender-reports", "the studio sends no RTCP sender reports: capture times are times of arrival",
			"events named by capture time are off by the encoder's and the network's delay; sound and picture drift apart",
			"have the encoder send RTCP to the port after RTP's")
	}
	for _, t := range s.Tracks {
		if float64(t.Lost) > muchLoss*float64(t.Packets) {
			say(Warning, "input-loss", fmt.Sprintf("%s: %d of %d packets were lost between studio and relay", t.Name, t.Lost, t.Packets+t.Lost),
				"every viewer sees the same broken pictures, and no retransmission helps", "use a wired path, or SRT or RIST to a gateway beside the relay")
		}
		if t.Foreign > 0 {
			say(Warning, "second-sender", fmt.Sprintf("%s: %d packets of a second sender", t.Name, t.Foreign),
				"if the studio goes quiet, the other takes its place", "stop it, or name the studio in rtp.allow")
		}
	}
	if s.Seen != nil && !s.Paused {
		e.seen(s.Name, s.Seen)
	}
	if len(e.found) == before { // it knows of what has no rule here
		for _, told := range s.Health {
			say(Warning, "health", told.Text, "the relay says so of the last seconds", told.Mend)
		}
	}
}

func (e *exam) seen(name string, v *Seen) {
	say := func(severity Severity, code, what, why, do string) { e.say(severity, code, name, what, why, do) }
	if v.Err != "" {
		say(Error, "no-picture", "a viewer on this machine got no picture: "+v.Err, "nor will others",
			"check media.udp, firewalls, and with --token-file the scope view")
		return
	}
	if v.Backward > 0 {
		say(Error, "b-frames", fmt.Sprintf("%d of %d frames come out of order", v.Backward, v.Frames),
			"browsers do not show B-frames well, and events named ahead can miss their frames", "turn B-frames off: bframes=0, or tune zerolatency")
	}
	if v.Keyframes == 0 || v.KeyDistance > longGOP {
		say(Warning, "long-gop", fmt.Sprintf("no keyframe for %.1f s or more", v.KeyDistance.Seconds()),
			"viewers who join get all since the last keyframe at once, and those who lost something wait for the next", "set a keyframe interval of 1 to 2 s")
	}
	if v.WithoutSets > 0 {
		say(Error, "no-parameter-sets", fmt.Sprintf("%d of %d keyframes come without parameter sets", v.WithoutSets, v.Keyframes),
			"viewers who join see nothing", "have the encoder repeat its headers (repeat-headers=1), or give the SDP with sprop-parameter-sets")
	}
	if v.Oversize > 0 {
		say(Warning, "oversize", fmt.Sprintf("%d of %d packets have no room for a marker", v.Oversize, v.Packets),
			"native viewers learn of events from fewer packets: a loss may hide one", "send RTP packets of at most 1,150 bytes (ffmpeg: pkt_size=1150)")
	}
	if v.Jitter > muchJitter {
		say(Warning, "jitter", fmt.Sprintf("one frame in a hundred comes %v early or late", v.Jitter.Round(time.Millisecond)),
			"browsers add delay to hide it, and leave frames out", "look for bursts of the encoder, Wi-Fi, and a machine that is too busy (this one counts too)")
	}
	if v.Lost > 0 {
		say(Warning, "viewer-loss", fmt.Sprintf("%d packets did not reach a viewer on this machine", v.Lost),
			"pictures break", "look at relay_egress_drops_total, and at the load of both machines")
	}
	switch {
	case !v.ClockKnown:
	case v.ClockAhead > clockAhead:
		say(Warning, "clock-ahead", fmt.Sprintf("the studio's clock is %v ahead of the relay's", v.ClockAhead.Round(time.Millisecond)),
			"events named by capture time miss their frames by that much, if the game server's clock is the relay's", "synchronise both by NTP or PTP")
	case -v.ClockAhead > clockBehind:
		say(Warning, "clock-behind", fmt.Sprintf("frames arrive %v after their capture, by the studio's clock", -v.ClockAhead.Round(time.Millisecond)),
			"its clock is behind, or encoder and network take that long; in the first case events named by capture time miss their frames",
			"synchronise both by NTP or PTP; then measure with `relay calibrate`")
	}
	for _, words := range v.Broken {
		say(Error, "protocol", words, "viewers cannot trust what they are shown", "report it, with the output of `relay watch -o json`")
	}
}
