package congestion

import (
	"fmt"
	"maps"
	"os"
	"slices"
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

type worst struct{ v map[string][2]float64 }

func (w *worst) add(k string, v float64) {
	if w.v == nil {
		w.v = map[string][2]float64{}
	}
	if x, ok := w.v[k]; ok {
		w.v[k] = [2]float64{min(x[0], v), max(x[1], v)}
	} else {
		w.v[k] = [2]float64{v, v}
	}
}

func TestExplore(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	for _, key := range []float64{1, 3, 5, 8} {
		for _, spread := range []bool{false, true} {
			for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
				for _, queue := range []float64{100, 200, 500} {
					var w worst
					for _, rtt := range []float64{20, 80} {
						for _, fb := range []float64{50, 100} {
							for seed := uint64(1); seed <= 6; seed++ {
								s := stepScene(seed, gop, rtt, queue, fb, key, spread)
								rec := s.changes[1].After.Seconds()
								o := play(s)
								lo, hi := o.estimates(11, rec)
								w.add("1 est", lo/mbit)
								w.add("1 est", hi/mbit)
								lo3, hi3 := o.estimates(13, rec)
								w.add("2 est3s", lo3/mbit)
								w.add("2 est3s", hi3/mbit)
								notice := 99.0
								if len(o.notices) > 0 {
									notice = o.notices[0].Seconds() - 10
								}
								over := 99.0
								if len(o.notices) > 1 {
									over = o.notices[len(o.notices)-1].Seconds() - rec
								}
								w.add("3 notice", notice)
								w.add("3 over", over)
								w.add("3 notices", float64(len(o.notices)))
								w.add("4 audio first s", o.audioLost(10, 11))
								w.add("4 audio later", o.audioLost(11, rec))
								w.add("4 audio recovered", o.audioLost(rec, 29.5))
								w.add("5 whole", o.wholeAgain(rec, 29.9))
								d0, p0, _ := o.dropped(0, 10)
								_, p1, pass := o.dropped(11, rec)
								w.add("6 dropped before", float64(d0))
								w.add("6 parts", float64(p0+p1))
								fr, kf := o.complete(11, rec)
								w.add("7 pass/s", float64(pass)/(rec-11))
								w.add("7 complete/s", float64(fr)/(rec-11))
								w.add("7 keyframes/s", float64(kf)/(rec-11))
								used := 0.0
								for _, p := range o.packets {
									if p.arrived && between(p.at, 11, rec) {
										used += float64(p.size) * 8
									}
								}
								w.add("8 used", used/(rec-11)/mbit)
							}
						}
					}
					t.Logf("key %v spread %v gop %v queue %v", key, spread, gop, queue)
					for _, k := range slices.Sorted(maps.Keys(w.v)) {
						t.Logf("     %s %.3f..%.3f", k, w.v[k][0], w.v[k][1])
					}
				}
			}
		}
	}
}

func TestExploreOne(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	for seed := uint64(1); seed <= 6; seed++ {
		for _, rtt := range []float64{20, 80} {
			s := stepScene(seed, time.Second, rtt, 500, 100, 8, false)
			o := play(s)
			if d, _, _ := o.dropped(0, 10); d > 0 {
				t.Log(s, d)
				o.dump(t, 0, 4)
				return
			}
		}
	}
}

func TestExploreTwo(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	for seed := uint64(1); seed <= 6; seed++ {
		for _, rtt := range []float64{20, 80} {
			s := stepScene(seed, 2*time.Second, rtt, 200, 100, 5, false)
			rec := s.changes[1].After.Seconds()
			o := play(s)
			if o.wholeAgain(rec, 29.9) > 3 {
				t.Log(s, rec)
				o.dump(t, rec-1, 29)
				return
			}
		}
	}
}

func TestExploreSteady(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	for _, key := range []float64{1, 4, 8} {
		for _, spread := range []bool{false, true} {
			for _, loss := range []float64{0, 0.01, 0.05, 0.1} {
				for _, extra := range []string{"", "bursts", "reorder", "uploss"} {
					var w worst
					var bad []string
					runs := 0
					for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
						for _, rtt := range []float64{20, 80} {
							for _, queue := range []float64{300} {
								for _, fb := range []float64{50, 100, 250} {
									for seed := uint64(1); seed <= 3; seed++ {
										p := impair.Path{Delay: ms(rtt / 2), Rate: 4 * mbit, Queue: ms(queue), Loss: loss, Jitter: ms(20)}
										up := impair.Path{Delay: ms(rtt / 2), Jitter: ms(20)}
										switch extra {
										case "bursts":
											p.Loss, p.Bursts = 0, impair.Bursts{Enter: loss / 5 / (1 - loss), Leave: 0.2, Loss: 1}
										case "reorder":
											p.Reorder, p.Behind, p.Duplicate = 0.05, ms(15), 0.02
										case "uploss":
											up.Loss, up.Reorder = 0.1, 0.05
										}
										o := play(scene{seed: seed, rate: 2.5 * mbit, gop: gop, keyframe: key, vary: 0.3, spread: spread, down: p,
											up: up, feedback: ms(fb), length: 30 * time.Second, resend: true})
										d, pt, _ := o.dropped(0, 30)
										w.add("1 dropped", float64(d+pt))
										lo, hi := o.estimates(3, 30)
										w.add("2 est", lo/mbit)
										w.add("2 est", hi/mbit)
										lim := 0
										for _, m := range o.moments {
											if m.limited {
												lim++
											}
										}
										w.add("3 limited", float64(lim)/float64(len(o.moments)))
										if d+pt > 0 {
											bad = append(bad, fmt.Sprintf("%d: %v", d, scene{seed: seed, gop: gop, down: p, up: up, feedback: ms(fb)}))
										}
										runs++
									}
								}
							}
						}
					}
					t.Logf("key %v spread %v loss %v %s: bad %d of %d %.1v", key, spread, loss, extra, len(bad), runs, bad[:min(len(bad), 1)])
					for _, k := range slices.Sorted(maps.Keys(w.v)) {
						t.Logf("     %s %.3f..%.3f", k, w.v[k][0], w.v[k][1])
					}
				}
			}
		}
	}
}

func summary(o *outcome, s scene, from, to float64) string {
	d, p, pass := o.dropped(from, to)
	fr, kf := o.complete(from, to)
	lo, hi := o.estimates(from, to)
	passedKeys := 0
	for _, f := range o.frames {
		if between(f.at, from, to) && f.keyframe && f.passed == f.packets {
			passedKeys++
		}
	}
	return fmt.Sprintf("%v: dropped %d parts %d pass %d complete %d keyframes passed %d complete %d est %.2f-%.2f audio lost %.4f notices %d", s, d, p, pass, fr, passedKeys, kf, lo/mbit, hi/mbit, o.audioLost(from, to), len(o.notices))
}

func TestExploreOther(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	for _, queue := range []float64{200, 500, 1500} {
		for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
			for _, key := range []float64{4, 8} {
				p := impair.Path{Delay: ms(30), Rate: 0.3 * mbit, Queue: ms(queue), Jitter: ms(20)}
				s := scene{seed: 1, rate: 2.5 * mbit, gop: gop, keyframe: key, vary: 0.3, down: p, up: impair.Path{Delay: ms(30)}, feedback: ms(100), length: 60 * time.Second, resend: true}
				o := play(s)
				t.Log("300k ", key, summary(o, s, 3, 60))
			}
		}
	}
	for _, rate := range []float64{0, 20 * mbit, 8 * mbit, 6 * mbit} {
		for seed := uint64(1); seed < 4; seed++ {
			p := impair.Path{Delay: ms(30), Rate: rate, Queue: ms(300), Jitter: ms(20)}
			s := scene{seed: seed, rate: 2.5 * mbit, gop: time.Second * time.Duration(1+seed%2), keyframe: 8, vary: 0.6, scenes: true, down: p, up: impair.Path{Delay: ms(30)}, feedback: ms(100), length: 600 * time.Second, resend: true}
			o := play(s)
			t.Log("vbr", rate/mbit, summary(o, s, 0, 600))
		}
	}
	for _, queue := range []float64{200, 500} {
		for _, gop := range []time.Duration{time.Second, 2 * time.Second} {
			s := stepScene(1, gop, 80, queue, 0, 4, false)
			rec := s.changes[1].After.Seconds()
			s.length = 40 * time.Second
			o := play(s)
			t.Log("rr", summary(o, s, 0, 10))
			t.Log("rr", summary(o, s, 11, rec), "after 3 s", summary(o, s, 13, rec))
			t.Log("rr", summary(o, s, rec, 39), "whole", o.wholeAgain(rec, 39), o.notices)
		}
	}
	for _, loss := range []float64{0.05, 0.1} {
		p := impair.Path{Delay: ms(30), Rate: 4 * mbit, Queue: ms(300), Jitter: ms(20), Loss: loss}
		s := scene{seed: 1, rate: 2.5 * mbit, gop: time.Second, keyframe: 8, vary: 0.3, down: p, up: impair.Path{Delay: ms(30)}, length: 120 * time.Second, resend: true}
		o := play(s)
		t.Log("rr loss", loss, summary(o, s, 0, 120))
	}
	for _, more := range []float64{30, 60, 150, 300} {
		p := impair.Path{Delay: ms(20), Rate: 10 * mbit, Queue: ms(300), Jitter: ms(20)}
		far := p
		far.Delay += ms(more)
		s := scene{seed: 1, rate: 2.5 * mbit, gop: time.Second, keyframe: 8, vary: 0.3, down: p, changes: []impair.Change{{After: 10 * time.Second, Path: far}}, up: impair.Path{Delay: ms(20)}, feedback: ms(100), length: 40 * time.Second, resend: true}
		o := play(s)
		t.Log("farther", more, summary(o, s, 0, 40))
	}
	for _, rate := range []float64{0.6, 1, 1.5, 2, 2.3, 2.6} {
		for _, queue := range []float64{10, 20, 50, 100, 300} {
			p := impair.Path{Delay: ms(30), Rate: rate * mbit, Queue: ms(queue)}
			s := scene{seed: 1, rate: 2.5 * mbit, gop: time.Second, keyframe: 4, vary: 0.3, spread: true, down: p, up: impair.Path{Delay: ms(30)}, feedback: ms(100), length: 60 * time.Second, resend: true}
			o := play(s)
			t.Log("steady", rate, summary(o, s, 3, 60))
		}
	}
}
