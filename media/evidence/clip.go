package evidence

import (
	"errors"
	"iter"

	"github.com/framelock/relay/media/forward"
)

// ErrNothing says that a recording has no frame of the time that was asked for.
var ErrNothing = errors.New("the recording has no keyframe of that time or before it")

// Clip returns the frames of a recording from the last keyframe at or before from,
// or the first one there is, up to the first frame of video after to, in the order
// in which they were sent. There is none if the recording ends before from.
func Clip(frames iter.Seq2[Frame, error], from, to uint64) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		var gop []Frame // since the newest keyframe, as long as from has not come
		started := false
		for f, err := range frames {
			video := f.Track == forward.Video
			past := video && f.TS > to
			switch {
			case err != nil:
				yield(Frame{}, err)
				return
			case started && (past || !yield(f, nil)):
				return
			case started:
				continue
			case video && f.Keyframe && f.TS <= from:
				gop = gop[:0]
			case len(gop) == 0 && !(video && f.Keyframe):
				continue // nothing to decode it from
			}
			if !past {
				gop = append(gop, f)
			}
			if started = video && f.TS >= from; !started {
				continue
			}
			for _, f := range gop {
				if !yield(f, nil) {
					return
				}
			}
			if gop = nil; past {
				return
			}
		}
	}
}
