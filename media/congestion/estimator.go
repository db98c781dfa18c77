// Package congestion knows what one viewer's path carries, and decides which video
// packets flow when that is less than the stream. The stream has no layers and is
// not transcoded: who cannot get all of it gets the sound, and of every GOP as much
// from its keyframe on as fits.
//
// An Estimator learns from TWCC feedback (draft-holmer-rmcat-transport-wide-cc-
// extensions-01), or from receiver reports. A Valve asks it, once per frame.
//
// All of it is pure and allocates nothing; one goroutine owns a viewer's two.
package congestion

import (
	"time"

	"github.com/pion/rtcp"
)

// How the estimate moves.
const (
	// headroom is by how much the estimate may exceed what was delivered: nobody
	// knows what a path carries of which little is asked.
	headroom = 1.5
	// Growth per second towards that, while the path was the limit lately and else.
	slowGrowth, fastGrowth = 0.1, 1.0
	// difference is the ratio of two measured rates that is not owed to jitter. Of
	// one that is less, the estimate takes the part settling.
	difference = 1.6
	settling   = 0.3
	// limitMemory is how long a path counts as the limit after it has shown that.
	limitMemory = 3 * time.Second
	// patience is the queue that a path may have before video stops.
	patience = 350 * time.Millisecond
	// leastRoom is what of it is left for a path that drops packets instead.
	leastRoom = 60 * time.Millisecond
	// pressure is how long packets must wait to say that video may be too much.
	pressure = 50 * time.Millisecond
	// recovery is the rise of the estimate that makes the path another one.
	recovery = 1.5
	// drift is the change of delay, in ticks (10 s), that is a receiver's clock that
	// was set and no queue.
	drift = int64(10 * ticksPerSecond)
)

// Estimator is what one viewer's path carries, as far as is known. The zero value
// knows nothing. Times that are given must not decrease.
type Estimator struct {
	origin  time.Time // tick 0
	flights flights
	twcc    conversation
	report  reports

	delay minimum // arrival − sending, in ticks of two clocks
	trip  minimum // from sending to feedback
	last  arrival
	busy  saturation
	stand standing
	goods delivery
	loss  losses

	rate     float64   // the estimate
	measured time.Time // when the path last was the limit
	shown    time.Time // when it last showed its rate by a queue
	limited  bool
	pressed  bool // and is so according to the last message

	room        time.Duration // queue that the path may have before video stops
	dropped     time.Time     // when the path last lost much, as links do that have no room
	droppedRate float64       // and the estimate then

	backlog float64   // bits that wait for the path at the time drained
	drained time.Time // of the last packet

	strained time.Time // when a burst last was too much for the path
	held     float64   // bits that wait for their turn
}

// arrival is the newest packet that was received.
type arrival struct {
	at    int64 // ticks of the receiver's clock
	known bool  // and what became of all packets since
}

// Sent notes a packet of any kind: its transport-wide sequence number, which
// increases and wraps, and its size in bytes on the wire. Without TWCC the number
// is just a count.
func (e *Estimator) Sent(number uint16, size int, at time.Time) {
	e.flights.add(number, size, e.ticks(at))
	e.report.sent(size)
	e.backlog = e.waiting(at) + float64(size)*8
	e.drained = at
}

// Feedback takes a TWCC message. What it says of packets that were never sent, or
// were reported before, is ignored; so is a message that is not newer than those
// before.
func (e *Estimator) Feedback(cc *rtcp.TransportLayerCC, now time.Time) {
	if e.flights.next == 0 || cc.PacketStatusCount > flightLimit {
		return
	}
	since, ok := e.twcc.follows(cc.FbPktCount, now)
	if !ok {
		return
	}
	e.loss.age(since.Seconds())
	number := e.flights.extend(cc.BaseSequenceNumber)
	if number > e.twcc.covered {
		e.last.known = false // feedback was lost: nobody knows what came in between
	}
	news := e.read(newWalk(cc, number, e.twcc.unwrap(cc.ReferenceTime)), now)
	if news.count > 0 {
		e.judge(&news, since, now)
	}
}

// news is what one message tells.
type news struct {
	count  int
	lost   int
	least  int64             // and most: delays above the minimum, in ticks
	rate   float64           // of the link, while packets had to wait; 0 = they had not
	newest [3]receivedPacket // of those received, the last ones
}

type receivedPacket struct {
	number uint64
	sent   int64 // ticks
	over   int64 // delay above the minimum, in ticks
}

func (e *Estimator) read(w walk, now time.Time) (n news) {
	tickNow := e.ticks(now)
	for w.next() {
		f := e.flights.at(w.number)
		if f == nil {
			continue
		}
		if !w.received {
			if !f.lost() {
				*f |= flightLost
				e.loss.add(true)
				n.count++
				n.lost++
			}
			continue
		}
		n.count++
		if f.lost() {
			e.loss.found()
		} else {
			e.loss.add(false)
		}
		if w.timed {
			p := receivedPacket{number: w.number, sent: f.sent(tickNow)}
			if e.arrived(&p, f.bits(), w.at, tickNow) {
				n.rate = e.busy.rate()
			}
			if n.newest[0].number == 0 || p.over < n.least {
				n.least = p.over
			}
			copy(n.newest[1:], n.newest[:2])
			n.newest[0] = p
		}
		*f = 0
	}
	e.twcc.covered = max(e.twcc.covered, min(w.number+1, e.flights.next))
	return n
}

// arrived takes a packet's time of arrival. It reports whether the link has shown
// its rate.
func (e *Estimator) arrived(p *receivedPacket, bits float64, at, now int64) (shown bool) {
	e.trip.add(now-p.sent, now)
	if p.over = e.delay.add(at-p.sent, now); p.over > drift {
		e.delay.reset()
		p.over = e.delay.add(at-p.sent, now)
		e.last.known = false
	}
	e.goods.add(bits, at)
	if !e.last.known {
		e.last, e.busy = arrival{at, true}, saturation{}
		return false
	}
	gap := max(0, at-e.last.at) // one that was overtaken came in between
	e.last.at += gap
	return e.busy.add(bits, p.over, gap)
}

// judge draws the conclusions from a message.
func (e *Estimator) judge(n *news, since time.Duration, now time.Time) {
	heavy, was := n.lost > 0 && e.loss.heavy(), e.rate
	switch {
	case n.rate > 0:
		e.settle(n.rate)
		e.measured, e.shown = now, now
	case heavy:
		e.measured = now
		if now.Sub(e.shown) >= limitMemory {
			// A link that drops instead of queueing carries what came through;
			// unless little was asked of it.
			e.rate = max(e.goods.peak(), e.rate*(1-e.loss.share()))
		}
	default:
		e.grow(since.Seconds())
	}
	if n.newest[0].number != 0 && e.stand.stands(n, e.goods.second(), now) {
		e.delay.reset() // the way has become longer: that is no queue
		e.rate, e.stand, e.busy = e.stand.rate, standing{}, saturation{}
	}
	e.limited = !e.measured.IsZero() && now.Sub(e.measured) < limitMemory
	over := n.over()
	wait := time.Duration(over.over) * tick
	e.pressed = heavy || wait >= pressure
	if e.pressed || n.rate > 0 || n.lost >= burstLoss {
		e.strained = now
	}
	e.makeRoom(wait, n.lost, heavy, was, now)
	if over.number != 0 {
		e.recount(over, now)
	}
}

// makeRoom learns how long a queue the path can have, from one that it has had,
// from packets that it lost, and from the estimate of before.
func (e *Estimator) makeRoom(wait time.Duration, lost int, heavy bool, was float64, now time.Time) {
	switch {
	case heavy:
		e.room = min(max(wait*7/10, leastRoom), patience)
		e.dropped, e.droppedRate = now, min(was, e.rate) // the path may have recovered since
	case now.Sub(e.dropped) > limitMemory || e.rate > recovery*e.droppedRate:
		e.room = patience
	case lost == 0:
		e.room = min(max(e.room, wait), patience)
	}
}

// over returns the packet that waited least among the last ones received, lest one
// late packet count for a queue.
func (n *news) over() receivedPacket {
	least := n.newest[0]
	for _, p := range n.newest[1:] {
		if p.number != 0 && p.over < least.over {
			least = p
		}
	}
	return least
}

// grow raises the estimate in some seconds without a sign of congestion.
func (e *Estimator) grow(seconds float64) {
	growth := fastGrowth
	if e.limited {
		growth = slowGrowth
	}
	if most := headroom * e.goods.second(); e.rate < most {
		e.rate = min(most, e.rate*(1+growth*min(seconds, 1)))
	}
	// What has arrived within a short time is proof; a little more is jitter.
	if shown := e.goods.rate(shortest); shown > e.rate && (!e.limited || shown > e.rate*difference) {
		e.rate = shown
	}
}

// settle takes a rate that the link has shown: the mean of several, unless it has
// become another one.
func (e *Estimator) settle(rate float64) {
	if e.limited && rate < e.rate*difference && rate > e.rate/difference {
		rate = e.rate + (rate-e.rate)*settling
	}
	e.rate = rate
}

// recount corrects the backlog: when p was sent, so much waited as p had to wait
// for; since then came what was sent after p, and the path has gone on.
func (e *Estimator) recount(p receivedPacket, now time.Time) {
	perTick := e.rate / ticksPerSecond
	tickNow := e.ticks(now)
	waiting, at := float64(p.over)*perTick, p.sent
	for n := p.number + 1; n < e.flights.next; n++ {
		f := e.flights.at(n)
		if f == nil || f.lost() {
			continue
		}
		sent := f.sent(tickNow)
		waiting = max(0, waiting-perTick*float64(sent-at)) + f.bits()
		at = sent
	}
	e.backlog, e.drained = waiting, e.origin.Add(time.Duration(at)*tick)
}

// waiting returns the bits that wait for the path.
func (e *Estimator) waiting(now time.Time) float64 {
	if e.rate == 0 {
		return 0
	}
	return max(0, e.backlog-e.rate*now.Sub(e.drained).Seconds())
}

// Estimate returns what the path carries in bits per second; 0 = not known. While
// the path is the limit that is what it was measured to carry; else it is no more
// than 1.5 times what was delivered, now or earlier.
func (e *Estimator) Estimate() float64 { return e.rate }

// Limited reports whether the path was the limit within the last seconds: packets
// had to wait for each other, or were dropped.
func (e *Estimator) Limited() bool { return e.limited }

// Backlog returns how long the path needs for what it has been given so far, and for
// what waits for its turn.
func (e *Estimator) Backlog(now time.Time) time.Duration {
	if e.rate == 0 {
		return 0
	}
	return time.Duration((e.waiting(now) + e.held) / e.rate * float64(time.Second))
}

// roundTrip returns the shortest time between a packet and feedback on it.
func (e *Estimator) roundTrip() time.Duration {
	if e.trip.slot == 0 {
		return e.report.roundTrip()
	}
	return time.Duration(e.trip.smallest()) * tick
}

func (e *Estimator) ticks(t time.Time) int64 {
	if e.origin.IsZero() {
		e.origin = t
	}
	return int64(t.Sub(e.origin) / tick)
}
