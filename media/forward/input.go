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
	Origin Origin
	// Sum is a sum of the datagram's bytes, by which the copies of two paths are
	// compared; 0 where there is one path.
	Sum uint64
}

// Order is what Input says of a packet.
type Order uint8

// What becomes of a packet that arrives.
const (
	Taken     Order = iota // it will come out of Pop
	Duplicate              // it was here before
	Redundant              // it was here before, by the other path
	Different              // the other path brought other bytes under this number
	TooLate                // there is no slot for it any more
)

const (
	// reorderSlots is the reorder window in packets. One that is further ahead is
	// not waited for: what came before comes out first, then the numbering goes on
	// there.
	reorderSlots = 512
	// memorySlots is for how many packets it is known which slot they have or had.
	memorySlots = 1024
	// strayRun is how many packets in a row may fit nowhere before the source is
	// taken to have begun its numbers anew.
	strayRun = 32
	// maxDropout is the largest jump ahead that counts as loss (RFC 3550, appendix
	// A.1). A larger one is a source with new numbers.
	maxDropout = 3000

	firstNumber = 1 << 16 // a source's first number, extended, is not below this
	firstSlot   = 1 << 16
)

// Input puts a source's packets in order and gives each a slot: a number of its
// own that counts lost packets. It waits for a packet that is missing no longer
// than the reorder window; one that comes later still gets the slot that was left
// for it. Where the source's numbers jump too far for that, one slot stays empty,
// so that nobody takes the two sides for one run.
//
// Pop is called until it has nothing more before the next Push: a packet that is
// pushed earlier may find no room, and is too late then. Buffers that Push takes
// are handed on by Pop or Restart, with their reference.
type Input struct {
	window time.Duration

	started bool
	first   uint64 // extended number with which the numbering began
	next    uint64 // extended number that Pop waits for
	newest  uint64 // largest extended number seen
	slot    uint64 // of next
	memory  [memorySlots]numbered
	strays  int // packets in a row that fitted nowhere

	ring    [reorderSlots]Arrival // not yet handed out, by extended number
	waiting int                   // packets in ring
	aside   aside
	fresh   bool // Pop's last packet came in order, and counts

	stats InputStats
}

// numbered is what is remembered of an extended number.
type numbered struct {
	slot      uint64 // once it has been passed
	sum       uint64
	timestamp uint32
	path      Path // that brought it
	seen      bool
}

// aside is a packet that has no place in the ring: it comes late, or with it the
// numbers begin anew once the ring is empty.
type aside struct {
	Arrival
	number uint64 // extended
	late   bool
}

// InputStats counts what an Input has seen. Packets are those taken; Lost those
// that were given up and have not come since.
type InputStats struct {
	Packets, Duplicates, TooLate, Lost, Reordered uint64
	// Redundant are the second copies that two paths brought, Different those of
	// them that were not the same packet: the first is the one that counts.
	Redundant, Different uint64
	// OutOfOrder came after a later one, yet in time to be put in its place.
	OutOfOrder uint64
}

// NewInput returns an input that waits for missing packets for at most window.
func NewInput(window time.Duration) *Input {
	return &Input{window: window, newest: firstNumber, slot: firstSlot}
}

// SetWindow changes how long a missing packet is waited for.
func (in *Input) SetWindow(window time.Duration) { in.window = window }

// Restart forgets the source's numbering: the next packet is the first of a new
// source, and slots go on where they were. Packets that wait come out of flush.
func (in *Input) Restart(flush func(Arrival)) {
	for i := in.next; in.waiting > 0; i++ {
		if p := &in.ring[i%reorderSlots]; p.Buffer != nil {
			flush(*p)
			*p = Arrival{}
			in.waiting--
		}
	}
	if in.aside.Buffer != nil {
		flush(in.aside.Arrival)
		in.aside = aside{}
	}
	in.started, in.fresh = false, false
}

// Push takes a packet. The buffer belongs to Input only if the answer is Taken.
func (in *Input) Push(a Arrival) Order {
	if !in.started {
		in.begin(firstNumber + uint64(a.Header.Sequence))
	}
	n := packet.Extend16(in.newest, a.Header.Sequence)
	m := &in.memory[n%memorySlots]
	switch {
	case in.aside.Buffer != nil:
		return in.refuse(m, &a)
	case n > in.newest && n < in.next+reorderSlots:
		in.see(n, &a)
		in.strays = 0
		in.place(n, a)
	case n > in.newest:
		in.aside = aside{a, n, false}
	case n < in.first || n+memorySlots <= in.newest || m.seen && m.timestamp != a.Header.Timestamp:
		if in.strays++; in.strays < strayRun {
			return in.refuse(m, &a)
		}
		in.aside = aside{a, firstNumber + uint64(a.Header.Sequence), false}
	case m.seen:
		return in.again(m, &a)
	case n < in.next:
		in.see(n, &a)
		in.aside = aside{a, n, true}
		in.stats.Reordered++
		in.stats.Lost--
	default:
		in.see(n, &a)
		in.place(n, a)
		in.stats.OutOfOrder++
	}
	in.stats.Packets++
	return Taken
}

// Pop returns the next packet in order and its slot. late is true for a packet
// whose slot had been passed already. With nothing to hand out, ok is false.
func (in *Input) Pop(now time.Time) (a Arrival, slot uint64, late, ok bool) {
	if in.aside.late {
		a, slot = in.aside.Arrival, in.memory[in.aside.number%memorySlots].slot
		in.aside, in.fresh = aside{}, false
		return a, slot, true, true
	}
	jump := in.aside.Buffer != nil
	if in.waiting == 0 {
		if !jump {
			return a, 0, false, false
		}
		in.jump()
	}
	if in.ring[in.next%reorderSlots].Buffer == nil {
		if !jump && now.Sub(in.oldest()) < in.window {
			return a, 0, false, false
		}
		for in.ring[in.next%reorderSlots].Buffer == nil {
			in.pass()
			in.stats.Lost++
		}
	}
	p := &in.ring[in.next%reorderSlots]
	a, *p = *p, Arrival{}
	in.waiting--
	in.fresh = true
	return a, in.pass(), false, true
}

// Insert makes room for one packet of the relay's own before the packet that
// Pop returned last: that packet moves up by one, and the slot it had is free.
// It returns the slot that the packet has now.
func (in *Input) Insert() uint64 {
	slot := in.slot
	in.slot++
	return slot
}

// Discard takes the packet that Pop returned last out of the count: the next one
// gets its slot. The slot of a late packet stays empty.
func (in *Input) Discard() {
	if in.fresh {
		in.fresh = false
		in.slot--
	}
}

// Deadline returns when Pop has something to hand out, at the latest: the end of
// the wait for a missing packet. It is false if nothing waits.
func (in *Input) Deadline() (time.Time, bool) {
	switch {
	case in.aside.Buffer != nil:
		return in.aside.At, true
	case in.waiting == 0:
		return time.Time{}, false
	case in.ring[in.next%reorderSlots].Buffer != nil:
		return in.ring[in.next%reorderSlots].At, true
	}
	return in.oldest().Add(in.window), true
}

// Stats returns the counts so far.
func (in *Input) Stats() InputStats { return in.stats }

// Newest returns the largest sequence number seen, extended by its cycles as a
// receiver report wants it (RFC 3550, section 6.4.1).
func (in *Input) Newest() uint32 { return uint32(in.newest - firstNumber) }

// begin starts a numbering with an extended number. Of those before it nothing is
// asked of memory, of those after it nothing is there.
func (in *Input) begin(n uint64) {
	in.started, in.first, in.next, in.newest, in.strays = true, n, n, n-1, 0
}

// jump begins the numbering that the packet aside announces.
func (in *Input) jump() {
	a := in.aside
	in.aside = aside{}
	if a.number > in.newest && a.number-in.next <= maxDropout {
		in.stats.Lost += a.number - in.next
	}
	in.slot++
	in.begin(a.number)
	in.see(a.number, &a.Arrival)
	in.place(a.number, a.Arrival)
}

// refuse counts a packet that is not taken: m is what is remembered of its number.
func (in *Input) refuse(m *numbered, a *Arrival) Order {
	if m.seen && m.path != a.Origin.Path && m.timestamp != a.Header.Timestamp {
		in.stats.Different++
		return Different
	}
	in.stats.TooLate++
	return TooLate
}

// again counts a packet whose number has come before.
func (in *Input) again(m *numbered, a *Arrival) Order {
	switch {
	case m.path == a.Origin.Path:
		in.stats.Duplicates++
		return Duplicate
	case m.sum != a.Sum:
		in.stats.Different++
		return Different
	}
	in.stats.Redundant++
	return Redundant
}

func (in *Input) place(n uint64, a Arrival) {
	in.ring[n%reorderSlots] = a
	in.waiting++
}

// see notes that a number has come, and forgets those that it pushes out.
func (in *Input) see(n uint64, a *Arrival) {
	for in.newest < n {
		in.newest++
		in.memory[in.newest%memorySlots] = numbered{}
	}
	m := &in.memory[n%memorySlots]
	m.seen, m.timestamp, m.path, m.sum = true, a.Header.Timestamp, a.Origin.Path, a.Sum
}

// pass gives the next number its slot and goes on.
func (in *Input) pass() uint64 {
	slot := in.slot
	in.memory[in.next%memorySlots].slot = slot
	in.next++
	in.slot++
	return slot
}

// oldest returns when the packet came that has waited longest.
func (in *Input) oldest() (at time.Time) {
	for i, n := in.next, in.waiting; n > 0; i++ {
		if p := &in.ring[i%reorderSlots]; p.Buffer != nil {
			n--
			if at.IsZero() || p.At.Before(at) {
				at = p.At
			}
		}
	}
	return at
}
