package report

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/framelock/relay/bench/measure"
)

// SoakSample is what a relay under load looks like at one moment.
type SoakSample struct {
	At         time.Duration // since the load was complete
	RSS        int64         // bytes
	Goroutines int
	Busy       float64 // share of the machine's processors, since the sample before
	// Drops are the relay's counters of what it did not take or send, by metric and labels.
	Drops map[string]float64
}

// What a soak allows.
const (
	// SoakWarmUp is the part of the time in which memory may still settle.
	SoakWarmUp = 0.25
	// soakGrowth is by how much memory may grow after that, by the straight line
	// through the samples: a share of the mean, and so many bytes in any case.
	soakGrowth = 0.04
	soakLeast  = 4 << 20
	// soakGoroutines is by how many goroutines their number may move, by the straight
	// line: a viewer has eight, and one is always on the way in or out.
	soakGoroutines = 8
)

// comings are the counters of what viewers that come and go leave behind: datagrams
// that they send when the relay has forgotten them.
var comings = []string{`reason="stranger"`, `reason="check_refused"`}

// Soak is what a soak has shown.
type Soak struct {
	Samples    int
	Busy       measure.Spread // share of the processors
	RSS        measure.Spread // MiB, after the warm-up
	Growth     float64        // MiB over that time, by the straight line
	Goroutines measure.Spread // after the warm-up
	Drift      float64        // of their number, likewise
	Explained  []string       // counters of drops that grew because viewers came and went
	Faults     []string       // broken promises
}

// minSoak is how few samples say nothing.
const minSoak = 20

// JudgeSoak holds samples of equal spacing against what a soak allows.
func JudgeSoak(samples []SoakSample) (Soak, error) {
	if len(samples) < minSoak {
		return Soak{}, fmt.Errorf("%d samples are too few to judge: want at least %d", len(samples), minSoak)
	}
	s := Soak{Samples: len(samples)}
	var at, busy, rss, goroutines []float64
	for i, sample := range samples {
		busy = append(busy, sample.Busy)
		if float64(i) >= SoakWarmUp*float64(len(samples)) {
			at = append(at, sample.At.Seconds())
			rss = append(rss, float64(sample.RSS)/(1<<20))
			goroutines = append(goroutines, float64(sample.Goroutines))
		}
	}
	s.Busy, s.RSS, s.Goroutines = measure.SpreadOf(busy), measure.SpreadOf(rss), measure.SpreadOf(goroutines)
	length := at[len(at)-1] - at[0]
	s.Growth, s.Drift = measure.Slope(at, rss)*length, measure.Slope(at, goroutines)*length
	if most := max(soakGrowth*s.RSS.Median, soakLeast>>20); s.Growth > most {
		s.fault("memory grew by %.1f MiB in %.0f s, at most %.1f are allowed", s.Growth, length, most)
	}
	if s.Drift > soakGoroutines || s.Drift < -soakGoroutines {
		s.fault("the number of goroutines moved by %+.1f in %.0f s, at most %d are allowed", s.Drift, length, soakGoroutines)
	}
	s.dropped(samples[0].Drops, samples[len(samples)-1].Drops)
	return s, nil
}

// dropped judges the counters that have grown.
func (s *Soak) dropped(first, last map[string]float64) {
	for _, name := range slices.Sorted(maps.Keys(last)) {
		n := last[name] - first[name]
		switch {
		case n == 0:
		case slices.ContainsFunc(comings, func(reason string) bool { return strings.Contains(name, reason) }):
			s.Explained = append(s.Explained, fmt.Sprintf("%s +%.0f", name, n))
		default:
			s.fault("%s grew by %.0f, which nothing in the load explains", name, n)
		}
	}
}

func (s *Soak) fault(format string, a ...any) { s.Faults = append(s.Faults, fmt.Sprintf(format, a...)) }

// Err returns the broken promises.
func (s *Soak) Err() error {
	var errs []error
	for _, f := range s.Faults {
		errs = append(errs, errors.New(f))
	}
	return errors.Join(errs...)
}

// String is the soak in some lines.
func (s *Soak) String() string {
	explained := "none"
	if len(s.Explained) > 0 {
		explained = strings.Join(s.Explained, ", ")
	}
	return fmt.Sprintf(`samples:     %d
processors:  %.0f%% busy (%.0f%% to %.0f%%)
memory:      %.1f MiB (%.1f to %.1f), grew by %+.2f MiB after the warm-up
goroutines:  %.0f (%.0f to %.0f), moved by %+.1f
drops because viewers came and went: %s
`, s.Samples, 100*s.Busy.Median, 100*s.Busy.Min, 100*s.Busy.Max, s.RSS.Median, s.RSS.Min, s.RSS.Max, s.Growth,
		s.Goroutines.Median, s.Goroutines.Min, s.Goroutines.Max, s.Drift, explained)
}
