// Package relay is a media relay for interactive live streaming that can be
// embedded. It forwards a studio's RTP to viewers without transcoding and binds
// what a game server says to the exact video frame that shows it.
//
//	cfg := relay.DefaultConfig()
//	cfg.Streams["wheel"] = ... // how the studio's RTP comes in
//	r, err := relay.New(cfg)
//	...
//	go r.Run(ctx)
//	<-r.Ready()
//	wheel, _ := r.Stream("wheel")
//	frame, err := wheel.Mark(ctx, relay.Marker{ID: "r1", Kind: relay.Outcome, At: relay.Next()})
//
// New checks a configuration and starts nothing. Run owns every goroutine and
// socket, and returns when all have ended. There are no globals.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
	"github.com/framelock/relay/signaling/auth"
)

// ErrNotRunning is returned by calls that need a relay that runs.
var ErrNotRunning = errors.New("the relay is not running: call Run, and wait for Ready")

// Relay is a media relay. It is made by New and works while Run does.
type Relay struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	metrics  *metrics
	tokens   auth.Authority
	streams  map[string]*Stream
	names    []string // of the streams, sorted
	sessions *sessions
	handler  http.Handler
	admin    http.Handler

	people *pseudonyms

	ready    chan struct{}
	draining chan struct{} // closed when Run is told to end
	started  atomic.Bool
	addrs    Addrs
	ports    ports
	// Sockets come from here, so that tests can run on a network of their own.
	listenMedia func(address string) (udp.Conn, error)
	listenRTP   func(t forward.Track, address string, mux bool, pool *packet.Pool, now func() time.Time) (*ingest.Listener, error)
}

// Addrs is where a running relay listens: what it was told, with port 0 filled
// in.
type Addrs struct {
	HTTP    string // host:port; empty if there is no listener
	UDP     string
	Admin   string
	Streams map[string]StreamAddrs
}

// StreamAddrs is where a stream's studio sends RTP to.
type StreamAddrs struct {
	InputAddrs            // of the encoder, or the primary of two
	Backup     InputAddrs // all empty without a backup encoder
}

// InputAddrs is where one encoder sends RTP to: empty for what it does not send.
type InputAddrs struct {
	Video, Audio             string
	SecondVideo, SecondAudio string // by the second path
}

// New returns a relay, or what is wrong with its configuration: a [ConfigError]
// wherever a key is to blame. It opens no socket.
func New(cfg Config) (*Relay, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Relay{
		cfg: cfg, log: cfg.Logger, now: cfg.Clock, streams: map[string]*Stream{}, sessions: newSessions(),
		ready: make(chan struct{}), draining: make(chan struct{}), listenRTP: ingest.Listen,
		listenMedia: udp.Listen,
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	var err error
	if r.tokens, err = cfg.authority(); err != nil {
		return nil, err
	}
	if r.people, err = loadPseudonyms(cfg.State.Dir); err != nil {
		return nil, err
	}
	r.names = slices.Sorted(maps.Keys(cfg.Streams))
	for i, name := range r.names {
		s := &Stream{name: name, people: r.people}
		if s.cfg, err = cfg.stream(name, i); err != nil {
			return nil, err
		}
		r.streams[name] = s
	}
	if r.metrics, err = newMetrics(r, cfg.Registerer); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	r.handler = r.viewerHandler()
	r.admin = r.adminHandler()
	return r, nil
}

// Run works until ctx ends. Then it drains: it tells viewers, takes no more of them,
// and goes on until all have left, but not for longer than Config.Drain.Grace. It
// returns when everything that it started has ended: nil, or what went wrong. A Relay
// runs once.
func (r *Relay) Run(ctx context.Context) error {
	if r.started.Swap(true) {
		return errors.New("the relay has run already: make a new one")
	}
	if err := r.open(); err != nil {
		return errors.Join(err, r.ports.close())
	}
	return r.serve(ctx)
}

// Ready is closed when a running relay has opened its sockets.
func (r *Relay) Ready() <-chan struct{} { return r.ready }

// Addrs returns where the relay listens. It is valid when Ready is closed.
func (r *Relay) Addrs() Addrs {
	<-r.ready
	return r.addrs
}

// UDPMux returns the relay's media port as pion's ICE wants it, for PeerConnections of
// the embedder's own beside the viewers': webrtc.SettingEngine.SetICEUDPMux. It is valid
// when Ready is closed, and ends with the relay.
func (r *Relay) UDPMux() ice.UDPMux {
	<-r.ready
	return r.ports.endpoint.Guests()
}

// Handler returns the viewer-facing HTTP surface, for an embedder that serves it
// on a listener of its own: WHEP, the API, the player page. Tokens are asked for
// as configured.
func (r *Relay) Handler() http.Handler { return r.handler }

// AdminHandler returns the operators' HTTP surface, which asks nobody for a
// token: /metrics, /healthz, /readyz, /debug/pprof/.
func (r *Relay) AdminHandler() http.Handler { return r.admin }

// Stream returns the stream with the given name.
func (r *Relay) Stream(name string) (*Stream, bool) {
	s, ok := r.streams[name]
	return s, ok
}

// Streams returns the names of all streams, sorted.
func (r *Relay) Streams() []string { return slices.Clone(r.names) }
