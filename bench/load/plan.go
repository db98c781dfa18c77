package load

import (
	"fmt"
	"math"
	"time"
)

// Pace is how a frame's packets leave the studio.
type Pace string

// The paces of the input.
const (
	Burst  Pace = "burst"  // back to back, as an encoder on the same network sends them
	Spread Pace = "spread" // evenly over the frame's time, as a paced encoder does
)

// ParsePace reads a pace's name.
func ParsePace(name string) (Pace, error) {
	switch p := Pace(name); p {
	case Burst, Spread:
		return p, nil
	}
	return "", fmt.Errorf("input %q: want burst or spread", name)
}

// Slot is one place in the plan: an audio packet, or one part of a video frame.
type Slot struct {
	Stream int
	Video  bool
	Part   int           // of the frame, 0 to FramePackets-1
	At     time.Duration // since the plan's start: the frame's own time, not the part's
}

// Plan says which packets of some streams are due when. It is pure: the caller
// knows the time. While it is held, time goes on and nothing is due, except that
// frames which have begun are completed.
type Plan struct {
	tracks []plannedTrack
	held   bool
}

type plannedTrack struct {
	stream int
	video  bool
	rate   int64         // frames a second
	gap    time.Duration // between the parts of a frame
	parts  int
	phase  time.Duration
	frame  int64 // the next slot is part of this frame
	part   int
}

// audioPhase keeps audio packets from falling on the same instant as a frame.
const audioPhase = 3 * time.Millisecond

// NewPlan plans the streams. Their frames do not coincide: streams are spread
// evenly over a frame's time.
func NewPlan(streams int, pace Pace) *Plan {
	p := &Plan{held: true}
	for i := range streams {
		phase := FrameInterval * time.Duration(i) / time.Duration(streams)
		video := plannedTrack{stream: i, video: true, rate: frameRate, parts: FramePackets, phase: phase}
		if pace == Spread {
			video.gap = FrameInterval / FramePackets
		}
		p.tracks = append(p.tracks, video,
			plannedTrack{stream: i, rate: audioRate, parts: 1, phase: phase + audioPhase})
	}
	return p
}

func (t *plannedTrack) start() time.Duration {
	return t.phase + time.Duration(t.frame)*time.Second/time.Duration(t.rate)
}
func (t *plannedTrack) due() time.Duration { return t.start() + time.Duration(t.part)*t.gap }

// step goes on to the next slot.
func (t *plannedTrack) step() {
	if t.part++; t.part == t.parts {
		t.part = 0
		t.frame++
	}
}

// Hold stops the plan, or lets it go on from now: what was not due while it was
// held is never due.
func (p *Plan) Hold(held bool, now time.Duration) {
	if p.held && !held {
		for i := range p.tracks {
			t := &p.tracks[i]
			for t.part == 0 && t.start() < now {
				t.frame++
			}
		}
	}
	p.held = held
}

// Quiet reports whether a plan that is held has completed what had begun.
func (p *Plan) Quiet() bool {
	for i := range p.tracks {
		if p.tracks[i].part != 0 {
			return false
		}
	}
	return p.held
}

// Due calls do with every slot that is due by now, in order of time.
func (p *Plan) Due(now time.Duration, do func(Slot)) {
	for {
		t := p.first()
		if t == nil || t.due() > now {
			return
		}
		do(Slot{Stream: t.stream, Video: t.video, Part: t.part, At: t.start()})
		t.step()
	}
}

// Next is when the next slot is due; false if none is before the plan goes on.
func (p *Plan) Next() (time.Duration, bool) {
	if t := p.first(); t != nil {
		return t.due(), true
	}
	return 0, false
}

// first is the track whose slot is due first, or nil.
func (p *Plan) first() *plannedTrack {
	var first *plannedTrack
	least := time.Duration(math.MaxInt64)
	for i := range p.tracks {
		t := &p.tracks[i]
		if p.held && t.part == 0 {
			continue
		}
		if d := t.due(); d < least {
			first, least = t, d
		}
	}
	return first
}
