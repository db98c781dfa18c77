package studio

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestLate stops the sending goroutine for a while. What a short stop made late is
// sent at once; of a long one the schedule goes on as if frames had been sent, and
// pictures come again from a keyframe on, at their times. Sound runs to packet 498,
// at 9.96 s; packets 117 to 399 fall into the long stop and the wait for frame 240.
func TestLate(t *testing.T) {
	for _, c := range []struct {
		name  string
		stop  time.Duration
		next  uint64 // the frame after frame 70, which is captured at 2.333 s
		sent  time.Duration
		held  uint64
		tones int
	}{
		{"caught up", 900 * time.Millisecond, 71, 70*time.Second/30 + 900*time.Millisecond, 0, 499},
		{"passed over", 5 * time.Second, 240, 8 * time.Second, 240 - 71, 499 - 283},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testLate(t, c.stop, c.next, c.sent, c.held, c.tones) })
		})
	}
}

func testLate(t *testing.T, stop time.Duration, next uint64, sent time.Duration, held uint64, tones int) {
	w := newWire()
	c := testConfig(w)
	c.Frames = 300
	start := time.Now()
	var frames []Record
	var left []time.Duration
	c.OnFrame = func(r Record) {
		frames, left = append(frames, r), append(left, time.Since(start))
		if r.Frame == 70 {
			<-time.After(stop)
		}
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if f := frames[71]; f.Frame != next || f.TS != c.Video.Timestamp+3000*uint32(next) || f.Key != (next == 240) || left[71] != sent {
		t.Errorf("went on after %v with %+v, want frame %d after %v", left[71], f, next, sent)
	}
	for i, f := range frames {
		if !f.CaptureTime.Equal(start.Add(time.Duration(f.Frame) * time.Second / 30)) {
			t.Fatalf("frame %d is captured at %v", f.Frame, f.CaptureTime)
		}
		if i > 110 && !f.CaptureTime.Equal(start.Add(left[i])) {
			t.Fatalf("frame %d left after %v, captured at %v", f.Frame, left[i], f.CaptureTime)
		}
	}
	for i, p := range packetsOf(t, w.to(videoTo)) {
		if p.SequenceNumber != c.Video.Seq+uint16(i) {
			t.Fatalf("packet %d has sequence number %d", i, p.SequenceNumber)
		}
	}
	if got := s.Stats(); got.Held != held || got.Frames+got.Held != 300 {
		t.Errorf("%+v, want %d frames held of 300", got, held)
	}
	if got := len(w.to(audioTo)); got != tones {
		t.Errorf("%d packets of sound, want %d", got, tones)
	}
}

// TestSleep lets the wall clock run ahead as while a machine sleeps: frames keep
// to the wall clock's schedule.
func TestSleep(t *testing.T) {
	wall := time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC)
	r := &run{Studio: &Studio{fps: 60}, start: wall, frames: 7, tones: 6}
	next := due(r.start, r.frames, 60)
	if r.skip(next.Add(maxLate), next) {
		t.Error("a second was passed over")
	}
	now := next.Add(time.Hour + 400*time.Millisecond)
	if !r.skip(now, next) || !r.held || r.frames != 7+3600*60 || r.tones != 6+3600*50 {
		t.Errorf("after an hour: frame %d, tone %d, held %v", r.frames, r.tones, r.held)
	}
	if got := due(r.start, r.frames, 60); !got.Equal(next.Add(time.Hour)) || !r.start.Equal(wall) {
		t.Errorf("the next frame is captured at %v, want %v", got, next.Add(time.Hour))
	}
}

// A jump moves the timestamps and nothing else; a PLI is answered with a keyframe if
// the studio is to.
func TestJumpAndPLI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := testConfig(w)
		c.Frames, c.ObeyPLI = 30, true
		var s *Studio
		var frames []Record
		c.OnFrame = func(r Record) {
			switch frames = append(frames, r); r.Frame {
			case 9:
				s.Jump(-10 * time.Second)
			case 19:
				s.stats.received([]byte{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2}) // RFC 4585, section 6.3.1
			}
		}
		var err error
		if s, err = New(c); err != nil {
			t.Fatal(err)
		}
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i, f := range frames {
			want := c.Video.Timestamp + 3000*uint32(i)
			if i > 9 {
				want -= 10 * 90000
			}
			if f.TS != want || f.Key != (i == 0 || i == 20) || f.Frame != uint64(i) {
				t.Errorf("frame %d: %+v, want timestamp %d", i, f, want)
			}
		}
	})
}
