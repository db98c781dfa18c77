package congestion

import (
	"math"
	"time"
)

// minimum is the smallest value within the last ten seconds or so.
type minimum struct {
	values [minimumSlots]int64
	slot   int64 // of the newest value, in steps of minimumStep; 0 = none yet
}

const (
	minimumSlots = 5
	minimumStep  = int64(2 * ticksPerSecond)
)

// add takes a value at a time in ticks, and returns how far it is above the
// smallest.
func (m *minimum) add(v, now int64) int64 {
	slot := now/minimumStep + 1
	if slot-m.slot >= minimumSlots || m.slot == 0 {
		m.reset()
		m.slot = slot
	}
	for m.slot < slot {
		m.slot++
		m.values[m.slot%minimumSlots] = math.MaxInt64
	}
	p := &m.values[m.slot%minimumSlots]
	*p = min(*p, v)
	return v - m.smallest()
}

func (m *minimum) smallest() int64 {
	s := m.values[0]
	for _, v := range m.values[1:] {
		s = min(s, v)
	}
	return s
}

func (m *minimum) reset() {
	*m = minimum{}
	for i := range m.values {
		m.values[i] = math.MaxInt64
	}
}

// saturation measures the rate of a link while it has a queue: the bits over the
// time between their arrivals, of packets that all had to wait, the newest ones
// first and foremost.
type saturation struct {
	bits, ticks float64
	running     bool
}

const (
	// busyDelay is how long a packet must have waited, in ticks (40 ms), to show
	// that the link was busy all the time. Jitter of 20 ms stays below.
	busyDelay = 160
	// saturationEnough is how long a link must be busy without a break, in ticks
	// (50 ms), to show its rate: jitter of 20 ms moves what is measured by less than
	// a half, and by less the longer it takes.
	saturationEnough = 200
	saturationMemory = 800 // ticks (200 ms) over which what was measured is forgotten
)

// add takes a packet that had to wait, in ticks, and arrived a gap after the one
// before. It reports whether there is a new rate.
func (s *saturation) add(bits float64, waited, gap int64) bool {
	switch {
	case waited < busyDelay || gap > waited:
		*s = saturation{}
		return false
	case !s.running:
		s.running = true // the gap before is none between two that waited
		return false
	}
	keep := max(0, 1-float64(gap)/saturationMemory)
	s.bits = s.bits*keep + bits
	s.ticks = s.ticks*keep + float64(gap)
	return s.ticks >= saturationEnough
}

// rate returns bits per second.
func (s *saturation) rate() float64 { return s.bits / s.ticks * ticksPerSecond }

// standing watches a delay that neither grows nor goes away.
type standing struct {
	rate        float64   // the highest that the link has shown meanwhile
	since       time.Time // the least delay of each message is within a narrow range
	least, most int64     // of that range, in ticks
}

const (
	standingRange = 240 // ticks (60 ms): jitter, and a frame that is in the way
	standingTime  = time.Second
)

// stands reports whether the delay can be no queue: much less was sent than the
// link has carried, for long enough to have seen the queue shrink. delivered is
// what has arrived within a second.
func (s *standing) stands(n *news, delivered float64, now time.Time) bool {
	if n.least < busyDelay {
		*s = standing{}
		return false
	}
	s.rate = max(s.rate, n.rate)
	least, most := min(s.least, n.least), max(s.most, n.least)
	if s.since.IsZero() || most-least > standingRange {
		s.since, s.least, s.most = now, n.least, n.least
		return false
	}
	s.least, s.most = least, most
	return now.Sub(s.since) >= standingTime && delivered < s.rate/2
}

// delivery is what has arrived lately, by the receiver's clock.
type delivery struct {
	slots  [deliverySlots]float32 // bits
	newest int64
}

const (
	deliveryStep  = 200 // ticks (50 ms) of a slot
	deliverySlots = 21  // a second, and the slot that is not complete
	shortest      = 3   // slots (150 ms) that show a rate
)

func (d *delivery) add(bits float64, arrival int64) {
	slot := arrival / deliveryStep
	if slot-d.newest >= deliverySlots || d.newest-slot >= deliverySlots {
		*d = delivery{newest: slot} // a pause, or a clock that was set
	}
	for d.newest < slot {
		d.newest++
		*d.slot(d.newest) = 0
	}
	*d.slot(slot) += float32(bits)
}

func (d *delivery) slot(n int64) *float32 {
	return &d.slots[(n%deliverySlots+deliverySlots)%deliverySlots]
}

// rate returns bits per second over the last n complete slots.
func (d *delivery) rate(n int64) float64 {
	var sum float32
	for i := d.newest - n; i < d.newest; i++ {
		sum += *d.slot(i)
	}
	return float64(sum) / float64(n*deliveryStep) * ticksPerSecond
}

// second returns bits per second over the last second.
func (d *delivery) second() float64 { return d.rate(deliverySlots - 1) }

// peak returns the highest rate that any short time of the last second has shown.
func (d *delivery) peak() (rate float64) {
	for end := d.newest - deliverySlots + 1 + shortest; end <= d.newest; end++ {
		var sum float32
		for i := end - shortest; i < end; i++ {
			sum += *d.slot(i)
		}
		rate = max(rate, float64(sum)/(shortest*deliveryStep)*ticksPerSecond)
	}
	return rate
}

// losses counts packets, the newest second first and foremost.
type losses struct {
	reported, lost, runs float64
	within               bool // the packet before was lost
}

// age forgets for some seconds.
func (l *losses) age(seconds float64) {
	keep := math.Exp(-max(0, seconds))
	l.reported *= keep
	l.lost *= keep
	l.runs *= keep
}

func (l *losses) add(lost bool) {
	l.reported++
	if lost {
		l.lost++
		if !l.within {
			l.runs++
		}
	}
	l.within = lost
}

// found takes back that a packet was lost: it was only late.
func (l *losses) found() { l.lost = max(0, l.lost-1) }

// share returns the part of the packets that was lost.
func (l *losses) share() float64 { return l.lost / max(1, l.reported) }

// heavy reports whether the path loses more than tolerable of its packets, and
// not by chance.
func (l *losses) heavy() bool { return heavy(l.lost, l.reported, l.lost/max(1, l.runs)) }

const (
	tolerable = 0.10 // of the packets may be lost without anybody being blamed
	certainty = 4.5  // standard deviations above that are no chance
	// population is how many packets say anything: more than one keyframe, which may
	// be too long for a queue that has room for the stream.
	population = 100
)

// heavy judges a number of lost packets that came in runs of a mean length: the
// longer they are, the more the number varies by chance.
func heavy(lost, of, run float64) bool {
	variance := tolerable * (1 - tolerable) * of * max(1, 2*run-1)
	return of >= population && lost > tolerable*of+certainty*math.Sqrt(variance)
}
