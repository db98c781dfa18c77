package doctor

import (
	"bytes"
	"slices"
	"time"
)

// markerRoom is the longest payload of a video packet that leaves room for a marker:
// an RTP packet of 1,150 bytes (docs/protocol.md, section 3).
const markerRoom = 1150 - 12

// Observer sums up what a viewer receives. The zero value is ready.
type Observer struct {
	seen    Seen
	first   time.Time
	last    time.Time
	lastTS  uint32
	sinceTS uint32 // of the newest keyframe, or of the first frame
	jitters []time.Duration
}

// Packet takes the length of a video packet's payload.
func (o *Observer) Packet(payload int) {
	o.seen.Packets++
	if payload > markerRoom {
		o.seen.Oversize++
	}
}

// Frame takes a video frame in the order of sequence numbers: its coded bytes (for
// H.264 NAL units behind start codes), or nil if it is not complete.
func (o *Observer) Frame(codec string, ts uint32, data []byte, arrival time.Time) {
	v := &o.seen
	v.Codec = codec
	v.Frames++
	key, sets := keyframe(codec, data)
	if v.Frames == 1 {
		o.first, o.last, o.lastTS, o.sinceTS = arrival, arrival, ts, ts
	}
	step := ticks(ts - o.lastTS)
	if step < 0 {
		v.Backward++
	} else if v.Frames > 1 {
		o.jitters = append(o.jitters, (arrival.Sub(o.last) - step).Abs())
	}
	v.KeyDistance = max(v.KeyDistance, ticks(ts-o.sinceTS))
	if key {
		v.Keyframes++
		o.sinceTS = ts
		if !sets {
			v.WithoutSets++
		}
	}
	o.last, o.lastTS = arrival, ts
}

// Seen returns the sum.
func (o *Observer) Seen() Seen {
	v := o.seen
	v.Span = o.last.Sub(o.first)
	// What came at once with the join was not on its way at its own pace.
	if skip := len(o.jitters) / 4; len(o.jitters) > 20 {
		rest := slices.Sorted(slices.Values(o.jitters[skip:]))
		v.Jitter = rest[len(rest)*99/100]
	}
	return v
}

func ticks(d uint32) time.Duration { return time.Duration(int32(d)) * time.Second / 90_000 }

// keyframe reports whether a coded frame is one, and whether it brings what decoding
// begins with: an H.264 sequence parameter set (ITU-T H.264, table 7-1).
func keyframe(codec string, data []byte) (key, sets bool) {
	switch codec {
	case "video/H264":
		for nal := range bytes.SplitSeq(data, []byte{0, 0, 0, 1}) {
			if len(nal) > 0 {
				key = key || nal[0]&0x1f == 5
				sets = sets || nal[0]&0x1f == 7
			}
		}
		return key, sets
	case "video/VP8": // RFC 6386, section 9.1
		key = len(data) > 0 && data[0]&1 == 0
	}
	return key, key
}
