package congestion

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// pathOf returns an estimator that has measured a path: its rate, what waits for
// it, and whether packets had to wait according to the last message.
func pathOf(rate float64, waits time.Duration, pressed bool, now time.Time) *Estimator {
	return &Estimator{
		rate: rate, limited: true, pressed: pressed, measured: now, room: patience,
		backlog: rate * waits.Seconds(), drained: now,
	}
}

func TestValve(t *testing.T) {
	const (
		key = iota
		keyLate
		delta
		rest
	)
	type packet struct {
		kind    int
		at      float64 // ms
		waits   float64 // ms
		pressed bool
		passes  bool
	}
	tests := []struct {
		name    string
		packets []packet
	}{
		{"a path with room", []packet{{key, 0, 0, false, true}, {rest, 0, 0, false, true}, {delta, 33, 340, true, true}}},
		{"a queue stops the next frame", []packet{{key, 0, 0, false, true}, {delta, 33, 360, true, false}, {rest, 33, 360, true, false}, {delta, 66, 0, false, false}}},
		{"never in the middle", []packet{{key, 0, 340, true, true}, {rest, 0, 400, true, true}, {rest, 0, 2900, true, true}, {delta, 33, 2900, true, false}}},
		{"unless the frame is beyond all measure", []packet{{key, 0, 0, true, true}, {rest, 0, 3100, true, false}, {rest, 0, 0, false, false}, {delta, 33, 0, false, false}}},
		{"what is only reckoned stops nothing", []packet{{key, 0, 0, false, true}, {delta, 33, 900, false, true}}},
		{"a keyframe stops too", []packet{{key, 0, 0, false, true}, {key, 33, 360, true, false}, {rest, 33, 0, false, false}}},
		{"it goes on with a keyframe", []packet{{key, 0, 0, false, true}, {delta, 33, 360, true, false}, {delta, 66, 10, false, false}, {key, 100, 10, false, true}, {rest, 100, 30, false, true}, {delta, 133, 30, false, true}}},
		{"once the queue is gone", []packet{{key, 0, 0, false, true}, {delta, 33, 360, true, false}, {key, 66, 60, true, false}, {rest, 66, 0, false, false}, {key, 100, 40, false, true}}},
		{"a keyframe that shows late", []packet{{key, 0, 0, false, true}, {delta, 33, 360, true, false}, {delta, 100, 0, false, false}, {keyLate, 100, 0, false, true}, {rest, 100, 0, false, true}}},
		{"not in the middle of one that was refused", []packet{{key, 0, 0, false, true}, {delta, 33, 360, true, false}, {key, 66, 360, true, false}, {keyLate, 66, 0, false, false}, {keyLate, 66, 0, false, false}, {key, 100, 0, false, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v Valve
			stopped := false
			for i, p := range tt.packets {
				now := after(p.at)
				e := pathOf(mbit, ms(p.waits), p.pressed, now)
				passes := v.Video(p.kind == key || p.kind == delta, p.kind == key || p.kind == keyLate, e, now)
				if passes != p.passes {
					t.Fatalf("packet %d passes: %v", i, passes)
				}
				stopped = stopped || !passes
				if v.Congested() != stopped || v.Waiting() == passes {
					t.Errorf("after packet %d: congested %v, waiting %v", i, v.Congested(), v.Waiting())
				}
			}
		})
	}
}

func TestUnknownAndUnlimitedPathsAreFree(t *testing.T) {
	var e Estimator
	var v Valve
	for i := range 1000 {
		e.Sent(uint16(i), 1500, epoch)
	}
	if !v.Video(true, false, &e, epoch) || !v.Resend(&e, epoch) {
		t.Error("a path of which nothing is known drops video")
	}
	free := pathOf(mbit, 2*time.Second, true, epoch)
	free.limited = false
	if !v.Video(true, false, free, epoch) || !v.Resend(free, epoch) {
		t.Error("a path that is no limit drops video")
	}
	if full := pathOf(mbit, 2*time.Second, true, epoch); v.Resend(full, epoch) {
		t.Error("a retransmission joins a queue of two seconds")
	}
}

// The GOP that begins after a drop flows until the path has had the time to answer,
// but not every GOP does.
func TestProbe(t *testing.T) {
	shut := func() *Valve {
		var v Valve
		v.Video(true, false, pathOf(mbit, time.Second, true, epoch), epoch)
		return &v
	}
	frame := func(v *Valve, keyframe bool, at, waits float64, answered bool) bool {
		e := pathOf(mbit, ms(waits), answered, after(at))
		if !answered {
			e.measured = epoch
		}
		return v.Video(true, keyframe, e, after(at))
	}
	v := shut()
	if !frame(v, true, 1000, 0, false) || !frame(v, false, 1100, 900, false) {
		t.Error("a probe is cut off before the path has answered")
	}
	if frame(v, false, 1150, 900, true) {
		t.Error("a probe goes on although the path has answered")
	}
	v = shut()
	if frame(v, true, 1000, 0, false); frame(v, false, 1100, 1100, false) {
		t.Error("a probe goes beyond its room")
	}
	if !frame(v, true, 2000, 0, false) || frame(v, false, 2100, 900, false) {
		t.Error("the next GOP but one second later is a probe too")
	}
	if !frame(v, true, 3000, 0, false) || !frame(v, false, 3100, 900, false) {
		t.Error("the GOP two seconds after a probe is none")
	}
}

// Who is congested again and again is told so once.
func TestCalm(t *testing.T) {
	var v Valve
	now := epoch
	free := func(d time.Duration) (over time.Duration) {
		v.Video(true, true, pathOf(mbit, 0, false, now), now)
		for begun := now; now.Sub(begun) < d; now = now.Add(ms(33)) {
			v.Video(true, false, pathOf(mbit, 0, false, now), now)
			if !v.Congested() && over == 0 {
				over = now.Sub(begun)
			}
		}
		return over
	}
	stop := func() {
		v.Video(true, false, pathOf(mbit, time.Second, true, now), now)
		if !v.Congested() {
			t.Fatal("not congested")
		}
		now = now.Add(time.Second)
	}
	tests := []struct{ free, over time.Duration }{
		{2 * time.Second, 0}, {2 * time.Second, 0}, {4 * time.Second, leastCalm}, {8 * time.Second, 2 * leastCalm},
		{12 * time.Second, 4 * leastCalm}, {35 * time.Second, 8 * leastCalm}, {4 * time.Second, leastCalm},
	}
	for i, tt := range tests {
		stop()
		if over := free(tt.free); over < tt.over || over > tt.over+ms(33) {
			t.Errorf("%d: over after %v, want %v", i, over, tt.over)
		}
	}
}

// Whatever the path: what passes can be decoded. A frame passes from its first
// packet on, after a gap only a keyframe does, and no frame ends in the middle
// unless the queue is out of all proportion.
func TestWhatPassesCanBeDecoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v Valve
		now, whole := epoch, true
		for range rapid.IntRange(1, 80).Draw(t, "frames") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(ms(500))).Draw(t, "later")))
			keyframe := rapid.SampledFrom([]bool{false, false, true}).Draw(t, "keyframe")
			packets, passed, beyond := rapid.IntRange(1, 4).Draw(t, "packets"), 0, false
			for i := range packets {
				waits := rapid.SampledFrom([]float64{0, 0, 49, 51, 340, 360, 990, 1100, 2900, 3100}).Draw(t, "waits")
				e := pathOf(mbit, ms(waits), rapid.Bool().Draw(t, "pressed"), now)
				e.limited = rapid.SampledFrom([]bool{true, true, true, false}).Draw(t, "limited")
				if !rapid.Bool().Draw(t, "answered") {
					e.measured = epoch
				}
				beyond = beyond || i > 0 && e.limited && waits > 3000
				if v.Video(i == 0, keyframe, e, now) {
					if passed++; passed != i+1 {
						t.Fatalf("packet %d passes and one before it did not", i)
					}
				}
			}
			if passed > 0 && passed < packets && !beyond {
				t.Fatalf("%d of %d packets", passed, packets)
			}
			if passed > 0 && !whole && !keyframe {
				t.Fatal("a frame after a gap")
			}
			if whole = passed == packets; whole == v.Waiting() {
				t.Fatalf("waiting %v after a frame of which %d of %d packets passed", v.Waiting(), passed, packets)
			}
			if !whole && !v.Congested() {
				t.Fatal("a frame was dropped and nobody says so")
			}
		}
	})
}
