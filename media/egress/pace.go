package egress

import (
	"slices"
	"time"

	"github.com/framelock/relay/media/forward"
)

// held is a packet of video that waits for its turn, with a reference on its buffer.
type held struct {
	packet forward.Packet
	since  time.Time
}

// wireSize returns what a viewer's copy of a packet takes on the wire, in bytes.
func wireSize(p *forward.Packet) int { return len(p.Payload()) + overhead }

// holds keeps a packet of video back if it is part of more than the viewer's path
// takes at once, or follows such a one.
func (s *Shard) holds(v *Viewer, p *forward.Packet, pace float64, now time.Time) bool {
	if v.tracks[forward.Video].SSRC == 0 {
		return false
	}
	size := wireSize(p)
	if len(v.held) == 0 {
		wait := v.pacer.Leave(size, pace, size, 0, now)
		if wait == 0 {
			return false
		}
		v.nextTurn = now.Add(wait)
		if !v.paced {
			s.paced, v.paced = append(s.paced, v), true
		}
	}
	p.Buffer.Retain(1)
	v.held = append(v.held, held{*p, now})
	v.hold(size)
	v.evidence.frame(p) // now: a gap that comes before its turn is after it
	return true
}

// takeTurns sends what may leave by now, and returns how long until more may.
func (s *Shard) takeTurns(now time.Time) time.Duration {
	wait := reportSpacing
	s.paced = slices.DeleteFunc(s.paced, func(v *Viewer) bool {
		if len(v.held) > 0 && !now.Before(v.nextTurn) {
			s.takeTurn(v, now)
		}
		if v.paced = len(v.held) > 0; !v.paced {
			return true
		}
		wait = min(wait, v.nextTurn.Sub(now))
		return false
	})
	return wait
}

func (s *Shard) takeTurn(v *Viewer, now time.Time) {
	pace := v.path.Pace(now)
	n, sent := 0, 0
	for ; sent < len(v.held); sent++ {
		h := &v.held[sent]
		size := wireSize(&h.packet)
		if wait := v.pacer.Leave(size, pace, v.heldSize, now.Sub(h.since), now); wait > 0 {
			v.nextTurn = now.Add(wait)
			break
		}
		v.hold(-size)
		n = s.put(v, &h.packet, n, now)
	}
	if n > 0 {
		s.flush(v, n)
	}
	for i := range v.held[:sent] {
		v.held[i].packet.Buffer.Release()
	}
	v.held = slices.Delete(v.held, 0, sent)
}

// letGo sends all that waits at once.
func (s *Shard) letGo(v *Viewer, now time.Time) {
	n := 0
	for i := range v.held {
		n = s.put(v, &v.held[i].packet, n, now)
	}
	if n > 0 {
		s.flush(v, n)
	}
	v.forgetHeld()
}

// forgetHeld drops all that waits.
func (v *Viewer) forgetHeld() {
	for i := range v.held {
		v.held[i].packet.Buffer.Release()
	}
	clear(v.held)
	v.held = v.held[:0]
	v.hold(-v.heldSize)
}

func (v *Viewer) hold(bytes int) {
	v.heldSize += bytes
	v.path.Hold(bytes)
}
