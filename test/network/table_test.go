package network

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/impair"
	"github.com/framelock/relay/internal/studio"
)

// table is a relay with one stream on free ports of loopback.
type table struct {
	*testing.T
	relay *relay.Relay
	wheel *relay.Stream
	media netip.AddrPort // where viewers' datagrams go
	http  *http.Client
	seed  uint64 // of the next proxy
}

func newTable(t *testing.T, change ...func(*relay.StreamConfig)) *table {
	t.Helper()
	cfg := relay.DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s, video, audio := relay.DefaultStream(), relay.DefaultVideo(), relay.DefaultAudio()
	video.Codec, video.Listen, audio.Listen = "h264", "127.0.0.1:0", "127.0.0.1:0"
	s.RTP.Video, s.RTP.Audio = &video, &audio
	for _, f := range change {
		f(&s)
	}
	cfg.Streams["wheel"] = s
	r, err := relay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	transport := &http.Transport{}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	select {
	case <-r.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	wheel, _ := r.Stream("wheel")
	return &table{
		T: t, relay: r, wheel: wheel, media: netip.MustParseAddrPort(r.Addrs().UDP),
		http: &http.Client{Transport: transport, Timeout: patience}, seed: 1,
	}
}

func (w *table) url() string { return "http://" + w.relay.Addrs().HTTP + "/whep/wheel" }

// studio plays a clip until the test ends, and writes it on tape.
func (w *table) studio(change ...func(*studio.Config)) (*studio.Studio, *tape) {
	w.Helper()
	c, tape := studio.Default(), newTape()
	to := w.relay.Addrs().Streams["wheel"]
	c.Video.To, c.Audio.To = to.Video, to.Audio
	for _, f := range change {
		f(&c)
	}
	tape.attach(&c)
	s, err := studio.New(c)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	eventually(w.T, "the studio has begun", func() bool { return len(tape.sent()) > 0 })
	return s, tape
}

// proxy puts a network in front of the relay.
func (w *table) proxy(up, down impair.Path) *impair.Proxy {
	w.Helper()
	w.seed++
	p, err := impair.Listen(impair.Config{
		Server: w.media, Seed: w.seed << 8, Up: impair.Direction{Path: up}, Down: impair.Direction{Path: down},
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
		if n := p.Refused(); n > 0 {
			w.Errorf("the proxy refused %d datagrams: the case proves nothing", n)
		}
	})
	return p
}

// candidate is the line of an answer that says where the relay is reached.
var candidate = regexp.MustCompile(`(?m)^(a=candidate:\S+ \d+ udp \d+) (\S+) (\d+) `)

// detour is an HTTP transport whose answers to joins name the proxy's address in
// place of the relay's.
type detour struct {
	http.RoundTripper
	proxy *impair.Proxy

	mu    sync.Mutex
	joins int
}

func (d *detour) RoundTrip(q *http.Request) (*http.Response, error) {
	answer, err := d.RoundTripper.RoundTrip(q)
	if err != nil || q.Method != http.MethodPost {
		return answer, err
	}
	d.mu.Lock()
	d.joins++
	d.mu.Unlock()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusCreated && !candidate.Match(body) {
		return nil, fmt.Errorf("no candidate in the answer:\n%s", body)
	}
	to := d.proxy.Addr()
	body = candidate.ReplaceAll(body, fmt.Appendf(nil, "${1} %s %d ", to.Addr(), to.Port()))
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer.Header.Del("Content-Length")
	return answer, nil
}

// through returns a client whose sessions go through the proxy.
func (w *table) through(p *impair.Proxy) (*http.Client, *detour) {
	d := &detour{RoundTripper: w.http.Transport, proxy: p}
	return &http.Client{Transport: d, Timeout: patience}, d
}

// publisher is the game server: it publishes an outcome every so often, and knows
// what was accepted.
type publisher struct {
	outcomes []outcome
	done     chan struct{}
	stop     context.CancelFunc
}

// outcome is an event that the relay has accepted.
type outcome struct {
	id string
	at time.Time
}

func (w *table) publish(every time.Duration) *publisher {
	ctx, cancel := context.WithCancel(w.Context())
	p := &publisher{done: make(chan struct{}), stop: cancel}
	go func() {
		defer close(p.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			id := fmt.Sprint("m", i)
			_, err := w.wheel.Mark(w.Context(), relay.Marker{ID: id, Kind: relay.Outcome, At: relay.Next()})
			if err != nil {
				w.Errorf("publishing %s: %v", id, err)
				return
			}
			p.outcomes = append(p.outcomes, outcome{id, time.Now()})
		}
	}()
	return p
}

// end stops publishing and returns what was accepted.
func (p *publisher) end() []outcome {
	p.stop()
	<-p.done
	return p.outcomes
}
