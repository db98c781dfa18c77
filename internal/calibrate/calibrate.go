// Package calibrate measures a stream's capture_offset: by how much the capture
// times that the studio reports are later than the moments they are of. It is pure:
// pictures are decoded, and logs read, elsewhere.
package calibrate

import (
	"errors"
	"slices"
	"time"
)

// Sample is how much later than its true capture a frame was said to be captured.
type Sample time.Duration

// Result is what samples amount to.
type Result struct {
	Samples int
	// Offset is the median, Spread the distance between the 5th and the 95th
	// percentile.
	Offset, Spread time.Duration
}

// minSamples is how few samples can be relied on.
const minSamples = 3

// ErrTooFew says that there are fewer than three samples.
var ErrTooFew = errors.New("fewer than 3 frames could be compared")

// Summarise returns the result of samples, or ErrTooFew.
func Summarise(samples []Sample) (Result, error) {
	if len(samples) < minSamples {
		return Result{Samples: len(samples)}, ErrTooFew
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := func(percent int) time.Duration { return time.Duration(sorted[(len(sorted)-1)*percent/100]) }
	return Result{Samples: len(sorted), Offset: at(50), Spread: at(95) - at(5)}, nil
}

// Bars compares frames with the log of who drew them: said is when each frame is said
// to be captured, bar the number in its picture or -1, drawn when the pictures with
// each number were captured: the numbers of a clip that repeats come again, and the
// nearest is meant.
func Bars(said []time.Time, bar []int64, drawn map[int64][]time.Time) []Sample {
	var samples []Sample
	for i, number := range bar {
		if d, ok := nearest(said[i], drawn[number]); ok {
			samples = append(samples, Sample(d))
		}
	}
	return samples
}

// nearest returns the distance of a time from the nearest of some, positive if it is
// later.
func nearest(at time.Time, of []time.Time) (best time.Duration, ok bool) {
	for _, t := range of {
		if d := at.Sub(t); !ok || d.Abs() < best.Abs() {
			best, ok = d, true
		}
	}
	return best, ok
}

// Limits of a flash.
const (
	flashStep    = 24.0            // least rise of the mean luma, of 255, from one frame to the next
	flashAway    = 2 * time.Second // furthest that a flash can be from its frame's time
	flashRecover = 5               // frames after a flash in which no other is looked for
)

// Flashes compares the frames in which a light goes on with the times at which it
// did: said is when each frame is said to be captured, luma its mean brightness,
// lit the times. A light goes on between two frames, half a frame before the one
// that shows it on average; that is taken off.
func Flashes(said []time.Time, luma []float64, lit []time.Time) []Sample {
	var samples []Sample
	last := -flashRecover
	for i := 1; i < len(luma); i++ {
		if luma[i]-luma[i-1] < flashStep || i-last < flashRecover {
			continue
		}
		last = i
		half := said[i].Sub(said[i-1]) / 2
		if d, ok := nearest(said[i], lit); ok && d.Abs() <= flashAway {
			samples = append(samples, Sample(d-half))
		}
	}
	return samples
}
