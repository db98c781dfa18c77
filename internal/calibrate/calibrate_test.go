package calibrate

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestSummarise(t *testing.T) {
	const ms = Sample(time.Millisecond)
	var hundred []Sample
	for i := range Sample(101) {
		hundred = append(hundred, (100-i)*ms)
	}
	for _, tt := range []struct {
		name    string
		samples []Sample
		want    Result
		err     error
	}{
		{"none", nil, Result{}, ErrTooFew},
		{"two", []Sample{1, 2}, Result{Samples: 2}, ErrTooFew},
		{"three with one far off", []Sample{900 * ms, 80 * ms, 81 * ms}, Result{3, 81 * time.Millisecond, time.Millisecond}, nil},
		{"negative", []Sample{-5 * ms, -5 * ms, -5 * ms}, Result{3, -5 * time.Millisecond, 0}, nil},
		{"0 to 100", hundred, Result{101, 50 * time.Millisecond, 90 * time.Millisecond}, nil},
	} {
		if got, err := Summarise(tt.samples); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, %v; want %+v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestBars(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	got := Bars([]time.Time{at(180), at(200), at(220), at(300)}, []int64{7, -1, 9, 4}, map[int64][]time.Time{7: {at(100)}, 9: {at(9), at(145), at(700)}, 8: {at(1)}})
	if want := []Sample{Sample(80 * time.Millisecond), Sample(75 * time.Millisecond)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Frames every 40 ms, said to be captured 80 ms late; a light goes on between two.
func TestFlashes(t *testing.T) {
	start := time.UnixMilli(0)
	var said []time.Time
	var luma []float64
	lit := []time.Time{start.Add(-time.Minute), start.Add(420 * time.Millisecond), start.Add(1620 * time.Millisecond), start.Add(time.Hour)}
	for n := range 60 {
		captured := start.Add(time.Duration(n) * 40 * time.Millisecond)
		said = append(said, captured.Add(80*time.Millisecond))
		brightness := 50 + float64(n%3) // noise
		for _, on := range lit {
			if since := captured.Sub(on); since >= 0 && since < 200*time.Millisecond {
				brightness += 30 + 40*float64(since)/float64(200*time.Millisecond) // it warms up
			}
		}
		luma = append(luma, brightness)
	}
	got := Flashes(said, luma, lit)
	if want := Sample(80 * time.Millisecond); !slices.Equal(got, []Sample{want, want}) {
		t.Errorf("got %v, want twice %v", got, time.Duration(want))
	}
	if got := Flashes(said, luma, lit[3:]); got != nil {
		t.Errorf("flashes of another hour: %v", got)
	}
}
