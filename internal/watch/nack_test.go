package watch

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// A hole is asked for at once, and again when the answer should have come; what came
// by RTX, or was given up, is not.
func TestNacks(t *testing.T) {
	now := time.Unix(1000, 0)
	o := newObserver(Config{}, now)
	push := func(seq uint16, repair bool) {
		o.videoPacket(&packet{kind: webrtc.RTPCodecTypeVideo, codec: webrtc.MimeTypeH264, ssrc: 7, seq: seq, at: now, payload: []byte{0x65}, retransmitted: repair})
	}
	asked := func() (numbers []uint16) {
		for _, p := range o.nack(now) {
			n := p.(*rtcp.TransportLayerNack)
			if n.MediaSSRC != 7 {
				t.Errorf("SSRC %d, want 7", n.MediaSSRC)
			}
			for _, pair := range n.Nacks {
				numbers = append(numbers, pair.PacketList()...)
			}
		}
		return numbers
	}
	expect := func(what string, want ...uint16) {
		t.Helper()
		if got := asked(); !slices.Equal(got, want) {
			t.Errorf("%s: %v are asked for, want %v", what, got, want)
		}
	}
	push(65533, false)
	expect("nothing is missing")
	push(2, false)
	expect("at once", 65534, 65535, 0, 1)
	expect("not twice")
	now = now.Add(nackSpacing - time.Millisecond)
	push(65535, true)
	expect("too soon")
	now = now.Add(time.Millisecond)
	expect("without an answer", 65534, 0, 1)
	o.bestRTT = 10 * time.Millisecond
	now = now.Add(o.bestRTT + nackAllowance)
	push(65534, true)
	expect("after a round trip", 0, 1)
	now = now.Add(repairWait)
	o.tick(now)
	expect("given up")
	if len(o.video.asked) != 0 {
		t.Errorf("%d packets are remembered", len(o.video.asked))
	}
}
