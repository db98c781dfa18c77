package timeline

import "time"

// Frame is one video frame on the canonical timeline.
type Frame struct {
	TS       uint64 // canonical: the frame's name
	Number   uint64 // count of frames on the track
	Epoch    uint32
	SSRC     uint32 // as the source sent it
	SourceTS uint32
	Reading  // when it was captured
	Stamps   // as it says itself
	Accepted time.Time
	Sent     time.Time // when its first packet was forwarded; zero while held
	// First and Last are the numbers that the media plane gave to the frame's first
	// and last packet; Last is 0 until the frame is complete.
	First, Last uint64
}

// Target is a name of a frame: exactly one of its forms is set.
type Target struct {
	Next        bool
	TS          uint64
	SourceTime  bool // SSRC and SourceTS name it
	SSRC        uint32
	SourceTS    uint32
	CaptureTime time.Time
	Timecode    *Timecode
	SEITime     time.Time
}

// Horizon is how far ahead a frame may be named.
const Horizon = 10 * time.Second

// Verdict says what a Target means at the moment.
type Verdict int

// What a target can turn out to be.
const (
	Found      Verdict = iota
	Pending            // in the future, within the horizon
	TooFar             // beyond the horizon
	TooOld             // it left before the oldest frame that is remembered, or never came
	Unknown            // names a source that this stream does not have
	NotCarried         // names a time that no frame carries
	OtherCount         // names a drop-frame timecode where frames carry others, or the reverse
)

// Frames remembers the newest frames of a track, in order of timestamp, and
// finds the one that a target names.
type Frames struct {
	ring  []Frame
	first uint64 // index of the oldest
	next  uint64 // index of the next to come
	count uint64 // frames ever
	keep  time.Duration
}

// NewFrames returns a memory of the frames of the last keep, at most limit of
// them.
func NewFrames(limit int, keep time.Duration) *Frames {
	return &Frames{ring: make([]Frame, limit), keep: keep}
}

// Add takes a frame and gives it its number, counted in the order of coming. Most
// frames are newer than all before; one that is not, because it was late or is
// coded out of order, gets its place by timestamp.
func (f *Frames) Add(fr Frame) *Frame {
	for f.first < f.next && (f.next-f.first == uint64(len(f.ring)) || fr.Accepted.Sub(f.at(f.first).Accepted) > f.keep) {
		f.first++
	}
	f.count++
	fr.Number = f.count
	i := f.next
	f.next++
	for ; i > f.first && f.at(i-1).TS > fr.TS; i-- {
		*f.at(i) = *f.at(i - 1)
	}
	*f.at(i) = fr
	return f.at(i)
}

// Newest returns the newest frame, or nil.
func (f *Frames) Newest() *Frame {
	if f.next == f.first {
		return nil
	}
	return f.at(f.next - 1)
}

// Gap reports whether frames are missing before fr: it is more than one and a half
// steps after the frame before it.
func (f *Frames) Gap(fr *Frame, step time.Duration) bool {
	for i := f.next; i > f.first+1; i-- {
		if f.at(i-1).TS == fr.TS {
			return fr.TS-f.at(i-2).TS > ticks90k(step*3/2)
		}
	}
	return false
}

// After returns the oldest frame that is remembered with a later timestamp, or nil.
func (f *Frames) After(ts uint64) (next *Frame) {
	for i := f.next; i > f.first && f.at(i-1).TS > ts; i-- {
		next = f.at(i - 1)
	}
	return next
}

// Before returns the newest frame that is remembered with an earlier timestamp, or nil.
func (f *Frames) Before(ts uint64) *Frame {
	for i := f.next; i > f.first; i-- {
		if fr := f.at(i - 1); fr.TS < ts {
			return fr
		}
	}
	return nil
}

// Lookup returns the frame with exactly this timestamp, or nil.
func (f *Frames) Lookup(ts uint64) *Frame {
	for i := f.next; i > f.first; i-- {
		if fr := f.at(i - 1); fr.TS == ts {
			return fr
		}
	}
	return nil
}

// Matches reports whether the frame is at or after the target. A capture time
// is met by the first frame that can have been captured at or after it, given
// the error bound of the frame's own time, but never by one that is more than
// half a frame (step) too early.
func (t Target) Matches(fr *Frame, step time.Duration) bool {
	switch {
	case t.Next:
		return true
	case t.TS != 0:
		return fr.TS >= t.TS
	case t.SourceTime:
		return fr.SSRC == t.SSRC && int32(fr.SourceTS-t.SourceTS) >= 0
	case t.Stamped():
		return t.stamped(fr)
	}
	return !fr.Capture.Add(fr.tolerance(step)).Before(t.CaptureTime)
}

// tolerance is by how much a frame may seem to be captured too early.
func (fr *Frame) tolerance(step time.Duration) time.Duration { return min(fr.Error, step/2) }

// Find returns what a target means now. Next is always pending: the frame that
// it names has not come. step is the distance of two frames.
func (f *Frames) Find(t Target, step time.Duration) (*Frame, Verdict) {
	newest := f.Newest()
	switch {
	case newest == nil:
		return nil, Unknown
	case t.Next:
		return nil, Pending
	case t.TS != 0:
		return f.findTS(t, step)
	case t.SourceTime:
		return f.findSource(t, step)
	case t.Stamped():
		return f.findStamp(t)
	}
	return f.findCapture(t, step)
}

func (f *Frames) findTS(t Target, step time.Duration) (*Frame, Verdict) {
	if newest := f.Newest(); newest.TS < t.TS {
		return ahead(t.TS - newest.TS)
	}
	i := f.earliest(t, step, f.first, f.next-1)
	if fr := f.at(i); i == f.first && fr.TS > t.TS && fr.TS-t.TS >= ticks90k(step) {
		return nil, TooOld
	}
	return f.at(i), Found
}

// findSource looks in one run of the source after the other, the newest first: a
// source that restarted may have used the same timestamps before.
func (f *Frames) findSource(t Target, step time.Duration) (*Frame, Verdict) {
	var after *Frame // the first that came after a time that no run has
	verdict := Unknown
	for end := f.next; end > f.first; {
		last, begin := f.at(end-1), f.runOf(end-1)
		if last.SSRC == t.SSRC {
			past, before := int32(t.SourceTS-last.SourceTS), int32(f.at(begin).SourceTS-t.SourceTS)
			switch {
			case past > 0 && end == f.next:
				return ahead(uint64(past))
			case past <= 0 && before < int32(ticks90k(step)):
				return f.at(f.earliest(t, step, begin, end-1)), Found
			case past <= 0 && begin > f.first && before <= int32(ticks90k(Horizon)):
				after = f.at(begin)
			}
			verdict = TooOld
		}
		end = begin
	}
	if after != nil {
		return after, Found
	}
	return nil, verdict
}

// runOf returns the first frame that came from the same source as frame i, in the
// same epoch and without another between.
func (f *Frames) runOf(i uint64) uint64 {
	for fr := f.at(i); i > f.first && f.at(i-1).Epoch == fr.Epoch && f.at(i-1).SSRC == fr.SSRC; i-- {
	}
	return i
}

func (f *Frames) findCapture(t Target, step time.Duration) (*Frame, Verdict) {
	// A frame's own capture time names it, however the clock was corrected since.
	for i := f.next; i > f.first; i-- {
		if f.at(i - 1).Capture.Equal(t.CaptureTime) {
			return f.at(i - 1), Found
		}
	}
	if newest := f.Newest(); !t.Matches(newest, step) {
		if t.CaptureTime.Sub(newest.Capture) > Horizon {
			return nil, TooFar
		}
		return nil, Pending
	}
	i := f.earliest(t, step, f.first, f.next-1)
	if i == f.first && f.at(i).Capture.Sub(t.CaptureTime) >= step-f.at(i).tolerance(step) {
		return nil, TooOld // the frame before would have matched
	}
	// What is nearer to the frame after is not meant for this one.
	for i+1 < f.next && t.CaptureTime.Sub(f.at(i).Capture) > f.at(i+1).Capture.Sub(t.CaptureTime).Abs() {
		i++
	}
	return f.at(i), Found
}

// earliest goes back from frame i, which matches, to the first of those in a row
// that do, not before from.
func (f *Frames) earliest(t Target, step time.Duration, from, i uint64) uint64 {
	for i > from && t.Matches(f.at(i-1), step) {
		i--
	}
	return i
}

// ahead judges a target that lies the given ticks after the newest frame.
func ahead(ticks uint64) (*Frame, Verdict) {
	if ticks > ticks90k(Horizon) {
		return nil, TooFar
	}
	return nil, Pending
}

// ticks90k returns a duration in ticks of a video line.
func ticks90k(d time.Duration) uint64 { return uint64(d * 90_000 / time.Second) }

func (f *Frames) at(i uint64) *Frame { return &f.ring[i%uint64(len(f.ring))] }
