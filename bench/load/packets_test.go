package load

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/framelock/relay/media/codec"
)

// second is everything that a source sends in the second that starts at begin.
func second(s *Source, begin time.Duration, now time.Time) []*rtp.Packet {
	plan := NewPlan(1, Burst)
	plan.Hold(false, begin)
	var packets []*rtp.Packet
	plan.Due(begin+time.Second-1, func(slot Slot) {
		s.Packets(slot, now, func(b []byte) {
			p := &rtp.Packet{}
			if err := p.Unmarshal(bytes.Clone(b)); err != nil {
				panic(err)
			}
			packets = append(packets, p)
		})
	})
	return packets
}

func TestSourceIsWhatTheRelayReads(t *testing.T) {
	now := time.Unix(1000, 7)
	packets := second(NewSource(0, DefaultSize), 0, now)
	var keyframes, sets, video, audio, ends int
	next := map[uint32]uint16{}
	for _, p := range packets {
		if want, ok := next[p.SSRC]; ok && p.SequenceNumber != want {
			t.Fatalf("sequence number %d, want %d", p.SequenceNumber, want)
		}
		next[p.SSRC] = p.SequenceNumber + 1
		isVideo := p.PayloadType == VideoType
		stamp, stamped, err := inspect(isVideo, p.Payload)
		if err != nil || stamped && !stamp.Sent.Equal(now) {
			t.Fatalf("stamp %v, %v, want time %v", stamp, err, now)
		}
		if !isVideo {
			audio++
			continue
		}
		facts, err := codec.Inspect(codec.H264, p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case facts.SPS && facts.PPS && !stamped:
			sets++
			continue
		case len(p.Payload)+headerSize != DefaultSize:
			t.Fatalf("a video packet of %d bytes, want %d", len(p.Payload)+headerSize, DefaultSize)
		case facts.Keyframe:
			keyframes++
		}
		video++
		if p.Marker {
			ends++
		}
	}
	if keyframes != 1 || sets != 1 || video != 30*FramePackets || ends != 30 || audio != 50 {
		t.Errorf("%d keyframes, %d parameter sets, %d video packets in %d frames, %d audio packets in a second",
			keyframes, sets, video, ends, audio)
	}
}

func TestTimestampsFollowTheClock(t *testing.T) {
	s := NewSource(3, DefaultSize)
	first := map[uint8]uint32{}
	for _, p := range second(s, 0, time.Unix(1, 0)) {
		if _, ok := first[p.PayloadType]; !ok {
			first[p.PayloadType] = p.Timestamp
		}
	}
	after := map[uint8]bool{}
	for _, p := range second(s, 10*time.Second, time.Unix(11, 0)) { // the plan was held for 9 s
		if after[p.PayloadType] {
			continue
		}
		after[p.PayloadType] = true
		want := map[uint8]uint32{VideoType: 10 * videoClock, AudioType: 10 * audioClock}[p.PayloadType]
		slack := map[uint8]uint32{VideoType: 3000, AudioType: 960}[p.PayloadType]
		if got := p.Timestamp - first[p.PayloadType]; got+slack < want || got > want+slack {
			t.Errorf("type %d: timestamp %d after the first, want about %d", p.PayloadType, got, want)
		}
	}
}

func TestDamageIsSeen(t *testing.T) {
	s := NewSource(0, DefaultSize)
	for _, p := range second(s, 0, time.Unix(1, 0)) {
		video := p.PayloadType == VideoType
		p.Payload[len(p.Payload)/2] ^= 1
		if _, _, err := inspect(video, p.Payload); err == nil {
			t.Fatalf("a payload of %d bytes with one wrong bit passes", len(p.Payload))
		}
		if _, _, err := inspect(video, p.Payload[:5]); err == nil {
			t.Fatal("a short payload passes")
		}
	}
}

func TestNumbersCountUp(t *testing.T) {
	s := NewSource(0, DefaultSize)
	var want uint64
	for _, p := range append(second(s, 0, time.Unix(1, 0)), second(s, time.Second, time.Unix(2, 0))...) {
		stamp, stamped, err := inspect(p.PayloadType == VideoType, p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if !stamped {
			continue
		}
		if stamp.Number != want {
			t.Fatalf("number %d, want %d", stamp.Number, want)
		}
		want++
	}
}
