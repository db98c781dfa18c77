package network

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/studio"
	"github.com/framelock/relay/internal/watch"
)

// studioLog is what a studio wrote down.
type studioLog struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *studioLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

// records are the frames that were logged, in the order of sending.
func (l *studioLog) records(t *testing.T) (list []studio.Record) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, line := range bytes.Split(bytes.TrimSpace(l.lines.Bytes()), []byte("\n")) {
		var r studio.Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if i > 0 { // the first is of the studio
			list = append(list, r)
		}
	}
	return list
}

// label is the timecode of n frames after another, at 30 fps.
func label(t *testing.T, from string, n int) relay.Timecode {
	t.Helper()
	c, ok := relay.ParseTimecode(from)
	if !ok {
		t.Fatalf("the studio has logged %q", from)
	}
	frames := 30*(3600*int(c.Hours)+60*int(c.Minutes)+int(c.Seconds)) + int(c.Frames) + n
	seconds := frames / 30 % 86400
	return relay.Timecode{
		Hours: uint8(seconds / 3600), Minutes: uint8(seconds / 60 % 60), Seconds: uint8(seconds % 60), Frames: uint8(frames % 30),
	}
}

// Events are asked for by what the studio's equipment shows. The picture that viewers
// get with the event is the one that its log has under that timecode or time.
func TestTimecode(t *testing.T) {
	w := newTable(t)
	log := &studioLog{}
	_, tape := w.studio(func(c *studio.Config) { c.SEITimes, c.Log = true, log })

	var mu sync.Mutex
	shown, events := map[uint32]fingerprint{}, map[string]uint64{}
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan error, 1)
	go func() {
		_, err := watch.Run(ctx, watch.Config{
			URL: w.url(), HTTP: w.http, Settings: onLoopback,
			Frames: func(f watch.Frame) {
				mu.Lock()
				defer mu.Unlock()
				if f.Complete {
					shown[f.RTPTimestamp] = sha256.Sum256(f.Data)
				}
			},
			Messages: func(m watch.Message) {
				var e struct {
					Type, ID string
					TS       uint64
				}
				mu.Lock()
				defer mu.Unlock()
				if json.Unmarshal(m.Data, &e) == nil && e.Type == "event" {
					events[e.ID] = e.TS
				}
			},
		})
		watched <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-watched; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the viewer has frames", func() bool { mu.Lock(); defer mu.Unlock(); return len(shown) > 10 })

	type named struct {
		id       string
		timecode string
		seiTime  time.Time
	}
	var asked []named
	mark := func(n named, at relay.At) {
		t.Helper()
		r, err := w.wheel.Mark(t.Context(), relay.Marker{ID: n.id, Kind: relay.Outcome, At: at, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatalf("%s: %v", n.id, err)
		}
		if n.timecode != "" && r.Timecode != n.timecode || !n.seiTime.IsZero() && !r.SEITime.Equal(n.seiTime) {
			t.Errorf("%s: asked for %+v, got %+v", n.id, n, r)
		}
		asked = append(asked, n)
	}
	for i := range 8 {
		id := string(rune('a' + i))
		all := log.records(t)
		newest := all[len(all)-1]
		past := all[len(all)-4]
		code := label(t, past.Timecode, 0)
		mark(named{"past-" + id, past.Timecode, time.Time{}}, relay.AtTimecode(code))
		mark(named{"time-" + id, "", past.SEITime}, relay.AtSEITime(past.SEITime))
		code = label(t, newest.Timecode, 10)
		mark(named{"future-" + id, code.String(), time.Time{}}, relay.AtTimecode(code))
	}
	code := label(t, log.records(t)[0].Timecode, 0)
	code.Drop = true
	if _, err := w.wheel.Mark(t.Context(), relay.Marker{ID: "drop", At: relay.AtTimecode(code)}); !errors.Is(err, relay.ErrUnresolvable) {
		t.Errorf("a drop-frame timecode: %v", err)
	}
	if info, err := w.wheel.Info(t.Context()); err != nil || info.Tracks[0].Timecode == "" || info.Tracks[0].SEITime.IsZero() {
		t.Errorf("info %+v, %v", info, err)
	}

	logged := func(n named) (fingerprint, bool) {
		sent := tape.sent()
		for i, r := range log.records(t) {
			if i < len(sent) && (r.Timecode == n.timecode || !n.seiTime.IsZero() && r.SEITime.Equal(n.seiTime)) {
				return sent[i].coded, true
			}
		}
		return fingerprint{}, false
	}
	for _, n := range asked {
		want, ok := logged(n)
		if !ok {
			t.Fatalf("the studio's log has no %+v", n)
		}
		eventually(t, "the viewer has the event and its frame", func() bool {
			mu.Lock()
			defer mu.Unlock()
			ts, ok := events[n.id]
			_, has := shown[uint32(ts)]
			return ok && has
		})
		mu.Lock()
		if got := shown[uint32(events[n.id])]; got != want {
			t.Errorf("%s: viewers have the event on another picture than the studio's log", n.id)
		}
		mu.Unlock()
	}
	t.Logf("%d events, each on the picture that the studio logged", len(asked))
}
