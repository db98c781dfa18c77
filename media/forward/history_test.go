package forward

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/framelock/relay/media/packet"
)

// kept is a packet for a history; the caller's own reference is given back once
// it has been added.
func kept(pool *packet.Pool, slot uint64, at time.Time) Packet {
	a := arrival(pool, uint16(slot), uint32(slot), at)
	return Packet{Buffer: a.Buffer, Header: a.Header, Slot: slot, TS: slot * 10, Arrival: at}
}

func TestHistory(t *testing.T) {
	pool := packet.NewPool(8)
	h := NewHistory(8, time.Second)
	add := func(slot uint64, after time.Duration) bool {
		p := kept(pool, slot, start.Add(after))
		defer p.Buffer.Release()
		return h.Add(&p)
	}
	expect := func(when string, slots ...uint64) {
		t.Helper()
		want := map[uint64]bool{}
		for _, s := range slots {
			want[s] = true
		}
		for s := range uint64(200) {
			p := h.Get(s)
			if (p != nil) != want[s] || p != nil && p.Slot != s {
				t.Errorf("%s: slot %d holds %v, want one: %v", when, s, p, want[s])
			}
		}
		if int(pool.Live()) != len(slots) {
			t.Errorf("%s: %d buffers live, want %d", when, pool.Live(), len(slots))
		}
	}
	if h.Get(0) != nil || h.End() != 0 {
		t.Error("an empty history has something")
	}
	for _, tt := range []struct {
		when  string
		slot  uint64
		after time.Duration
		taken bool
		want  []uint64
	}{
		{"first", 100, 0, true, []uint64{100}},
		{"before the first", 99, 0, false, []uint64{100}},
		{"twice", 100, 0, false, []uint64{100}},
		{"after a hole", 103, ms(1), true, []uint64{100, 103}},
		{"into the hole", 102, ms(2), true, []uint64{100, 102, 103}},
		{"the last that fits", 107, ms(3), true, []uint64{100, 102, 103, 107}},
		{"one more", 108, ms(4), true, []uint64{102, 103, 107, 108}},
		{"where the first was", 100, ms(4), false, []uint64{102, 103, 107, 108}},
		{"the hole at the end of the ring", 101, ms(4), true, []uint64{101, 102, 103, 107, 108}},
		{"far ahead", 150, ms(5), true, []uint64{150}},
		{"behind the ring", 142, ms(5), false, []uint64{150}},
		{"the oldest that fits", 143, ms(6), true, []uint64{143, 150}},
		{"kept as long as told", 151, ms(1005), true, []uint64{143, 150, 151}[1:]},
		{"and no longer", 152, ms(1006), true, []uint64{151, 152}},
	} {
		if got := add(tt.slot, tt.after); got != tt.taken {
			t.Errorf("%s: %v, want %v", tt.when, got, tt.taken)
		}
		expect(tt.when, tt.want...)
	}
	if h.End() != 153 {
		t.Errorf("the end is %d", h.End())
	}
	h.Clear()
	expect("cleared")
	if add(150, ms(1006)) {
		t.Error("a slot from before Clear is taken")
	}
	if !add(153, ms(1006)) {
		t.Error("the history does not go on after Clear")
	}
	expect("after Clear", 153)
}

// A history gives back what was added for a slot, never anything else, and holds
// exactly the buffers that it can give back.
func TestHistoryAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 32
		pool, now := packet.NewPool(8), start
		h, added := NewHistory(size, 100*time.Millisecond), map[uint64]*packet.Buffer{}
		next := rapid.Uint64Range(1, 1<<40).Draw(t, "first")
		arrivals := map[uint64]time.Time{}
		check := func() {
			live := 0
			for s := range added {
				if p := h.Get(s); p != nil {
					live++
					if p.Slot != s || p.Buffer != added[s] || p.TS != s*10 || s+size < h.End() {
						t.Fatalf("slot %d (end %d) holds %+v", s, h.End(), p)
					}
				} else if s+size >= h.End() && now.Sub(arrivals[s]) < 100*time.Millisecond {
					t.Fatalf("slot %d of %v ago is gone, the end is %d", s, now.Sub(arrivals[s]), h.End())
				}
			}
			if live != int(pool.Live()) {
				t.Fatalf("%d buffers live, %d are in the history", pool.Live(), live)
			}
			for s := next - min(next, 3*size); s < next+size; s++ {
				if added[s] == nil && h.Get(s) != nil {
					t.Fatalf("slot %d was never added", s)
				}
			}
		}
		add := func(slot uint64) {
			p := kept(pool, slot, now)
			taken := added[slot] != nil && h.Get(slot) != nil
			if ok := h.Add(&p); ok {
				if taken {
					t.Fatalf("slot %d is taken twice", slot)
				}
				added[slot], arrivals[slot] = p.Buffer, now
			} else if slot >= h.End() {
				t.Fatalf("slot %d is refused, the end is %d", slot, h.End())
			}
			p.Buffer.Release()
			check()
		}
		t.Repeat(map[string]func(*rapid.T){
			"next": func(t *rapid.T) { add(next); next++ },
			"lose": func(t *rapid.T) { next += rapid.Uint64Range(1, 2*size).Draw(t, "n") },
			"old":  func(t *rapid.T) { add(next - min(next-1, rapid.Uint64Range(1, 2*size).Draw(t, "back"))) },
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "ms")) * time.Millisecond)
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					h.Clear()
					clear(added)
					next = max(next, h.End())
				}
			},
		})
		h.Clear()
		if pool.Live() != 0 {
			t.Fatalf("%d buffers live after Clear", pool.Live())
		}
	})
}

func TestHistoryAllocatesNothing(t *testing.T) {
	pool, slot := packet.NewPool(64), uint64(1<<16)
	h := NewHistory(16, time.Second)
	var p Packet
	if n := testing.AllocsPerRun(200, func() {
		p = kept(pool, slot, start)
		h.Add(&p)
		p.Buffer.Release()
		if h.Get(slot) == nil {
			t.Fatal("not there")
		}
		slot++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
