package forward

import (
	"time"

	"github.com/framelock/relay/media/packet"
)

// Arrival is one packet as it came from the studio.
type Arrival struct {
	Buffer *packet.Buffer
	Header packet.Header
	At     time.Time
}

// Order is what Input says of a packet.
type Order uint8

// What becomes of a packet that arrives.
const (
	Taken     Order = iota // it will come out of Pop
	Duplicate              // it was here before
	TooLate                // so old that its slot is gone
)

// Sizes of the reorder window and of the memory of what was seen, in packets.
const (
	reorderSlots = 512
	seenSlots    = 4096
)

// staleRun is how many packets in a row may be too old before the source is
// taken to have begun its numbers anew.
const staleRun = 32

// Input puts a source's packets in order and numbers them. It waits for a packet
// that is missing no longer than the reorder window; one that comes later still
// gets the slot that was left for it. Buffers that Push takes are handed on by
// Pop, with their reference.
type Input struct {
	window time.Duration

	started bool
	next    uint64 // extended sequence number that Pop waits for
	waiting int
	ring    [reorderSlots]Arrival // by extended sequence number
	late    []Arrival             // packets for slots already passed
	seen    [seenSlots / 64]uint64
	newest  uint64 // largest extended sequence number seen
	stale   int    // packets in a row that were too late

	offset uint64 // slot minus extended sequence number, from shiftAt on
	before uint64 // the same, below shiftAt
	shift  uint64
	last   uint64 // largest slot handed out
	stats  InputStats
}

// InputStats counts what an Input has seen.
type InputStats struct {
	Packets, Duplicates, TooLate, Lost, Reordered uint64
}

// NewInput returns an input that waits for missing packets for at most window.
func NewInput(window time.Duration) *Input {
	// Extended numbers start high, so that packets older than the first still
	// have one; slots start at 1<<16.
	return &Input{window: window, late: make([]Arrival, 0, 16)}
}

// Restart forgets the source's numbering: the next packet is the first of a new
// source, and slots go on where they were. Waiting packets come out of flush.
func (in *Input) Restart(flush func(Arrival)) {
	for i := range in.ring {
		if in.ring[i].Buffer != nil {
			flush(in.ring[i])
			in.ring[i] = Arrival{}
		}
	}
	for _, a := range in.late {
		flush(a)
	}
	in.late, in.waiting, in.stale, in.started = in.late[:0], 0, 0, false
}

// Push takes a packet. The buffer belongs to Input only if the answer is Taken.
func (in *Input) Push(a Arrival) Order {
	if !in.started {
		in.start(a.Header.Sequence)
	}
	ext := packet.Extend16(in.newest, a.Header.Sequence)
	switch {
	case ext+seenSlots <= in.newest:
		in.stats.TooLate++
		if in.stale++; in.stale < staleRun {
			return TooLate
		}
		in.Restart(func(a Arrival) { a.Buffer.Release() })
		return in.Push(a)
	case ext <= in.newest && in.isSeen(ext):
		in.stats.Duplicates++
		return Duplicate
	case ext >= in.next+reorderSlots:
		in.skip(ext)
	}
	in.mark(ext)
	in.stale = 0
	in.stats.Packets++
	if ext < in.next {
		if len(in.late) == cap(in.late) {
			in.stats.TooLate++
			return TooLate
		}
		in.stats.Reordered++
		in.stats.Lost--
		in.late = append(in.late, a)
		return Taken
	}
	in.ring[ext%reorderSlots] = a
	in.waiting++
	return Taken
}

// Pop returns the next packet in order and its slot. late is true for a packet
// whose slot had been passed already. With nothing to hand out, ok is false.
func (in *Input) Pop(now time.Time) (a Arrival, slot uint64, late, ok bool) {
	if n := len(in.late); n > 0 {
		a = in.late[n-1]
		in.late = in.late[:n-1]
		return a, in.slot(packet.Extend16(in.next, a.Header.Sequence)), true, true
	}
	if in.waiting == 0 {
		return a, 0, false, false
	}
	if in.ring[in.next%reorderSlots].Buffer == nil {
		at, _ := in.oldest()
		if now.Sub(at) < in.window {
			return a, 0, false, false
		}
		for in.ring[in.next%reorderSlots].Buffer == nil {
			in.next++
			in.stats.Lost++
		}
	}
	p := &in.ring[in.next%reorderSlots]
	a, *p = *p, Arrival{}
	in.last = in.slot(in.next)
	in.next++
	in.waiting--
	return a, in.last, false, true
}

// Insert makes room for one packet of the relay's own before the packet that
// Pop returned last: that packet moves up by one, and the slot it had is free.
// It returns the slot that the packet has now.
func (in *Input) Insert() uint64 {
	in.before, in.shift = in.offset, in.next-1
	in.offset++
	in.last++
	return in.last
}

// Discard takes the packet that Pop returned last out of the count: the next one
// gets its slot.
func (in *Input) Discard() {
	in.before, in.shift = in.offset, in.next
	in.offset--
	in.last--
}

// Deadline returns when Pop will give up waiting for a missing packet.
func (in *Input) Deadline() (time.Time, bool) {
	if in.waiting == 0 {
		return time.Time{}, false
	}
	at, _ := in.oldest()
	return at.Add(in.window), true
}

// Stats returns the counts so far.
func (in *Input) Stats() InputStats { return in.stats }

// Newest returns the largest sequence number seen, extended by its cycles as a
// receiver report wants it (RFC 3550, section 6.4.1).
func (in *Input) Newest() uint32 { return uint32(in.newest - 1<<16) }

func (in *Input) start(seq uint16) {
	ext := 1<<16 + uint64(seq)
	in.started, in.next, in.newest = true, ext, ext-1
	in.offset = max(in.last+1, 1<<16) - ext
	in.before, in.shift = in.offset, 0
	clear(in.seen[:])
}

// skip gives up everything before ext, which is too far ahead to wait for. What
// was waiting is treated as late.
func (in *Input) skip(ext uint64) {
	for in.next+reorderSlots <= ext {
		p := &in.ring[in.next%reorderSlots]
		if p.Buffer != nil {
			in.waiting--
			if len(in.late) < cap(in.late) {
				in.late = append(in.late, *p)
			} else {
				p.Buffer.Release()
				in.stats.TooLate++
			}
			*p = Arrival{}
		} else {
			in.stats.Lost++
		}
		in.next++
	}
}

func (in *Input) slot(ext uint64) uint64 {
	if ext < in.shift {
		return ext + in.before
	}
	return ext + in.offset
}

func (in *Input) oldest() (time.Time, bool) {
	var at time.Time
	found, n := false, in.waiting
	for i := in.next; n > 0; i++ {
		if p := &in.ring[i%reorderSlots]; p.Buffer != nil {
			n--
			if !found || p.At.Before(at) {
				at, found = p.At, true
			}
		}
	}
	return at, found
}

func (in *Input) isSeen(ext uint64) bool {
	return in.seen[ext%seenSlots/64]&(1<<(ext%64)) != 0
}

// mark notes ext as seen and forgets the numbers that it pushes out.
func (in *Input) mark(ext uint64) {
	for ; in.newest < ext; in.newest++ {
		n := in.newest + 1
		in.seen[n%seenSlots/64] &^= 1 << (n % 64)
		if ext-n > seenSlots {
			in.newest = ext - seenSlots
		}
	}
	in.seen[ext%seenSlots/64] |= 1 << (ext % 64)
}
