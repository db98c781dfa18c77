package packet

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

func TestExtend16(t *testing.T) {
	tests := []struct {
		ref  uint64
		v    uint16
		want uint64
	}{
		{0, 0, 0},
		{0, 1, 1},
		{0, 65535, 65535}, // nothing is below zero
		{5, 0x8006, 0x8006},
		{65535, 0, 65536},
		{65536, 65535, 65535},
		{65536, 0x8000, 65536 + 0x8000}, // a tie goes forward
		{65536, 0x8001, 0x8001},
		{65536 + 0x8000, 0, 2 * 65536}, // likewise
		{65536 + 0x8000, 1, 65536 + 1},
		{3*65536 - 1, 0, 3 * 65536},
		{3 * 65536, 65530, 3*65536 - 6},
		{1 << 40, 65535, 1<<40 - 1},
	}
	for _, tt := range tests {
		if got := Extend16(tt.ref, tt.v); got != tt.want {
			t.Errorf("Extend16(%#x, %#x) = %#x, want %#x", tt.ref, tt.v, got, tt.want)
		}
	}
}

func TestExtend32(t *testing.T) {
	tests := []struct {
		ref  uint64
		v    uint32
		want uint64
	}{
		{0, 0xFFFFFFFF, 0xFFFFFFFF},
		{0xFFFFFFFF, 0, 1 << 32},
		{1 << 32, 0xFFFFFFFF, 0xFFFFFFFF},
		{1 << 32, 0x80000000, 1<<32 + 0x80000000},
		{1 << 32, 0x80000001, 0x80000001},
		{160_000_000_000_000, 0x00000000, 37253 << 32}, // 1.6e14 = 37252.9 * 2^32
	}
	for _, tt := range tests {
		if got := Extend32(tt.ref, tt.v); got != tt.want {
			t.Errorf("Extend32(%#x, %#x) = %#x, want %#x", tt.ref, tt.v, got, tt.want)
		}
	}
}

// nearest is the naive way: of all numbers that end in v, the one nearest to ref,
// the larger one if two are.
func nearest(ref, v uint64, width uint) uint64 {
	best, distance := uint64(0), ^uint64(0)
	for k := range uint64(4) {
		cycle := ref >> width
		if cycle+k == 0 {
			continue // one below the first cycle
		}
		n := (cycle+k-1)<<width + v
		d := n - ref
		if n < ref {
			d = ref - n
		}
		if d <= distance {
			best, distance = n, d
		}
	}
	return best
}

func TestExtendIsTheNearest(t *testing.T) {
	reference := rapid.Custom(func(t *rapid.T) uint64 {
		// Every order of magnitude, and close to where cycles begin.
		n := rapid.Uint64Range(0, 1<<48).Draw(t, "n") >> rapid.IntRange(0, 48).Draw(t, "shift")
		if rapid.Bool().Draw(t, "edge") && bits.Len64(n) > 4 {
			n = 1<<bits.Len64(n) - rapid.Uint64Range(0, 16).Draw(t, "below") + 8
		}
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		ref := reference.Draw(t, "ref")
		v := rapid.Uint16().Draw(t, "v16")
		if got, want := Extend16(ref, v), nearest(ref, uint64(v), 16); got != want {
			t.Fatalf("Extend16(%#x, %#x) = %#x, want %#x", ref, v, got, want)
		}
		w := rapid.Uint32().Draw(t, "v32")
		if got, want := Extend32(ref, w), nearest(ref, uint64(w), 32); got != want {
			t.Fatalf("Extend32(%#x, %#x) = %#x, want %#x", ref, w, got, want)
		}
	})
}

func TestExtendFollowsACounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1<<16, 1<<40).Draw(t, "start")
		ref := n
		for range 200 {
			// Steps forward and back, as loss and reordering make them.
			n += rapid.Uint64Range(0, 1<<15-1).Draw(t, "forward")
			n -= min(n-1<<15, rapid.Uint64Range(0, 1<<14).Draw(t, "back"))
			if got := Extend16(ref, uint16(n)); n >= ref-1<<15+1 && n <= ref+1<<15 && got != n {
				t.Fatalf("%#x from %#x: %#x", n, ref, got)
			}
			ref = n
		}
	})
}
