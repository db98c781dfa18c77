package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/framelock/relay/internal/stream"
	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/control"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/signaling/whep"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/web"
)

// viewerHandler is the viewer-facing surface (docs/protocol.md, section 7).
func (r *Relay) viewerHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/whep/", whep.Handler(r, r.tokens, whep.Options{Origins: r.cfg.HTTP.Origins, Logger: r.log, Clock: r.now}))
	api := control.Handler(directory{r}, r.tokens, control.Options{
		Origins: r.cfg.HTTP.Origins, Logger: r.log, Logs: directory{r}, Draining: r.draining,
	})
	mux.Handle("/v1/", api)
	mux.Handle("/openapi.yaml", api)
	mux.Handle("/", pages(web.FS()))
	return r.recovering(mux)
}

// directory shows the relay's streams to the control API.
type directory struct{ *Relay }

// Stream implements control.Streams.
func (d directory) Stream(name string) (control.Stream, bool) {
	s, ok := d.streams[name]
	return apiStream{s, d.Relay}, ok
}

// List implements control.Streams.
func (d directory) List(ctx context.Context) ([]any, error) {
	list := make([]any, 0, len(d.names))
	for _, name := range d.names {
		info, err := d.streams[name].Info(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	return list, nil
}

// Log implements control.Logs.
func (d directory) Log(name string) (control.Log, bool) {
	s, ok := d.streams[name]
	if !ok {
		return nil, false
	}
	if l := s.loop.Load(); l != nil && l.Tiles() != nil {
		return l.Tiles(), true
	}
	return nil, false
}

// apiStream shows a stream to the control API.
type apiStream struct {
	*Stream
	relay *Relay
}

// Mark implements control.Stream.
func (s apiStream) Mark(ctx context.Context, m Marker) (Resolved, bool, error) { return s.mark(ctx, m) }

// OpenWindow implements control.Stream.
func (s apiStream) OpenWindow(ctx context.Context, w Window) (Resolved, uint64, bool, error) {
	return s.openWindow(ctx, w)
}

// CloseWindow implements control.Stream.
func (s apiStream) CloseWindow(ctx context.Context, r marker.CloseRequest, k Kind) (Resolved, bool, error) {
	return s.closeWindow(ctx, r, k)
}

// Windows implements control.Stream.
func (s apiStream) Windows(ctx context.Context) (any, error) { return s.Stream.Windows(ctx) }

// Act implements control.Stream.
func (s apiStream) Act(ctx context.Context, a Action, who auth.Identity) ([]byte, error) {
	l := s.loop.Load()
	if l == nil {
		return nil, ErrNotRunning
	}
	if a.Session == "" {
		subject := s.relay.subject(who, "")
		if a.Subject != "" {
			subject = s.people.of("user", a.Subject)
		}
		return l.Act(ctx, a, subject, nil)
	}
	viewer, err := s.relay.sessionOf(s.name, a.Session, who)
	if err != nil {
		return nil, err
	}
	return l.Act(ctx, a, viewer.Subject, viewer)
}

// Receipt implements control.Stream.
func (s apiStream) Receipt(ctx context.Context, window, id, session, subject string, who auth.Identity) (any, error) {
	l := s.loop.Load()
	if l == nil {
		return nil, ErrNotRunning
	}
	pseudonym := s.relay.subject(who, session)
	switch {
	case session != "":
		viewer, err := s.relay.sessionOf(s.name, session, who)
		if err != nil {
			return nil, err
		}
		pseudonym = viewer.Subject
	case subject != "":
		pseudonym = s.people.of("user", subject)
	}
	r, err := l.Receipt(ctx, window, pseudonym, id)
	if r == nil || err != nil {
		return nil, err
	}
	return r, nil
}

// Keeps implements control.Stream.
func (s apiStream) Keeps() bool {
	l := s.loop.Load()
	return l != nil && l.Keeps()
}

// Erase implements control.Stream.
func (s apiStream) Erase(ctx context.Context, orders []uint64) error {
	return s.Stream.Erase(ctx, orders...)
}

// Export implements control.Stream.
func (s apiStream) Export(ctx context.Context, w io.Writer, payloads bool) error {
	l := s.loop.Load()
	if l == nil {
		return ErrNotRunning
	}
	err := l.Export(ctx, w, payloads)
	if errors.Is(err, stream.ErrUnsigned) {
		return control.ErrUnsigned
	}
	return err
}

// Follow implements control.Stream.
func (s apiStream) Follow(ctx context.Context, from uint64, toEnd bool, f func(pos uint64, line, payload []byte) error) error {
	l := s.loop.Load()
	if l == nil {
		return ErrNotRunning
	}
	err := l.Follow(ctx, from, toEnd, f)
	if errors.Is(err, ErrNotYet) {
		return fmt.Errorf("%w: %w", control.ErrGone, err)
	}
	return err
}

// Recording implements control.Stream.
func (s apiStream) Recording(ctx context.Context, from, to uint64, w io.Writer) error {
	err := s.WriteRecording(ctx, from, to, w)
	switch {
	case errors.Is(err, ErrNotRecorded):
		return control.ErrNotRecorded
	case errors.Is(err, ErrNoRecording):
		return fmt.Errorf("%w: %w", control.ErrNoRecording, err)
	}
	return err
}

// Snapshot implements control.Stream.
func (s apiStream) Snapshot(ctx context.Context) ([]byte, error) { return s.snapshotJSON(ctx) }

// Subscribe implements control.Stream.
func (s apiStream) Subscribe(ctx context.Context, after uint64) (<-chan []byte, error) {
	events, err := s.Stream.Subscribe(ctx, after)
	if errors.Is(err, ErrTooOld) || errors.Is(err, ErrNotYet) {
		return nil, fmt.Errorf("%w: %w", control.ErrGone, err)
	}
	return events, err
}

// Info implements control.Stream.
func (s apiStream) Info(ctx context.Context) (any, error) { return s.Stream.Info(ctx) }

// Inputs implements control.Stream.
func (s apiStream) Inputs(ctx context.Context) (any, error) {
	info, err := s.Stream.Info(ctx)
	return info.Inputs, err
}

// SwitchInput implements control.Stream.
func (s apiStream) SwitchInput(ctx context.Context, input string) (any, bool, error) {
	to := Primary
	if input == Backup.String() {
		to = Backup
	}
	inputs, err := s.Stream.SwitchInput(ctx, to)
	if errors.Is(err, ErrNoBackup) || errors.Is(err, ErrInputSilent) {
		err = &control.NotNow{Err: err}
	}
	return inputs, inputs.Active == input, err
}

// contentPolicy is what the relay's own pages may do: nothing that did not come
// from the relay itself.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
	"connect-src 'self'; media-src 'self' blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// pages serves the player page and the built SDK.
func pages(files fs.FS) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		if strings.HasPrefix(q.URL.Path, "/sdk/") { // embedded by other sites
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		}
		server.ServeHTTP(w, q)
	})
}

// recovering answers a call that panics, counts it, and lets the relay live.
func (r *Relay) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				r.metrics.panics.Inc()
				r.log.Error("a call ended in a bug of the relay", "path", q.URL.Path, "panic", p, "stack", string(debug.Stack()))
				problem.Write(w, http.StatusInternalServerError, "the relay has a bug; its log says where")
			}
		}()
		next.ServeHTTP(w, q)
	})
}

// wrapped is the viewer-facing surface as this relay's own listener serves it.
func (r *Relay) wrapped() http.Handler {
	if r.cfg.Wrap == nil {
		return r.handler
	}
	return r.cfg.Wrap(r.handler)
}

// adminHandler is the operators' surface.
func (r *Relay) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-r.draining:
			say(w, http.StatusServiceUnavailable, "draining\n")
			return
		default:
		}
		select {
		case <-r.ready:
			if why := r.unready(); why != "" {
				say(w, http.StatusServiceUnavailable, why)
				return
			}
			say(w, http.StatusOK, "ready\n")
		default:
			say(w, http.StatusServiceUnavailable, "starting\n")
		}
	})
	if r.metrics.gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics.gatherer, promhttp.HandlerOpts{}))
	}
	// Who reaches this listener may do everything, or has shown a token of scope admin.
	mux.Handle("/v1/", control.Handler(directory{r}, auth.Open{
		Scopes: []auth.Scope{auth.Read, auth.Admin}, Loopback: isLoopback(r.cfg.Admin.Listen),
	}, control.Options{Logger: r.log, Draining: r.draining}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// unready says which streams take no events and actions, and why, a line each.
func (r *Relay) unready() string {
	var b strings.Builder
	for _, name := range r.names {
		if l := r.streams[name].loop.Load(); l != nil {
			if err := l.Unready(); err != nil {
				fmt.Fprintf(&b, "%s: %v\n", name, err)
			}
		}
	}
	return b.String()
}

// adminGuarded asks for a token of scope admin where the listener can be reached
// from other machines.
func (r *Relay) adminGuarded() http.Handler {
	if isLoopback(r.cfg.Admin.Listen) || r.cfg.Auth.Insecure {
		return r.admin
	}
	return auth.Require(r.tokens, auth.Admin, nil)(r.admin)
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// quietHTTP hands the HTTP server's own complaints, such as failed TLS
// handshakes, to the log as details.
func quietHTTP(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
