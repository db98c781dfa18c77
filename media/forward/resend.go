package forward

import "time"

// Limits of retransmission to one viewer.
const (
	maxResends     = 7                     // per packet: one of ten lost both ways leaves one of a million
	minResendSpace = 20 * time.Millisecond // between two of one packet, or most of an RTT if that is longer
	resendMemory   = 512                   // packets remembered
	// resendRest is how long a packet is remembered for sure: one that would take
	// its place meanwhile is refused, lest two that take turns be sent for ever.
	resendRest = 500 * time.Millisecond
)

// Resends decides which of a viewer's NACKs are answered: a packet at most seven
// times, not faster than the viewer can know, and within a budget of bytes.
type Resends struct {
	Rate  float64 // bytes per second that may be spent
	Burst float64 // bytes that may be saved up

	entries [resendMemory]resend
	saved   float64
	filled  time.Time
	start   time.Time
}

// resend is a packet that was sent again. Every viewer has many of these: they are
// small.
type resend struct {
	lap  uint32 // which of the slots that share the place
	when uint32 // in milliseconds; wraps after 49 days
}

// Bits of resend.lap: the count takes three of them.
const (
	countBits = 3
	countMask = 1<<countBits - 1
)

// Allow reports whether a packet of the given size may be sent again now.
func (r *Resends) Allow(slot uint64, size int, rtt time.Duration, now time.Time) bool {
	if r.start.IsZero() {
		r.start, r.filled, r.saved = now, now, r.Burst
	}
	e := &r.entries[slot%resendMemory]
	elapsed := now.Sub(r.start)
	passed := uint32(elapsed/time.Millisecond) - e.when
	if passed == ^uint32(0) { // when was rounded up
		passed = 0
	}
	since, count := time.Duration(passed)*time.Millisecond, e.lap&countMask
	if lap := uint32(slot/resendMemory) << countBits; e.lap&^countMask != lap || count == 0 {
		if count > 0 && since < resendRest {
			return false
		}
		*e, count = resend{lap: lap}, 0
	}
	if count >= maxResends || count > 0 && since < max(rtt-rtt/4, minResendSpace) {
		return false
	}
	r.saved = min(r.Burst, r.saved+r.Rate*now.Sub(r.filled).Seconds())
	r.filled = now
	if r.saved < float64(size) {
		return false
	}
	r.saved -= float64(size)
	e.lap++
	e.when = uint32((elapsed + time.Millisecond - 1) / time.Millisecond) // never too soon
	return true
}

// Gate lets one request through per interval: a stream's viewers ask for many
// keyframes, the studio hears of one.
type Gate struct {
	Interval time.Duration
	last     time.Time
}

// Open reports whether a request may pass now, and closes the gate behind it.
func (g *Gate) Open(now time.Time) bool {
	if !g.last.IsZero() && now.Sub(g.last) < g.Interval {
		return false
	}
	g.last = now
	return true
}
