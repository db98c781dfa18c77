package congestion

import (
	"os"
	"testing"
	"time"

	"github.com/framelock/relay/internal/impair"
)

func stepScene(seed uint64, gop time.Duration, rtt, queue, fb float64, key float64, spread bool) scene {
	p := impair.Path{Delay: ms(rtt / 2), Rate: 4 * mbit, Queue: ms(queue)}
	slow := p
	slow.Rate = 1 * mbit
	return scene{seed: seed, rate: 2.5 * mbit, gop: gop, keyframe: key, vary: 0.2, spread: spread,
		down: p, changes: []impair.Change{{After: 10 * time.Second, Path: slow}, {After: 20*time.Second + ms(float64(seed)*137), Path: p}},
		up: impair.Path{Delay: ms(rtt / 2)}, feedback: ms(fb), length: 30 * time.Second, resend: true}
}

func TestExplore(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	for _, key := range []float64{3, 8} {
		for _, spread := range []bool{false, true} {
			for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
				for _, rtt := range []float64{20, 80} {
					for _, queue := range []float64{100, 200, 500} {
						for _, fb := range []float64{50, 100} {
							for seed := uint64(1); seed <= 3; seed++ {
								s := stepScene(seed, gop, rtt, queue, fb, key, spread)
								rec := s.changes[1].After.Seconds()
								o := play(s)
								lo, hi := o.estimates(11, rec)
								lo3, hi3 := o.estimates(13, rec)
								notice := -1.0
								if len(o.notices) > 0 {
									notice = o.notices[0].Seconds()
								}
								d0, p0, _ := o.dropped(0, 10)
								_, p1, pass := o.dropped(11, rec)
								fr, _ := o.complete(11, rec)
								t.Logf("key %v %v: est %.2f-%.2f (3s %.2f-%.2f) audio1s %.3f later %.4f rec %.4f whole %.2f notice %.2f notices %d dropped before %d part %d pass %d complete %d", key, s, lo/mbit, hi/mbit, lo3/mbit, hi3/mbit,
									o.audioLost(10, 11), o.audioLost(11, rec), o.audioLost(rec, 30), o.wholeAgain(rec, 29.9), notice-10, len(o.notices), d0, p0+p1, pass, fr)
							}
						}
					}
				}
			}
		}
	}
}
