package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/webrtc/v4"
	"pgregory.net/rapid"
)

// packetAt is a VP8 packet; the first of a frame has the S bit.
func packetAt(seq uint16, ts uint32, first, last bool, at time.Time) *packet {
	descriptor := byte(0)
	if first {
		descriptor = 0x10
	}
	return &packet{
		kind: webrtc.RTPCodecTypeVideo, codec: webrtc.MimeTypeVP8, seq: seq, ts: ts, last: last,
		payload: []byte{descriptor, byte(seq)}, at: at,
	}
}

// show writes frames as "ts:packets" with a star for broken ones.
func show(frames []*building) string {
	var parts []string
	for _, f := range frames {
		star := ""
		if f.broken {
			star = "*"
		}
		parts = append(parts, fmt.Sprintf("%d:%d%s", f.ts, len(f.packets), star))
	}
	return strings.Join(parts, " ")
}

func TestAssembler(t *testing.T) {
	// Four frames of three packets at ts 100, 200, 300, 400; base is the first
	// packet's sequence number and order says which come, in which order.
	tests := []struct {
		name   string
		base   uint16
		order  []int
		noLast bool // no RTP marker bits: frames end where the next begins
		want   string
		lost   uint64
		dup    uint64
	}{
		{name: "in order", order: []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, want: "100:3 200:3 300:3"},
		{name: "no marker bit", order: []int{0, 1, 2, 3, 4, 5, 6}, noLast: true, want: "100:3 200:3"},
		{name: "wrap", base: 65533, order: []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, want: "100:3 200:3 300:3"},
		{name: "reorder", order: []int{0, 2, 1, 5, 3, 4, 6, 8, 7}, want: "100:3 200:3 300:3"},
		{name: "reorder across the wrap", base: 65534, order: []int{0, 2, 1, 4, 3, 5}, want: "100:3 200:3"},
		{name: "duplicates", order: []int{0, 1, 1, 2, 0, 3, 4, 5, 5}, want: "100:3 200:3", dup: 3},
		{name: "lost in the middle", order: []int{0, 1, 2, 3, 5, 6, 7, 8}, want: "100:3 200:2* 300:3", lost: 1},
		{name: "lost at the end", order: []int{0, 1, 2, 3, 4, 6, 7, 8}, want: "100:3 200:2* 300:3*", lost: 1},
		{name: "lost at the start", order: []int{0, 1, 2, 4, 5, 6, 7, 8}, want: "100:3 200:2* 300:3", lost: 1},
		{name: "lost frame", order: []int{0, 1, 2, 6, 7, 8, 9, 10, 11}, want: "100:3 300:3* 400:3", lost: 3},
		{name: "join in a frame's middle", order: []int{1, 2, 3, 4, 5}, want: "100:2* 200:3"},
		{name: "repaired too late", order: []int{0, 1, 2, 3, 5, 6, 7, 8, -1, 4}, want: "100:3 200:2* 300:3", lost: 1, dup: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, now := newAssembler(), time.Unix(1000, 0)
			var got []*building
			for _, i := range tt.order {
				if i < 0 {
					now = now.Add(2 * repairWait)
					got = append(got, a.drain(now)...)
					continue
				}
				p := packetAt(tt.base+uint16(i), uint32(100*(1+i/3)), i%3 == 0, i%3 == 2 && !tt.noLast, now)
				got = append(got, a.push(p)...)
			}
			if early := a.drain(now.Add(repairWait - 1)); tt.lost > 0 && tt.dup == 0 && len(early) > 0 {
				t.Errorf("gave up a hole after less than %v: %s", repairWait, show(early))
			}
			got = append(got, a.drain(now.Add(repairWait))...)
			if diff := cmp.Diff(tt.want, show(got)); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
			if a.lost != tt.lost || a.duplicates != tt.dup {
				t.Errorf("lost %d, duplicates %d; want %d, %d", a.lost, a.duplicates, tt.lost, tt.dup)
			}
		})
	}
}

// A frame that is called complete has every one of its packets, in order, after
// any loss, reordering and duplication.
func TestAssemblerNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, now := newAssembler(), time.Unix(1000, 0)
		base := rapid.Uint16().Draw(t, "base")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 5), 2, 20).Draw(t, "sizes")
		var sent []*packet
		for f, n := range sizes {
			for i := range n {
				sent = append(sent, packetAt(base+uint16(len(sent)), uint32(f), i == 0, i == n-1, now))
			}
		}
		var finished []*building
		for i := 0; i < len(sent); i++ {
			if i > 0 && rapid.IntRange(0, 9).Draw(t, "lose") == 0 {
				continue
			}
			j := i
			if i > 0 && i+1 < len(sent) && rapid.Bool().Draw(t, "swap") {
				sent[i], sent[i+1] = sent[i+1], sent[i]
			}
			p := *sent[j]
			now = now.Add(10 * time.Millisecond)
			p.at = now
			finished = append(finished, a.push(&p)...)
		}
		finished = append(finished, a.drain(now.Add(repairWait))...)
		last := -1
		for _, f := range finished {
			if int(f.ts) <= last {
				t.Fatalf("frame %d after %d", f.ts, last)
			}
			last = int(f.ts)
			if !f.broken && len(f.packets) != sizes[f.ts] {
				t.Fatalf("frame %d is called complete with %d of %d packets", f.ts, len(f.packets), sizes[f.ts])
			}
		}
	})
}
