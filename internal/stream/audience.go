package stream

import (
	"context"
	"encoding/json"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/state"
)

var _ egress.Source = (*Loop)(nil)

// snapshotPart is the largest message of a snapshot, in bytes.
const snapshotPart = 8 << 10

// Viewers returns how many viewers the stream has.
func (l *Loop) Viewers() int { return int(l.viewers.Load()) }

// Join implements egress.Source: snapshot, burst and everything after them are
// one cut. Who has left meanwhile does not join; who leaves later is undone by
// Left.
func (l *Loop) Join(v *egress.Viewer, snapshot bool) {
	l.wish(func() {
		if v.Gone() || l.watching[v] {
			return
		}
		now := l.sh.Now()
		l.flush(now) // what is decided already belongs before the cut
		l.watching[v] = true
		l.shards[v.Shard()]++
		l.viewers.Add(1)
		var burst []forward.Packet
		if l.cfg.JoinBurst {
			burst = l.core.Burst()
		}
		if len(burst) == 0 {
			l.waiting[v] = true
			l.RequestKeyframe()
		}
		var parts [][]byte
		if snapshot {
			parts = l.parts(v, now)
		}
		v.Shard().Join(v, parts, burst, l.core.Clocks(now))
	})
}

// Began implements egress.Source.
func (l *Loop) Began(_ *egress.Viewer, after time.Duration, snapshot bool) {
	l.sh.Metrics.Joined(after, snapshot)
}

// TellSnapshot implements egress.Source.
func (l *Loop) TellSnapshot(v *egress.Viewer) {
	l.wish(func() {
		if !l.watching[v] {
			return
		}
		now := l.sh.Now()
		l.flush(now)
		v.Shard().Tell(v, l.parts(v, now))
	})
}

// snapshot returns the state at the newest frame sent, with the head of the log.
func (l *Loop) snapshot(now time.Time) (state.Snapshot, error) {
	s, err := l.core.Snapshot(now)
	if err == nil && l.keys != nil {
		s.LogHead = l.head()
	}
	return s, err
}

var drainingNotice = []byte(`{"type":"notice","code":"draining","text":"This relay stops soon."}`)

// Drain tells viewers that the relay will stop; who gets a snapshot later is told with
// it. When it returns, the message is on its way.
func (l *Loop) Drain(ctx context.Context) {
	_, _ = ask(ctx, l, func() (struct{}, error) { // a loop that has ended has nobody to tell
		l.draining = true
		l.Tell(egress.Message{Bytes: drainingNotice, Channel: egress.Events})
		l.flush(l.sh.Now())
		return struct{}{}, nil
	})
}

// parts returns a viewer's snapshot, in messages.
func (l *Loop) parts(v *egress.Viewer, now time.Time) [][]byte {
	s, err := l.snapshot(now)
	if err == nil {
		for i := range s.Tracks {
			s.Tracks[i].MID = v.MID(trackNamed[s.Tracks[i].Track])
		}
		var parts [][]byte
		if parts, err = s.Parts(snapshotPart); err == nil {
			if l.draining {
				parts = append(parts, drainingNotice)
			}
			return parts
		}
	}
	l.sh.Logger.Error("no snapshot could be made", "stream", l.cfg.Name, "error", err)
	return nil
}

var trackNamed = map[string]forward.Track{forward.Video.String(): forward.Video, forward.Audio.String(): forward.Audio}

// StartVideo implements egress.Source.
func (l *Loop) StartVideo(v *egress.Viewer) bool {
	return l.try(func() {
		if !l.watching[v] {
			return
		}
		l.flush(l.sh.Now())
		if l.cfg.JoinBurst {
			if burst := l.core.Burst(); len(burst) > 0 {
				delete(l.waiting, v)
				v.Shard().Burst(v, burst)
				return
			}
		}
		l.waitKeyframe(v)
	})
}

// WaitKeyframe implements egress.Source.
func (l *Loop) WaitKeyframe(v *egress.Viewer) bool {
	return l.try(func() { l.waitKeyframe(v) })
}

func (l *Loop) waitKeyframe(v *egress.Viewer) {
	if l.watching[v] {
		l.waiting[v] = true
		l.RequestKeyframe()
	}
}

// GOPBegins implements Output: who waits for a keyframe starts here.
func (l *Loop) GOPBegins() {
	l.keyframe.Store(false)
	if len(l.waiting) == 0 {
		return
	}
	l.flush(l.sh.Now())
	for v := range l.waiting {
		v.Shard().Burst(v, l.core.Burst())
	}
	clear(l.waiting)
}

// Resend implements egress.Source. It leaves room for wishes without which a
// viewer would have to go.
func (l *Loop) Resend(v *egress.Viewer, t forward.Track, slots []uint64) bool {
	return len(l.wishes) < requestQueue/2 && l.try(func() {
		if packets := l.core.Again(t, slots); len(packets) > 0 {
			v.Shard().Resend(v, packets)
		}
	})
}

// KeyframeWanted implements egress.Source. Only the first wish since the studio
// was last asked wakes the loop.
func (l *Loop) KeyframeWanted() {
	if l.keyframe.CompareAndSwap(false, true) {
		l.try(func() {})
	}
}

// Left implements egress.Source.
func (l *Loop) Left(v *egress.Viewer, reason string) {
	l.sh.Metrics.Left(reason)
	l.sh.Left(v.ID)
	l.wish(func() {
		delete(l.waiting, v)
		if l.watching[v] {
			delete(l.watching, v)
			if l.shards[v.Shard()]--; l.shards[v.Shard()] == 0 {
				delete(l.shards, v.Shard())
			}
			l.viewers.Add(-1)
		}
	})
}

// Bounds of what a viewer's report can do to the metrics.
const (
	maxSaneLatency = time.Minute
	maxSaneFrames  = 10_000
)

// sane reports whether a count of frames may be what a viewer saw.
func sane(frames int) bool { return frames >= 0 && frames <= maxSaneFrames }

// pingID is the id of a ping, which is a number. That of an action, in the same
// place, is a string and is read elsewhere.
type pingID int64

// UnmarshalJSON implements json.Unmarshaler.
func (id *pingID) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return nil
	}
	return json.Unmarshal(b, (*int64)(id))
}

// Message implements egress.Source: what a viewer says on the actions channel.
func (l *Loop) Message(v *egress.Viewer, b []byte) {
	var m struct {
		Type       string  `json:"type"`
		ID         pingID  `json:"id"`
		FrameError int     `json:"frame_error"`
		Skipped    int     `json:"skipped"`
		LatencyMS  float64 `json:"latency_ms"`
	}
	if json.Unmarshal(b, &m) != nil {
		return // a client of a later protocol, or nonsense
	}
	switch m.Type {
	case "ping":
		pong, err := json.Marshal(struct {
			Type       string    `json:"type"`
			ID         pingID    `json:"id"`
			ServerTime time.Time `json:"server_time"`
		}{"pong", m.ID, l.sh.Now().UTC()})
		if err == nil {
			v.Shard().Reply(v, pong)
		}
	case "action":
		l.acted(v, b)
	case "presented":
		late := m.LatencyMS >= 0 && m.LatencyMS < milliseconds(maxSaneLatency)
		if late && sane(m.FrameError) && sane(m.Skipped) && v.MayReport(l.sh.Now()) {
			l.sh.Metrics.Presented(m.FrameError, m.Skipped, time.Duration(m.LatencyMS*float64(time.Millisecond)))
		}
	}
}
