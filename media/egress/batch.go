package egress

import (
	"sync/atomic"
	"time"

	"github.com/framelock/relay/media/forward"
)

// Message is one message for all viewers of a stream that have its channel.
type Message struct {
	Bytes   []byte // never changed
	Channel Channel
	Repeat  bool // an event: worth copies on the fast channel for lossy viewers
}

// ClockMap ties a track to the wall clock for viewers' sender reports: the
// canonical timestamp that is captured at an instant.
type ClockMap struct {
	TS   uint64
	At   time.Time
	Rate uint32
}

// at returns the canonical timestamp captured at an instant.
func (m ClockMap) at(t time.Time) uint64 {
	return m.TS + uint64(int64(t.Sub(m.At).Seconds()*float64(m.Rate)))
}

// Batch is what one turn of a stream's loop has for its viewers: messages first,
// then packets. Every shard that gets it holds a reference.
type Batch struct {
	Stream   int
	Messages []Message
	Packets  []forward.Packet // each holds a reference on its buffer
	Clocks   [forward.Tracks]ClockMap

	refs atomic.Int32
	home chan *Batch
}

// Batches is a supply of batches for one stream.
type Batches struct {
	stream int
	free   chan *Batch
}

// NewBatches returns the supply of the stream with the given number.
func NewBatches(stream int) *Batches {
	return &Batches{stream: stream, free: make(chan *Batch, 64)}
}

// Get returns an empty batch with one holder.
func (s *Batches) Get() *Batch {
	var b *Batch
	select {
	case b = <-s.free:
	default:
		b = &Batch{Stream: s.stream, home: s.free, Packets: make([]forward.Packet, 0, 64)}
	}
	b.refs.Store(1)
	return b
}

// Empty reports whether there is nothing in the batch.
func (b *Batch) Empty() bool { return len(b.Messages) == 0 && len(b.Packets) == 0 }

// Add copies a packet into the batch and takes a reference on its buffer.
func (b *Batch) Add(p *forward.Packet) {
	p.Buffer.Retain(1)
	b.Packets = append(b.Packets, *p)
}

// Retain adds a holder.
func (b *Batch) Retain() { b.refs.Add(1) }

// Release ends one holder's use; the last gives back buffers and batch.
func (b *Batch) Release() {
	if n := b.refs.Add(-1); n > 0 {
		return
	} else if n < 0 {
		panic("egress: batch released more often than held")
	}
	releaseAll(b.Packets)
	clear(b.Messages)
	b.Packets, b.Messages = b.Packets[:0], b.Messages[:0]
	select {
	case b.home <- b:
	default:
	}
}

func releaseAll(packets []forward.Packet) {
	for i := range packets {
		packets[i].Buffer.Release()
		packets[i] = forward.Packet{}
	}
}
