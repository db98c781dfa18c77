package main

import (
	"math"

	"github.com/framelock/relay/internal/studio/clips"
)

// order is the sequence of pockets of a European wheel, clockwise.
var order = [pockets]int{
	0, 32, 15, 19, 4, 21, 2, 25, 17, 34, 6, 27, 13, 36, 11, 30, 8, 23, 10,
	5, 24, 16, 33, 1, 20, 14, 31, 9, 22, 18, 29, 7, 28, 12, 35, 3, 26,
}

const (
	pockets     = 37
	pocketAngle = 2 * math.Pi / pockets
	ballRadius  = 0.03
	trackRadius = 0.845 // where the ball runs
	seatRadius  = 0.545 // where it comes to rest
)

// pose is where everything is in one frame.
type pose struct {
	rotor   float64 // angle of the wheel, counter-clockwise
	ball    vec     // its centre
	opacity float64 // of the ball: 0 while it is not on the wheel
}

// poseAt returns the pose in the given frame of a clip.
func poseAt(info clips.Info, frame int) pose {
	p := pose{rotor: 2 * math.Pi * float64(info.Turns) * float64(frame) / float64(info.Frames)}
	for _, r := range info.Rounds {
		if frame < r.Launch || frame >= r.End {
			continue
		}
		fade := float64(info.FPS) / 4
		p.opacity = smoothstep(-1, fade, float64(frame-r.Launch)) * smoothstep(0, fade, float64(r.End-frame-1))
		p.ball = ballAt(r, p.rotor, min(1, float64(frame-r.Launch)/float64(r.Rest-r.Launch)))
	}
	return p
}

// ballAt returns the ball's centre at part s of a round's run: it circles on the
// track against the wheel, falls, hops over a few pockets and lies still at 1.
func ballAt(r clips.Round, rotor, s float64) vec {
	seat := 0.0
	for i, n := range order {
		if n == r.Pocket {
			seat = -pocketAngle * float64(i)
		}
	}
	const spin = 2 * math.Pi * 5.5
	angle := rotor + seat - spin*math.Pow(1-s, 2.3)
	fall := smoothstep(0.60, 0.86, s)
	radius := trackRadius + (seatRadius-trackRadius)*fall*fall
	height := surfaceHeight(radius) + ballRadius
	for _, hop := range [...]struct{ from, to, height float64 }{{0.78, 0.88, 0.085}, {0.88, 0.95, 0.045}, {0.95, 1, 0.014}} {
		if s > hop.from && s < hop.to {
			t := (s - hop.from) / (hop.to - hop.from)
			height += 4 * hop.height * t * (1 - t)
		}
	}
	sin, cos := math.Sincos(angle)
	return vec{radius * cos, radius * sin, height}
}
