package network

import (
	"testing"
	"time"

	"github.com/framelock/relay/internal/impair"
	"github.com/framelock/relay/internal/studio"
)

// Keyframes of 50 kB behind a link of 4 Mbit/s that has room for 30 kB: sent at once,
// each loses its end. The relay learns that from the first ones, and spreads those
// that follow, for this viewer alone.
func TestKeyframesBehindAShortQueue(t *testing.T) {
	begin(t)
	t.Parallel()
	w := newTable(t)
	_, tape := w.studio(func(c *studio.Config) { c.Clip, c.FPS = "1080p60", 84 })
	up := impair.Path{Delay: 10 * time.Millisecond}
	short := impair.Path{Delay: 10 * time.Millisecond, Rate: 4e6, Queue: 60 * time.Millisecond}
	v, wide := w.watch(w.proxy(up, short), tape), w.watch(w.proxy(up, up), tape)
	for _, v := range []*viewer{v, wide} {
		eventually(t, "the viewer has a frame", v.begun)
	}
	during(t.Context(), 5*time.Second) // two keyframes and what was heard of them
	_, before := v.proxy.Counts()
	began := time.Now()
	during(t.Context(), ofFull(60*time.Second, 12*time.Second))
	ended := time.Now()
	_, after := v.proxy.Counts()
	during(t.Context(), atRest)
	v.end()
	wide.end()

	atOnce := impair.NewLink(1, began, short) // the same frames, each sent at once
	keys := 0
	for _, f := range tape.sent() {
		if f.at.Before(began) || !f.at.Before(ended) {
			continue
		}
		if f.key {
			keys++
		}
		for range f.packets {
			atOnce.Send(1200, f.at)
		}
	}
	lost, would := after.Overflowed-before.Overflowed, atOnce.Counts().Overflowed
	s := wide.sum(ended)
	t.Logf("%d keyframes: %d of %d datagrams were too many for the queue; sent at once, %d would have been; the other viewer has %d of %d frames",
		keys, lost, after.Sent-before.Sent, would, s.whole, s.sent)
	if would < uint64(5*keys) || keys < 5 {
		t.Errorf("%d packets of %d keyframes would be too many: the case proves nothing", would, keys)
	}
	if 4*lost > would {
		t.Errorf("%d packets were too many, want at most a quarter of %d", lost, would)
	}
	if s.whole != s.sent || wide.report.Video.Lost > 0 {
		t.Errorf("the other viewer: %d of %d frames, %+v", s.whole, s.sent, wide.report.Video)
	}
	v.checkTruth(v.sum(ended))
}
