package impair

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

// fates sends datagrams of 1,000 bytes through a link, some time apart, and
// returns for each the times of arrival since it was sent.
func fates(l *Link, n int, apart time.Duration) [][]time.Duration {
	all := make([][]time.Duration, n)
	for i := range all {
		now := epoch.Add(time.Duration(i) * apart)
		for _, at := range l.Send(1000, now) {
			all[i] = append(all[i], at.Sub(now))
		}
	}
	return all
}

func TestLinkDelaysAndQueues(t *testing.T) {
	rate := Path{Rate: 8e6, Queue: ms(3), Delay: ms(20)} // 1 ms for 1,000 bytes, 3 of them wait
	tests := []struct {
		name    string
		path    Path
		changes []Change
		apart   time.Duration
		want    []float64 // ms until arrival; -1 = dropped
	}{
		{"nothing", Path{}, nil, ms(1), []float64{0, 0, 0}},
		{"delay", Path{Delay: ms(20)}, nil, ms(1), []float64{20, 20, 20}},
		{"a rate that is enough", rate, nil, ms(1), []float64{21, 21, 21}},
		{"a queue fills and overflows", rate, nil, ms(0), []float64{21, 22, 23, -1, -1}},
		{"a queue fills slowly", rate, nil, ms(0.5), []float64{21, 21.5, 22, 22.5, 23, -1, 23, -1}},
		{"slower from 2 ms on", rate, []Change{{ms(2), Path{Rate: 4e6, Queue: ms(3), Delay: ms(20)}}}, ms(1), []float64{21, 21, 22, 23, -1, 23}},
		{"what waits for its turn leaves at the rate of that time", Path{Rate: 8e6, Queue: ms(9)},
			[]Change{{ms(2), Path{Rate: 4e6}}}, ms(0), []float64{1, 2, 4, 6, 8, -1}},
		{"changes come in order of time", Path{Delay: ms(1)},
			[]Change{{ms(2), Path{Delay: ms(3)}}, {ms(1), Path{Delay: ms(2)}}}, ms(1), []float64{1, 2, 3}},
		{"a shorter way overtakes nobody", Path{Delay: ms(9)}, []Change{{ms(1), Path{Delay: ms(1)}}}, ms(1), []float64{9, 8, 7, 6}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLink(1, epoch, tt.path, tt.changes...)
			got := fates(l, len(tt.want), tt.apart)
			for i, want := range tt.want {
				if want < 0 && got[i] == nil || len(got[i]) == 1 && got[i][0] == ms(want) {
					continue
				}
				t.Errorf("datagram %d: %v, want %v ms", i, got[i], want)
			}
		})
	}
}

func TestSmallDatagramsFitWhereLargeOnesDoNot(t *testing.T) {
	l := NewLink(1, epoch, Path{Rate: 8e6, Queue: ms(2.5)})
	for i, size := range []int{1000, 1000, 1000, 500, 100} {
		if taken := l.Send(size, epoch) != nil; taken != (i == 0 || i == 1 || i == 3) {
			t.Errorf("datagram %d of %d bytes taken: %v", i, size, taken)
		}
	}
}

// Shares are what was asked for, within five standard deviations.
func TestLinkShares(t *testing.T) {
	const n = 100_000
	tests := []struct {
		name  string
		path  Path
		share func(Counts) uint64
		want  float64
		run   float64 // mean length of a run
	}{
		{"loss", Path{Loss: 0.05}, func(c Counts) uint64 { return c.Lost }, 0.05, 1 / 0.95},
		{"bursts", Path{Bursts: Bursts{0.01, 0.2, 1}}, func(c Counts) uint64 { return c.Lost }, 0.01 / 0.21, 5},
		{"bursts that lose half", Path{Bursts: Bursts{0.01, 0.2, 0.5}}, func(c Counts) uint64 { return c.Lost }, 0.005 / 0.21, 0},
		{"duplicates", Path{Duplicate: 0.1}, func(c Counts) uint64 { return c.Duplicated }, 0.1, 0},
		{"reordering", Path{Reorder: 0.02}, func(c Counts) uint64 { return c.Reordered }, 0.02, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLink(7, epoch, tt.path)
			all := fates(l, n, ms(4))
			c := l.Counts()
			if c.Sent != n || c.Delivered+c.Lost+c.Overflowed != n {
				t.Errorf("%+v do not add up to %d", c, n)
			}
			spread := 5 * math.Sqrt(tt.want*max(1, 2*tt.run)/n)
			if got := float64(tt.share(c)) / n; math.Abs(got-tt.want) > spread {
				t.Errorf("a share of %.4f, want %.4f ± %.4f", got, tt.want, spread)
			}
			runs := 0
			for i := range all {
				if all[i] == nil && (i == 0 || all[i-1] != nil) {
					runs++
				}
			}
			if got := float64(c.Lost) / float64(runs); tt.run > 0 && math.Abs(got-tt.run) > tt.run/10 {
				t.Errorf("runs of %.2f lost datagrams, want %.2f", got, tt.run)
			}
		})
	}
}

func TestReorderedDatagramsAreOvertaken(t *testing.T) {
	l := NewLink(3, epoch, Path{Delay: ms(20), Reorder: 0.1, Behind: ms(7)})
	for i, f := range fates(l, 1000, ms(1)) {
		if f[0] != ms(20) && f[0] != ms(27) {
			t.Fatalf("datagram %d arrives after %v", i, f[0])
		}
	}
	if c := l.Counts(); c.Reordered == 0 {
		t.Error("nothing was held back")
	}
}

// The same seed gives the same fates, another one others; and loss does not move
// when something else is added to the path.
func TestSeeds(t *testing.T) {
	bad := Path{Loss: 0.1, Jitter: ms(20), Reorder: 0.05, Duplicate: 0.05, Rate: 1e6}
	same := func(a, b [][]time.Duration) bool { return slices.EqualFunc(a, b, slices.Equal) }
	first := fates(NewLink(1, epoch, bad), 2000, ms(9))
	if !same(first, fates(NewLink(1, epoch, bad), 2000, ms(9))) {
		t.Error("a seed does not repeat itself")
	}
	if same(first, fates(NewLink(2, epoch, bad), 2000, ms(9))) {
		t.Error("two seeds are the same")
	}
	plain := fates(NewLink(1, epoch, Path{Loss: 0.1}), 2000, ms(9))
	for i := range plain {
		if (plain[i] == nil) != (first[i] == nil) {
			t.Fatalf("datagram %d is lost on one of two paths with the same seed and loss", i)
		}
	}
}

// Whatever the path: nothing arrives before it was sent, or before what was sent
// earlier unless the path reorders; and no more is under way than rate and queue
// allow.
func TestLinkKeepsItsWord(t *testing.T) {
	share := rapid.Float64Range(0, 0.5)
	wait := rapid.Int64Range(0, int64(ms(300)))
	path := func(t *rapid.T, reorder bool) Path {
		p := Path{
			Loss: share.Draw(t, "loss"), Duplicate: share.Draw(t, "duplicate"),
			Bursts: Bursts{share.Draw(t, "enter"), share.Draw(t, "leave"), share.Draw(t, "bad")},
			Delay:  time.Duration(wait.Draw(t, "delay")), Jitter: time.Duration(wait.Draw(t, "jitter")),
			Rate: rapid.SampledFrom([]float64{0, 3e5, 1e6, 4e6}).Draw(t, "rate"), Queue: ms(100),
		}
		if reorder {
			p.Reorder = share.Draw(t, "reorder")
		}
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		reorder := rapid.Bool().Draw(t, "reorders")
		first := path(t, reorder)
		change := Change{ms(500), path(t, reorder)}
		l := NewLink(rapid.Uint64().Draw(t, "seed"), epoch, first, change)
		now, newest := epoch, epoch
		for range rapid.IntRange(1, 300).Draw(t, "datagrams") {
			now = now.Add(time.Duration(rapid.IntRange(0, int(ms(10))).Draw(t, "apart")))
			p := first
			if !now.Before(epoch.Add(change.After)) {
				p = change.Path
			}
			longest := p.Queue + p.Delay + p.Jitter + defaultBehind
			for _, at := range l.Send(rapid.IntRange(1, 1500).Draw(t, "size"), now) {
				if at.Before(now.Add(p.Delay)) {
					t.Fatalf("sent at %v, there at %v", now, at)
				}
				if at.After(now.Add(longest)) && at.After(newest.Add(defaultBehind)) {
					t.Fatalf("under way for %v", at.Sub(now))
				}
				if !reorder && at.Before(newest) {
					t.Fatalf("there at %v, after one at %v", at, newest)
				}
				if at.After(newest) {
					newest = at
				}
			}
		}
		if c := l.Counts(); c.Delivered+c.Lost+c.Overflowed != c.Sent {
			t.Fatalf("%+v do not add up", c)
		}
	})
}

func TestPathsThatCannotBePanic(t *testing.T) {
	for name, p := range map[string]Path{
		"loss": {Loss: 1.1}, "share below 0": {Reorder: -0.1}, "not a number": {Duplicate: math.NaN()},
		"rate": {Rate: -1}, "delay": {Delay: -1}, "bursts": {Bursts: Bursts{Enter: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is taken", p)
				}
			}()
			NewLink(1, epoch, p)
		})
	}
}

func TestLinkAllocatesNothing(t *testing.T) {
	l := NewLink(1, epoch, Path{Loss: 0.1, Jitter: ms(20), Rate: 1e6, Duplicate: 0.1})
	now := epoch
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(ms(4))
		l.Send(1200, now)
	}); n != 0 {
		t.Errorf("%v allocations per datagram", n)
	}
}
