package congestion

import "time"

// Without TWCC, receiver reports have to do: about one a second.
const (
	reportPause  = 200 * time.Millisecond // two reports that are closer are one
	reportSpan   = 10 * time.Second       // a longer pause tells nothing of a rate
	reportQueue  = 150 * time.Millisecond // of round trip above its minimum
	reportMemory = 10 * time.Second       // limitMemory of a viewer who says so little
	reportGrowth = 0.1                    // per second
	reportFall   = 0.7                    // of an estimate that was the path's, at most
	sanest       = 10 * time.Second       // round trip
)

// reports is what receiver reports have told.
type reports struct {
	at      time.Time // the last one
	bits    float64   // sent since then
	packets float64
	trip    minimum
	known   bool // some report had a round trip
}

func (r *reports) sent(size int) {
	r.bits += float64(size) * 8
	r.packets++
}

func (r *reports) roundTrip() time.Duration {
	if !r.known {
		return 0
	}
	return time.Duration(r.trip.smallest()) * tick
}

// Report takes what a viewer's receiver reports say of all its tracks together:
// the share of packets lost since the last one, and the round trip; 0 = not known.
// It counts only for a viewer from whom no TWCC feedback comes.
func (e *Estimator) Report(lost float64, rtt time.Duration, now time.Time) {
	r := &e.report
	if !e.twcc.heard.IsZero() && now.Sub(e.twcc.heard) < reportMemory || !(lost >= 0 && lost <= 1) {
		return
	}
	since := now.Sub(r.at)
	if !r.at.IsZero() && since < reportPause {
		return
	}
	bits, packets := r.bits, r.packets
	first := r.at.IsZero() || since > reportSpan
	r.at, r.bits, r.packets = now, 0, 0
	var queue time.Duration
	if rtt > 0 && rtt < sanest {
		r.known = true
		queue = time.Duration(r.trip.add(int64(rtt/tick), e.ticks(now))) * tick
	}
	if first || packets == 0 {
		return
	}
	delivered := bits * (1 - lost) / since.Seconds()
	e.pressed = queue > reportQueue || heavy(lost*packets, packets, 1)
	if e.pressed || lost*packets >= burstLoss {
		e.strained = now
	}
	if e.pressed {
		e.yield(delivered, queue, now)
	} else {
		most := headroom * delivered
		e.rate = max(delivered, e.rate, min(most, e.rate*(1+reportGrowth*since.Seconds())))
	}
	e.limited = !e.measured.IsZero() && now.Sub(e.measured) < reportMemory
	e.room = patience
}

// yield lowers the estimate. What was delivered is what the path carries, unless
// less was sent than that.
func (e *Estimator) yield(delivered float64, queue time.Duration, now time.Time) {
	if e.limited {
		delivered = max(delivered, reportFall*e.rate)
	}
	if e.rate == 0 || delivered < e.rate {
		waits := e.Backlog(now)
		e.rate = delivered
		e.backlog, e.drained = max(waits, queue).Seconds()*e.rate, now
	}
	e.measured = now
}
