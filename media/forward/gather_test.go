package forward

import (
	"testing"
	"time"

	"github.com/framelock/relay/media/packet"
)

func TestGather(t *testing.T) {
	type step struct {
		after        time.Duration // since the step before
		start, end   bool
		audio, again bool
		want         time.Duration
	}
	const ms, us = time.Millisecond, time.Microsecond
	frame := func(spacing time.Duration, want ...time.Duration) []step {
		var s []step
		for i, w := range want {
			s = append(s, step{after: spacing, start: i == 0, end: i == len(want)-1, want: w})
		}
		s[0].after = 33 * ms
		return s
	}
	for name, steps := range map[string][]step{
		"a burst waits for its end":            frame(100*us, 1000*us, 900*us, 800*us, 0),
		"but not for ever":                     frame(240*us, 1000*us, 760*us, 520*us, 280*us, 40*us, 0, 0),
		"spread packets wait for nothing":      append(frame(5*ms, ms, 0, 0, 0), frame(5*ms, 0, 0, 0, 0)...),
		"a frame of one packet":                frame(0, 0),
		"sound waits for nothing of its own":   {{audio: true, end: true}, {audio: true, end: true, after: 20 * ms}},
		"what is sent again waits for nothing": {{again: true, start: true}},
	} {
		t.Run(name, func(t *testing.T) {
			g := Gather{Limit: ms}
			now := time.Unix(1_800_000_000, 0)
			for i, s := range steps {
				now = now.Add(s.after)
				p := Packet{Arrival: now, FrameStart: s.start, Retransmitted: s.again, Header: packet.Header{Marker: s.end}}
				if s.audio {
					p.Track = Audio
				}
				g.Forwarded(&p)
				got := g.Wait(now)
				if got != s.want {
					t.Errorf("packet %d: wait %v, want %v", i, got, s.want)
				}
				if got == 0 {
					g.Sent()
				}
			}
		})
	}
}
