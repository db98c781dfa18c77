package stream

import (
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/timeline"
)

// Sizes of a track's history, in packets: at least the configured time of a
// stream of 12 Mbit/s or of 50 audio packets a second.
const (
	videoHistory = 1 << 14
	audioHistory = 1 << 11
)

// track is the state of one track.
type track struct {
	id       forward.Track
	cfg      *Input // of the encoder that is on
	sources  [forward.Encoders]*source
	input    *forward.Input
	line     *timeline.Line
	clock    *timeline.Clock
	history  *forward.History
	next     uint64    // slot to be forwarded next
	heard    time.Time // newest packet of the encoder that is on
	health   health
	anchored time.Time // when the epoch began

	// Since the encoder that is on took over.
	base     forward.InputStats // when it did
	switched bool               // it has, and its first packet is still to come

	// Video only.
	gop        forward.GOP
	vp8        codec.VP8Continuity
	frame      uint64 // canonical timestamp of the frame that packets in order belong to
	first      uint64 // slot of its first packet
	capture    uint64 // its capture time, NTP 32.32
	parameters bool   // it has brought parameter sets
	waitKey    bool   // nothing is forwarded until a keyframe
	times      codec.FrameTimes

	flow  time.Time // newest packet that came in its turn
	slot  uint64    // of that packet
	ended bool      // it was the last of its frame
	key   time.Time // newest keyframe
}

func newTrack(id forward.Track, in *Input, c *Config, lease journal.Lease) *track {
	size := videoHistory
	if id == forward.Audio {
		size = audioHistory
	}
	rate := in.Codec.ClockRate()
	primary := newSource(in, c.Silence, c.Reorder)
	t := &track{
		id: id, cfg: in, sources: [forward.Encoders]*source{forward.Primary: primary},
		input:   forward.NewInput(primary.window),
		line:    timeline.NewLine(rate, timeline.Resume{Epoch: lease.Epoch, Ahead: lease.AheadBy}),
		clock:   timeline.NewClock(rate, c.CaptureOffset),
		history: forward.NewHistory(size, c.Hold+c.History),
		waitKey: id == forward.Video,
	}
	t.times.Reset(in.ParameterSets)
	if b := c.Backup; b != nil {
		t.sources[forward.Backup] = newSource([forward.Tracks]*Input{b.Video, b.Audio}[id], b.Silence, b.Reorder)
		for _, f := range t.sources {
			f.standby.packets = make([]forward.Arrival, 0, standbyPackets)
		}
	}
	return t
}

// breakOff forgets what the source was about to send. A frame that it has not ended
// is followed by an empty slot: else a viewer would take what there is of it for all.
func (t *track) breakOff(drop func(forward.Arrival)) {
	t.input.Restart(drop)
	if t.id == forward.Video && !t.ended && t.line.Last() != 0 {
		t.gop.Leave(t.input.Insert())
		t.ended = true
	}
}

// stamps returns what a packet says itself of when its frame was captured.
func (t *track) stamps(payload []byte, slot uint64) (s timeline.Stamps) {
	if t.cfg.Codec != codec.H264 {
		return s
	}
	read := t.times.Add(payload, slot)
	s.Timecode, s.HasTimecode = timeline.Timecode(read.Timecode), read.HasTimecode
	if read.UnixMicro != 0 {
		s.SEITime = time.UnixMicro(read.UnixMicro).UTC()
	}
	return s
}

// stats returns the counts since the encoder that is on took over.
func (t *track) stats() forward.InputStats {
	s := t.input.Stats()
	return forward.InputStats{Packets: s.Packets - t.base.Packets, Lost: s.Lost - min(s.Lost, t.base.Lost)}
}

// step returns the distance of two frames.
func (t *track) step() time.Duration {
	return time.Duration(t.line.Step()) * time.Second / time.Duration(t.cfg.Codec.ClockRate())
}

// due returns when the next packet that is held leaves.
func (t *track) due(hold time.Duration) (time.Time, bool) {
	for s := t.next; s < t.history.End(); s++ {
		if p := t.history.Get(s); p != nil {
			return p.Arrival.Add(hold), true
		}
	}
	return time.Time{}, false
}
