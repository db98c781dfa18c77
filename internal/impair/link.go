// Package impair is a bad network that can be repeated, as a tool for tests: it
// loses, delays, reorders and duplicates datagrams, and it has a rate with a queue
// that overflows. A Link decides, and is pure: simulations use it with a time of
// their own. A Proxy is a NAT on loopback that has a Link each way for every client.
package impair

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Path is what a network does to datagrams that go one way. The zero Path hands
// them on at once.
type Path struct {
	Loss   float64 // share that is lost at random, 0 to 1
	Bursts Bursts  // loss that comes in runs, besides

	Delay  time.Duration // of every datagram
	Jitter time.Duration // up to so much more, at random; it never changes the order

	Reorder float64       // share that comes Behind later, so that others overtake it
	Behind  time.Duration // 0 = 10 ms
	// Duplicate is the share of which a second copy follows at once.
	Duplicate float64

	Rate float64 // bits per second; 0 = no limit
	// Queue is how long the last bit of a datagram may wait for its turn at Rate. A
	// datagram that would wait longer is dropped: a queue of so many bytes, which
	// has room for small datagrams when there is none for large ones. 0 = 200 ms.
	Queue time.Duration
}

// Bursts is the model of Gilbert and Elliott: before each datagram the path may
// turn bad with the probability Enter, or good again with Leave. While it is bad,
// the share Loss is lost. The mean length of a bad run is 1/Leave datagrams.
type Bursts struct{ Enter, Leave, Loss float64 }

// Change replaces a Path, a time after the Link's start.
type Change struct {
	After time.Duration
	Path
}

// Counts says what has become of datagrams. Sent = Delivered + Lost + Overflowed; a copy that
// Duplicate made is Duplicated and in none of the others.
type Counts struct {
	Sent, Delivered, Lost, Overflowed, Duplicated, Reordered uint64
}

// What the zero Path leaves open.
const (
	defaultBehind = 10 * time.Millisecond
	defaultQueue  = 200 * time.Millisecond
)

// Link applies a Path, and its Changes, to datagrams that go one way. What it
// decides depends on the seed, the sizes and the times that it is given, and on
// nothing else. Every datagram draws as many random numbers as any other, so that
// the same ones are lost whatever else changes.
type Link struct {
	random  *rand.Rand
	start   time.Time
	path    Path
	changes []Change // to come, in order of time

	free   time.Time // when the last datagram in the queue has left
	newest time.Time // when the last one arrives that kept the order
	bad    bool
	counts Counts
	bytes  uint64
	at     [2]time.Time
}

// NewLink returns a link that starts at the given time with a path, which the
// changes replace one after the other. It panics if one of them cannot be.
func NewLink(seed uint64, start time.Time, path Path, changes ...Change) *Link {
	l := &Link{random: rand.New(rand.NewPCG(seed, 0x1a5)), start: start, changes: slices.Clone(changes)}
	slices.SortStableFunc(l.changes, func(a, b Change) int { return cmp.Compare(a.After, b.After) })
	l.path = path.complete()
	for i := range l.changes {
		l.changes[i].Path = l.changes[i].complete()
	}
	return l
}

// Change replaces the path now. Changes that are still to come do come.
func (l *Link) Change(p Path, now time.Time) {
	l.advance(now)
	l.path = p.complete()
}

// Counts returns what has become of the datagrams so far.
func (l *Link) Counts() Counts { return l.counts }

// Bytes returns the sum of the sizes of all datagrams that were Sent.
func (l *Link) Bytes() uint64 { return l.bytes }

// Send takes a datagram of the given size in bytes and returns when its copies
// arrive: none, one or two. The times do not decrease from call to call unless the
// path reorders. The result is valid until the next call.
func (l *Link) Send(size int, now time.Time) []time.Time {
	l.advance(now)
	l.counts.Sent++
	l.bytes += uint64(size)
	turn, loss, jitter := l.random.Float64(), l.random.Float64(), l.random.Float64()
	reorder, duplicate := l.random.Float64(), l.random.Float64()
	if l.bad {
		l.bad = turn >= l.path.Bursts.Leave
	} else {
		l.bad = turn < l.path.Bursts.Enter
	}
	at, ok := l.queue(size, now)
	if !ok {
		l.counts.Overflowed++
		return nil
	}
	if loss < l.path.Loss || l.bad && loss < l.path.Bursts.Loss {
		l.counts.Lost++ // behind the queue: it has cost the link's time
		return nil
	}
	l.counts.Delivered++
	at = at.Add(l.path.Delay + time.Duration(jitter*float64(l.path.Jitter)))
	if at.Before(l.newest) {
		at = l.newest
	}
	if reorder < l.path.Reorder {
		l.counts.Reordered++
		at = at.Add(l.path.Behind)
	} else {
		l.newest = at
	}
	l.at = [2]time.Time{at, at}
	if duplicate < l.path.Duplicate {
		l.counts.Duplicated++
		return l.at[:2]
	}
	return l.at[:1]
}

// queue returns when a datagram has left the queue, or false if it does not fit.
// The rate is that of the time when its turn comes.
func (l *Link) queue(size int, now time.Time) (time.Time, bool) {
	turn := now
	if l.free.After(now) {
		turn = l.free
	}
	rate := l.path.Rate
	for _, c := range l.changes {
		if l.start.Add(c.After).After(turn) {
			break
		}
		rate = c.Rate
	}
	if rate == 0 {
		return turn, true
	}
	left := turn.Add(time.Duration(float64(size) * 8 / rate * float64(time.Second)))
	if left.Sub(now) > l.path.Queue {
		return left, false
	}
	l.free = left
	return left, true
}

// advance applies the changes that are due.
func (l *Link) advance(now time.Time) {
	for len(l.changes) > 0 && !l.start.Add(l.changes[0].After).After(now) {
		l.path, l.changes = l.changes[0].Path, l.changes[1:]
	}
}

// complete returns the path with its defaults. It panics if there can be no such
// path: the mistake is in a test.
func (p Path) complete() Path {
	for _, share := range []float64{p.Loss, p.Reorder, p.Duplicate, p.Bursts.Enter, p.Bursts.Leave, p.Bursts.Loss} {
		if !(share >= 0 && share <= 1) {
			panic(fmt.Sprintf("impair: a share of %v; want 0 to 1", share))
		}
	}
	if !(p.Rate >= 0) || p.Delay < 0 || p.Jitter < 0 || p.Behind < 0 || p.Queue < 0 {
		panic(fmt.Sprintf("impair: a rate or a time below 0 in %+v", p))
	}
	if p.Behind == 0 {
		p.Behind = defaultBehind
	}
	if p.Queue == 0 {
		p.Queue = defaultQueue
	}
	return p
}
