//go:build linux

package load

import "testing"

func TestEvenly(t *testing.T) {
	for _, tt := range []struct{ n, k int }{{1, 1}, {5, 5}, {7, 3}, {100, 5}, {20, 1}, {10, 0}} {
		chosen, last := 0, -1
		for i := range tt.n {
			if !evenly(i, tt.n, tt.k) {
				continue
			}
			chosen++
			if gap := i - last; gap > tt.n/tt.k+1 {
				t.Errorf("%d of %d: a gap of %d", tt.k, tt.n, gap)
			}
			last = i
		}
		if chosen != tt.k {
			t.Errorf("%d of %d: %d were chosen", tt.k, tt.n, chosen)
		}
	}
}
