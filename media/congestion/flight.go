package congestion

import (
	"time"

	"github.com/framelock/relay/media/packet"
)

// tick is the unit of time in TWCC feedback (draft-holmer-rmcat-transport-wide-cc-
// extensions-01, section 3.1.5), and here.
const tick = 250 * time.Microsecond

// ticksPerSecond turns bits per tick into bits per second.
const ticksPerSecond = float64(time.Second / tick)

// flightLimit is how many packets can be under way and not yet reported. Feedback
// on older ones is ignored: 1,024 are half a second of 20 Mbit/s.
const flightLimit = 1024

// flight is one packet that was sent. It has its size in steps of 8 bytes in the
// upper 8 bits, then one that says whether feedback has called it lost, then the
// time of sending in ticks, which 35 minutes wrap around. 0 is no packet.
type flight uint32

const (
	flightTime = 1<<23 - 1
	flightLost = 1 << 23
	sizeShift  = 24
	sizeStep   = 8
)

func newFlight(size int, at int64) flight {
	steps := min(max((size+sizeStep/2)/sizeStep, 1), 255)
	return flight(steps<<sizeShift) | flight(at&flightTime)
}

func (f flight) bits() float64 { return float64(f>>sizeShift) * sizeStep * 8 }
func (f flight) lost() bool    { return f&flightLost != 0 }

// sent returns when the packet was sent, given a time not long after.
func (f flight) sent(now int64) int64 { return now - (now-int64(f))&flightTime }

// flights is what was sent and has not been received as far as is known, by
// transport-wide sequence number.
type flights struct {
	ring [flightLimit]flight
	next uint64 // one past the newest number, extended; 0 = none yet
}

// add notes a packet. A number that is not newer than all before is ignored.
func (s *flights) add(number uint16, size int, at int64) {
	n := s.extend(number)
	if s.next == 0 {
		n = 1<<16 + uint64(number) // room for feedback on numbers before the first
		s.next = n
	}
	if n < s.next {
		return
	}
	for skipped := max(s.next, n-min(n, flightLimit)); skipped < n; skipped++ {
		s.ring[skipped%flightLimit] = 0
	}
	s.ring[n%flightLimit] = newFlight(size, at)
	s.next = n + 1
}

// extend returns the full number that a 16-bit one stands for.
func (s *flights) extend(number uint16) uint64 { return packet.Extend16(s.next, number) }

// at returns the packet with a number, or nil if there is none of which to learn.
func (s *flights) at(n uint64) *flight {
	if n >= s.next || n+flightLimit < s.next {
		return nil
	}
	if f := &s.ring[n%flightLimit]; *f != 0 {
		return f
	}
	return nil
}
