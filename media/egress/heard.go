package egress

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"

	"github.com/framelock/relay/media/forward"
)

// What a viewer can have said before its shard has looked.
const (
	maxNacked  = 512 // packets of a track
	maxReplies = 8
	// maxReceipts is more than a viewer's actions of some windows at their end. Who
	// does not read so many has left.
	maxReceipts = 4096
	// maxArrivals is of TWCC messages: a second's worth of the busiest browser.
	maxArrivals = 20
	heardSize   = 1024 // viewers that a shard has to look at
)

// heard is what a viewer has said since its shard last looked. However much that
// is, it takes one place in a queue that is apart from that of media: a viewer
// can neither fill the queue nor make others lose packets.
type heard struct {
	mu     sync.Mutex
	queued bool
	said
}

type said struct {
	nacks    [forward.Tracks][]uint16
	arrivals []*rtcp.TransportLayerCC
	replies  [][]byte // to what it said, on the actions channel
	receipts [][]byte // likewise, and none may be left out
	deaf     bool     // there were more receipts than that
	lowered  bool     // the events channel has sent most of its queue
	reported bool
	lost     float64       // the largest share that a report told of
	rtt      time.Duration // 0 = not known
}

// count returns how many things were said that may be left out.
func (s *said) count() int {
	n := len(s.replies) + len(s.arrivals)
	for _, numbers := range s.nacks {
		n += len(numbers)
	}
	if s.reported {
		n++
	}
	return n
}

// hear adds to what a viewer has said, and has Run look at it soon. It never
// blocks; what a shard has no room for is dropped, except for receipts.
func (s *Shard) hear(v *Viewer, add func(*said)) {
	h := &v.heard
	h.mu.Lock()
	defer h.mu.Unlock()
	add(&h.said)
	if h.queued {
		return
	}
	select {
	case s.spoken <- v:
		h.queued = true
	default:
		if n := h.count(); n > 0 {
			s.set.Drops.Dropped(DropFeedbackBusy, n)
		}
		h.said = said{receipts: h.receipts, deaf: h.deaf}
		s.unheard.Store(len(h.receipts) > 0 || s.unheard.Load())
	}
}

// listen looks at the viewers for whom there was no room when they got receipts.
func (s *Shard) listen(now time.Time) {
	if len(s.spoken) > 0 || !s.unheard.Swap(false) {
		return
	}
	for _, a := range s.audience {
		for _, v := range slices.Clone(a.viewers) { // who is ended leaves the list
			s.look(v, now)
		}
	}
}

// take empties what was heard.
func (h *heard) take() said {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.said
	h.said, h.queued = said{}, false
	return s
}

func (s *Shard) hearNack(v *Viewer, t forward.Track, numbers []uint16) {
	s.hear(v, func(h *said) {
		room := maxNacked - len(h.nacks[t])
		if more := len(numbers) - room; more > 0 {
			s.set.Drops.Dropped(DropNack, more)
			numbers = numbers[:room]
		}
		h.nacks[t] = append(h.nacks[t], numbers...)
	})
}

func (s *Shard) hearArrivals(v *Viewer, cc *rtcp.TransportLayerCC) {
	s.hear(v, func(h *said) {
		if len(h.arrivals) == maxArrivals {
			s.set.Drops.Dropped(DropFeedback, 1)
			return
		}
		h.arrivals = append(h.arrivals, cc)
	})
}

func (s *Shard) hearReport(v *Viewer, lost float64, rtt time.Duration) {
	s.hear(v, func(h *said) {
		h.reported, h.lost = true, max(h.lost, lost)
		if rtt > 0 {
			h.rtt = rtt
		}
	})
}

// Reply sends a viewer one message on the actions channel. A shard that is busy,
// or has many to send already, leaves it out.
func (s *Shard) Reply(v *Viewer, b []byte) {
	s.hear(v, func(h *said) {
		if len(h.replies) == maxReplies {
			s.set.Drops.Dropped(DropFeedback, 1)
			return
		}
		h.replies = append(h.replies, b)
	})
}

// Receipt sends a viewer a receipt on the actions channel. It never blocks. Who has
// far more receipts to come than anybody could have asked for is ended.
func (s *Shard) Receipt(v *Viewer, b []byte) {
	s.hear(v, func(h *said) {
		if len(h.receipts) < maxReceipts {
			h.receipts = append(h.receipts, b)
		} else {
			h.deaf = true
		}
	})
}

// look does what a viewer has asked for.
func (s *Shard) look(v *Viewer, now time.Time) {
	said := v.heard.take()
	if !v.joined || v.closed {
		return
	}
	for _, cc := range said.arrivals {
		v.path.Feedback(cc, now)
	}
	for t, numbers := range said.nacks {
		if len(numbers) > 0 {
			s.nack(v, forward.Track(t), numbers, now)
		}
	}
	if said.reported {
		v.report(said.lost, said.rtt, now)
	}
	for _, b := range said.replies {
		s.tell(v, Actions, b)
	}
	if said.deaf {
		s.end(v, "slow_channel")
	}
	for _, b := range said.receipts {
		s.tell(v, Actions, b)
	}
	if said.lowered && !v.closed {
		s.queueParts(v)
	}
}

// nack asks the stream for what the viewer may have again. Slots, unlike numbers,
// name packets in the stream's history.
func (s *Shard) nack(v *Viewer, t forward.Track, numbers []uint16, now time.Time) {
	if t == forward.Video && !v.valve.Resend(&v.path, now) {
		s.set.Drops.Dropped(DropCongested, len(numbers))
		return
	}
	slots := make([]uint64, 0, len(numbers))
	for _, number := range numbers {
		slot, ok := v.tracks[t].sequence.Slot(number)
		key := slot*forward.Tracks + uint64(t) // slots of different tracks may be equal
		if ok && v.resends.Allow(key, nominalSize, v.rtt, now) {
			slots = append(slots, slot)
		}
	}
	if refused := len(numbers) - len(slots); refused > 0 {
		s.set.Drops.Dropped(DropNack, refused)
	}
	if len(slots) > 0 && !v.Source.Resend(v, t, slots) {
		s.set.Drops.Dropped(DropNack, len(slots))
	}
}
