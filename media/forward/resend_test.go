package forward

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestResends(t *testing.T) {
	type ask struct {
		slot uint64
		size int
		rtt  time.Duration
		at   int // ms
		want bool
	}
	const big = 1 << 40
	tests := []struct {
		name        string
		rate, burst float64
		asks        []ask
	}{
		// A path that loses one of ten both ways loses four in a row every hundred
		// seconds of 100 packets each: the picture stood still until the next keyframe.
		{"seven times, 20 ms apart", big, big, []ask{{1, 100, 0, 0, true}, {1, 100, 0, 19, false}, {1, 100, 0, 20, true},
			{1, 100, 0, 40, true}, {1, 100, 0, 60, true}, {1, 100, 0, 80, true}, {1, 100, 0, 100, true}, {1, 100, 0, 120, true},
			{1, 100, 0, 140, false}, {1, 100, 0, 100_000, false}}},
		// A viewer that asks again a round trip later by its own measure is not told to wait for another.
		{"most of a round trip apart", big, big, []ask{{1, 100, ms(80), 0, true}, {1, 100, ms(80), 59, false}, {1, 100, ms(80), 60, true}}},
		{"each packet by itself", big, big, []ask{{1, 100, 0, 0, true}, {2, 100, 0, 0, true}, {1, 100, 0, 1, false}}},
		{"budget", 1000, 250, []ask{{1, 100, 0, 0, true}, {2, 100, 0, 0, true}, {3, 100, 0, 0, false}, {3, 100, 0, 49, false}, {3, 100, 0, 51, true}, {4, 100, 0, 52, false}}},
		{"no more is saved up than the burst", 1000, 250, []ask{{1, 100, 0, 0, true}, {2, 250, 0, 60_000, true}, {3, 1, 0, 60_000, false}}},
		{"what the budget refuses does not count", 1000, 100, []ask{{1, 100, 0, 0, true}, {2, 100, 0, 0, false}, {2, 100, 0, 100, true}, {2, 100, 0, 200, true},
			{2, 100, 0, 300, true}, {2, 100, 0, 400, true}, {2, 100, 0, 500, true}, {2, 100, 0, 600, true}, {2, 100, 0, 700, true}, {2, 100, 0, 800, false}}},
		{"two that share a place do not push each other out", big, big, []ask{{1, 100, 0, 0, true}, {1 + resendMemory, 100, 0, 1, false},
			{1, 100, 0, 100, true}, {1 + resendMemory, 100, 0, 599, false}, {1 + resendMemory, 100, 0, 600, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Resends{Rate: tt.rate, Burst: tt.burst}
			for i, a := range tt.asks {
				if got := r.Allow(a.slot, a.size, a.rtt, start.Add(ms(a.at))); got != a.want {
					t.Errorf("ask %d: %v, want %v", i, got, a.want)
				}
			}
		})
	}
}

// However a viewer asks, a packet goes out at most once in 20 ms, at most
// maxResends times in resendRest, and all of them within the budget.
func TestResendsUnderAttack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rate, burst = 100_000, 20_000
		r, now := Resends{Rate: rate, Burst: burst}, start
		sent, bytes := map[uint64][]time.Time{}, 0
		for range rapid.IntRange(1, 400).Draw(t, "asks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 15_000).Draw(t, "us")) * time.Microsecond)
			slot := 1<<16 + uint64(rapid.IntRange(0, 1).Draw(t, "slot"))*resendMemory
			size := rapid.IntRange(1, 1500).Draw(t, "size")
			if !r.Allow(slot, size, 0, now) {
				continue
			}
			bytes += size
			past := sent[slot]
			if n := len(past); n > 0 && now.Sub(past[n-1]) < minResendSpace {
				t.Fatalf("sent again after %v", now.Sub(past[n-1]))
			}
			if n := len(past); n >= maxResends && now.Sub(past[n-maxResends]) < resendRest {
				t.Fatalf("sent %d times in %v", maxResends+1, now.Sub(past[n-maxResends]))
			}
			sent[slot] = append(past, now)
			if most := burst + rate*now.Sub(start).Seconds(); float64(bytes) > most+1 {
				t.Fatalf("%d bytes after %v, the budget is %.0f", bytes, now.Sub(start), most)
			}
		}
	})
}

func TestGate(t *testing.T) {
	g := Gate{Interval: 500 * time.Millisecond}
	for _, tt := range []struct {
		at   int
		want bool
	}{{0, true}, {0, false}, {499, false}, {500, true}, {999, false}, {5000, true}, {5001, false}} {
		if got := g.Open(start.Add(ms(tt.at))); got != tt.want {
			t.Errorf("at %d ms: %v, want %v", tt.at, got, tt.want)
		}
	}
}
