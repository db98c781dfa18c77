package forward

// GOP follows what has been forwarded of a video track and knows from which slot
// a joining viewer can decode: the newest keyframe's first packet, as long as
// nothing after it is missing, nor the packet before it: that one might have been
// the keyframe's first.
type GOP struct {
	frame uint64 // slot of the newest frame's first packet
	from  uint64
	next  uint64 // one past the newest slot
	whole bool   // the newest frame misses nothing so far
	ok    bool
	left  uint64 // slot that stays empty on purpose
}

// Leave says that a slot stays empty on purpose, so that viewers see that the frame
// before it is not whole: what comes after misses nothing.
func (g *GOP) Leave(slot uint64) { g.left = slot }

// Forwarded notes a packet that leaves in order. It reports whether a new GOP
// begins with the packet's frame.
func (g *GOP) Forwarded(p *Packet) (begins bool) {
	if g.left != 0 && g.next == g.left && p.Slot == g.left+1 {
		g.next, g.ok = p.Slot, false
	}
	gap := g.next != 0 && p.Slot != g.next
	if gap {
		g.ok, g.whole = false, false
	}
	g.next = p.Slot + 1
	if p.FrameStart {
		g.frame, g.whole = p.Slot, !gap
	}
	if !p.Keyframe || !g.whole || g.ok && g.from == g.frame {
		return false
	}
	g.from, g.ok = g.frame, true
	return true
}

// Slots returns the slots of the GOP so far: from the keyframe's first packet up
// to, not including, end.
func (g *GOP) Slots() (from, end uint64, ok bool) { return g.from, g.next, g.ok }
