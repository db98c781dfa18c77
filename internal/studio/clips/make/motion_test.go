package main

import (
	"math"
	"slices"
	"testing"

	"github.com/framelock/relay/internal/studio/clips"
)

// TestBallRests checks that the ball lies still in the right pocket from the
// frame that the catalogue names until it is taken away, and not before.
func TestBallRests(t *testing.T) {
	for _, info := range clips.Catalog() {
		for _, r := range info.Rounds {
			seat := -float64(slices.Index(order[:], r.Pocket)) * 2 * math.Pi / 37
			off := func(frame int) (angle, radius float64) {
				p := poseAt(info, frame)
				return wrap(math.Atan2(p.ball.y, p.ball.x) - p.rotor - seat), math.Hypot(p.ball.x, p.ball.y)
			}
			for frame := r.Rest; frame < r.End; frame++ {
				if angle, radius := off(frame); math.Abs(angle) > 1e-9 || math.Abs(radius-seatRadius) > 1e-9 {
					t.Errorf("%s: frame %d: the ball is %v rad from pocket %d at radius %v", info.File(), frame, angle, r.Pocket, radius)
				}
			}
			before, after := poseAt(info, r.Rest-1), poseAt(info, r.Rest)
			if before.ball.z <= after.ball.z {
				t.Errorf("%s: the ball lies still before frame %d", info.File(), r.Rest)
			}
			if poseAt(info, r.Rest).opacity < 1 {
				t.Errorf("%s: the ball cannot be seen when it comes to rest", info.File())
			}
		}
	}
}

// TestLoop compares the pose behind a clip's last frame with that of its first.
func TestLoop(t *testing.T) {
	for _, info := range clips.Catalog() {
		first, behind := poseAt(info, 0), poseAt(info, info.Frames)
		if math.Abs(wrap(first.rotor-behind.rotor)) > 1e-9 {
			t.Errorf("%s: the wheel jumps from %v to %v", info.File(), behind.rotor, first.rotor)
		}
		if last := poseAt(info, info.Frames-1); last.opacity > 0.1 || first.opacity > 0.1 {
			t.Errorf("%s: the ball jumps at the seam: opacity %v, %v", info.File(), last.opacity, first.opacity)
		}
	}
}

// TestWheel knows facts of the European wheel: every number once, the colours in
// turn but for the zero.
func TestWheel(t *testing.T) {
	seen := map[int]bool{}
	for i, n := range order {
		seen[n] = true
		if i > 1 && isRed(n) == isRed(order[i-1]) {
			t.Errorf("%d and %d are neighbours of one colour", order[i-1], n)
		}
	}
	if len(seen) != 37 || isRed(0) {
		t.Errorf("%d numbers, or a red zero", len(seen))
	}
}

func TestAccessUnits(t *testing.T) {
	want := []string{
		"\x00\x00\x00\x01\x67a\x00\x00\x00\x01\x68b\x00\x00\x01\x65c",
		"\x00\x00\x00\x01\x41d",
		"\x00\x00\x01\x41e",
	}
	stream := want[0] + want[1] + want[2]
	got := accessUnits([]byte(stream))
	if len(got) != len(want) {
		t.Fatalf("%d access units: %q, want %q", len(got), got, want)
	}
	for i := range want {
		if string(got[i]) != want[i] {
			t.Errorf("access unit %d is %q, want %q", i, got[i], want[i])
		}
	}
}
