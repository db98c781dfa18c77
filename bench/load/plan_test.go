package load

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBurstIsDueAtOnce(t *testing.T) {
	p := NewPlan(1, Burst)
	p.Hold(false, 0)
	parts := 0
	p.Due(0, func(s Slot) {
		if !s.Video || s.Part != parts || s.At != 0 {
			t.Errorf("slot %+v, want part %d of the first frame", s, parts)
		}
		parts++
	})
	if parts != FramePackets {
		t.Errorf("%d parts, want %d", parts, FramePackets)
	}
	if at, ok := p.Next(); !ok || at != audioPhase {
		t.Errorf("next %v, %v, want audio at %v", at, ok, audioPhase)
	}
}

func TestSpreadFillsTheFrame(t *testing.T) {
	p := NewPlan(1, Spread)
	p.Hold(false, 0)
	var times []time.Duration
	for {
		at, _ := p.Next()
		if at >= FrameInterval {
			break
		}
		p.Due(at, func(s Slot) {
			if s.Video {
				times = append(times, at)
			}
		})
	}
	if len(times) != FramePackets {
		t.Fatalf("%d parts in a frame's time, want %d", len(times), FramePackets)
	}
	for i := 1; i < len(times); i++ {
		if gap := times[i] - times[i-1]; gap != FrameInterval/FramePackets {
			t.Errorf("gap %v, want %v", gap, FrameInterval/FramePackets)
		}
	}
}

func TestStreamsDoNotCoincide(t *testing.T) {
	p := NewPlan(4, Burst)
	p.Hold(false, 0)
	starts := map[time.Duration]int{}
	p.Due(FrameInterval-1, func(s Slot) {
		if s.Video && s.Part == 0 {
			starts[s.At]++
		}
	})
	if len(starts) != 4 {
		t.Errorf("frames of 4 streams start at %v, want 4 different times", starts)
	}
}

func TestHoldCompletesFramesAndSkipsTheRest(t *testing.T) {
	p := NewPlan(1, Spread)
	p.Hold(false, 0)
	p.Due(FrameInterval/2, func(Slot) {})
	p.Hold(true, FrameInterval/2)
	if p.Quiet() {
		t.Error("quiet in the middle of a frame")
	}
	parts := 0
	p.Due(time.Hour, func(s Slot) {
		if !s.Video || s.At != 0 {
			t.Errorf("slot %+v is due while the plan is held", s)
		}
		parts++
	})
	if parts == 0 || !p.Quiet() {
		t.Errorf("%d parts completed the frame, quiet %v", parts, p.Quiet())
	}
	if at, ok := p.Next(); ok {
		t.Errorf("a slot at %v while the plan is held", at)
	}
	p.Hold(false, time.Minute)
	at, ok := p.Next()
	if !ok || at < time.Minute || at > time.Minute+FrameInterval {
		t.Errorf("goes on at %v, %v, want soon after a minute", at, ok)
	}
}

func TestPlayerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sent := 0
		p := NewPlayer(NewPlan(1, Spread), func(due []Slot, _ time.Time) { sent += len(due) })
		go p.Run(ctx)
		time.Sleep(time.Second)
		if sent != 0 {
			t.Errorf("%d slots before it was told to go", sent)
		}
		if err := p.Go(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := p.Hold(ctx); err != nil {
			t.Fatal(err)
		}
		before := sent
		if before < 250 || before > 275 || (before-50)%FramePackets > 1 {
			t.Errorf("%d slots in a second, want whole frames", before)
		}
		time.Sleep(time.Second)
		if sent != before {
			t.Errorf("%d slots while held", sent-before)
		}
		cancel()
		synctest.Wait()
	})
}
