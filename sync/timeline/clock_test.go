package timeline

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// camera is a source whose true clock the test knows: the frame with canonical
// timestamp anchor was captured at start, and its crystal is off by ppm.
type camera struct {
	rate uint64
	ppm  float64
	lag  time.Duration // of the line against the wall clock: capture of anchor minus its Nanos
}

// capture returns the true capture time of a timestamp.
func (c camera) capture(ts uint64) time.Time {
	ticks := float64(int64(ts - Ticks(start, c.rate)))
	return start.Add(c.lag + time.Duration(ticks/float64(c.rate)*1e9*(1+c.ppm*1e-6)))
}

// ts returns the timestamp of an instant, rounded as an RTP stack does.
func (c camera) ts(at time.Time) uint64 {
	ticks := float64(at.Sub(start)-c.lag) / 1e9 * float64(c.rate) / (1 + c.ppm*1e-6)
	return Ticks(start, c.rate) + uint64(int64(ticks))
}

const limit = 40 * time.Millisecond

// Without jitter of its reports, whatever the crystals and the network do, a
// clock is never wrong by more than it says.
func TestErrorBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cam := camera{
			rate: rapid.SampledFrom([]uint64{90000, 48000}).Draw(t, "rate"),
			ppm:  rapid.Float64Range(-100, 100).Draw(t, "ppm"),
			lag:  -time.Duration(rapid.IntRange(0, 500).Draw(t, "lag")) * time.Millisecond,
		}
		offset := time.Duration(rapid.IntRange(-50, 50).Draw(t, "offset")) * time.Millisecond
		c, now := NewClock(uint32(cam.rate), offset), start
		c.Anchor(cam.ts(now), now)
		check := func(ts uint64) {
			r := c.At(ts, now)
			wrong := r.Capture.Sub(cam.capture(ts).Add(-offset)).Abs()
			if r.Source == FromSenderReport && wrong > r.Error {
				t.Fatalf("wrong by %v, the bound is %v", wrong, r.Error)
			}
			if r.Error > 5*time.Millisecond && r.Source == FromSenderReport {
				t.Fatalf("a bound of %v", r.Error)
			}
		}
		for i := range rapid.IntRange(1, 40).Draw(t, "reports") {
			if i > 0 {
				now = now.Add(time.Duration(rapid.IntRange(1, 10_000).Draw(t, "ms")) * time.Millisecond)
				check(cam.ts(now)) // as late as can be before the next report
			}
			at := now.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "network")) * time.Millisecond)
			if !c.Report(cam.ts(at), at, now, limit) {
				t.Fatal("a true report is refused")
			}
			for _, back := range []int{0, 10, 200, 3000} {
				check(cam.ts(now.Add(-ms(back))))
			}
			if got := c.At(cam.ts(now), now).Source; got != FromSenderReport {
				t.Fatalf("the source is %q", got)
			}
		}
	})
}

// With reports that are off by up to 2 ms at random, the bound holds from the
// third report on but for rare coincidences.
func TestErrorBoundWithJitter(t *testing.T) {
	cam, dice := camera{rate: 90000, ppm: 60}, rand.New(rand.NewPCG(3, 4))
	c, now := NewClock(90000, 0), start
	c.Anchor(cam.ts(now), now)
	const reports = 5000
	outside := 0
	for i := range reports {
		now = now.Add(ms(1000 + dice.IntN(4000)))
		if i > 2 {
			r := c.At(cam.ts(now), now)
			wrong := r.Capture.Sub(cam.capture(cam.ts(now))).Abs()
			if wrong > r.Error {
				outside++
			}
			if r.Error > 7*time.Millisecond {
				t.Fatalf("a bound of %v", r.Error)
			}
		}
		jitter := time.Duration(dice.IntN(4_000_000) - 2_000_000)
		if !c.Report(cam.ts(now), now.Add(jitter), now, limit) {
			t.Fatal("refused")
		}
	}
	if outside > reports/1000 {
		t.Errorf("%d of %d readings were outside of their bound", outside, reports)
	}
}

// The clock that viewers see moves by at most 5 ms a second, however the measured
// one jumps, and gets there.
func TestViewerSlews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cam := camera{rate: 90000}
		c, now := NewClock(90000, 0), start
		c.Anchor(cam.ts(now), now)
		c.Report(cam.ts(now), now, now, limit)
		at := func() time.Time { return c.Viewer(now).Capture(anchor) }
		before, then := at(), now
		off := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3_000_000).Draw(t, "us")) * time.Microsecond)
			if rapid.Bool().Draw(t, "report") {
				off += time.Duration(rapid.IntRange(-39, 39).Draw(t, "off")) * time.Millisecond
				c.Report(cam.ts(now), now.Add(off), now, limit)
			}
			after := at()
			if moved, most := after.Sub(before).Abs(), now.Sub(then)/200; moved > most {
				t.Fatalf("moved by %v in %v", moved, now.Sub(then))
			}
			before, then = after, now
		}
		want := c.At(anchor, now).Capture
		for range 2000 {
			now = now.Add(time.Second)
			at()
		}
		if got := at(); got.Sub(want).Abs() > time.Microsecond {
			t.Fatalf("the viewers' clock stays at %v, measured is %v", got, want)
		}
	})
}

func TestViewerMap(t *testing.T) {
	c := NewClock(90000, 0)
	c.Anchor(anchor, start.Add(ms(120)))
	m := c.Viewer(start.Add(ms(120)))
	if got := m.Capture(anchor + 90000); !got.Equal(start.Add(ms(1120))) {
		t.Errorf("capture %v", got)
	}
	if got := m.TS(start.Add(ms(1120))); got != anchor+90000 {
		t.Errorf("ts %d", got-anchor)
	}
}

// capture_offset is taken off once: of names, of viewers' reports, whatever the
// source, and after a restart.
func TestCaptureOffset(t *testing.T) {
	const offset = 70 * time.Millisecond
	shot := func(offset time.Duration, reported, again bool) (named, viewed time.Time) {
		c := NewClock(90000, offset)
		c.Anchor(anchor, start.Add(ms(100)))
		c.Arrived(anchor, start.Add(ms(100)))
		if reported || again {
			c.Report(anchor, start.Add(ms(30)), start.Add(ms(130)), limit)
		}
		now := start.Add(ms(140))
		if again {
			c.Anchor(anchor+9000, start.Add(ms(200)))
			now = start.Add(ms(200))
			if reported {
				c.Report(anchor+9000, start.Add(ms(130)), now, limit)
			}
		}
		return c.At(anchor+9000, now).Capture, c.Viewer(now).Capture(anchor + 9000)
	}
	for _, reported := range []bool{false, true} {
		for _, again := range []bool{false, true} {
			want := start.Add(ms(200)) // on arrival
			if reported || again {
				want = start.Add(ms(130))
			}
			named, viewed := shot(0, reported, again)
			if !named.Equal(want) || !viewed.Equal(want) {
				t.Errorf("reported %v, again %v: %v and %v, want %v", reported, again, named, viewed, want)
			}
			named, viewed = shot(offset, reported, again)
			if !named.Equal(want.Add(-offset)) || !viewed.Equal(want.Add(-offset)) {
				t.Errorf("reported %v, again %v, with offset: %v and %v, want %v", reported, again, named, viewed, want.Add(-offset))
			}
		}
	}
}

func TestArrivalStandsIn(t *testing.T) {
	c := NewClock(90000, 0)
	c.Anchor(anchor, start.Add(ms(50))) // the first frame was slow
	read := func(frame int) Reading { return c.At(anchor+uint64(frame)*3000, start.Add(time.Second)) }
	if r := read(0); r.Source != FromArrival || !r.Capture.Equal(start.Add(ms(50))) {
		t.Errorf("first frame: %+v", r)
	}
	c.Arrived(anchor+3000, start.Add(time.Second/30+ms(20))) // faster
	if r := read(0); !r.Capture.Equal(start.Add(ms(20))) || r.Error < ms(29) || r.Error > ms(31) {
		t.Errorf("after a faster one: %+v", r)
	}
	for i := 2; i < 3000; i++ { // a steady network: the start is forgotten
		c.Arrived(anchor+uint64(i)*3000, start.Add(time.Duration(i)*time.Second/30+ms(25)))
	}
	if r := read(0); r.Capture.Sub(start.Add(ms(25))).Abs() > time.Millisecond || r.Error > 2*time.Millisecond {
		t.Errorf("after 100 s: capture %v, error %v", r.Capture.Sub(start), r.Error)
	}
}

func TestReportsThatAreNotUsed(t *testing.T) {
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	tests := []struct {
		name string
		ts   uint64
		ntp  time.Time
		same bool
	}{
		{"NTP of 1900", anchor + 90000, time.Unix(-2208988800, 0), true},
		{"NTP of 2036", anchor + 90000, time.Unix(2085978496, 0), true},
		{"up-time instead of time", anchor + 90000, time.Unix(3600, 0), true},
		{"eleven seconds off", anchor + 90000, second(12), true},
		{"RTP time of another line", anchor + 1<<31, second(1), true},
		{"an RTP time that the line has before its start", anchor - 1<<31, second(1), true},
		{"the same again", anchor, second(0), true},
		{"an older one", anchor - 90000, second(-1), true},
		{"a clock that was set", anchor + 90000, second(1).Add(ms(41)), false},
		{"a clock that was set back", anchor + 90000, second(1).Add(-ms(41)), false},
	}
	for _, tt := range tests {
		for _, first := range []bool{false, true} {
			c := NewClock(90000, 0)
			c.Anchor(anchor, start.Add(ms(80)))
			if !first {
				c.Report(anchor, start, start.Add(ms(80)), limit)
			} else if !tt.same || tt.ts <= anchor && tt.ts > anchor-1<<30 {
				continue // nothing to compare with
			}
			now := second(1).Add(ms(80))
			before := c.At(anchor, now)
			if got := c.Report(tt.ts, tt.ntp, now, limit); got != tt.same {
				t.Errorf("%s (first: %v): %v, want %v", tt.name, first, got, tt.same)
			}
			if after := c.At(anchor, now); after != before {
				t.Errorf("%s (first: %v): the clock was at %v, is at %v", tt.name, first, before, after)
			}
		}
	}
}

// A report that comes again does not make the clock surer than it is.
func TestRepeatedReportIsNoNews(t *testing.T) {
	cam := camera{rate: 90000, ppm: 100}
	c := NewClock(90000, 0)
	c.Anchor(cam.ts(start), start)
	now := start
	for range 30 {
		now = now.Add(ms(200))
		c.Report(cam.ts(now), now, now, limit)
	}
	ts, at := cam.ts(now), now
	for range 10 {
		now = now.Add(2 * time.Second)
		c.Report(ts, at, now, limit)
		r := c.At(cam.ts(now), now)
		if wrong := r.Capture.Sub(cam.capture(cam.ts(now))).Abs(); wrong > r.Error {
			t.Fatalf("%v after the last true report: wrong by %v, the bound is %v", now.Sub(at), wrong, r.Error)
		}
	}
}

// Tracks with latencies of their own: when one restarts, sound and picture stay
// as they were until its first report.
func TestRestartKeepsTracksTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		latency := time.Duration(rapid.IntRange(0, 2000).Draw(t, "latency")) * time.Millisecond
		offset := time.Duration(rapid.IntRange(0, 100).Draw(t, "offset")) * time.Millisecond
		cam := camera{rate: 90000}
		c, now := NewClock(90000, offset), start.Add(latency)
		c.Anchor(anchor, now)
		for i := range 90 {
			ts := anchor + uint64(i)*3000
			now = cam.capture(ts).Add(latency + time.Duration(rapid.IntRange(0, 10).Draw(t, "jitter"))*time.Millisecond)
			c.Arrived(ts, now)
			if i == 10 {
				c.Report(ts, cam.capture(ts), now, limit)
			}
		}
		for range rapid.IntRange(1, 3).Draw(t, "restarts") {
			shot := now.Add(time.Second)
			now = shot.Add(latency)
			ts := Ticks(now, 90000)
			c.Anchor(ts, now)
			r := c.At(ts, now)
			viewed := c.Viewer(now).Capture(ts)
			if off := r.Capture.Sub(shot.Add(-offset)).Abs(); off > ms(20) || !viewed.Equal(r.Capture) {
				t.Fatalf("off by %v after a restart, viewers by %v", off, viewed.Sub(shot.Add(-offset)))
			}
			if r.Source != FromArrival {
				t.Fatalf("the source is %q", r.Source)
			}
		}
	})
}

func TestClockAllocatesNothing(t *testing.T) {
	c, ts, now := NewClock(90000, 0), uint64(anchor), start
	c.Anchor(ts, now)
	if n := testing.AllocsPerRun(200, func() {
		ts, now = ts+3000, now.Add(time.Second/30)
		c.Arrived(ts, now)
		c.Report(ts, now, now, limit)
		c.At(ts, now)
		c.Viewer(now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A network that stands still while the source begins anew brings what it held up
// afterwards, as fast as the link is. Nobody can tell then when the first of it was
// captured, and the bound says so, until it has been long enough for all to have come.
func TestArrivalAfterAStandstill(t *testing.T) {
	const frame, stood = 33 * time.Millisecond, 900 * time.Millisecond
	tests := []struct {
		name       string
		key, other time.Duration // that a frame takes on the link
		hiccup     time.Duration // of the third
	}{
		{name: "all at once"},
		{name: "the keyframe takes long", key: 50 * time.Millisecond, other: 6 * time.Millisecond},
		{name: "the third is late", hiccup: 34 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cam, line := camera{rate: 90000}, camera{rate: 90000, lag: -stood} // the line begins with the arrival
			c := NewClock(90000, 0)
			c.Anchor(cam.ts(start), start)
			begun := start.Add(frame) // captured, and under way for as long as the network stands
			free := begun.Add(stood)
			for i := range 120 {
				captured := begun.Add(time.Duration(i) * frame)
				now := free
				if captured.After(now) {
					now = captured
				}
				takes := tt.other
				switch i {
				case 0:
					takes = tt.key
					c.Anchor(line.ts(captured), now)
				case 2:
					now = now.Add(tt.hiccup)
				}
				free = now.Add(takes)
				c.Arrived(line.ts(captured), now)
				r := c.At(line.ts(captured), now)
				if wrong := r.Capture.Sub(captured).Abs(); wrong > r.Error+time.Millisecond {
					t.Fatalf("frame %d: wrong by %v, the bound is %v", i, wrong, r.Error)
				}
				if i == 0 && r.Error < stood || i == 119 && r.Error >= stood {
					t.Fatalf("frame %d: the bound is %v", i, r.Error)
				}
			}
		})
	}
}

// Two epochs that begin one after the other do not make a standstill forgotten, and a
// long silence is no bound of hours.
func TestArrivalBoundOfEpochs(t *testing.T) {
	cam := camera{rate: 90000}
	c := NewClock(90000, 0)
	c.Anchor(cam.ts(start), start)
	back := start.Add(900 * time.Millisecond)
	c.Anchor(cam.ts(back), back)
	c.Anchor(cam.ts(back)+900, back.Add(time.Millisecond))
	if e := c.At(cam.ts(back)+900, back).Error; e < 900*time.Millisecond || e > 910*time.Millisecond {
		t.Errorf("the bound is %v, want the 900 ms before", e)
	}
	back = back.Add(10 * time.Minute)
	c.Anchor(cam.ts(back), back)
	if e := c.At(cam.ts(back), back).Error; e > maxLate+time.Millisecond {
		t.Errorf("after 10 minutes the bound is %v", e)
	}
}
