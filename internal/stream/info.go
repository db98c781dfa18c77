package stream

import (
	"fmt"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
)

// Info describes a stream as it is now.
type Info struct {
	Name    string       `json:"name"`
	Log     marker.LogID `json:"log"`
	Seq     uint64       `json:"seq"` // newest event
	Epoch   uint32       `json:"epoch"`
	Paused  bool         `json:"paused"`
	HoldMS  int          `json:"hold_ms"`
	Viewers int          `json:"viewers"`
	Pending int          `json:"pending"` // requests that wait for their frame
	Clock   *state.Clock `json:"clock,omitempty"`
	Tracks  []TrackInfo  `json:"tracks"`
	Backlog int          `json:"journal_backlog"` // lines that are decided and not durable
	// NotReady says why the stream takes no events and actions; empty if it does.
	NotReady string `json:"not_ready,omitempty"`
	// Health says in words what will hurt viewers; empty if nothing does.
	Health []string `json:"health"`
}

// TrackInfo describes one track.
type TrackInfo struct {
	Track      string `json:"track"`
	Codec      string `json:"codec"`
	SSRC       uint32 `json:"ssrc"`
	Source     string `json:"source,omitempty"` // address of the studio
	Epoch      uint32 `json:"epoch"`
	Packets    uint64 `json:"packets"`
	Lost       uint64 `json:"lost"`
	Reordered  uint64 `json:"reordered"`
	Duplicates uint64 `json:"duplicates"`
	Foreign    uint64 `json:"foreign"` // packets of senders that are not heard
}

// Info describes the stream.
func (c *Core) Info(now time.Time, viewers int) Info {
	i := Info{
		Name: c.cfg.Name, Log: c.log, Seq: c.seq, Paused: c.paused, HoldMS: int(c.cfg.Hold.Milliseconds()),
		Viewers: viewers, Pending: len(c.pending), Health: []string{},
	}
	if clock, ok := c.clock(now); ok {
		i.Clock = &clock
	}
	for _, t := range c.tracks {
		if t == nil {
			continue
		}
		if t.id == forward.Video {
			i.Epoch = t.line.Epoch()
		}
		i.Tracks = append(i.Tracks, t.info())
		i.Health = append(i.Health, c.trackHealth(t, now)...)
	}
	return i
}

func (t *track) info() TrackInfo {
	s := t.input.Stats()
	i := TrackInfo{
		Track: t.id.String(), Codec: t.cfg.Codec.String(), SSRC: t.line.SSRC(), Epoch: t.line.Epoch(),
		Packets: s.Packets, Lost: s.Lost, Reordered: s.Reordered, Duplicates: s.Duplicates, Foreign: t.foreign,
	}
	if from, _, ok := t.lock.Holder(); ok {
		i.Source = from.String()
	}
	return i
}

// healthSpan is how far back health looks: what is over is not told for ever.
const healthSpan = 10 * time.Second

// counts are what health compares.
type counts struct {
	input     forward.InputStats
	foreign   uint64
	backwards uint64
}

// compared is the counts of a while ago: between one and two spans.
type compared struct {
	before, at counts
	rotated    time.Time
}

// rotate keeps the past up to date.
func (t *track) rotate(now time.Time) {
	if now.Sub(t.before.rotated) >= healthSpan {
		t.before.before, t.before.at = t.before.at, counts{t.input.Stats(), t.foreign, t.backwards}
		t.before.rotated = now
	}
}

// lossWorthTelling is the share of lost packets that viewers notice.
const lossWorthTelling = 0.001

func (c *Core) trackHealth(t *track, now time.Time) (words []string) {
	say := func(format string, a ...any) {
		words = append(words, fmt.Sprintf("%s: ", t.id)+fmt.Sprintf(format, a...))
	}
	s := t.input.Stats()
	switch {
	case t.packets == 0:
		say("nothing has arrived; check that the studio sends to this relay's address and payload type %d", t.cfg.PayloadType)
		return words
	case now.Sub(t.heard) >= pausedAfter:
		say("nothing has arrived for %.1f s", now.Sub(t.heard).Seconds())
	case t.waitKey:
		say("waiting for a keyframe; have the encoder send one at least every 2 s")
	}
	old := t.before.before
	// A packet that was lost and came late after all makes the count fall.
	lost := float64(s.Lost) - float64(min(s.Lost, old.input.Lost))
	if total := float64(s.Packets-old.input.Packets) + lost; lost > lossWorthTelling*total {
		say("%.2f%% of the studio's packets are lost on their way here", 100*lost/total)
	}
	if n := t.foreign - old.foreign; n > 0 {
		say("a second sender is not heard (%d packets); stop it, or set rtp.allow", n)
	}
	if t.backwards > old.backwards {
		say("frames come out of order, so that events named ahead can miss theirs; turn B-frames off (bframes=0)")
	}
	if r := t.clock.At(t.line.Last(), now); r.Source == "arrival" && t.id == forward.Video {
		say("no sender reports: capture times are times of arrival; have the studio send RTCP")
	}
	return words
}
