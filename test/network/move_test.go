package network

import (
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/internal/impair"
)

const (
	moveSpacing = 5 * time.Second
	// nextCheck is how long a viewer's next connectivity check may take: its spacing,
	// and a little more, because the relay does not follow a check that comes within
	// 400 ms after the viewer was heard at its old address.
	// inFlight is what may be under way when a path changes.
	inFlight     = 100 * time.Millisecond
	checkSpacing = 2 * time.Second
	nextCheck    = checkSpacing + 400*time.Millisecond
)

// A viewer whose address translation forgets it every 5 s stays in its session, and
// misses what was sent to its old address.
func TestMove(t *testing.T) {
	begin(t)
	t.Parallel()
	w := newTable(t)
	_, tape := w.studio()
	path := impair.Path{Delay: 20 * time.Millisecond}
	v := w.watch(w.proxy(path, path), tape)
	eventually(t, "the viewer has a frame", v.begun)
	published := w.publish(250 * time.Millisecond)
	var moves []time.Time
	for range ofFull(12, 3) {
		moves = append(moves, time.Now())
		if err := v.proxy.Rebind(); err != nil {
			t.Fatal(err)
		}
		during(t.Context(), moveSpacing)
	}
	ids := published.end()
	until := time.Now()
	during(t.Context(), atRest)
	v.end()

	var gaps []time.Duration
	for _, at := range moves {
		gaps = append(gaps, v.silence(at.Add(-path.Delay), at.Add(moveSpacing)))
	}
	s, missed := v.sum(until), v.missed(ids)
	outside := 0
	for _, n := range s.lacking {
		at := tape.sent()[n].at
		if !slices.ContainsFunc(moves, func(m time.Time) bool {
			return at.After(m.Add(-inFlight)) && at.Before(m.Add(slices.Max(gaps)+inFlight))
		}) {
			outside++
		}
	}
	ordered, first := v.delays(ids)
	t.Logf("%d moves; silent for %v; %d of %d frames whole; %d of %d events, the slowest after %v, by any channel %v",
		len(moves), gaps, s.whole, s.sent, len(ids)-len(missed), len(ids), ordered[1], first[1])
	if v.detour.joins != 1 {
		t.Errorf("%d joins, want 1", v.detour.joins)
	}
	for i, gap := range gaps {
		if gap > nextCheck+time.Second {
			t.Errorf("move %d: media was back after %v, want %v", i, gap, nextCheck)
		}
		if gap < path.Delay {
			t.Errorf("move %d: silent for %v only: the case proves nothing", i, gap)
		}
	}
	if outside > 0 {
		t.Errorf("%d frames are missing that were not sent to an old address", outside)
	}
	if len(missed) > 0 || len(ids) < 50 {
		t.Errorf("of %d events %v are missing", len(ids), missed)
	}
	v.checkTruth(s)
}

// silence returns the longest time between two packets that came one after the other,
// the second within the given time.
func (v *viewer) silence(from, to time.Time) (longest time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := 1; i < len(v.arrived); i++ {
		if at := v.arrived[i]; at.After(from) && at.Before(to) {
			longest = max(longest, at.Sub(v.arrived[i-1]))
		}
	}
	return longest
}
