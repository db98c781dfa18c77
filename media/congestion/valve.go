package congestion

import "time"

// When video flows.
const (
	// spare is the queue of a path that is taken to be free: video begins again.
	spare = 50 * time.Millisecond
	// A GOP that begins after a drop shows whether the path has recovered. It goes
	// on until the path has had the time to say so, whatever the estimate of before
	// makes of it; within probeRoom, and no more often than each probeSpacing.
	probeSpacing = 1900 * time.Millisecond
	probeTime    = 200 * time.Millisecond // and a round trip
	probeRoom    = time.Second
	// frameRoom is the queue at which even a frame that has begun is cut off.
	frameRoom = 3 * time.Second
	// leastCalm is how long the whole stream must flow for the congestion to be
	// over. When it comes back within relapse, that takes twice as long the next time.
	leastCalm = 2500 * time.Millisecond
	mostCalm  = 20 * time.Second
	relapse   = 10 * time.Second
)

// Valve decides which video packets of one viewer flow. Audio is not asked about:
// it always flows, and what Estimator.Sent hears of it is not there for video any
// more. While the path is the limit, video flows up to a bounded queue, then stops
// at the end of a frame and goes on with a keyframe. The zero Valve is open.
type Valve struct {
	shut    bool // video waits for a keyframe
	passes  bool // the current frame does
	refused bool // the current frame is a keyframe that does not

	opened  time.Time // when the video that flows began after a drop
	probing bool      // and it was to show what the path carries
	probed  time.Time // when the last one of these began

	congested bool
	over      time.Time     // when the viewer last was no longer congested
	calm      time.Duration // before the viewer is so again
}

// Video reports whether the next packet of video flows, in order. first says that
// it is its frame's first, keyframe that its frame is known to be a keyframe. Who
// knows that only with a later packet says so then: the packets before it are
// missing then if video was stopped.
func (v *Valve) Video(first, keyframe bool, e *Estimator, now time.Time) bool {
	switch {
	case first:
		v.refused = false
		v.frame(keyframe, e, now)
	case keyframe && v.shut && !v.refused:
		v.frame(true, e, now)
	case v.passes && e.Limited() && e.Backlog(now) > frameRoom:
		v.stop(keyframe, now)
	}
	return v.passes
}

// Resend reports whether there is room for a retransmission of video.
func (v *Valve) Resend(e *Estimator, now time.Time) bool { return !v.full(e, now) }

// Waiting reports whether video is stopped until a keyframe.
func (v *Valve) Waiting() bool { return v.shut }

// Congested reports whether the viewer does not get the whole stream, or has only
// just begun to get it again.
func (v *Valve) Congested() bool { return v.congested }

// frame decides about a frame that begins.
func (v *Valve) frame(keyframe bool, e *Estimator, now time.Time) {
	switch {
	case v.shut && keyframe:
		if e.Backlog(now) > spare {
			v.refused = true
			return
		}
		v.shut, v.passes, v.opened = false, true, now
		if v.probing = now.Sub(v.probed) >= probeSpacing; v.probing {
			v.probed = now
		}
	case v.shut:
		v.passes = false
	case v.full(e, now):
		v.stop(keyframe, now)
	default:
		v.passes = true
		if v.congested && now.Sub(v.opened) >= v.calm {
			v.congested, v.over = false, now
		}
	}
}

func (v *Valve) stop(keyframe bool, now time.Time) {
	v.shut, v.passes, v.refused = true, false, keyframe
	if v.congested {
		return
	}
	v.congested = true
	if v.calm > 0 && now.Sub(v.over) < relapse {
		v.calm = min(2*v.calm, mostCalm)
	} else {
		v.calm = leastCalm
	}
}

// full reports whether the path has a queue that is long enough.
func (v *Valve) full(e *Estimator, now time.Time) bool {
	if !e.Limited() {
		return false
	}
	fresh := now.Sub(v.opened) < e.roundTrip()+probeTime
	switch waits := e.Backlog(now); {
	case fresh && v.probing && e.measured.Before(v.opened):
		return waits > probeRoom
	case fresh: // there is no message yet that could say whether packets wait
		return waits > e.room
	default:
		return waits > e.room && e.pressed
	}
}
