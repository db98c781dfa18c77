package e2e

import (
	"context"
	"sync"
	"time"

	"github.com/framelock/relay/internal/studio"
)

// Encoder is a studio within the test's own process, so that things can go wrong
// with it at a chosen moment, and what it has sent can be looked up.
type Encoder struct {
	*studio.Studio
	Stop func() error // ends it with a goodbye, and waits

	mu     sync.Mutex
	frames []StudioFrame
}

// Input is where an encoder sends to.
type Input struct{ Video, Audio string }

// StartEncoder has an encoder send to an input of the relay. Its frames are numbered
// from first on, so that no two of a case send the same number.
func StartEncoder(codec string, to Input, first uint32, change ...func(*studio.Config)) (*Encoder, error) {
	c := studio.Default()
	c.Codec, c.Video.To, c.Audio.To, c.StartFrame = codec, to.Video, to.Audio, first
	for _, f := range change {
		f(&c)
	}
	e := &Encoder{}
	c.OnFrame = e.note
	s, err := studio.New(c)
	if err != nil {
		return nil, err
	}
	e.Studio = s
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	e.Stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	return e, nil
}

func (e *Encoder) note(r studio.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.frames = append(e.frames, StudioFrame{Frame: r.Frame, Bar: int64(r.Bar), TS: r.TS, SSRC: r.SSRC, CaptureTime: r.CaptureTime, Key: r.Key})
}

// Newest returns the frame that was sent last.
func (e *Encoder) Newest() (f StudioFrame, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.frames) == 0 {
		return f, false
	}
	return e.frames[len(e.frames)-1], true
}

// Frames returns all that was sent so far.
func (e *Encoder) Frames() []StudioFrame {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]StudioFrame(nil), e.frames...)
}

// frameTime is the time of a frame of the clip that encoders send, and frameTicks its
// RTP ticks.
const (
	frameTime  = time.Second / 30
	frameTicks = 3000
)
