package stream

import (
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
)

// recentOutcomes is how many outcomes a snapshot shows.
const recentOutcomes = 10

// Snapshot returns the state at the newest frame that has been sent. Events
// continue at its seq + 1.
func (c *Core) Snapshot(now time.Time) (state.Snapshot, error) {
	doc, err := c.doc.At(c.sent)
	if err != nil {
		return state.Snapshot{}, err
	}
	s := state.Snapshot{
		Stream: c.cfg.Name, Log: c.log, Seq: c.seq, StateAt: c.sent, State: doc,
		Pending: c.doc.Pending(c.sent), Recent: c.doc.Recent(recentOutcomes, c.sent), Paused: c.paused,
	}
	s.Windows = c.liveWindows(now)
	if t := c.tracks[forward.Video]; t != nil {
		s.Epoch = t.line.Epoch()
	}
	s.Clock, _ = c.clock(now)
	for _, t := range c.tracks {
		if t == nil {
			continue
		}
		kind := "audio"
		if t.id == forward.Video {
			kind = "video"
		}
		s.Tracks = append(s.Tracks, state.Track{
			Track: t.id.String(), Kind: kind, Codec: t.cfg.Codec.String(), Rate: t.cfg.Codec.ClockRate(),
		})
	}
	return s, nil
}

// Burst returns what a joining viewer can decode from: the packets from the
// newest keyframe on that have been forwarded, each with a reference. It is empty
// if something is missing.
func (c *Core) Burst() []forward.Packet {
	t := c.tracks[forward.Video]
	if t == nil {
		return nil
	}
	from, end, ok := t.gop.Slots()
	if !ok {
		return nil
	}
	packets := make([]forward.Packet, 0, end-from)
	for s := from; s < end; s++ {
		p := t.history.Get(s)
		if p == nil {
			for i := range packets {
				packets[i].Buffer.Release()
			}
			return nil
		}
		p.Buffer.Retain(1)
		packets = append(packets, *p)
	}
	return packets
}

// Again returns packets for retransmission, each with a reference.
func (c *Core) Again(id forward.Track, slots []uint64) []forward.Packet {
	t := c.tracks[id]
	if t == nil {
		return nil
	}
	packets := make([]forward.Packet, 0, len(slots))
	for _, s := range slots {
		if p := t.history.Get(s); p != nil && s < t.next {
			p.Buffer.Retain(1)
			packets = append(packets, *p)
			packets[len(packets)-1].Retransmitted = true
		}
	}
	return packets
}

// Clocks returns the wall-clock maps for viewers' sender reports.
func (c *Core) Clocks(now time.Time) (m [forward.Tracks]egress.ClockMap) {
	for i, t := range c.tracks {
		if t != nil && t.line.Epoch() != 0 {
			v := t.clock.Viewer(now)
			m[i] = egress.ClockMap{TS: v.TS(now), At: now, Rate: t.cfg.Codec.ClockRate()}
		}
	}
	return m
}

// Close gives back every buffer.
func (c *Core) Close() {
	for _, t := range c.tracks {
		if t != nil {
			t.input.Restart(func(a forward.Arrival) { a.Buffer.Release() })
			t.history.Clear()
			for _, f := range t.sources {
				if f != nil {
					f.newcomers.dropIf(func(forward.Arrival) bool { return true }, func(a forward.Arrival) { a.Buffer.Release() })
				}
			}
		}
	}
	c.forget(forward.Primary)
	c.forget(forward.Backup)
	for _, p := range c.pending {
		c.out.Answer(p.tickets, Answer{Err: marker.ErrClosed})
	}
	c.pending = nil
}
