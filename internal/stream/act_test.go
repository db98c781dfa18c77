package stream

import (
	"slices"
	"testing"

	"github.com/framelock/relay/sync/window"
)

// A timestamp between two frames was sent to nobody, and the evidence says so.
func TestSpansWithoutWhatIsBetweenFrames(t *testing.T) {
	type spans = []window.Span
	of := func(ends ...uint64) (list spans) {
		for i := 0; i < len(ends); i += 2 {
			list = append(list, window.Span{From: ends[i], To: ends[i+1]})
		}
		return list
	}
	for _, c := range []struct {
		sent          spans
		before, after uint64
		want          spans
	}{
		{nil, 20, 30, nil},
		{of(10, 50), 20, 30, of(10, 20, 30, 50)},
		{of(10, 50), 10, 50, of(10, 10, 50, 50)},
		{of(10, 20, 30, 50), 20, 30, of(10, 20, 30, 50)},
		{of(10, 20, 40, 50, 60, 90), 70, 80, of(10, 20, 40, 50, 60, 70, 80, 90)},
		{of(10, 20), 40, 50, of(10, 20)},
	} {
		given := slices.Clone(c.sent)
		if got := without(c.sent, c.before, c.after); !slices.Equal(got, c.want) {
			t.Errorf("%v without what is between %d and %d: %v, want %v", c.sent, c.before, c.after, got, c.want)
		}
		if !slices.Equal(c.sent, given) {
			t.Errorf("%v has become %v", given, c.sent)
		}
	}
}
