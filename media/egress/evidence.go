package egress

import (
	"sync"
	"time"

	"github.com/framelock/relay/media/forward"
)

// Span is a run of video frames that a viewer was sent without leaving one out, by
// canonical timestamp. Both ends are part of it.
type Span struct{ From, To uint64 }

// keptSpans is how many interruptions back it is known what a viewer was sent.
const keptSpans = 8

// evidence is what a viewer was really sent, for those who judge what the viewer
// says it has seen. The viewer's shard writes it once a frame; anybody may read.
type evidence struct {
	mu     sync.Mutex
	spans  [keptSpans]Span
	first  int // the oldest
	count  int
	rtt    time.Duration
	broken bool // the next frame begins a span
}

// Sent returns the spans of video that the viewer was sent, oldest first, appended
// to b, and the newest measurement of the round trip, 0 if there is none. It may
// be called from anywhere.
func (v *Viewer) Sent(b []Span) ([]Span, time.Duration) {
	e := &v.evidence
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.count {
		b = append(b, e.spans[(e.first+i)%keptSpans])
	}
	return b, e.rtt
}

// frame notes a packet of video that is sent for the first time.
func (e *evidence) frame(p *forward.Packet) {
	if !p.FrameStart {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count > 0 && !e.broken {
		last := &e.spans[(e.first+e.count-1)%keptSpans]
		last.To = max(last.To, p.TS)
		return
	}
	e.broken = false
	if e.count == keptSpans {
		e.first = (e.first + 1) % keptSpans
		e.count--
	}
	e.spans[(e.first+e.count)%keptSpans] = Span{p.TS, p.TS}
	e.count++
}

// gap says that video is left out from here on. The shard alone calls it.
func (e *evidence) gap() {
	e.mu.Lock()
	e.broken = true
	e.mu.Unlock()
}

func (e *evidence) roundTrip(d time.Duration) {
	e.mu.Lock()
	e.rtt = d
	e.mu.Unlock()
}
