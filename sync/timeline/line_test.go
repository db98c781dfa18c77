package timeline

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// anchor is start in ticks: 1795348800 s x 90,000.
const anchor = 161_581_392_000_000

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestAnchor(t *testing.T) {
	if start.Unix() != 1795348800 {
		t.Fatalf("%d", start.Unix())
	}
	l := NewLine(90000, Resume{})
	if l.Epoch() != 0 || l.Last() != 0 || l.Step() != 3000 {
		t.Errorf("a new line: epoch %d, last %d, step %d", l.Epoch(), l.Last(), l.Step())
	}
	ts, restarted := l.Map(7, 0xFFFFFF00, start)
	if ts != anchor || !restarted || l.Epoch() != 1 || l.Last() != anchor || l.SSRC() != 7 {
		t.Errorf("first packet: %d, %v, epoch %d", ts, restarted, l.Epoch())
	}
}

// TestLine: rows are packets of one SSRC unless another is given; at is in ms
// after start, ts the source's timestamp, want the distance from the anchor.
func TestLine(t *testing.T) {
	const s = 90000
	type row struct {
		ts        uint32
		at        int
		want      int64
		restarted bool
		ssrc      uint32
	}
	const early = 0xFFFFF448 // one frame before the wrap
	first := row{early, 0, 0, true, 0}
	tests := []struct {
		name string
		rows []row
	}{
		{"wrap of 2^32", []row{first, {early, 1, 0, false, 0}, {0, 33, 3000, false, 0}, {3000, 67, 6000, false, 0}}},
		{"packets before the first, over the wrap", []row{{3000, 0, 0, true, 0}, {0, 1, -3000, false, 0}, {early, 2, -6000, false, 0}, {6000, 33, 3000, false, 0}}},
		{"B-frames", []row{first, {9000 - 3000, 33, 9000, false, 0}, {0, 67, 3000, false, 0}, {3000, 100, 6000, false, 0}, {15000, 133, 18000, false, 0}, {9000, 167, 12000, false, 0}}},
		{"jitter", []row{first, {0, 150, 3000, false, 0}, {3000, 151, 6000, false, 0}, {6000, 152, 9000, false, 0}, {9000, 153, 12000, false, 0}}},
		{"pause, the clock goes on", []row{first, {60*s - 3000, 60_000, 60 * s, false, 0}, {60 * s, 60_033, 60*s + 3000, false, 0}}},
		{"pause, the clock stands still", []row{first, {0, 60_000, 60 * s, true, 0}, {3000, 60_033, 60*s + 3000, false, 0}}},
		{"pause of 20 h over a wrap, the clock goes on", []row{first, {uint32((20*3600*s + early) & 0xFFFFFFFF), 72_000_000, 72_000 * s, true, 0}}},
		{"jump of +10 s", []row{first, {10*s - 3000, 33, 3000, true, 0}, {10 * s, 67, 6000, false, 0}}},
		{"jump of -10 s", []row{first, {early - 10*s, 100, 9000, true, 0}, {early - 10*s + 3000, 133, 12000, false, 0}}},
		{"new SSRC", []row{first, {12345, 100, 9000, true, 9}, {12345 + 3000, 133, 12000, false, 9}}},
		{"new SSRC at once goes on one frame later", []row{first, {early, 0, 3000, true, 9}}},
		{"new SSRC while the line is ahead", []row{first, {s - 6000, 33, s - 3000, false, 0}, {777, 67, s, true, 9}}},
		{"network that stood still", []row{first, {0, 4900, 3000, false, 0}, {3000, 4900, 6000, false, 0}, {5 * s, 4950, 5*s + 3000, false, 0}}},
		{"network that stood still too long", []row{first, {0, 5100, 459000, true, 0}}},
		{"a second ahead is too much without a reason", []row{first, {s, 33, 3000, true, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, epoch := NewLine(90000, Resume{}), uint32(0)
			for i, r := range tt.rows {
				ts, restarted := l.Map(r.ssrc, r.ts, start.Add(ms(r.at)))
				if got := int64(ts - anchor); got != r.want || restarted != r.restarted {
					t.Fatalf("row %d: %d, %v; want %d, %v", i, got, restarted, r.want, r.restarted)
				}
				if restarted {
					epoch++
				}
				if l.Epoch() != epoch || l.SSRC() != r.ssrc || l.Source(r.ts) != ts {
					t.Errorf("row %d: epoch %d, SSRC %d, source %d", i, l.Epoch(), l.SSRC(), l.Source(r.ts))
				}
			}
		})
	}
}

func TestRestartBeginsAnEpoch(t *testing.T) {
	l := NewLine(90000, Resume{})
	l.Map(7, 1000, start)
	l.Restart()
	if ts, restarted := l.Map(7, 4000, start.Add(ms(40))); !restarted || ts != anchor+3600 || l.Epoch() != 2 {
		t.Errorf("%d, %v, epoch %d", ts-anchor, restarted, l.Epoch())
	}
}

func TestLate(t *testing.T) {
	l := NewLine(90000, Resume{})
	if _, ok := l.Late(7, 0); ok {
		t.Error("a late packet before the first")
	}
	first := uint32(0xFFFF0000)
	for i := range uint32(60) {
		l.Map(7, first+3000*i, start.Add(time.Duration(i)*time.Second/30))
	}
	for _, tt := range []struct {
		ssrc, ts uint32
		want     uint64
		ok       bool
	}{
		{7, first + 3000*58, anchor + 3000*58, true},
		{7, first + 3000*59, anchor + 3000*59, true},
		{7, first + 3000, anchor + 3000, true}, // 1.9 s old
		{7, first, anchor, true},
		{7, first - 3000, 0, false}, // of the epoch before
		{7, first + 3000*61, 0, false},
		{8, first + 3000*58, 0, false},
	} {
		ts, ok := l.Late(tt.ssrc, tt.ts)
		if ok != tt.ok || ok && ts != tt.want {
			t.Errorf("SSRC %d, %#x: %d, %v", tt.ssrc, tt.ts, ts-anchor, ok)
		}
	}
	if l.Epoch() != 1 || l.Last() != anchor+3000*59 {
		t.Errorf("late packets moved the line: epoch %d, last %d", l.Epoch(), l.Last()-anchor)
	}
	l.Restart()
	if _, ok := l.Late(7, first+3000*58); ok {
		t.Error("a late packet while the line is not locked")
	}
}

func TestStep(t *testing.T) {
	type run struct {
		frames   int
		distance uint64
		want     uint64
	}
	tests := []struct {
		name string
		rate uint32
		runs []run
	}{
		{"60 fps", 90000, []run{{2, 1500, 1500}}},
		{"25 fps is known after a window", 90000, []run{{15, 3600, 3000}, {2, 3600, 3600}}},
		{"a frame left out", 90000, []run{{20, 3000, 3000}, {1, 6000, 3000}, {1, 3000, 3000}, {3, 9000, 3000}}},
		{"a pause", 90000, []run{{20, 3000, 3000}, {1, 900000, 3000}}},
		{"60 to 30 fps and back", 90000, []run{{20, 1500, 1500}, {40, 3000, 3000}, {1, 1500, 1500}}},
		{"timestamps that hardly differ", 90000, []run{{20, 3000, 3000}, {1, 1, 3000}, {1, 89, 3000}}},
		{"audio", 48000, []run{{1, 960, 960}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLine(tt.rate, Resume{})
			ts, at := uint32(1000), start
			l.Map(7, ts, at)
			for i, r := range tt.runs {
				for range r.frames {
					ts += uint32(r.distance)
					at = at.Add(time.Duration(r.distance) * time.Second / time.Duration(tt.rate))
					l.Map(7, ts, at)
				}
				if l.Step() != r.want {
					t.Errorf("after run %d: %d, want %d", i, l.Step(), r.want)
				}
			}
			if l.Epoch() != 1 {
				t.Errorf("%d epochs", l.Epoch())
			}
		})
	}
}

// A source whose crystal is off by 100 ppm keeps its offset for an hour, and for
// as many wraps of 2^32 as that has.
func TestDriftIsNoDiscontinuity(t *testing.T) {
	for name, tt := range map[string]struct {
		rate     uint32
		distance uint32
		ppm      int64
	}{
		"video fast": {90000, 3000, 100}, "video slow": {90000, 3000, -100},
		"audio fast": {48000, 960, 100}, "audio slow": {48000, 960, -100},
	} {
		t.Run(name, func(t *testing.T) {
			l, ts, at := NewLine(tt.rate, Resume{}), uint32(0xF0000000), start
			dice := rand.New(rand.NewPCG(1, 1))
			first, _ := l.Map(7, ts, at)
			want := first
			spacing := time.Duration(tt.distance) * time.Second / time.Duration(tt.rate)
			for at.Sub(start) < time.Hour {
				ts, want = ts+tt.distance, want+uint64(tt.distance)
				at = at.Add(spacing - spacing*time.Duration(tt.ppm)/1e6)
				got, restarted := l.Map(7, ts, at.Add(time.Duration(dice.IntN(30))*time.Millisecond))
				if restarted || got != want {
					t.Fatalf("after %v: %d, %v; want %d", at.Sub(start), got, restarted, want)
				}
			}
		})
	}
}

// After a delay of 3 s the source may catch up; if it has not for an hour, its
// clock stood still, and two seconds ahead are a jump again.
func TestWhatStoodStillIsForgotten(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		jump  bool
	}{{time.Second, false}, {time.Minute, false}, {time.Hour, true}} {
		l, ts, at := NewLine(90000, Resume{}), uint32(0), start
		l.Map(7, ts, at)
		at = at.Add(3 * time.Second)
		for end := at.Add(tt.after); at.Before(end); at = at.Add(time.Second) {
			if _, restarted := l.Map(7, ts+3000, at); restarted {
				t.Fatal("a delay of 3 s is a new epoch")
			}
			ts += 90000
		}
		if _, restarted := l.Map(7, ts+2*90000, at); restarted != tt.jump {
			t.Errorf("two seconds ahead %v after a delay: new epoch %v", tt.after, restarted)
		}
	}
}

// A relay that restarts begins behind neither the wall clock nor what it sent.
func TestResume(t *testing.T) {
	a := NewLine(90000, Resume{})
	a.Map(7, 0, start)
	a.Map(7, 80_000, start.Add(ms(10))) // 0.88 s ahead: allowed
	a.Restart()
	a.Map(7, 0, start.Add(ms(20)))
	last, now := a.Last(), start.Add(ms(30))
	r := Resume{Epoch: a.Epoch(), Ahead: a.Ahead(now)}
	b := NewLine(90000, r)
	if b.Ahead(now) != r.Ahead {
		t.Errorf("an unused line is ahead by %v, want %v", b.Ahead(now), r.Ahead)
	}
	ts, restarted := b.Map(9, 12345, now.Add(time.Millisecond))
	if ts <= last || !restarted || b.Epoch() != a.Epoch()+1 {
		t.Errorf("%d after %d, epoch %d after %d", ts, last, b.Epoch(), a.Epoch())
	}
	if c := NewLine(90000, Resume{Epoch: 4, Ahead: -time.Hour}); c.Ahead(now) != 0 {
		t.Error("a line that was behind does not begin at the wall clock")
	} else if ts, _ := c.Map(1, 0, start); ts != anchor || c.Epoch() != 5 {
		t.Errorf("%d, epoch %d", ts-anchor, c.Epoch())
	}
}

// TestLineAgainstSource: a source with a true clock that pauses, restarts and
// jumps, over a network with jitter and a relay that restarts. Within an epoch the
// offset never changes; every epoch is behind nothing that was sent before; there
// are no more epochs than reasons for them.
func TestLineAgainstSource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]uint64{90000, 48000}).Draw(t, "rate")
		l := NewLine(uint32(rate), Resume{})
		source := rapid.Uint64Range(1<<32, 1<<33).Draw(t, "source") // extended, true
		ssrc, frame := uint32(1), rate/50
		now, newest, offset, epoch := start, uint64(0), uint64(0), uint32(0)
		fresh := true // the next packet begins an epoch
		send := func(ts uint64) {
			got, restarted := l.Map(ssrc, uint32(ts), now)
			if restarted != fresh {
				t.Fatalf("new epoch: %v, want %v", restarted, fresh)
			}
			if restarted {
				epoch++
				if got <= newest || got < Ticks(now, rate) {
					t.Fatalf("epoch %d begins at %d after %d, the wall clock is at %d", epoch, got, newest, Ticks(now, rate))
				}
				offset = got - ts
			} else if got != ts+offset {
				t.Fatalf("%d maps to %d, want %d", ts, got, ts+offset)
			}
			newest, fresh = max(newest, got), false
			if l.Last() != newest || l.Epoch() != epoch || l.Source(uint32(ts)) != got {
				t.Fatalf("last %d, want %d; epoch %d, want %d", l.Last(), newest, l.Epoch(), epoch)
			}
		}
		pass := func(ticks uint64) {
			source += ticks
			now = now.Add(time.Duration(ticks) * time.Second / time.Duration(rate))
		}
		send(source)
		t.Repeat(map[string]func(*rapid.T){
			"frames": func(t *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(t, "n") {
					pass(frame)
					send(source)
				}
			},
			"order": func(t *rapid.T) { // B-frames: a later one first
				if fresh {
					return
				}
				pass(frame)
				send(source + 2*frame)
				pass(frame)
				send(source - frame)
				send(source)
				pass(frame)
			},
			"stall": func(t *rapid.T) { // the network keeps frames back for a while
				n := rapid.Uint64Range(1, 150).Draw(t, "frames")
				pass(n * frame)
				for i := range n {
					send(source - (n-1-i)*frame)
				}
			},
			"pause": func(t *rapid.T) {
				pass(uint64(rapid.IntRange(1, 3600).Draw(t, "seconds")) * rate)
				send(source)
			},
			"stand still": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(6000, 100_000).Draw(t, "ms")) * time.Millisecond)
				fresh = true
				send(source + frame)
				source += frame
			},
			"jump": func(t *rapid.T) {
				by := uint64(rapid.IntRange(10, 20_000).Draw(t, "seconds")) * rate
				if rapid.Bool().Draw(t, "back") {
					by = -by
				}
				source, fresh = source+by+1<<34, true
				pass(frame)
				send(source)
			},
			"new SSRC": func(t *rapid.T) {
				ssrc, fresh = ssrc+1, true
				if rapid.Bool().Draw(t, "other timestamps") {
					source = rapid.Uint64Range(1<<32, 1<<34).Draw(t, "source")
				}
				pass(frame)
				send(source)
			},
			"relay restart": func(t *rapid.T) {
				r := Resume{Epoch: l.Epoch(), Ahead: l.Ahead(now)}
				now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond)
				l, fresh = NewLine(uint32(rate), r), true
				send(source)
			},
		})
	})
}

// The timestamps of a line and the wall clock are the same thing, to the tick.
func TestNanosAndTicks(t *testing.T) {
	for _, tt := range []struct {
		ts, rate uint64
		ns       int64
	}{
		{anchor, 90000, 1795348800_000000000}, {anchor + 1, 90000, 1795348800_000011111}, {anchor + 2, 90000, 1795348800_000022222},
		{anchor + 89999, 90000, 1795348800_999988888}, {anchor + 90000, 90000, 1795348801_000000000}, {48000*5 + 1, 48000, 5_000020833},
	} {
		if got := Nanos(tt.ts, tt.rate); got != tt.ns {
			t.Errorf("Nanos(%d, %d) = %d, want %d", tt.ts, tt.rate, got, tt.ns)
		}
	}
	for _, tt := range []struct {
		ns   int64
		want uint64
	}{{0, 0}, {5555, 0}, {5556, 1}, {16666, 1}, {16667, 2}, {999994444, 89999}, {999994445, 90000}} {
		if got := Ticks(time.Unix(1795348800, tt.ns), 90000) - anchor; got != tt.want {
			t.Errorf("%d ns are %d ticks, want %d", tt.ns, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]uint64{90000, 48000}).Draw(t, "rate")
		ts := rapid.Uint64Range(0, 400_000_000_000_000).Draw(t, "ts")
		if got := Ticks(time.Unix(0, Nanos(ts, rate)), rate); got != ts {
			t.Fatalf("%d comes back as %d", ts, got)
		}
	})
}

func TestMapAllocatesNothing(t *testing.T) {
	l, ts, at := NewLine(90000, Resume{}), uint32(0), start
	if n := testing.AllocsPerRun(200, func() {
		ts, at = ts+3000, at.Add(time.Second/30)
		l.Map(7, ts, at)
		l.Late(7, ts-3000)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
