package forward

import "time"

// Limits of retransmission to one viewer.
const (
	maxResends     = 3                     // per packet
	minResendSpace = 20 * time.Millisecond // between two of one packet, or the RTT if that is longer
	resendMemory   = 512                   // packets remembered
	// resendRest is how long a packet is remembered for sure: one that would take
	// its place meanwhile is refused, lest two that take turns be sent for ever.
	resendRest = 500 * time.Millisecond
)

// Resends decides which of a viewer's NACKs are answered: a packet at most three
// times, not faster than the viewer can know, and within a budget of bytes.
type Resends struct {
	Rate  float64 // bytes per second that may be spent
	Burst float64 // bytes that may be saved up

	entries [resendMemory]resend
	saved   float64
	filled  time.Time
}

type resend struct {
	slot  uint64
	count uint8
	last  time.Time
}

// Allow reports whether a packet of the given size may be sent again now.
func (r *Resends) Allow(slot uint64, size int, rtt time.Duration, now time.Time) bool {
	e := &r.entries[slot%resendMemory]
	if e.slot != slot {
		if e.count > 0 && now.Sub(e.last) < resendRest {
			return false
		}
		*e = resend{slot: slot}
	}
	if e.count >= maxResends || e.count > 0 && now.Sub(e.last) < max(rtt, minResendSpace) {
		return false
	}
	if r.filled.IsZero() {
		r.saved = r.Burst
	} else {
		r.saved = min(r.Burst, r.saved+r.Rate*now.Sub(r.filled).Seconds())
	}
	r.filled = now
	if r.saved < float64(size) {
		return false
	}
	r.saved -= float64(size)
	e.count++
	e.last = now
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
