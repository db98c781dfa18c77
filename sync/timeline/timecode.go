package timeline

import (
	"fmt"
	"strconv"
	"time"
)

// Timecode is the label that a studio's equipment gives to a frame (SMPTE ST 12-1).
type Timecode struct {
	Hours, Minutes, Seconds, Frames uint8
	Drop                            bool // drop-frame: labels are skipped, so that it keeps up with the clock
}

// ParseTimecode reads HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame: hours to 23,
// minutes and seconds to 59, frames to 255 in two or three digits.
func ParseTimecode(s string) (t Timecode, ok bool) {
	if len(s) < len("HH:MM:SS:FF") || len(s) > len("HH:MM:SS:FFF") || s[2] != ':' || s[5] != ':' || s[8] != ':' && s[8] != ';' {
		return t, false
	}
	for _, f := range []struct {
		to      *uint8
		digits  string
		highest uint64
	}{{&t.Hours, s[0:2], 23}, {&t.Minutes, s[3:5], 59}, {&t.Seconds, s[6:8], 59}, {&t.Frames, s[9:], 255}} {
		n, err := strconv.ParseUint(f.digits, 10, 8)
		if err != nil || n > f.highest {
			return Timecode{}, false
		}
		*f.to = uint8(n)
	}
	t.Drop = s[8] == ';'
	return t, true
}

// Valid reports whether hours, minutes and seconds are of a day.
func (t Timecode) Valid() bool { return t.Hours < 24 && t.Minutes < 60 && t.Seconds < 60 }

// String returns what ParseTimecode reads.
func (t Timecode) String() string {
	mark := ':'
	if t.Drop {
		mark = ';'
	}
	return fmt.Sprintf("%02d:%02d:%02d%c%02d", t.Hours, t.Minutes, t.Seconds, mark, t.Frames)
}

// A label's second is taken to have 256 frames: enough for all that can be counted, so
// that labels are in order whatever the frame rate.
const (
	labelFrame = time.Second / 256
	labelDay   = 24 * time.Hour
)

// after returns by how much a label is after another on the shorter way around
// midnight; exact in whole seconds, and in the order of frames within one.
func (t Timecode) after(u Timecode) time.Duration {
	d := t.ofDay() - u.ofDay()
	switch {
	case d >= labelDay/2:
		d -= labelDay
	case d < -labelDay/2:
		d += labelDay
	}
	return d
}

func (t Timecode) ofDay() time.Duration {
	return time.Duration(t.Hours)*time.Hour + time.Duration(t.Minutes)*time.Minute +
		time.Duration(t.Seconds)*time.Second + time.Duration(t.Frames)*labelFrame
}

// Stamps are the times that a frame itself carries, by its SEI messages.
type Stamps struct {
	Timecode    Timecode
	HasTimecode bool
	SEITime     time.Time // zero if there is none
}

// Add adds what the frame carries besides, and reports whether that is new.
func (s *Stamps) Add(more Stamps) (added bool) {
	if more.HasTimecode && !s.HasTimecode {
		s.Timecode, s.HasTimecode, added = more.Timecode, true, true
	}
	if !more.SEITime.IsZero() && s.SEITime.IsZero() {
		s.SEITime, added = more.SEITime, true
	}
	return added
}

// Stamped reports whether the target names a frame by what it carries itself.
func (t Target) Stamped() bool { return t.Timecode != nil || !t.SEITime.IsZero() }

// lead returns by how much a frame's own time is after the target's; false if it
// carries none that compares.
func (t Target) lead(fr *Frame) (time.Duration, bool) {
	if t.Timecode != nil {
		return fr.Timecode.after(*t.Timecode), fr.HasTimecode && fr.Timecode.Drop == t.Timecode.Drop
	}
	return fr.SEITime.Sub(t.SEITime), !fr.SEITime.IsZero()
}

// stamped reports whether a frame is at or after the target by its own time. A frame
// that is further than the horizon after it is of another count.
func (t Target) stamped(fr *Frame) bool {
	d, ok := t.lead(fr)
	return ok && d >= 0 && d <= Horizon
}

// findStamp finds the newest frame that carries the target's time, the first of those
// in a row; if it is missing, the first after it.
func (f *Frames) findStamp(t Target) (*Frame, Verdict) {
	newest := f.Stamped(t)
	if newest == nil {
		return nil, NotCarried
	}
	lead, ok := t.lead(newest)
	if !ok {
		return nil, OtherCount
	}
	var after *Frame // the first of those that are after it
	var before bool  // a frame before it is remembered
	for i := f.next; i > f.first; i-- {
		fr := f.at(i - 1)
		d, ok := t.lead(fr)
		switch {
		case !ok:
		case d == 0:
			for ; i-1 > f.first; i-- {
				if d, ok := t.lead(f.at(i - 2)); !ok || d != 0 {
					break
				}
			}
			return f.at(i - 1), Found
		case d < 0:
			before = true
		case !before && d <= Horizon:
			after = fr
		}
	}
	switch {
	case lead < -Horizon:
		return nil, TooFar
	case lead < 0:
		return nil, Pending
	case before && after != nil:
		return after, Found
	}
	return nil, TooOld
}

// Stamped returns the newest frame that carries a time of the target's kind, or nil.
func (f *Frames) Stamped(t Target) *Frame {
	for i := f.next; i > f.first; i-- {
		if fr := f.at(i - 1); t.Timecode != nil && fr.HasTimecode || t.Timecode == nil && !fr.SEITime.IsZero() {
			return fr
		}
	}
	return nil
}

// NewestStamps returns the newest of each kind that frames carry.
func (f *Frames) NewestStamps() (s Stamps) {
	for i := f.next; i > f.first && (!s.HasTimecode || s.SEITime.IsZero()); i-- {
		s.Add(f.at(i - 1).Stamps)
	}
	return s
}
