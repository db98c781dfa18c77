package udp

import (
	"net/netip"

	"github.com/framelock/relay/media/packet"
)

// Run is datagrams to one address that lie one after the other: each is Segment
// bytes long, but for the last, which may be shorter.
type Run struct {
	Data    []byte
	Segment int
	To      netip.AddrPort
}

// Writer sends runs. Each goroutine that sends much has one of its own.
type Writer interface {
	// WriteRuns sends runs in order, with as few system calls as the system allows.
	// It waits for room in the socket. It returns how many datagrams were refused,
	// and why the first was.
	WriteRuns(runs []Run) (refused int, err error)
}

// Limits of a queue.
const (
	// MaxDatagram is the largest datagram that a queue takes, in bytes: a packet with
	// the header extensions and the authentication of a viewer.
	MaxDatagram = packet.MaxSize + 128
	maxRuns     = 64
	maxSegments = 64        // of a run (UDP_MAX_SEGMENTS of Linux before 6.9)
	maxRunSize  = 60_000    // bytes of a run; an IP packet holds 65,535
	arenaSize   = 256 << 10 // bytes; a core's cache holds it
)

// Queue collects datagrams and sends them together. Neighbours for the same address
// that are equally long become one run. One goroutine owns it.
type Queue struct {
	w       Writer
	arena   []byte
	runs    []Run
	refused int
	err     error
}

// NewQueue returns an empty queue.
func NewQueue(w Writer) *Queue {
	return &Queue{w: w, arena: make([]byte, 0, arenaSize), runs: make([]Run, 0, maxRuns)}
}

// Room returns memory for the next datagram: no bytes yet, and a capacity of
// MaxDatagram. It may send what waits.
func (q *Queue) Room() []byte {
	end := len(q.arena)
	if cap(q.arena)-end < MaxDatagram || len(q.runs) == cap(q.runs) {
		q.send()
		end = 0
	}
	return q.arena[end : end : end+MaxDatagram]
}

// Add queues a datagram that was written into what Room returned last.
func (q *Queue) Add(datagram []byte, to netip.AddrPort) {
	start, size := len(q.arena), len(datagram)
	q.arena = q.arena[:start+size]
	if n := len(q.runs); n > 0 {
		r := &q.runs[n-1]
		whole := len(r.Data)%r.Segment == 0 // a shorter one ends its run
		if r.To == to && whole && size <= r.Segment && len(r.Data) < maxSegments*r.Segment && len(r.Data)+size <= maxRunSize {
			r.Data = r.Data[:len(r.Data)+size]
			return
		}
	}
	q.runs = append(q.runs, Run{Data: q.arena[start:], Segment: size, To: to})
}

// Flush sends what waits. It returns how many datagrams were refused since the last
// Flush, and why the first was.
func (q *Queue) Flush() (refused int, err error) {
	q.send()
	refused, err = q.refused, q.err
	q.refused, q.err = 0, nil
	return refused, err
}

func (q *Queue) send() {
	if len(q.runs) == 0 {
		return
	}
	refused, err := q.w.WriteRuns(q.runs)
	q.refused += refused
	if q.err == nil {
		q.err = err
	}
	q.runs, q.arena = q.runs[:0], q.arena[:0]
}

// plainWriter sends each datagram by itself.
type plainWriter struct {
	write func(b []byte, to netip.AddrPort) error
}

func (w plainWriter) WriteRuns(runs []Run) (refused int, first error) {
	for _, r := range runs {
		for rest := r.Data; len(rest) > 0; {
			n := min(r.Segment, len(rest))
			if err := w.write(rest[:n], r.To); err != nil {
				refused++
				if first == nil {
					first = err
				}
			}
			rest = rest[n:]
		}
	}
	return refused, first
}
