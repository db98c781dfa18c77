package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/framelock/relay/internal/stream"
	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/evidence"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/record"
	"github.com/framelock/relay/sync/journal"
)

// Deadlines of HTTP and of the end.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	httpGrace     = time.Second     // for calls that are under way when the relay stops
	sessionGrace  = 5 * time.Second // for viewers' sessions to say goodbye
)

// serve works on open sockets until stop ends and it has drained, or something fails,
// then ends it all in the order of the flow: inputs, streams, sessions, shards.
func (r *Relay) serve(stop context.Context) (err error) {
	ctx, end := context.WithCancel(context.WithoutCancel(stop))
	defer end()
	ended := make(chan struct{})
	var readErr error
	go func() { defer close(ended); readErr = r.ports.endpoint.Run() }()
	defer func() {
		err = errors.Join(err, r.ports.close())
		if <-ended; err == nil {
			err = readErr
		}
	}()
	stopShards, err := r.startShards()
	if err != nil {
		return err
	}
	defer stopShards()
	server, journals, err := r.openJournals(ctx)
	if err != nil {
		return err
	}
	if server != nil {
		defer func() { err = errors.Join(err, server.Close()) }()
	}
	transcripts, witnesses, err := r.transcripts()
	if err != nil {
		return err
	}
	stopRecorders, err := r.startRecorders()
	if err != nil {
		return err
	}
	defer stopRecorders()
	loops, err := r.makeLoops(journals, transcripts)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { // a relay that hears no viewer is none
		select {
		case <-ended:
			return readErr
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { witnesses.Run(ctx); return nil })
	for name, loop := range loops {
		group.Go(func() error { return loop.Run(ctx) })
		if keep := r.cfg.State.KeepData; keep != 0 && loop.Keeps() {
			group.Go(func() error { return loop.Forget(ctx, keep) })
		}
		for origin, l := range r.ports.rtp[name].all() {
			group.Go(func() error { return l.Run(ctx, loop.Sink(origin)) })
		}
	}
	group.Go(func() error { return r.serveHTTP(ctx, r.ports.http, r.wrapped(), true) })
	group.Go(func() error { return r.serveHTTP(ctx, r.ports.admin, r.adminGuarded(), false) })
	group.Go(func() error { defer end(); r.drain(stop, ctx, loops); return nil })
	close(r.ready)
	r.log.Info("ready", "http", r.addrs.HTTP, "udp", r.addrs.UDP, "admin", r.addrs.Admin, "streams", len(r.names))
	err = group.Wait()
	r.sessions.closeAll("shutdown", sessionGrace)
	return err
}

// startShards starts as many shards as there are cores. The returned function
// stops them.
func (r *Relay) startShards() (stop func(), err error) {
	shards := make([]*egress.Shard, runtime.GOMAXPROCS(0))
	for i := range shards {
		writer, err := r.ports.media.NewWriter()
		if err != nil {
			return nil, err
		}
		shards[i] = egress.NewShard(egress.Settings{
			PlayoutDelay: r.cfg.Media.PlayoutDelay.extension(), Writer: writer, Now: r.now, Drops: r.metrics,
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, s := range shards {
		running.Go(func() { s.Run(ctx) })
	}
	r.sessions.shards, r.sessions.places = shards, newPlacement(len(shards))
	return func() { cancel(); running.Wait() }, nil
}

// startRecorders starts a recorder for every stream that is to have one. The
// returned function stops them, when their streams have stopped.
func (r *Relay) startRecorders() (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	stop = func() { cancel(); running.Wait() }
	for _, name := range r.names {
		c := r.cfg.Streams[name].Record
		if c.Dir == "" {
			continue
		}
		recorder, err := record.New(record.Options{
			Dir: filepath.Join(c.Dir, name), Stream: name, Tracks: codecsOf(r.streams[name].cfg.Config),
			MaxAge: c.MaxAge, MaxSize: c.MaxSize, Now: r.now, Logger: r.log, Metrics: r.metrics.recording(name),
		})
		if err != nil {
			stop()
			return nil, fmt.Errorf("streams.%s.%w", name, err)
		}
		r.streams[name].recorder.Store(recorder)
		running.Go(func() { recorder.Run(ctx) })
	}
	return stop, nil
}

func codecsOf(c stream.Config) (t evidence.Tracks) {
	for i, in := range []*stream.Input{c.Video, c.Audio} {
		if in != nil {
			t[i] = in.Codec
		}
	}
	return t
}

// makeLoops remembers what every stream left in its journal.
func (r *Relay) makeLoops(journals map[string]*journal.Journal, transcripts func(string) *stream.Transcript) (map[string]*stream.Loop, error) {
	loops := map[string]*stream.Loop{} // published when all are made
	for _, name := range r.names {
		s, in := r.streams[name], r.ports.rtp[name]
		shell := stream.Shell{
			Now: r.now, Pool: s.pool, Logger: r.log, Metrics: r.metrics.stream(name),
			SendRTCP: in.sendRTCP, Left: r.sessions.left, Journal: journals[name], Transcript: transcripts(name),
		}
		if recorder := s.recorder.Load(); recorder != nil {
			shell.Recorder = recorder
		}
		loop, err := stream.New(s.cfg.Config, shell)
		if err != nil {
			return nil, err
		}
		loops[name] = loop
	}
	for name, loop := range loops {
		r.streams[name].loop.Store(loop)
	}
	return loops, nil
}

func (in *inlets) sendRTCP(o forward.Origin, t forward.Track, b []byte, to netip.AddrPort) error {
	return in[o.Encoder][t][o.Path].SendRTCP(b, to)
}

// serveHTTP serves a listener until ctx ends. Without a listener it only waits.
func (r *Relay) serveHTTP(ctx context.Context, l net.Listener, h http.Handler, secure bool) error {
	if l == nil {
		<-ctx.Done()
		return nil
	}
	if secure {
		var err error
		if l, err = r.cfg.HTTP.TLS.wrap(l, r.now, r.log); err != nil {
			return err
		}
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
		ErrorLog: quietHTTP(r.log), BaseContext: func(net.Listener) context.Context { return base },
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, done := context.WithTimeout(base, httpGrace)
		defer done()
		if server.Shutdown(grace) != nil { // streams of events do not end by themselves
			cancel()
			_ = server.Close()
		}
	})
	err := server.Serve(l)
	if stop() {
		return err // it failed by itself
	}
	<-ended
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
