package timeline

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Frames that come in another order than they are shown in, or late, have the
// place of their timestamp and the number of their coming.
func TestFramesInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		f := NewFrames(limit, time.Hour)
		next, number := 100, uint64(0)
		var kept []Frame // by timestamp
		for range rapid.IntRange(1, 60).Draw(t, "frames") {
			i := next
			if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
				i -= rapid.IntRange(1, 30).Draw(t, "by")
			} else {
				next += rapid.IntRange(1, 3).Draw(t, "step")
			}
			fr := frameAt(i, 0, 0)
			if slices.ContainsFunc(kept, func(k Frame) bool { return k.TS == fr.TS }) {
				continue
			}
			number++
			added := f.Add(fr)
			if len(kept) == limit {
				kept = kept[1:]
			}
			fr.Number = number
			at, _ := slices.BinarySearchFunc(kept, fr, func(a, b Frame) int { return int(int64(a.TS - b.TS)) })
			kept = slices.Insert(kept, at, fr)
			if *added != fr || *f.Newest() != kept[len(kept)-1] {
				t.Fatalf("added %+v, newest %+v; want %+v and %+v", added, f.Newest(), fr, kept[len(kept)-1])
			}
			for k := range kept {
				got := f.Lookup(kept[k].TS)
				if got == nil || *got != kept[k] {
					t.Fatalf("frame %d of %d is %+v, want %+v", k, len(kept), got, kept[k])
				}
				found, verdict := f.Find(Target{TS: kept[k].TS}, step30)
				if verdict != Found || found != got {
					t.Fatalf("the timestamp of %+v means %+v, %d", got, found, verdict)
				}
				gap := k > 0 && kept[k].TS-kept[k-1].TS > 4499
				if f.Gap(got, step30) != gap {
					t.Fatalf("gap before %+v: %v", got, !gap)
				}
			}
		}
	})
}
