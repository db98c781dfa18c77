package stream

import (
	"encoding/json"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/state"
)

// Times of a stream's own doing.
const (
	pausedAfter  = 400 * time.Millisecond // without a video packet: noticed within 500 ms
	clockSpacing = time.Second            // on the events and the fast channel in turn
	pausedClock  = 500 * time.Millisecond // while no picture says that the relay lives
)

// Tick does what is due. Next says when it must be called at the latest.
// heard is the time up to which every action that was received has been judged.
func (c *Core) Tick(now, heard time.Time) {
	for _, t := range c.tracks {
		if t != nil {
			c.drain(t, now)
			for _, f := range t.sources {
				if f != nil && len(f.newcomers) > 0 {
					f.newcomers.age(now, func(a forward.Arrival) { c.dropForeign(f, a) })
				}
			}
			c.examine(t, now)
		}
	}
	c.watchInputs(now)
	c.expire(now)
	c.tendWindows(now, heard)
	if v := c.tracks[forward.Video]; v != nil && !c.paused && now.Sub(v.heard) >= pausedAfter {
		c.paused = true
		c.notice("paused", "The studio has stopped sending.")
	}
	if !now.Before(c.nextClock()) {
		c.tellClock(now)
	}
	if c.sent != 0 {
		c.doc.Advance(c.sent - min(c.sent, foldTicks))
	}
}

// foldTicks is how far back an event may be late: the 10 s that clients keep.
const foldTicks = 10 * 90000

// Next returns when Tick has something to do.
func (c *Core) Next(now time.Time) time.Time {
	next := c.nextClock()
	sooner := func(t time.Time, ok bool) {
		if ok && t.Before(next) {
			next = t
		}
	}
	for _, t := range c.tracks {
		if t == nil {
			continue
		}
		sooner(t.input.Deadline())
		sooner(t.due(c.cfg.Hold))
		if t.id == forward.Video && !c.paused {
			sooner(t.heard.Add(pausedAfter), true)
		}
	}
	c.inputsNext(now, sooner)
	for _, p := range c.pending {
		sooner(p.deadline, true)
	}
	sooner(c.nextWindow())
	if next.Before(now) {
		return now
	}
	return next
}

// resumeFeed notes that the studio sends again.
func (c *Core) resumeFeed() {
	if c.paused {
		c.paused = false
		c.notice("resumed", "The studio is sending.")
	}
}

func (c *Core) notice(code, text string) {
	c.tell(egress.Events, struct {
		Type string `json:"type"`
		Code string `json:"code"`
		Text string `json:"text"`
	}{"notice", code, text})
}

func (c *Core) nextClock() time.Time {
	if c.paused {
		return c.clockAt.Add(pausedClock)
	}
	return c.clockAt.Add(clockSpacing)
}

// tellClock ties the timeline to the server's clock for clients.
func (c *Core) tellClock(now time.Time) {
	c.clockAt = now
	clock, ok := c.clock(now)
	if !ok {
		return
	}
	m := struct {
		Type string `json:"type"`
		Seq  uint64 `json:"seq"`
		state.Clock
	}{"clock", c.seq, clock}
	channel := egress.Events
	if c.clockOnEvents {
		channel = egress.Fast
	}
	c.clockOnEvents = !c.clockOnEvents
	c.tell(channel, m)
}

func (c *Core) clock(now time.Time) (state.Clock, bool) {
	t := c.tracks[forward.Video]
	if t == nil || c.sent == 0 {
		return state.Clock{}, false
	}
	r := t.clock.At(c.sent, now)
	return state.Clock{
		TS: c.sent, CaptureTime: r.Capture, ServerTime: now.UTC(), HoldMS: int(c.cfg.Hold.Milliseconds()),
		Source: r.Source, ErrorMS: milliseconds(r.Error), AudioTS: c.audioAt(c.sent, now),
	}, true
}

// audioAt returns the audio timestamp of the instant at which a frame was captured,
// as the viewers' sender reports tell it; 0 if there is no sound.
func (c *Core) audioAt(ts uint64, now time.Time) uint64 {
	video, audio := c.tracks[forward.Video], c.tracks[forward.Audio]
	if audio == nil || audio.line.Epoch() == 0 {
		return 0
	}
	return audio.clock.Viewer(now).TS(video.clock.Viewer(now).Capture(ts))
}

func (c *Core) tell(ch egress.Channel, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a plain struct of ours
	}
	c.out.Tell(egress.Message{Bytes: b, Channel: ch})
}
