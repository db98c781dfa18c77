package stream

import (
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/timeline"
)

// Sizes of a track's history, in packets: at least the configured time of a
// stream of 12 Mbit/s or of 50 audio packets a second.
const (
	videoHistory = 1 << 14
	audioHistory = 1 << 11
)

// track is the state of one track.
type track struct {
	id      forward.Track
	cfg     *Input
	lock    forward.SourceLock
	input   *forward.Input
	line    *timeline.Line
	clock   *timeline.Clock
	history *forward.History
	next    uint64    // slot to be forwarded next
	heard   time.Time // newest packet
	packets uint64
	foreign uint64 // packets of senders that are not heard
	before  compared

	// Video only.
	gop        forward.GOP
	vp8        codec.VP8Continuity
	frame      uint64 // canonical timestamp of the frame that packets in order belong to
	first      uint64 // slot of its first packet
	capture    uint64 // its capture time, NTP 32.32
	backwards  uint64 // frames that came after a newer one: B-frames
	parameters bool   // it has brought parameter sets
	waitKey    bool   // nothing is forwarded until a keyframe
}

func newTrack(id forward.Track, in *Input, c *Config, lease journal.Lease) *track {
	size := videoHistory
	if id == forward.Audio {
		size = audioHistory
	}
	rate := in.Codec.ClockRate()
	return &track{
		id: id, cfg: in,
		lock: forward.SourceLock{
			PayloadType: in.PayloadType, SSRC: in.SSRC, Allow: in.Allow, Silence: c.Silence,
		},
		input:   forward.NewInput(c.Reorder),
		line:    timeline.NewLine(rate, timeline.Resume{Epoch: lease.Epoch, Ahead: lease.AheadBy}),
		clock:   timeline.NewClock(rate, c.CaptureOffset),
		history: forward.NewHistory(size, c.Hold+c.History),
		waitKey: id == forward.Video,
	}
}

// step returns the distance of two frames.
func (t *track) step() time.Duration {
	return time.Duration(t.line.Step()) * time.Second / time.Duration(t.cfg.Codec.ClockRate())
}

// due returns when the next packet that is held leaves.
func (t *track) due(hold time.Duration) (time.Time, bool) {
	for s := t.next; s < t.history.End(); s++ {
		if p := t.history.Get(s); p != nil {
			return p.Arrival.Add(hold), true
		}
	}
	return time.Time{}, false
}
