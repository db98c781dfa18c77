package forward

import "time"

// History keeps the newest packets of one track: the one copy that serves
// joining viewers and retransmission alike. It holds a reference on each buffer.
type History struct {
	ring   []Packet
	keep   time.Duration
	oldest uint64 // smallest slot that may be kept
	end    uint64 // one past the largest slot
}

// NewHistory returns a history of the newest limit slots, as far as their packets
// came within keep.
func NewHistory(limit int, keep time.Duration) *History {
	return &History{ring: make([]Packet, limit), keep: keep}
}

// Add keeps a packet and takes a reference on its buffer. A packet for a slot
// that is gone or taken is refused.
func (h *History) Add(p *Packet) bool {
	if h.end == 0 {
		h.oldest, h.end = p.Slot, p.Slot
	}
	if p.Slot < h.oldest || h.Get(p.Slot) != nil {
		return false
	}
	for h.end <= p.Slot {
		h.end++
		if h.end > h.oldest+uint64(len(h.ring)) {
			h.drop()
		}
	}
	h.expire(p.Slot, p.Arrival)
	p.Buffer.Retain(1)
	h.ring[p.Slot%uint64(len(h.ring))] = *p
	return true
}

// Get returns the packet in a slot, or nil. The result is valid until the next
// Add.
func (h *History) Get(slot uint64) *Packet {
	if slot < h.oldest || slot >= h.end {
		return nil
	}
	if p := &h.ring[slot%uint64(len(h.ring))]; p.Buffer != nil && p.Slot == slot {
		return p
	}
	return nil
}

// End returns one past the newest slot.
func (h *History) End() uint64 { return h.end }

// Clear gives back every buffer.
func (h *History) Clear() {
	for h.oldest < h.end {
		h.drop()
	}
}

// expire drops what came too long ago, and with it the holes before.
func (h *History) expire(before uint64, now time.Time) {
	for s := h.oldest; s < before; s++ {
		p := h.Get(s)
		if p == nil {
			continue
		}
		if now.Sub(p.Arrival) <= h.keep {
			return
		}
		for h.oldest <= s {
			h.drop()
		}
	}
}

func (h *History) drop() {
	if p := &h.ring[h.oldest%uint64(len(h.ring))]; p.Buffer != nil && p.Slot == h.oldest {
		p.Buffer.Release()
		*p = Packet{}
	}
	h.oldest++
}
