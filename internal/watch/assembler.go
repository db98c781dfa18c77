package watch

import "time"

// repairWait is how long a hole in the sequence may wait for a retransmission:
// several round trips of a bad mobile path with the NACKs of a lazy client.
const repairWait = time.Second

// assembler puts packets into the order of their sequence numbers and cuts them
// into frames. It is pure: time comes with the packets and the ticks.
type assembler struct {
	started bool
	newest  uint64 // extended sequence number
	next    uint64 // first one not yet consumed
	held    map[uint64]*packet
	asked   map[uint64]asked // missing packets that a NACK has named
	current *building
	opened  bool // a first frame has been begun
	gap     bool // packets are missing just before next

	packets, duplicates, repaired, reordered, lost uint64
}

// building is a frame under construction. A broken one misses packets.
type building struct {
	ts       uint32
	codec    string
	payloads [][]byte
	packets  []*packet
	broken   bool
	lastAt   time.Time
}

func newAssembler() *assembler {
	return &assembler{held: map[uint64]*packet{}, asked: map[uint64]asked{}}
}

// push takes a packet in and returns the frames that are now finished, oldest first.
func (a *assembler) push(p *packet) []*building {
	seq := a.extend(p.seq)
	if !a.started {
		a.started, a.newest, a.next = true, seq, seq
	}
	if seq < a.next || a.held[seq] != nil {
		a.duplicates++
		return nil
	}
	a.packets++
	switch {
	case seq > a.newest:
		a.newest = seq
	case seq < a.newest && p.retransmitted:
		a.repaired++
	case seq < a.newest:
		a.reordered++
	}
	a.held[seq] = p
	delete(a.asked, seq)
	return a.drain(p.at)
}

// extend turns a 16-bit sequence number into the nearest one to the newest.
func (a *assembler) extend(seq uint16) uint64 {
	if !a.started {
		return 1<<32 | uint64(seq) // room for packets from before the first
	}
	return a.newest + uint64(int64(int16(seq-uint16(a.newest))))
}

// drain consumes what is in order, and gives up holes older than repairWait.
func (a *assembler) drain(now time.Time) []*building {
	var out []*building
	for len(a.held) > 0 {
		p := a.held[a.next]
		if p == nil {
			if !a.skipHole(now) {
				break
			}
			continue
		}
		delete(a.held, a.next)
		a.next++
		out = a.consume(out, p)
		a.gap = false
	}
	return out
}

// skipHole moves past missing packets if the first packet after them has waited
// long enough. What is missing may be the end of the frame before, whole frames,
// or the beginning of the frame after.
func (a *assembler) skipHole(now time.Time) bool {
	first := a.newest
	for seq := range a.held {
		first = min(first, seq)
	}
	if now.Sub(a.held[first].at) < repairWait {
		return false
	}
	a.lost += first - a.next
	for ; a.next < first; a.next++ {
		delete(a.asked, a.next)
	}
	a.gap = true
	if a.current != nil {
		a.current.broken = true
	}
	return true
}

// consume takes the next packet in order.
func (a *assembler) consume(out []*building, p *packet) []*building {
	if a.current != nil && a.current.ts != p.ts {
		out, a.current = append(out, a.current), nil
	}
	if a.current == nil {
		headless := !a.opened && !opensFrame(p.codec, p.payload)
		a.current = &building{ts: p.ts, codec: p.codec, broken: a.gap || headless}
		a.opened = true
	}
	c := a.current
	c.packets = append(c.packets, p)
	c.payloads = append(c.payloads, p.payload)
	if p.at.After(c.lastAt) {
		c.lastAt = p.at
	}
	if p.last {
		out, a.current = append(out, c), nil
	}
	return out
}
