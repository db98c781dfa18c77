package watch

// frames32 is what has been seen of the video line: the timestamps of its frames
// in the order of their sequence numbers, and the hashes of the complete ones.
type frames32 struct {
	order []seenFrame
	index map[uint32]int // position in order, counted from base
	base  int            // how many have been forgotten
}

type seenFrame struct {
	ts       uint32
	complete bool
	hash     string
}

// frameMemory is how many frames are kept: over 60 s at 60 fps, far beyond the
// 10 s of history in which an event may still come late.
const frameMemory = 4096

func (f *frames32) add(s seenFrame) {
	if f.index == nil {
		f.index = map[uint32]int{}
	}
	f.index[s.ts] = f.base + len(f.order)
	f.order = append(f.order, s)
	if len(f.order) > frameMemory {
		if f.index[f.order[0].ts] == f.base {
			delete(f.index, f.order[0].ts)
		}
		f.order = f.order[1:]
		f.base++
	}
}

func (f *frames32) find(ts uint32) (seenFrame, bool) {
	i, ok := f.index[ts]
	if !ok {
		return seenFrame{}, false
	}
	return f.order[i-f.base], true
}

// between counts the frames from one timestamp to another, negative if the
// second is the older; ok is false if either frame was never seen.
func (f *frames32) between(from, to uint32) (n int, ok bool) {
	i, okFrom := f.index[from]
	j, okTo := f.index[to]
	return j - i, okFrom && okTo
}

// settleAfter is how long after its frame an event is judged, in 90 kHz ticks:
// repeats, retransmissions and frame hashes have come by then.
const settleAfter = 3 * 90000

// settle judges every event whose frame is at least settleAfter old, or all
// whose frame has come if final, and forgets them.
func (o *observer) settle(final bool) {
	l := o.ledger
	o.settleHashes(final)
	for seq, e := range l.entries {
		ts := e.ts32()
		age := int32(o.lastTS - ts)
		switch {
		case !o.anyFrame || (!final && age < settleAfter):
			continue
		case final && age < 0 && !e.event.silent():
			o.out.Events.InFlight++
		default:
			o.judge(seq, e)
		}
		delete(l.entries, seq)
	}
}

// ts32 is the frame that the event is about, by whichever path says so.
func (e *entry) ts32() uint32 {
	if e.event.Type != "" {
		return uint32(e.event.TS)
	}
	return e.marks[0].mark.refTS
}

func (o *observer) judge(seq uint64, e *entry) {
	r := &o.out.Events
	if e.event.Type == "" { // the extension alone
		if e.afterwards() {
			return
		}
		if !o.ledger.complete || seq > o.ledger.cut {
			r.OnlyByExtension++
		}
		return
	}
	if e.message != nil && e.reliable == 0 {
		r.OnlyByFast++
	}
	if e.event.silent() {
		return
	}
	if len(e.marks) == 0 {
		o.judgeUncarried(e)
		return
	}
	r.ByExtension++
	agree := o.compare(e)
	if e.reliable > 0 && agree {
		r.BothPaths++
	}
	o.judgeFrame(e)
}

// afterwards reports whether only repeats or late marks have come, and so late that the event had
// been judged: the feed had stopped between its frame and the next.
func (e *entry) afterwards() bool {
	for _, c := range e.marks {
		if !c.mark.repeat && !c.mark.late || int32(c.frameTS-c.mark.refTS) < settleAfter {
			return false
		}
	}
	return true
}

// judgeUncarried sorts out why an event rode on no packet: events whose frame
// left before the join need not, nor those whose frames did not all arrive.
func (o *observer) judgeUncarried(e *entry) {
	seen, ok := o.frames.find(uint32(e.event.TS))
	switch {
	case e.event.TS <= o.ledger.stateAt:
	case ok && seen.complete && e.event.LateMS == 0:
		o.out.Events.NotCarried++
	default:
		o.out.Events.CarrierLost++
	}
}

// compare holds the extension against the event's own bytes.
func (o *observer) compare(e *entry) bool {
	agree := true
	var digest [4]byte
	if e.message != nil {
		sum := leafHash(e.message)
		digest = [4]byte(sum[:4])
	}
	for _, c := range e.marks {
		m := c.mark
		if e.message != nil && m.digest != digest {
			o.out.Events.DigestMismatches++
			agree = false
		}
		if m.refTS != uint32(e.event.TS) || kindName(m.kind) != e.event.Kind || m.epoch != uint16(e.event.Epoch) {
			o.out.Events.FieldMismatches++
			agree = false
		}
	}
	return agree
}

// judgeFrame counts the frames between the event's own and the one whose packets
// carried it neither as a repeat nor as late; the worst, if there are several.
func (o *observer) judgeFrame(e *entry) {
	r := &o.out.Events
	worst, marked, late := 0, false, false
	for _, c := range e.marks {
		late = late || c.mark.late
		if c.mark.late || c.mark.repeat {
			continue
		}
		marked = true
		n, ok := o.frames.between(uint32(e.event.TS), c.frameTS)
		if !ok && c.frameTS != uint32(e.event.TS) {
			r.FrameUnknown++
			return
		}
		if max(n, -n) > max(worst, -worst) {
			worst = n
		}
	}
	switch {
	case marked:
		r.FrameError[worst]++
	case late:
		r.LateOnly++
	default:
		r.RepeatOnly++
	}
}

// settleHashes compares frame hashes with the frames that they speak of.
func (o *observer) settleHashes(final bool) {
	waiting := o.ledger.frameHashes[:0]
	for _, h := range o.ledger.frameHashes {
		e := o.ledger.entries[h.OfSeq]
		if e == nil || e.event.Type == "" {
			o.out.FrameHash.Unknown++ // its event was before our time
			continue
		}
		seen, ok := o.frames.find(uint32(e.event.TS))
		switch {
		case !ok && !final && int32(o.lastTS-uint32(e.event.TS)) < settleAfter/2:
			waiting = append(waiting, h)
		case !ok || !seen.complete:
			o.out.FrameHash.Incomplete++
		case seen.hash == h.Hash:
			o.out.FrameHash.Checked++
		default:
			o.out.FrameHash.Checked++
			o.out.FrameHash.Mismatched++
		}
	}
	o.ledger.frameHashes = waiting
}
