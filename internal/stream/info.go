package stream

import (
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/window"
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
	Inputs   Inputs `json:"inputs"`
	// Actions counts viewers' accepted actions, and what deceiving ones would show.
	Actions window.AnomalyTotals `json:"actions"`
	// Health is what hurts viewers, or soon will; empty if nothing does.
	Health []Problem `json:"health"`
}

// Inputs says which encoder is on, and what comes from each.
type Inputs struct {
	Active      string      `json:"active"`                 // primary or backup
	SwitchingTo string      `json:"switching_to,omitempty"` // takes over at its next keyframe
	Reason      string      `json:"reason,omitempty"`       // why the active one took over: loss, operator or return
	Since       *time.Time  `json:"since,omitempty"`        // when it did
	Inputs      []InputInfo `json:"inputs"`
}

// InputInfo describes what comes from one encoder.
type InputInfo struct {
	Input  string       `json:"input"` // primary or backup
	State  string       `json:"state"` // on, standby or silent
	Tracks []InputTrack `json:"tracks"`
}

// InputTrack is what one encoder sends for one track.
type InputTrack struct {
	Track   string     `json:"track"`
	SSRC    uint32     `json:"ssrc"`
	Source  string     `json:"source,omitempty"` // address of the studio
	Packets uint64     `json:"packets"`
	Foreign uint64     `json:"foreign"` // packets of senders that are not heard
	Paths   []PathInfo `json:"paths,omitempty"`
}

// PathInfo counts the packets of one of two paths.
type PathInfo struct {
	Packets uint64 `json:"packets"`
	First   uint64 `json:"first"`  // that came before the other path's copy, or without it
	Differ  uint64 `json:"differ"` // that are not what the other path brings under the same name
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
	// The newest SMPTE timecode and MISP precision time stamp that frames carry; none
	// if there are none among those that are remembered.
	Timecode string    `json:"timecode,omitempty"`
	SEITime  time.Time `json:"sei_time,omitzero"`
}

// Info describes the stream.
func (c *Core) Info(now time.Time, viewers int) Info {
	i := Info{
		Name: c.cfg.Name, Log: c.log, Seq: c.seq, Paused: c.paused, HoldMS: int(c.cfg.Hold.Milliseconds()),
		Viewers: viewers, Pending: len(c.pending), Inputs: c.inputsInfo(now), Actions: c.book.Anomalies().Totals(), Health: []Problem{},
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
		info := t.info(t.sources[c.inputs.active])
		if t.id == forward.Video {
			s := c.frames.NewestStamps()
			if info.SEITime = s.SEITime; s.HasTimecode {
				info.Timecode = s.Timecode.String()
			}
		}
		i.Tracks = append(i.Tracks, info)
		i.Health = append(i.Health, c.problems(t, now)...)
	}
	return i
}

func (t *track) info(f *source) TrackInfo {
	s := t.input.Stats()
	i := TrackInfo{
		Track: t.id.String(), Codec: t.cfg.Codec.String(), SSRC: t.line.SSRC(), Epoch: t.line.Epoch(),
		Packets: s.Packets, Lost: s.Lost, Reordered: s.Reordered, Duplicates: s.Duplicates, Foreign: f.foreign,
	}
	if from, ok := f.holder(); ok {
		i.Source = from.String()
	}
	return i
}

func (c *Core) inputsInfo(now time.Time) Inputs {
	in := &c.inputs
	i := Inputs{Active: in.active.String(), Reason: in.reason, Inputs: []InputInfo{}}
	if in.wanted {
		i.SwitchingTo = in.active.Other().String()
	}
	if !in.since.IsZero() {
		since := in.since.UTC()
		i.Since = &since
	}
	for e := range forward.Encoder(forward.Encoders) {
		if e == forward.Primary || c.cfg.Backup != nil {
			i.Inputs = append(i.Inputs, c.inputInfo(e, now))
		}
	}
	return i
}

func (c *Core) inputInfo(e forward.Encoder, now time.Time) InputInfo {
	i := InputInfo{Input: e.String(), State: "silent", Tracks: []InputTrack{}}
	for _, t := range c.tracks {
		if t == nil {
			continue
		}
		f := t.sources[e]
		if t.id == forward.Video && f.packets > 0 && now.Sub(f.heard) < pausedAfter {
			if i.State = "standby"; e == c.inputs.active {
				i.State = "on"
			}
		}
		it := InputTrack{Track: t.id.String(), SSRC: f.ssrc, Packets: f.packets, Foreign: f.foreign}
		if from, ok := f.holder(); ok {
			it.Source = from.String()
		}
		if f.cfg.Second != nil {
			for _, p := range f.paths {
				it.Paths = append(it.Paths, PathInfo{p.packets, p.first, p.differ})
			}
		}
		i.Tracks = append(i.Tracks, it)
	}
	return i
}
