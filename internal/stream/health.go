package stream

import (
	"fmt"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/timeline"
)

// Problem is one thing that hurts viewers, or soon will.
type Problem struct {
	Code  string    `json:"code"`            // one of HealthCodes
	Track string    `json:"track,omitempty"` // v0 or a0; empty for the whole stream
	Text  string    `json:"text"`            // what is wrong, with figures
	Mend  string    `json:"mend"`            // what to do about it
	Since time.Time `json:"since"`           // when the relay noticed
}

// code is a Problem's code.
type code uint8

const (
	noInput code = iota
	pausedFeed
	noKeyframe
	rareKeyframes
	packetsLost
	reordered
	duplicated
	malformed
	oversize
	secondSender
	restart
	clockJump
	bFrames
	noReports
	onBackup
	backupSilent
	pathSilent
	pathsDiffer
	journalStuck // told by the Loop
	codes
)

// known is what a code is called and how to mend what it says.
var known = [codes]struct{ name, mend string }{
	noInput:       {"no_input", "check that the studio sends to this relay's address with the payload type that is configured"},
	pausedFeed:    {"paused", "check the encoder and the network from the studio"},
	noKeyframe:    {"waiting_keyframe", "have the encoder send a keyframe at least every 2 s, and listen to PLI"},
	rareKeyframes: {"keyframes_rare", "have the encoder send a keyframe at least every 2 s"},
	packetsLost:   {"loss", "look for a full link or queue between studio and relay, or send by two paths (rtp.second_path)"},
	reordered:     {"reordered", "find what reorders on the way, or raise rtp.reorder"},
	duplicated:    {"duplicates", "find what sends packets twice; two paths on purpose belong into rtp.second_path"},
	malformed:     {"malformed", "check that the encoder sends the codec that is configured"},
	oversize:      {"oversize", "have the encoder send RTP packets of at most 1150 bytes"},
	secondSender:  {"second_sender", "stop the second sender, or name who may send in rtp.allow"},
	restart:       {"source_restarted", "nothing, if the encoder was restarted on purpose"},
	clockJump:     {"timestamp_jump", "check the encoder's clock; a source that loops should keep its timestamps going"},
	bFrames:       {"b_frames", "turn B-frames off (bframes=0): events named ahead can miss their frame"},
	noReports:     {"no_sender_reports", "have the studio send RTCP sender reports, with a clock that is set (NTP or PTP)"},
	onBackup:      {"on_backup", "mend the primary, then: relay inputs switch STREAM primary"},
	backupSilent:  {"standby_silent", "start the other encoder: if the one that is on is lost, nothing takes over"},
	pathSilent:    {"path_silent", "mend the path that is silent: loss on the other one is not repaired"},
	journalStuck:  {"journal_not_ready", "see the text, and state in docs/operations.md: events and actions are refused until then"},
	pathsDiffer:   {"paths_differ", "send the same packets by both paths: same SSRC, same numbers, same bytes"},
}

// notReady is the Problem of a stream whose journal takes nothing.
func notReady(err error, since time.Time) Problem {
	k := known[journalStuck]
	return Problem{Code: k.name, Text: err.Error(), Mend: k.mend, Since: since.UTC()}
}

// HealthCodes returns every code that a Problem can have.
func HealthCodes() []string {
	names := make([]string, codes)
	for i, k := range known {
		names[i] = k.name
	}
	return names
}

const (
	// healthSpan is how far back health looks: what is over is not told for ever.
	healthSpan = 10 * time.Second
	// healthSpacing is how often health is looked at.
	healthSpacing = 250 * time.Millisecond
	// keyframeWorry is how old the newest keyframe may be. The studio is asked for
	// one then: joining viewers wait for it, or get a long burst.
	keyframeWorry = 10 * time.Second
	// reportGrace is how long a source may take to send its first sender report: the
	// interval of RFC 3550, section 6.2, and a little.
	reportGrace = 6 * time.Second
)

// Shares of the packets that are worth telling.
const (
	lossWorthTelling = 0.001
	mostWorthTelling = 0.01 // of what costs no picture
)

// health is what goes wrong with a track.
type health struct {
	malformed uint64
	oversize  uint64 // packets larger than viewers are to get
	backwards uint64 // frames that came after a newer one: B-frames
	restarts  uint64
	jumped    bool // the last restart was the clock's alone

	before, at counts // of a while ago: between one and two spans
	rotated    time.Time
	examined   time.Time
	asked      time.Time        // for a keyframe, because there had been none for long
	since      [codes]time.Time // zero for what is not the matter
}

// counts are what health compares.
type counts struct {
	input                                    forward.InputStats
	foreign, differ                          uint64
	malformed, oversize, backwards, restarts uint64
}

func (t *track) counts() counts {
	c := counts{
		input: t.input.Stats(), malformed: t.health.malformed, oversize: t.health.oversize,
		backwards: t.health.backwards, restarts: t.health.restarts,
	}
	for _, f := range t.sources {
		if f != nil {
			c.foreign += f.foreign
			c.differ += f.paths[0].differ + f.paths[1].differ
		}
	}
	return c
}

// examine keeps health up to date.
func (c *Core) examine(t *track, now time.Time) {
	h := &t.health
	if now.Sub(h.rotated) >= healthSpan {
		h.before, h.at = h.at, t.counts()
		h.rotated = now
	}
	if now.Sub(h.examined) < healthSpacing {
		return
	}
	h.examined = now
	c.diagnose(t, now)
	if !h.since[rareKeyframes].IsZero() && now.Sub(h.asked) >= keyframeWorry {
		h.asked = now
		c.out.RequestKeyframe()
	}
}

// diagnose says of each code whether it is the matter.
func (c *Core) diagnose(t *track, now time.Time) {
	video := t.id == forward.Video
	d, f := t.recent(), t.sources[c.inputs.active]
	arrived := t.counts().input.Packets > 0
	flows := arrived && now.Sub(t.heard) < pausedAfter
	total := float64(d.input.Packets) + float64(d.input.Lost)
	share := func(n uint64) float64 { return float64(n) / max(1, total) }
	say := func(which code, is bool) {
		switch since := &t.health.since[which]; {
		case !is:
			*since = time.Time{}
		case since.IsZero():
			*since = now
		}
	}
	say(noInput, !arrived)
	say(pausedFeed, arrived && !flows)
	say(noKeyframe, flows && t.waitKey)
	say(rareKeyframes, flows && video && !t.waitKey && now.Sub(t.key) > keyframeWorry)
	say(packetsLost, share(d.input.Lost) > lossWorthTelling)
	say(reordered, d.input.Reordered > 0 && share(d.input.Reordered) > lossWorthTelling || share(d.input.OutOfOrder) > mostWorthTelling)
	say(duplicated, share(d.input.Duplicates) > mostWorthTelling)
	say(malformed, d.malformed > 0)
	say(oversize, d.oversize > 0)
	say(secondSender, d.foreign > 0)
	say(restart, d.restarts > 0 && !t.health.jumped)
	say(clockJump, d.restarts > 0 && t.health.jumped)
	say(bFrames, d.backwards > 0)
	say(noReports, flows && video && now.Sub(t.anchored) > reportGrace && t.clock.At(t.line.Last(), now).Source == timeline.FromArrival)
	say(onBackup, video && c.inputs.active == forward.Backup)
	say(backupSilent, video && c.cfg.Backup != nil && !c.alive(c.inputs.active.Other(), now))
	say(pathSilent, flows && f.cfg.Second != nil && (f.silentPath(now, 0) || f.silentPath(now, 1)))
	say(pathsDiffer, d.differ > 0)
}

// silentPath reports whether nothing comes by a path.
func (f *source) silentPath(now time.Time, p forward.Path) bool {
	return now.Sub(f.paths[p].heard) >= pausedAfter
}

// recent returns what was counted in the last one or two spans.
func (t *track) recent() counts {
	now, old := t.counts(), t.health.before
	return counts{
		input: forward.InputStats{
			Packets: now.input.Packets - old.input.Packets, Duplicates: now.input.Duplicates - old.input.Duplicates,
			// A packet that was lost and came late after all makes the count fall.
			Lost:      now.input.Lost - min(now.input.Lost, old.input.Lost),
			Reordered: now.input.Reordered - old.input.Reordered, OutOfOrder: now.input.OutOfOrder - old.input.OutOfOrder,
		},
		foreign: now.foreign - old.foreign, differ: now.differ - old.differ,
		malformed: now.malformed - old.malformed, oversize: now.oversize - old.oversize,
		backwards: now.backwards - old.backwards, restarts: now.restarts - old.restarts,
	}
}

// problems lists what is the matter with a track.
func (c *Core) problems(t *track, now time.Time) []Problem {
	c.diagnose(t, now)
	list := []Problem{}
	for i, since := range t.health.since {
		if !since.IsZero() {
			k := known[i]
			list = append(list, Problem{k.name, t.id.String(), c.text(code(i), t, now), k.mend, since.UTC()})
		}
	}
	return list
}

// text says what is wrong, with figures.
func (c *Core) text(which code, t *track, now time.Time) string {
	d, f := t.recent(), t.sources[c.inputs.active]
	percent := func(n uint64) float64 {
		return 100 * float64(n) / max(1, float64(d.input.Packets)+float64(d.input.Lost))
	}
	switch which {
	case noInput:
		return fmt.Sprintf("nothing has arrived, with payload type %d", t.cfg.PayloadType)
	case pausedFeed:
		return fmt.Sprintf("nothing has arrived for %.1f s", now.Sub(t.heard).Seconds())
	case noKeyframe:
		return "the picture waits for a keyframe, which the studio has been asked for"
	case rareKeyframes:
		return fmt.Sprintf("the newest keyframe is %.0f s old: joining viewers wait", now.Sub(t.key).Seconds())
	case packetsLost:
		return fmt.Sprintf("%.2f%% of the studio's packets are lost on their way here", percent(d.input.Lost))
	case reordered:
		return fmt.Sprintf("%.2f%% of the packets come out of order, %.2f%% of them too late to be sent in order",
			percent(d.input.OutOfOrder+d.input.Reordered), percent(d.input.Reordered))
	case duplicated:
		return fmt.Sprintf("%.1f%% of the packets come twice", percent(d.input.Duplicates))
	case malformed:
		return fmt.Sprintf("%d packets are not %s", d.malformed, t.cfg.Codec)
	case oversize:
		return fmt.Sprintf("%d packets are larger than media.max_udp_payload: they go out as they are, without events on them", d.oversize)
	case secondSender:
		return fmt.Sprintf("a second sender is not heard (%d packets)", d.foreign)
	case restart:
		return fmt.Sprintf("the source has begun anew (%d times): epoch %d", d.restarts, t.line.Epoch())
	case clockJump:
		return fmt.Sprintf("the source's timestamps have jumped (%d times): epoch %d", d.restarts, t.line.Epoch())
	case bFrames:
		return fmt.Sprintf("%d frames came after later ones: B-frames", d.backwards)
	case noReports:
		return "no sender reports, or none that can be believed: capture times are times of arrival"
	case onBackup:
		return "the backup encoder is on (" + c.inputs.reason + ")"
	case backupSilent:
		return "no video comes from the " + c.inputs.active.Other().String() + " encoder"
	case pathSilent:
		if f.silentPath(now, 0) {
			return "nothing comes by the first path"
		}
		return "nothing comes by the second path"
	}
	return fmt.Sprintf("%d packets are not what the other path brings under the same name", d.differ)
}
