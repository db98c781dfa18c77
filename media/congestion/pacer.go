package congestion

import "time"

// How bursts are spread.
const (
	// paceFactor is by how much packets may leave faster than the path carries: the
	// path is kept busy, and four fifths of what would be in its queue wait here.
	paceFactor = 1.25
	// paceMemory is how long a path that bursts were too much for is spared them.
	paceMemory = time.Minute
	// burstLoss is how many packets lost according to one message are taken for the
	// end of a burst that some queue had no room for.
	burstLoss = 3
	// leastAtOnce is what always leaves at once, and onceTime what does at a pace:
	// about a frame that is no keyframe.
	leastAtOnce = 5 * 1250 * 8 // bits
	onceTime    = 12 * time.Millisecond
	// paceStep is the least time between two parts of a burst, so that a part is
	// several packets and one system call.
	paceStep = 5 * time.Millisecond
	// MaxHold is how long a packet waits at most for its turn.
	MaxHold = 150 * time.Millisecond
)

// Pace returns how many bits per second may leave for the path, when more is there
// than a frame of the usual size; 0 = all at once, which holds for every path that
// has not had to queue or drop packets lately.
func (e *Estimator) Pace(now time.Time) float64 {
	if e.strained.IsZero() || now.Sub(e.strained) > paceMemory {
		return 0
	}
	return paceFactor * e.rate
}

// Hold notes that so many bytes more wait for their turn, or fewer: they count as
// if the path had them.
func (e *Estimator) Hold(bytes int) { e.held += float64(bytes) * 8 }

// Pacer spreads one viewer's bursts over time. The zero Pacer is ready.
type Pacer struct {
	level float64 // bits that have left, less what the pace has carried since
	at    time.Time
}

// Leave asks whether the oldest packet that there is leaves now, and is 0 if so:
// then it counts as gone. Else that is how long it waits before the next question.
// size is the packet's in bytes, pace that of Estimator.Pace. waiting are the bytes
// of all packets that wait, this one included, and waited is for how long it has:
// packets leave faster than at their pace when they would wait for more than MaxHold.
func (p *Pacer) Leave(size int, pace float64, waiting int, waited time.Duration, now time.Time) time.Duration {
	left := MaxHold - waited
	if pace > 0 && left > 0 {
		pace = max(pace, float64(waiting)*8/left.Seconds())
	}
	p.level = max(0, p.level-pace*now.Sub(p.at).Seconds())
	p.at = now
	over := p.level - max(leastAtOnce, pace*onceTime.Seconds())
	if pace > 0 && left > 0 && over >= 0 {
		return min(max(time.Duration(over/pace*float64(time.Second)), paceStep), left)
	}
	if pace > 0 {
		p.level += float64(size) * 8
	}
	return 0
}
