package egress

import (
	"time"

	"github.com/framelock/relay/media/forward"
)

// fanOut sends a batch to every viewer of its stream: messages first, so that an
// event is on its way before the frame that it refers to.
func (s *Shard) fanOut(b *Batch, shed bool) {
	a := s.audience[b.Stream]
	if a == nil {
		return
	}
	a.clocks = b.Clocks
	for _, m := range b.Messages {
		a.tellAll(s, m)
	}
	if len(b.Packets) == 0 {
		return
	}
	if shed {
		s.shed(a)
		return
	}
	// Another viewer is the first each time: nobody always gets an outcome last.
	a.turn++
	viewers := s.round[:0]
	first := a.turn % max(1, len(a.viewers))
	viewers = append(append(viewers, a.viewers[first:]...), a.viewers[:first]...)
	for _, v := range viewers { // a copy: who is ended leaves the list
		if !v.closed {
			s.send(v, b.Packets, true)
		}
	}
	clear(viewers)
	s.round = viewers
}

// shed leaves packets out for everybody: video waits for the next keyframe.
func (s *Shard) shed(a *audience) {
	for i := len(a.viewers) - 1; i >= 0; i-- { // who is ended leaves the list
		if v := a.viewers[i]; v.live {
			s.awaitKeyframe(v)
		}
	}
}

// send gives a viewer its copies of packets. Video is left out while the viewer
// waits for a keyframe; what comes in its turn flows as far as the viewer's path
// carries it.
func (s *Shard) send(v *Viewer, packets []forward.Packet, inTurn bool) {
	n, now := 0, s.set.Now()
	pace := v.path.Pace(now)
	spread := pace > 0 || len(v.held) > 0
	for i := range packets {
		p := &packets[i]
		fresh := p.Track == forward.Video && !p.Retransmitted
		if p.Track == forward.Video && (!v.live || inTurn && !s.admits(v, p, now)) || fresh && spread && s.holds(v, p, pace, now) {
			continue
		}
		next := s.put(v, p, n, now)
		if fresh && next != n {
			v.evidence.frame(p)
		}
		n = next
	}
	if n > 0 {
		s.flush(v, n)
	}
	if v.congested != v.valve.Congested() {
		s.tellCongestion(v)
	}
	if !v.begun && v.started() {
		v.begun = true
		v.Source.Began(v, now.Sub(v.Opened), v.told)
	}
}

// put adds a viewer's copy of a packet to the n that are in out, and returns how
// many then are: n if the viewer does not get the packet.
func (s *Shard) put(v *Viewer, p *forward.Packet, n int, now time.Time) int {
	o := &s.out[n]
	if !v.outgoing(p, s.set.PlayoutDelay, o) {
		return n
	}
	v.depart(o, v.tracks[p.Track].TransportSequence, now)
	if n++; n == len(s.out) {
		s.flush(v, n)
		return 0
	}
	return n
}

func (s *Shard) flush(v *Viewer, n int) {
	if err := v.session.Send(s.queue, s.out[:n]); err != nil {
		s.set.Drops.Dropped(DropSend, n)
	}
}

// transmit sends what is queued.
func (s *Shard) transmit() {
	if refused, err := s.queue.Flush(); err != nil {
		s.set.Drops.Dropped(DropSend, refused)
	}
}
