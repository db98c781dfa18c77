package forward

// breakpoints is how many changes of a viewer's numbering are remembered.
const breakpoints = 32

// Sequence numbers one viewer's copy of a track without gaps of the relay's own
// making: slots that are skipped on purpose take no number. It remembers enough
// to say which slot a number stood for.
type Sequence struct {
	spans  [breakpoints]span
	count  int // spans ever
	resume bool
}

// span is a run of slots with one difference between number and slot.
type span struct {
	slot   uint64 // first slot
	number uint64 // its extended sequence number
	end    uint64 // one past the largest slot numbered
}

// NewSequence returns a numbering that begins with the given number: random and
// below 2^14, so that the roll-over counter of SRTP begins at 0 on both sides.
func NewSequence(first uint16) *Sequence {
	s := &Sequence{resume: true, count: 1}
	s.spans[0] = span{number: uint64(first)}
	return s
}

// Skip says that the slots up to the next one numbered are left out on purpose.
func (s *Sequence) Skip() { s.resume = true }

// Number returns the sequence number of a slot, extended by how often it has
// wrapped, or false for one that was left out on purpose or is older than what is
// remembered.
func (s *Sequence) Number(slot uint64) (uint64, bool) {
	cur := s.current()
	if s.resume && slot >= cur.end {
		next := cur.number + (cur.end - cur.slot)
		s.spans[s.count%breakpoints] = span{slot: slot, number: next, end: slot + 1}
		s.count++
		s.resume = false
		return next, true
	}
	if slot >= cur.slot && cur.end != 0 {
		cur.end = max(cur.end, slot+1)
		return cur.number + slot - cur.slot, true
	}
	for i := s.count - 1; i >= 1 && i > s.count-breakpoints; i-- {
		if p := &s.spans[i%breakpoints]; slot >= p.slot {
			return p.number + slot - p.slot, slot < p.end
		}
	}
	return 0, false
}

// Slot returns the slot that a sequence number stood for, taking it as the
// newest one that ends in these 16 bits.
func (s *Sequence) Slot(number uint16) (uint64, bool) {
	cur := s.current()
	if cur.end == 0 {
		return 0, false
	}
	newest := cur.number + (cur.end - cur.slot) - 1
	n := newest - uint64(uint16(newest)-number)
	if n > newest {
		return 0, false
	}
	for i := s.count - 1; i >= 1 && i > s.count-breakpoints; i-- {
		if p := &s.spans[i%breakpoints]; n >= p.number {
			slot := p.slot + n - p.number
			return slot, slot < p.end
		}
	}
	return 0, false
}

func (s *Sequence) current() *span { return &s.spans[(s.count-1)%breakpoints] }
