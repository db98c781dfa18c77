package forward

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSequence(t *testing.T) {
	type row struct {
		skip bool
		slot uint64
		want int // -1: no number
	}
	tests := []struct {
		name  string
		first uint16
		rows  []row
	}{
		{"begins with the number given", 16383, []row{{slot: 70000, want: 16383}, {slot: 70001, want: 16384}}},
		{"wraps", 65535, []row{{slot: 70000, want: 65535}, {slot: 70001, want: 0}, {slot: 70000, want: 65535}}},
		{"a lost packet keeps its number free", 10, []row{{slot: 100, want: 10}, {slot: 103, want: 13}, {slot: 102, want: 12}}},
		{"what is left out takes no number", 10, []row{{slot: 100, want: 10}, {skip: true, slot: 200, want: 11}, {slot: 201, want: 12}}},
		{"what was left out has no number", 10, []row{{slot: 100, want: 10}, {skip: true, slot: 200, want: 11}, {slot: 199, want: -1}, {slot: 101, want: -1}}},
		{"what was sent has its number again", 10, []row{{slot: 100, want: 10}, {slot: 101, want: 11}, {skip: true, slot: 200, want: 12}, {slot: 101, want: 11}, {slot: 100, want: 10}}},
		{"resent before the end of the gap", 10, []row{{slot: 100, want: 10}, {slot: 101, want: 11}, {skip: true, slot: 100, want: 10}, {slot: 300, want: 12}}},
		{"nothing before the first", 10, []row{{slot: 100, want: 10}, {slot: 99, want: -1}}},
		{"a gap of nothing", 10, []row{{slot: 100, want: 10}, {skip: true, slot: 101, want: 11}, {slot: 100, want: 10}}},
		{"two gaps over the wrap", 65534, []row{{slot: 100, want: 65534}, {slot: 101, want: 65535}, {skip: true, slot: 110, want: 0},
			{skip: true, slot: 120, want: 1}, {slot: 101, want: 65535}, {slot: 110, want: 0}, {slot: 115, want: -1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSequence(tt.first)
			if slot, ok := s.Slot(tt.first); ok {
				t.Errorf("a number stands for slot %d before the first packet", slot)
			}
			for i, r := range tt.rows {
				if r.skip {
					s.Skip()
				}
				n, ok := s.Number(r.slot)
				if ok != (r.want >= 0) || ok && int(uint16(n)) != r.want {
					t.Fatalf("row %d: slot %d has number %d, %v; want %d", i, r.slot, n, ok, r.want)
				}
				if slot, back := s.Slot(uint16(n)); ok && (!back || slot != r.slot) {
					t.Errorf("row %d: number %d stands for slot %d, %v; want %d", i, n, slot, back, r.slot)
				}
			}
		})
	}
}

// Numbers of what is sent have no gap but for what was lost; Slot turns Number
// round for everything within memory, and never names a slot left out.
func TestSequenceAgainstMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// The bound of the first number is the caller's: 2^14 (RFC 3711, 3.3.1).
		first := rapid.Uint64Range(0, 1<<14-1).Draw(t, "first")
		s := NewSequence(uint16(first))
		slot := rapid.Uint64Range(1, 1<<40).Draw(t, "slot")
		number := first // of slot, extended
		numbers, slots := map[uint64]uint64{}, map[uint64]uint64{}
		changes := []uint64{slot} // first slots of the runs
		skipped, newest := false, slot
		send := func() {
			n, ok := s.Number(slot)
			if !ok || n != number {
				t.Fatalf("slot %d has number %d, %v; want %d", slot, n, ok, number)
			}
			if skipped {
				changes, skipped = append(changes, slot), false
			}
			numbers[slot], slots[number], newest = number, slot, slot
			slot, number = slot+1, number+1
		}
		oldest := func() uint64 { return changes[max(0, len(changes)-(breakpoints-1))] }
		send()
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				for range rapid.IntRange(1, 500).Draw(t, "n") {
					send()
				}
			},
			"lose": func(t *rapid.T) {
				if !skipped { // lost slots at the start of a run are like those left out
					n := rapid.Uint64Range(1, 600).Draw(t, "n")
					slot, number = slot+n, number+n
					send()
				}
			},
			"skip": func(t *rapid.T) {
				s.Skip()
				slot += rapid.Uint64Range(0, 5000).Draw(t, "n")
				skipped = true
			},
			"again": func(t *rapid.T) {
				old := newest - min(newest-1, rapid.Uint64Range(0, 10000).Draw(t, "back"))
				n, ok := s.Number(old)
				want, sent := numbers[old]
				switch {
				case sent && old >= oldest() && (!ok || n != want):
					t.Fatalf("slot %d had number %d, now %d, %v", old, want, n, ok)
				case ok && sent && n != want:
					t.Fatalf("slot %d had number %d, now %d", old, want, n)
				}
			},
			"nack": func(t *rapid.T) {
				n := number - 1 - min(number-first-1, rapid.Uint64Range(0, 65535).Draw(t, "back"))
				got, ok := s.Slot(uint16(n))
				want, sent := slots[n]
				if sent && want >= oldest() && (!ok || got != want) || ok && sent && got != want {
					t.Fatalf("number %d stood for slot %d (%v), now %d, %v", n, want, sent, got, ok)
				}
				if ok && !sent {
					if again, _ := s.Number(got); again != n {
						t.Fatalf("number %d stands for slot %d, which has number %d", n, got, again)
					}
				}
			},
			"nonsense": func(t *rapid.T) {
				n := rapid.Uint16().Draw(t, "number")
				if got, ok := s.Slot(n); ok {
					if again, ok := s.Number(got); !ok || uint16(again) != n {
						t.Fatalf("number %d stands for slot %d, which has %d, %v", n, got, again, ok)
					}
				}
			},
		})
	})
}

// The last breakpoints-1 runs are remembered, one less than there is room for.
func TestSequenceMemory(t *testing.T) {
	s := NewSequence(100)
	const runs = 3 * breakpoints
	for i := range uint64(runs) {
		s.Skip()
		if n, ok := s.Number(1000 + 10*i); !ok || n != uint64(100+i) {
			t.Fatalf("run %d begins with %d, %v", i, n, ok)
		}
	}
	for i := range uint64(runs) {
		remembered := i > runs-breakpoints
		n, ok := s.Number(1000 + 10*i)
		if ok != remembered || ok && n != uint64(100+i) {
			t.Errorf("slot of run %d has number %d, %v", i, n, ok)
		}
		slot, ok := s.Slot(uint16(100 + i))
		if ok != remembered || ok && slot != 1000+10*i {
			t.Errorf("number of run %d stands for %d, %v", i, slot, ok)
		}
	}
}

func TestSequenceAllocatesNothing(t *testing.T) {
	s, slot := NewSequence(100), uint64(1<<16)
	if n := testing.AllocsPerRun(200, func() {
		if slot%10 == 0 {
			s.Skip()
		}
		n, _ := s.Number(slot)
		if got, ok := s.Slot(uint16(n)); !ok || got != slot {
			t.Fatalf("slot %d comes back as %d", slot, got)
		}
		slot++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
