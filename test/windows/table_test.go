//go:build linux

package windows

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/sync/marker"
)

// table is a relay with a disk, whose streams have a studio each.
type table struct {
	*testing.T
	relay       *relay.Relay
	stop        func() // may be called more than once
	base, admin string
	wheel       *relay.Stream
}

// streamConfig is a stream whose studio sends to free ports.
func streamConfig() relay.StreamConfig {
	s, video, audio := relay.DefaultStream(), relay.DefaultVideo(), relay.DefaultAudio()
	video.Codec, video.Listen, audio.Listen = "h264", "127.0.0.1:0", "127.0.0.1:0"
	s.RTP.Video, s.RTP.Audio = &video, &audio
	return s
}

// config is a relay on free ports of loopback with one stream, and its state on disk.
func config(dir string) relay.Config {
	cfg := relay.DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.State.Dir = dir
	cfg.Streams["wheel"] = streamConfig()
	return cfg
}

func newTable(t *testing.T, cfg relay.Config) *table {
	t.Helper()
	w := runTable(t, cfg)
	w.film(w.relay.Addrs())
	return w
}

// runTable is newTable without studios.
func runTable(t *testing.T, cfg relay.Config) *table {
	t.Helper()
	r, err := relay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case <-r.Ready():
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	w := &table{T: t, relay: r, base: "http://" + r.Addrs().HTTP, admin: "http://" + r.Addrs().Admin}
	w.wheel, _ = r.Stream("wheel")
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
	t.Cleanup(w.stop)
	return w
}

// film has studios send to streams until the test ends, and waits for frames.
func (w *table) film(a relay.Addrs) {
	w.Helper()
	var to []load.Destination
	var names []string
	for name, in := range a.Streams {
		names = append(names, name)
		to = append(to, load.Destination{Video: in.Video, Audio: in.Audio})
	}
	play(w.T, to)
	for _, name := range names {
		s, _ := w.relay.Stream(name)
		eventually(w.T, "frames of "+name, func() bool {
			_, err := s.Mark(w.Context(), relay.Marker{ID: "begun", Kind: relay.Mark, At: relay.Next()})
			return err == nil
		})
	}
}

// play sends RTP until the test ends.
func play(t *testing.T, to []load.Destination) *load.Sender {
	t.Helper()
	sender, err := load.NewSender(to, load.Spread, packetSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sender.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := sender.Go(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sender
}

// packetSize is of the studio's video packets, in bytes with the RTP header.
const packetSize = 1150

// audience has viewers watch all streams.
func (w *table) audience(n, decrypting int) *load.Audience {
	w.Helper()
	names := []string{}
	for name := range w.relay.Addrs().Streams {
		names = append(names, name)
	}
	return audience(w.T, w.base, names, n, decrypting)
}

// audience joins n viewers of the streams of the relay at base.
func audience(t *testing.T, base string, streams []string, n, decrypting int) *load.Audience {
	t.Helper()
	a := load.NewAudience(len(streams), 8)
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	url := func(stream int) string { return base + "/whep/" + streams[stream] }
	if err := a.Join(t.Context(), n, decrypting, load.Viewing{Channels: true, Markers: true}, url, func() {}); err != nil {
		t.Fatal(err)
	}
	return a
}

// lossless reports what an audience has lost since its Begin.
func lossless(t *testing.T, a *load.Audience, what string) load.Seen {
	t.Helper()
	seen := a.Seen()
	if err := a.Broken(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if seen.Gaps > 0 || seen.Damaged > 0 || seen.Packets == 0 {
		t.Errorf("%s: %d packets came, %d are missing, %d damaged", what, seen.Packets, seen.Gaps, seen.Damaged)
	}
	return seen
}

// open opens a window on the next frame.
func (w *table) open(name string, change ...func(*relay.Window)) relay.Resolved {
	w.Helper()
	r := relay.Window{Window: name, At: relay.Next()}
	for _, f := range change {
		f(&r)
	}
	opened, _, err := w.wheel.OpenWindow(w.Context(), r)
	if err != nil {
		w.Fatal(err)
	}
	return opened
}

// close closes a window with the next frame.
func (w *table) close(name string) error {
	_, err := w.wheel.CloseWindow(w.Context(), name, relay.Next())
	return err
}

// closed waits for the record of a window, which its stream publishes.
func (w *table) closed(events <-chan []byte, name string) (e relay.Event) {
	w.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case b, ok := <-events:
			if !ok {
				w.Fatal("the events ended")
			}
			e, err := relay.DecodeEvent(b)
			if err != nil {
				w.Fatal(err)
			}
			if e.Kind == marker.WindowClose && e.Window == name {
				return e
			}
		case <-timeout.C:
			w.Fatalf("%s was not closed within %v", name, patience)
		}
	}
}

// events are those of the stream from now on.
func (w *table) events() <-chan []byte {
	w.Helper()
	events, err := w.wheel.Subscribe(w.Context(), relay.Newest)
	if err != nil {
		w.Fatal(err)
	}
	return events
}

// export returns the transcript of a stream, as anybody can have it.
func export(t *testing.T, base, stream string) []byte {
	t.Helper()
	status, b := get(t, base+"/v1/streams/"+stream+"/log/export?payloads")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, b)
	}
	return b
}

func get(t *testing.T, url string) (status int, body []byte) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b
}
