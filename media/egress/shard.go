package egress

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/udp"
)

// Limits of a shard's queue and of its viewers' channels.
const (
	inboxSize    = 4096
	shedAbove    = inboxSize / 2 // messages waiting; beyond it packets are dropped
	channelLow   = 16 << 10      // bytes queued on a channel that still take a snapshot part
	channelLimit = 512 << 10     // bytes queued on the events channel that end a session
	fastLimit    = 16 << 10      // bytes queued on the fast channel that skip a copy
	sendBatch    = 64            // packets handed to a session at once
	nominalSize  = 1200          // bytes that a retransmission is taken to cost
)

// Settings of a shard's output.
type Settings struct {
	// PlayoutDelay is the value of the playout-delay header extension: 12 bits
	// minimum, 12 bits maximum, in steps of 10 ms.
	PlayoutDelay [3]byte
	Writer       udp.Writer // of the shard alone
	Now          func() time.Time
	Drops        Drops
}

// Shard is one loop that owns the output state of its viewers.
type Shard struct {
	set      Settings
	inbox    chan message // from streams, and who leaves
	spoken   chan *Viewer // who has said something
	done     chan struct{}
	unheard  atomic.Bool   // somebody has receipts to come, for whom spoken had no room
	overruns atomic.Uint64 // count of times that something had no room in the inbox

	// Owned by Run.
	seen     uint64            // overruns whose viewers have been ended
	audience map[int]*audience // by stream
	queue    *udp.Queue
	round    []*Viewer // that a batch is being sent to
	paced    []*Viewer // who have packets that wait for their turn
	out      [sendBatch]Outgoing
	rtcp     [64]byte
	timer    *time.Timer
	reported time.Time
}

// audience is the viewers of one stream on one shard.
type audience struct {
	viewers []*Viewer
	turn    int // of who is sent a batch first
	clocks  [forward.Tracks]ClockMap
	copies  []scheduled
}

type kind uint8

const (
	batchIn kind = iota
	join
	tell
	burst
	resend
	leave
)

// message is one thing for a shard to do; kind says which fields are set.
type message struct {
	kind     kind
	shed     bool // of batchIn: drop the packets
	batch    *Batch
	viewer   *Viewer
	parts    [][]byte
	packets  []forward.Packet
	clocks   [forward.Tracks]ClockMap
	overruns uint64 // of join: how many there had been
	reason   string
}

// NewShard returns a shard; Run makes it work.
func NewShard(set Settings) *Shard {
	return &Shard{
		set: set, queue: udp.NewQueue(set.Writer), inbox: make(chan message, inboxSize), spoken: make(chan *Viewer, heardSize),
		done: make(chan struct{}), audience: map[int]*audience{},
	}
}

// Media gives the shard a batch, with a reference. It never blocks. A shard that
// is far behind drops the packets, and video waits for the next keyframe. One
// that stands still loses its viewers: they come back with a fresh snapshot.
func (s *Shard) Media(b *Batch) {
	shed := len(s.inbox) > shedAbove
	if shed {
		s.set.Drops.Dropped(DropShardBehind, len(b.Packets))
	}
	select {
	case s.inbox <- message{kind: batchIn, batch: b, shed: shed}:
	case <-s.done:
		b.Release()
	default:
		s.set.Drops.Dropped(DropShardStalled, 1)
		s.overruns.Add(1)
		b.Release()
	}
}

// Join adds a viewer: the snapshot's parts first, then the packets of the burst,
// then everything that the stream sends from now on. Without packets, video
// waits for Burst. The shard takes over the references of the packets.
func (s *Shard) Join(v *Viewer, parts [][]byte, packets []forward.Packet, clocks [forward.Tracks]ClockMap) {
	m := message{kind: join, viewer: v, parts: parts, packets: packets, clocks: clocks, overruns: s.overruns.Load()}
	if !s.try(m) {
		v.abandon("overrun")
		return
	}
	select {
	case <-s.done: // the message may have come too late to be read
		v.abandon("shutdown")
	default:
	}
}

// Tell sends a viewer that has joined a snapshot, after which events follow.
func (s *Shard) Tell(v *Viewer, parts [][]byte) {
	if !s.try(message{kind: tell, viewer: v, parts: parts}) {
		s.overruns.Add(1)
	}
}

// Burst starts a viewer's video with packets from a keyframe on; what the stream
// sends afterwards follows. The shard takes over the references.
func (s *Shard) Burst(v *Viewer, packets []forward.Packet) {
	if !s.try(message{kind: burst, viewer: v, packets: packets}) {
		s.overruns.Add(1)
	}
}

// Resend sends packets that a viewer missed. The shard takes over the references.
func (s *Shard) Resend(v *Viewer, packets []forward.Packet) {
	if n := len(packets); !s.try(message{kind: resend, viewer: v, packets: packets}) {
		s.set.Drops.Dropped(DropNack, n)
	}
}

// Leave ends a viewer's session and forgets the viewer.
func (s *Shard) Leave(v *Viewer, reason string) {
	s.post(message{kind: leave, viewer: v, reason: reason})
	select {
	case <-s.done: // the message may have come too late to be read
		v.abandon(reason)
	default:
	}
}

// try is for a stream's loop, which must not wait for a shard. A shard that has
// no room stands still.
func (s *Shard) try(m message) bool {
	select {
	case s.inbox <- m:
		return true
	case <-s.done:
	default:
	}
	releaseAll(m.packets)
	return false
}

func (s *Shard) post(m message) {
	select {
	case s.inbox <- m:
	case <-s.done:
		releaseAll(m.packets)
	}
}

// Run works until ctx ends, then closes every session.
func (s *Shard) Run(ctx context.Context) {
	s.timer = time.NewTimer(time.Hour)
	defer s.timer.Stop()
	for ctx.Err() == nil {
		select {
		case m := <-s.inbox: // before what viewers say
			s.handle(m)
		default: // what waits to be sent need not wait any more
			s.transmit()
			s.wait(ctx)
		}
		s.endOverrun()
		s.timer.Reset(s.tick(s.set.Now()))
	}
	s.transmit()
	close(s.done)
	s.closeAll("shutdown")
	for {
		select {
		case m := <-s.inbox:
			switch m.kind {
			case batchIn:
				m.batch.Release()
			case join, leave:
				s.end(m.viewer, "shutdown")
			}
			releaseAll(m.packets)
		default:
			return
		}
	}
}

// wait does the next thing that there is to do.
func (s *Shard) wait(ctx context.Context) {
	select {
	case m := <-s.inbox:
		s.handle(m)
	case v := <-s.spoken:
		now := s.set.Now()
		s.look(v, now)
		s.listen(now)
	case <-s.timer.C:
	case <-ctx.Done():
	}
}

// endOverrun ends the sessions that have missed something: all that there are.
// They come back with a fresh snapshot.
func (s *Shard) endOverrun() {
	if n := s.overruns.Load(); n != s.seen {
		s.seen = n
		s.closeAll("overrun")
	}
}

func (s *Shard) handle(m message) {
	s.endOverrun() // those who joined before it, and not who is in m
	switch m.kind {
	case batchIn:
		s.fanOut(m.batch, m.shed)
		m.batch.Release()
		return
	case join:
		s.join(m)
		return
	}
	if v := m.viewer; v.joined && !v.closed {
		switch m.kind {
		case tell:
			v.parts = m.parts
			s.queueParts(v)
		case burst:
			// A burst that comes when video flows again would repeat sequence numbers.
			if v.blank || v.live || !s.resumes(v, s.set.Now()) {
				break
			}
			s.letGo(v, s.set.Now()) // by the numbering of before
			v.tracks[forward.Video].sequence.Skip()
			v.live = true
			s.send(v, m.packets, false)
		case resend:
			s.send(v, m.packets, false)
		case leave:
			s.end(v, m.reason)
		}
	} else if m.kind == leave {
		s.end(v, m.reason)
	}
	releaseAll(m.packets)
}

func (s *Shard) join(m message) {
	v := m.viewer
	defer releaseAll(m.packets)
	if v.closed {
		return
	}
	if m.overruns != s.seen { // it has missed something of what came after its cut
		s.end(v, "overrun")
		return
	}
	a := s.audience[v.Stream]
	if a == nil {
		a = &audience{}
		s.audience[v.Stream] = a
	}
	a.viewers = append(a.viewers, v)
	a.clocks = m.clocks
	v.joined = true
	s.senderReports(v, a, s.set.Now())
	v.parts = m.parts
	s.queueParts(v)
	if v.closed {
		return
	}
	// Media starts when the whole snapshot is queued.
	v.blank = len(v.parts) > 0
	if v.live = len(m.packets) > 0 && !v.blank && s.resumes(v, s.set.Now()); v.live {
		s.send(v, m.packets, false)
	}
}

// end closes a session, once, and forgets its viewer.
func (s *Shard) end(v *Viewer, reason string) {
	if v.closed {
		return
	}
	v.closed = true
	defer v.abandon(reason)
	v.forgetHeld()
	if a := s.audience[v.Stream]; a != nil {
		if i := slices.Index(a.viewers, v); i >= 0 {
			a.viewers = slices.Delete(a.viewers, i, i+1)
		}
		if len(a.viewers) == 0 {
			delete(s.audience, v.Stream)
		}
	}
}

func (s *Shard) closeAll(reason string) {
	for _, a := range s.audience {
		for _, v := range append([]*Viewer(nil), a.viewers...) {
			s.end(v, reason)
		}
	}
}
