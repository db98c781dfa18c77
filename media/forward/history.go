package forward

import "time"

// History keeps the newest packets of one track: the one copy that serves
// joining viewers and retransmission alike. It holds a reference on each buffer.
type History struct {
	ring   []Packet
	keep   time.Duration
	oldest uint64 // smallest slot that may be kept
	end    uint64 // one past the largest slot
	gop    uint64 // slot of the newest keyframe's first packet
	gopOK  bool   // every slot from gop to end is there
	frame  uint64 // slot of the newest frame's first packet
}

// NewHistory returns a history of at most limit packets (a power of two) that
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
	if p.Slot < h.oldest || p.Slot+uint64(len(h.ring)) <= h.end || h.Get(p.Slot) != nil {
		return false
	}
	if p.Slot > h.end {
		h.gopOK = false // packets are missing
	}
	for h.end <= p.Slot {
		h.end++
		if h.end > h.oldest+uint64(len(h.ring)) {
			h.drop()
		}
	}
	for h.oldest < p.Slot && h.expired(p.Arrival) {
		h.drop()
	}
	if p.FrameStart {
		h.frame = p.Slot
	}
	if p.Keyframe && (!h.gopOK || h.gop < h.frame) && h.frame >= h.oldest && h.complete(h.frame, p.Slot) {
		h.gop, h.gopOK = h.frame, true
	}
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

// GOP returns the slots from the newest keyframe's first packet up to end, if
// none of them is missing: what a joining viewer can decode from.
func (h *History) GOP() (from, end uint64, ok bool) {
	return h.gop, h.end, h.gopOK && h.gop >= h.oldest && h.gop < h.end
}

// End returns one past the newest slot.
func (h *History) End() uint64 { return h.end }

// Clear gives back every buffer.
func (h *History) Clear() {
	for h.oldest < h.end {
		h.drop()
	}
	h.gopOK = false
}

func (h *History) complete(from, to uint64) bool {
	for s := from; s < to; s++ {
		if h.Get(s) == nil {
			return false
		}
	}
	return true
}

func (h *History) expired(now time.Time) bool {
	p := &h.ring[h.oldest%uint64(len(h.ring))]
	return p.Buffer == nil || now.Sub(p.Arrival) > h.keep
}

func (h *History) drop() {
	if p := &h.ring[h.oldest%uint64(len(h.ring))]; p.Buffer != nil && p.Slot == h.oldest {
		p.Buffer.Release()
		*p = Packet{}
	}
	h.oldest++
}
