package forward

import (
	"testing"

	"pgregory.net/rapid"
)

func TestGOP(t *testing.T) {
	type row struct {
		slot       uint64
		start, key bool
		begins     bool
		from       uint64 // 0: nothing can be decoded
	}
	tests := []struct {
		name string
		rows []row
	}{
		{"first packet is a keyframe", []row{{100, true, true, true, 100}, {101, false, true, false, 100}, {102, true, false, false, 100}}},
		{"nothing before a keyframe", []row{{100, true, false, false, 0}, {101, false, false, false, 0}, {102, true, true, true, 102}}},
		{"parameter sets first", []row{{100, true, false, false, 0}, {101, false, false, false, 0}, {102, false, true, true, 100}, {103, false, true, false, 100}}},
		{"next keyframe", []row{{100, true, true, true, 100}, {101, true, false, false, 100}, {102, true, true, true, 102}}},
		{"two keyframes in a row", []row{{100, true, true, true, 100}, {101, true, true, true, 101}}},
		{"hole after the keyframe", []row{{100, true, true, true, 100}, {102, true, false, false, 0}, {103, true, false, false, 0}, {104, true, true, true, 104}}},
		{"hole in the keyframe", []row{{100, true, true, true, 100}, {102, false, true, false, 0}, {103, true, false, false, 0}, {104, true, true, true, 104}}},
		{"hole before a keyframe, which may be its first packet", []row{{100, true, false, false, 0}, {102, true, true, false, 0}, {103, false, true, false, 0}, {104, true, true, true, 104}}},
		{"hole in the frame before", []row{{100, true, false, false, 0}, {102, false, false, false, 0}, {103, true, true, true, 103}}},
		{"slots that go back", []row{{100, true, true, true, 100}, {101, true, false, false, 100}, {100, true, true, false, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g GOP
			if _, _, ok := g.Slots(); ok {
				t.Error("something to decode before the first packet")
			}
			for i, r := range tt.rows {
				if got := g.Forwarded(&Packet{Slot: r.slot, FrameStart: r.start, Keyframe: r.key}); got != r.begins {
					t.Errorf("row %d: begins %v, want %v", i, got, r.begins)
				}
				from, end, ok := g.Slots()
				if ok != (r.from != 0) || ok && (from != r.from || end != r.slot+1) {
					t.Errorf("row %d: slots %d to %d, %v; want %d to %d", i, from, end, ok, r.from, r.slot+1)
				}
			}
		})
	}
}

// What a GOP offers has no hole, and begins with a keyframe none of whose packets
// is missing. Frames are drawn whole, then some packets are lost.
func TestGOPNeverSpansAHole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g GOP
		forwarded, firstOf, keyOf := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
		slot := rapid.Uint64Range(1, 1<<40).Draw(t, "slot")
		for range rapid.IntRange(1, 60).Draw(t, "frames") {
			key := rapid.IntRange(0, 3).Draw(t, "key") == 0
			started := false // the first packet that comes is taken for the first
			for i := range rapid.IntRange(1, 5).Draw(t, "packets") {
				firstOf[slot], keyOf[slot] = i == 0, key
				if rapid.IntRange(0, 15).Draw(t, "lost") > 0 || len(forwarded) == 0 && i == 0 {
					g.Forwarded(&Packet{Slot: slot, FrameStart: !started, Keyframe: key})
					started, forwarded[slot] = true, true
				}
				slot++
				from, end, ok := g.Slots()
				if !ok {
					continue
				}
				if !firstOf[from] || !keyOf[from] {
					t.Fatalf("slot %d is not a keyframe's first packet", from)
				}
				for s := from; s < end; s++ {
					if !forwarded[s] {
						t.Fatalf("slot %d is missing between %d and %d", s, from, end)
					}
				}
			}
		}
	})
}

func TestGOPAllocatesNothing(t *testing.T) {
	var g GOP
	p := Packet{Slot: 1 << 16}
	if n := testing.AllocsPerRun(100, func() {
		p.Slot++
		p.FrameStart, p.Keyframe = p.Slot%4 == 0, p.Slot%100 == 0
		g.Forwarded(&p)
		g.Slots()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A slot that is left empty on purpose is no loss to the keyframe behind it.
func TestGOPAfterASlotThatIsLeft(t *testing.T) {
	for _, left := range []bool{false, true} {
		g := &GOP{}
		g.Forwarded(&Packet{Slot: 10, FrameStart: true, Keyframe: true})
		if left {
			g.Leave(11)
		}
		if begins := g.Forwarded(&Packet{Slot: 12, FrameStart: true, Keyframe: true}); begins != left {
			t.Errorf("left %v: a GOP begins: %v", left, begins)
		}
		if from, _, ok := g.Slots(); ok != left || ok && from != 12 {
			t.Errorf("left %v: from %d, %v", left, from, ok)
		}
	}
}
