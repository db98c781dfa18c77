package timeline

import (
	"time"
)

// Frame is one video frame on the canonical timeline.
type Frame struct {
	TS       uint64 // canonical: the frame's name
	Number   uint64 // count of frames on the track
	Epoch    uint32
	SSRC     uint32 // as the source sent it
	SourceTS uint32
	Reading  // when it was captured
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
}

// Horizon is how far ahead a frame may be named.
const Horizon = 10 * time.Second

// Verdict says what a Target means at the moment.
type Verdict int

// What a target can turn out to be.
const (
	Found   Verdict = iota
	Pending         // in the future, within the horizon
	TooFar          // beyond the horizon
	TooOld          // it left before the oldest frame that is remembered
	Unknown         // names a source that this stream does not have
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

// Add takes the next frame and gives it its number.
func (f *Frames) Add(fr Frame) *Frame {
	for f.first < f.next && (f.next-f.first == uint64(len(f.ring)) || fr.Accepted.Sub(f.at(f.first).Accepted) > f.keep) {
		f.first++
	}
	f.count++
	fr.Number = f.count
	p := &f.ring[f.next%uint64(len(f.ring))]
	*p = fr
	f.next++
	return p
}

// Newest returns the newest frame, or nil.
func (f *Frames) Newest() *Frame {
	if f.next == f.first {
		return nil
	}
	return f.at(f.next - 1)
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
	}
	return !fr.Capture.Add(min(fr.Error, step/2)).Before(t.CaptureTime)
}

// Find returns what a target means now. Next is always pending: the frame that
// it names has not come. step is the distance of two frames.
func (f *Frames) Find(t Target, step time.Duration) (*Frame, Verdict) {
	newest := f.Newest()
	if newest == nil {
		return nil, Unknown
	}
	if t.SourceTime && !f.hasSource(t.SSRC) {
		return nil, Unknown
	}
	if t.Next || !t.Matches(newest, step) {
		return nil, f.ahead(t, newest)
	}
	i := f.next - 1
	for i > f.first && t.Matches(f.at(i-1), step) {
		i--
	}
	if i == f.first && f.before(t, f.at(i), step) {
		return nil, TooOld
	}
	return f.at(i), Found
}

// ahead judges a target that no frame has met.
func (f *Frames) ahead(t Target, newest *Frame) Verdict {
	var d time.Duration
	switch {
	case t.TS != 0:
		d = time.Duration(float64(t.TS-newest.TS) / 90000 * float64(time.Second))
	case t.SourceTime:
		if t.SSRC != newest.SSRC {
			return TooOld // that source has ended
		}
		d = time.Duration(t.SourceTS-newest.SourceTS) * time.Second / 90000
	case !t.CaptureTime.IsZero():
		d = t.CaptureTime.Sub(newest.Capture)
	}
	if d > Horizon {
		return TooFar
	}
	return Pending
}

// before reports whether the target lies more than a frame before the oldest
// frame, so that the frame it names may have been forgotten.
func (f *Frames) before(t Target, oldest *Frame, step time.Duration) bool {
	ticks := uint64(step * 90000 / time.Second)
	switch {
	case t.TS != 0:
		return oldest.TS-t.TS >= ticks && oldest.TS > t.TS
	case t.SourceTime:
		return int32(oldest.SourceTS-t.SourceTS) >= int32(ticks)
	}
	return oldest.Capture.Sub(t.CaptureTime) >= step+oldest.Error
}

func (f *Frames) hasSource(ssrc uint32) bool {
	for i := f.next; i > f.first; i-- {
		if f.at(i-1).SSRC == ssrc {
			return true
		}
	}
	return false
}

func (f *Frames) at(i uint64) *Frame { return &f.ring[i%uint64(len(f.ring))] }
