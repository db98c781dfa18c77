package congestion

import "math"

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

// saturation measures the rate of a link while it has a queue: of the packets that
// had to wait, the bits over the time between their arrivals, the newest ones
// first and foremost.
type saturation struct {
	bits, ticks float64
	at          int64 // arrival of the last packet
}

const (
	saturationMemory = 600  // ticks (150 ms) over which what was measured is forgotten
	saturationPause  = 1200 // ticks (300 ms) without, after which the measuring begins anew
	saturationEnough = 160  // ticks (40 ms) that say anything
)

// add takes a packet that arrived a gap after the one before, with the link busy
// in between.
func (s *saturation) add(bits float64, arrival, gap int64) {
	if arrival-s.at > saturationPause || arrival < s.at {
		*s = saturation{}
	}
	keep := max(0, 1-float64(gap)/saturationMemory)
	s.bits = s.bits*keep + bits
	s.ticks = s.ticks*keep + float64(gap)
	s.at = arrival
}

// rate returns bits per second, or false if too little was measured.
func (s *saturation) rate() (float64, bool) {
	if s.ticks < saturationEnough {
		return 0, false
	}
	return s.bits / s.ticks * ticksPerSecond, true
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
type losses struct{ reported, lost float64 }

// age forgets for some seconds.
func (l *losses) age(seconds float64) {
	keep := math.Exp(-max(0, seconds))
	l.reported *= keep
	l.lost *= keep
}

// heavy reports whether the path loses more than tolerable of its packets, and
// not by chance.
func (l *losses) heavy() bool { return heavy(l.lost, l.reported) }

const (
	tolerable = 0.10 // of the packets may be lost without anybody being blamed
	certainty = 4.5  // standard deviations above that are no chance
)

func heavy(lost, of float64) bool {
	return lost > tolerable*of+certainty*math.Sqrt(tolerable*(1-tolerable)*of)
}
