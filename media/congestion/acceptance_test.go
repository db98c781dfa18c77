package congestion

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/framelock/relay/internal/impair"
)

// worst collects what several simulations have shown at their worst.
type worst struct{ least, most, sum, n float64 }

func (w *worst) add(v float64) {
	if w.n == 0 {
		w.least, w.most = v, v
	}
	w.least, w.most = min(w.least, v), max(w.most, v)
	w.sum += v
	w.n++
}

func (w worst) String() string {
	return fmt.Sprintf("%.3f to %.3f, %.3f on average", w.least, w.most, w.sum/w.n)
}

const (
	stepDown = 10.0 // seconds from the beginning
	wanted   = 2.5 * mbit
)

// stepScene is a link that goes from 4 to 1 Mbit/s and back, under a stream of 2.5.
// The time of the way back differs from seed to seed: somewhere within a GOP.
func stepScene(seed uint64, gop time.Duration, rtt, queue, feedback float64) scene {
	fast := impair.Path{Delay: ms(rtt / 2), Rate: 4 * mbit, Queue: ms(queue)}
	slow := fast
	slow.Rate = 1 * mbit
	stepUp := 20*time.Second + time.Duration(seed%15)*137*time.Millisecond
	return scene{
		seed: seed, rate: wanted, gop: gop, keyframe: 3, vary: 0.2, resend: true,
		down: fast, changes: []impair.Change{{After: ms(1000 * stepDown), Path: slow}, {After: stepUp, Path: fast}},
		up: impair.Path{Delay: ms(rtt / 2)}, feedback: ms(feedback), length: 30 * time.Second,
	}
}

// stepScenes are the combinations of what may matter.
func stepScenes(jitter time.Duration) (all []scene) {
	seed := uint64(jitter / time.Millisecond)
	for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
		for _, rtt := range []float64{20, 80} {
			for _, queue := range []float64{100, 200, 500} {
				for _, feedback := range []float64{50, 100} {
					for _, keyframe := range []float64{1, 3, 8} {
						for _, spread := range []bool{false, true} {
							seed++
							s := stepScene(seed, gop, rtt, queue, feedback)
							s.keyframe, s.spread = keyframe, spread
							s.down.Jitter = jitter
							for i := range s.changes {
								s.changes[i].Jitter = jitter
							}
							all = append(all, s)
						}
					}
				}
			}
		}
	}
	return all
}

// While the link is the limit the estimate is right, the viewer knows, and sound
// comes through; afterwards everything does again.
func TestLinkStepsDownAndUp(t *testing.T) {
	for _, tt := range []struct {
		jitter  time.Duration
		within  float64 // of the link's rate the estimate must be
		settled float64 // seconds after the step
	}{
		{0, 0.15, 1}, // the goal is 25 % after three seconds
		{ms(20), 0.25, 3},
	} {
		t.Run(fmt.Sprint("jitter ", tt.jitter), func(t *testing.T) {
			t.Parallel()
			var s stepSummary
			for _, scene := range stepScenes(tt.jitter) {
				s.add(t, scene, tt.within, tt.settled)
			}
			s.report(t)
		})
	}
}

// stepSummary is what all steps have shown.
type stepSummary struct{ estimates, notices, first, later, again worst }

// add plays a scene with a step and checks what must be true of each.
func (w *stepSummary) add(t *testing.T, s scene, within, settled float64) {
	o := play(s)
	stepUp := s.changes[1].After.Seconds()
	check := func(what string, got, least, most float64) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%v: %s: %.3f, want %.3f to %.3f", s, what, got, least, most)
		}
	}
	if dropped, partly, _ := o.dropped(0, stepDown); dropped+partly > 0 {
		t.Errorf("%v: %d frames dropped before the step", s, dropped+partly)
	}
	if _, partly, _ := o.dropped(0, 30); partly > 0 {
		t.Errorf("%v: of %d frames a part was dropped", s, partly)
	}
	if len(o.notices) != 2 {
		t.Errorf("%v: notices at %v, want congested and over", s, o.notices)
		return
	}
	least, most := o.estimates(stepDown+settled, stepUp)
	notice, over := o.notices[0].Seconds()-stepDown, o.notices[1].Seconds()-stepUp
	first, later := o.audioLost(stepDown, stepDown+1), o.audioLost(stepDown+1, stepUp)
	again := o.wholeAgain(stepUp, 29)
	check("estimate in Mbit/s", least/mbit, 1-within, 1+within)
	check("estimate in Mbit/s", most/mbit, 1-within, 1+within)
	check("seconds until the notice", notice, 0, 1)
	check("seconds until it is over", over, 0, 3+leastCalm.Seconds())
	check("sound lost in the second after the step", first, 0, 0.05)
	check("sound lost later", later, 0, 0.03)
	check("sound lost after the way back", o.audioLost(stepUp, 29), 0, 0.005)
	check("seconds until the whole stream flows", again, 0, 3)
	frames, _ := o.complete(stepDown+1, stepUp)
	check("frames that arrived", float64(frames), 1, math.Inf(1))
	w.estimates.add(least / mbit)
	w.estimates.add(most / mbit)
	w.notices.add(notice)
	w.first.add(first)
	w.later.add(later)
	w.again.add(again)
}

func (w *stepSummary) report(t *testing.T) {
	if mean := w.later.sum / w.later.n; mean > 0.005 {
		t.Errorf("%.4f of the sound is lost on average while the link is the limit", mean)
	}
	t.Logf("estimate in Mbit/s: %v", w.estimates)
	t.Logf("seconds until the notice: %v", w.notices)
	t.Logf("sound lost in the second after the step: %v", w.first)
	t.Logf("sound lost later: %v", w.later)
	t.Logf("seconds until the whole stream flows again: %v", w.again)
}

// A path that carries the stream drops nothing, however badly it treats it.
func TestBadPathThatIsNoLimit(t *testing.T) {
	impairments := map[string]func(down, up *impair.Path){
		"clean":         func(_, _ *impair.Path) {},
		"1 % lost":      func(down, _ *impair.Path) { down.Loss = 0.01 },
		"5 % lost":      func(down, _ *impair.Path) { down.Loss = 0.05 },
		"10 % lost":     func(down, _ *impair.Path) { down.Loss = 0.10 },
		"bursts of 5":   func(down, _ *impair.Path) { down.Bursts = impair.Bursts{Enter: 0.01, Leave: 0.2, Loss: 1} },
		"feedback lost": func(_, up *impair.Path) { up.Loss, up.Reorder = 0.1, 0.05 },
		"reordered, doubled, 10 % lost": func(down, _ *impair.Path) {
			down.Loss, down.Reorder, down.Behind, down.Duplicate = 0.1, 0.05, ms(15), 0.02
		},
	}
	for name, impairment := range impairments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := uint64(100)
			var estimates worst
			for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
				for _, rtt := range []float64{20, 80} {
					for _, feedback := range []float64{50, 100, 250} {
						for _, keyframe := range []float64{1, 8} {
							seed++
							s := scene{
								seed: seed, rate: wanted, gop: gop, keyframe: keyframe, vary: 0.3, spread: seed%3 == 0, resend: true,
								down: impair.Path{Delay: ms(rtt / 2), Jitter: ms(20), Rate: 4 * mbit, Queue: ms(300)},
								up:   impair.Path{Delay: ms(rtt / 2), Jitter: ms(20)}, feedback: ms(feedback), length: 20 * time.Second,
							}
							impairment(&s.down, &s.up)
							o := play(s)
							if dropped, partly, _ := o.dropped(0, 20); dropped+partly > 0 || len(o.notices) > 0 {
								t.Errorf("%v: %d frames dropped, notices at %v", s, dropped+partly, o.notices)
							}
							least, most := o.estimates(3, 20)
							if least < 0.4*wanted || most > 6*mbit {
								t.Errorf("%v: estimates from %.2f to %.2f Mbit/s", s, least/mbit, most/mbit)
							}
							estimates.add(least / mbit)
							estimates.add(most / mbit)
						}
					}
				}
			}
			t.Logf("estimate in Mbit/s: %v", estimates)
		})
	}
}

// Loss of 10 % in long runs and keyframes that fill the queue may cost a frame now
// and then, but not the estimate.
func TestLongRunsOfLossDoNotCollapseTheEstimate(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		s := stepScene(seed, time.Second, 80, 300, 100)
		s.changes, s.keyframe = nil, 8
		s.down.Jitter, s.down.Bursts = ms(20), impair.Bursts{Enter: 0.022, Leave: 0.2, Loss: 1}
		o := play(s)
		dropped, partly, _ := o.dropped(0, 30)
		if least, _ := o.estimates(3, 30); dropped+partly > 90 || least < 1*mbit {
			t.Errorf("%v: %d of 900 frames dropped, estimate down to %.2f Mbit/s", s, dropped+partly, least/mbit)
		}
	}
}

// Far too little: sound flows, and a keyframe now and then.
func TestNarrowPath(t *testing.T) {
	tests := []struct {
		gop             time.Duration
		queue, keyframe float64
		complete        int // keyframes that must arrive whole in 57 seconds
	}{
		{time.Second, 500, 4, 10}, {2 * time.Second, 500, 4, 10}, {time.Second, 1500, 4, 10}, {2 * time.Second, 1500, 4, 10},
		// A keyframe of eight frames is two seconds long here, much longer than the
		// queue: what arrives of it depends on retransmission.
		{time.Second, 500, 8, 0}, {2 * time.Second, 500, 8, 0}, {time.Second, 1500, 8, 0}, {2 * time.Second, 1500, 8, 0},
	}
	for i, tt := range tests {
		var begun, complete, sound, estimates worst
		for n := range uint64(3) {
			s := scene{
				seed: uint64(10*i) + n, rate: wanted, gop: tt.gop, keyframe: tt.keyframe, vary: 0.3, resend: true,
				down: impair.Path{Delay: ms(30), Jitter: ms(20), Rate: 0.3 * mbit, Queue: ms(tt.queue)},
				up:   impair.Path{Delay: ms(30)}, feedback: ms(100), length: 60 * time.Second,
			}
			o := play(s)
			through := 0
			for _, f := range o.frames {
				if f.keyframe && f.passed == f.packets && between(f.at, 3, 60) {
					through++
				}
			}
			_, whole := o.complete(3, 60)
			least, most := o.estimates(3, 60)
			begun.add(float64(through))
			complete.add(float64(whole))
			sound.add(o.audioLost(3, 59))
			estimates.add(least / mbit)
			estimates.add(most / mbit)
		}
		name := fmt.Sprintf("GOP %v, queue %v ms, keyframes of %v frames", tt.gop, tt.queue, tt.keyframe)
		if begun.least < 10 || complete.least < float64(tt.complete) {
			t.Errorf("%s: keyframes let through %v, arrived %v; want at least 10 and %d", name, begun, complete, tt.complete)
		}
		if sound.most > 0.02 {
			t.Errorf("%s: sound lost: %v", name, sound)
		}
		if estimates.least < 0.2 || estimates.most > 0.4 {
			t.Errorf("%s: estimate in Mbit/s: %v", name, estimates)
		}
		t.Logf("%s: let through %v; arrived %v; sound lost %v; estimate %v", name, begun, complete, sound, estimates)
	}
}

// Ten minutes of a stream that is anything but even, on paths with room for it.
func TestBurstyStreamOnACleanPath(t *testing.T) {
	for i, rate := range []float64{0, 20 * mbit, 8 * mbit} {
		s := scene{
			seed: uint64(i + 1), rate: wanted, gop: time.Duration(1+i%2) * time.Second, keyframe: 8, vary: 0.6, scenes: true,
			down: impair.Path{Delay: ms(30), Jitter: ms(20), Rate: rate, Queue: ms(300)},
			up:   impair.Path{Delay: ms(30)}, feedback: ms(100), length: 10 * time.Minute,
		}
		o := play(s)
		if dropped, partly, passed := o.dropped(0, 600); dropped+partly > 0 || passed < 17_990 || len(o.notices) > 0 {
			t.Errorf("%v, %.0f Mbit/s: %d frames dropped, %d passed, notices at %v", s, rate/mbit, dropped+partly, passed, o.notices)
		}
	}
}

// Where nothing is the limit, the estimate stays below 1.5 times the most that any
// second, or 150 ms, has delivered.
func TestEstimateDoesNotRunAway(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		s := scene{
			seed: seed, rate: wanted, gop: time.Second, keyframe: float64(seed), vary: 0.3, spread: seed%2 == 0,
			down: impair.Path{Delay: ms(30)}, up: impair.Path{Delay: ms(30)}, feedback: ms(100), length: 2 * time.Minute,
		}
		o := play(s)
		var peak [2]float64
		for i, window := range []time.Duration{time.Second, 150 * time.Millisecond} {
			bits, from := 0.0, 0
			for _, p := range o.packets {
				bits += float64(p.size) * 8
				for o.packets[from].at.Before(p.at.Add(-window)) {
					bits -= float64(o.packets[from].size) * 8
					from++
				}
				peak[i] = max(peak[i], bits/window.Seconds())
			}
		}
		_, most := o.estimates(0, 120)
		if limit := max(headroom*peak[0], peak[1]) * 1.02; most > limit || most < wanted {
			t.Errorf("%v: an estimate of %.2f Mbit/s, want %.2f to %.2f", s, most/mbit, wanted/mbit, limit/mbit)
		}
	}
}

// A handover to a longer way looks like a queue at first, but not for long.
func TestLongerWay(t *testing.T) {
	for _, tt := range []struct {
		longer  float64
		dropped int
	}{{30, 0}, {60, 0}, {150, 45}, {300, 45}} {
		s := stepScene(1, time.Second, 40, 300, 100)
		s.keyframe, s.down.Rate, s.down.Jitter = 8, 10*mbit, ms(20)
		far := s.down
		far.Delay += ms(tt.longer)
		s.changes = []impair.Change{{After: 10 * time.Second, Path: far}}
		o := play(s)
		if dropped, partly, _ := o.dropped(0, 30); dropped+partly > tt.dropped {
			t.Errorf("%v ms longer: %d frames dropped, want at most %d", tt.longer, dropped+partly, tt.dropped)
		}
		if least, _ := o.estimates(3, 30); least < 1*mbit {
			t.Errorf("%v ms longer: an estimate of %.2f Mbit/s", tt.longer, least/mbit)
		}
	}
}

// A link that drops at once what is too much has no queue to be seen.
func TestLinkWithoutAQueue(t *testing.T) {
	for _, rate := range []float64{1, 1.5, 2} {
		s := stepScene(2, time.Second, 60, 20, 100)
		s.spread = true
		s.down.Rate, s.down.Queue = 10*mbit, ms(20)
		slow := s.down
		slow.Rate = rate * mbit
		s.changes = []impair.Change{{After: ms(1000 * stepDown), Path: slow}}
		o := play(s)
		if len(o.notices) == 0 || o.notices[0].Seconds() > stepDown+1 {
			t.Errorf("%v Mbit/s: notices at %v", rate, o.notices)
		}
		if lost := o.audioLost(stepDown+1, 30); lost > 0.03 {
			t.Errorf("%v Mbit/s: %.3f of the sound is lost", rate, lost)
		}
		if least, most := o.estimates(stepDown+2, 30); least < 0.3*rate*mbit || most > 1.25*rate*mbit {
			t.Errorf("%v Mbit/s: estimates from %.2f to %.2f Mbit/s", rate, least/mbit, most/mbit)
		}
	}
}

// Receiver reports come once a second and say little: congestion is noticed within
// two seconds, and the estimate is right by a factor of two.
func TestReceiverReports(t *testing.T) {
	for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
		for _, queue := range []float64{200, 500} {
			for seed := uint64(1); seed <= 3; seed++ {
				s := stepScene(seed, gop, 80, queue, 0)
				s.length = 40 * time.Second
				stepUp := s.changes[1].After.Seconds()
				o := play(s)
				if dropped, partly, _ := o.dropped(0, stepDown); dropped+partly > 0 {
					t.Errorf("%v: %d frames dropped before the step", s, dropped+partly)
				}
				if len(o.notices) == 0 || o.notices[0].Seconds() > stepDown+2 {
					t.Errorf("%v: notices at %v", s, o.notices)
				}
				if least, most := o.estimates(stepDown+4, stepUp); least < 0.5*mbit || most > 2*mbit {
					t.Errorf("%v: estimates from %.2f to %.2f Mbit/s", s, least/mbit, most/mbit)
				}
				if lost := o.audioLost(stepDown+2, stepUp); lost > 0.03 {
					t.Errorf("%v: %.3f of the sound is lost", s, lost)
				}
				if again := o.wholeAgain(stepUp, 39); again > 10 {
					t.Errorf("%v: the whole stream flows after %.1f s", s, again)
				}
			}
		}
	}
	for _, loss := range []float64{0.01, 0.05, 0.1} {
		s := stepScene(1, time.Second, 60, 300, 0)
		s.changes, s.keyframe = nil, 8
		s.down.Loss, s.down.Jitter = loss, ms(20)
		o := play(s)
		if dropped, partly, _ := o.dropped(0, 30); dropped+partly > 0 {
			t.Errorf("%.0f %% lost at random: %d frames dropped", 100*loss, dropped+partly)
		}
	}
}

// A simulation depends on its seed and on nothing else.
func TestSimulationRepeatsItself(t *testing.T) {
	s := stepScene(5, time.Second, 80, 200, 100)
	s.down.Loss, s.down.Jitter = 0.02, ms(10)
	a, b := play(s), play(s)
	if a.counts != b.counts || len(a.moments) != len(b.moments) {
		t.Fatalf("%+v and %+v", a.counts, b.counts)
	}
	for i := range a.moments {
		if a.moments[i] != b.moments[i] {
			t.Fatalf("%+v and %+v", a.moments[i], b.moments[i])
		}
	}
}
