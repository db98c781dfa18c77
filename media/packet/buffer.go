package packet

import "sync/atomic"

// MaxSize is the largest datagram a buffer holds, in bytes: an Ethernet frame's
// worth. A longer datagram is truncated by the socket and dropped at ingest.
const MaxSize = 1500

// Buffer is one datagram with a count of its holders. The holder that releases
// last gives the memory back to the pool it came from.
type Buffer struct {
	Data []byte // the datagram; a slice of the buffer's own memory

	memory [MaxSize]byte
	refs   atomic.Int32
	pool   *Pool
}

// Memory returns the whole of the buffer's memory, for a socket to read into.
func (b *Buffer) Memory() []byte { return b.memory[:] }

// Retain adds n holders. Only a holder may do so: retaining a buffer that has
// gone back to its pool panics.
func (b *Buffer) Retain(n int32) {
	if b.refs.Add(n) <= n {
		panic("packet: buffer retained by somebody who does not hold it")
	}
}

// Release ends one holder's use of the buffer. Releasing more often than there
// are holders is a bug in the caller and panics.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n < 0:
		panic("packet: buffer released more often than held")
	case n == 0:
		b.pool.put(b)
	}
}

// Pool hands out buffers and takes them back. It may be used by any number of
// goroutines, and never blocks.
type Pool struct {
	free chan *Buffer
	live atomic.Int64
}

// NewPool returns a pool that keeps up to keep free buffers for reuse.
func NewPool(keep int) *Pool {
	return &Pool{free: make(chan *Buffer, keep)}
}

// Get returns a buffer with one holder. Its content is undefined.
func (p *Pool) Get() *Buffer {
	p.live.Add(1)
	var b *Buffer
	select {
	case b = <-p.free:
	default:
		b = &Buffer{pool: p}
	}
	b.refs.Store(1)
	b.Data = b.memory[:0]
	return b
}

// Live returns the number of buffers that are held: zero once everybody has
// released what they got.
func (p *Pool) Live() int64 { return p.live.Load() }

func (p *Pool) put(b *Buffer) {
	p.live.Add(-1)
	select {
	case p.free <- b:
	default:
	}
}
