package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATS takes messages of up to 1 MiB by default, headers included.
const (
	maxMessage = 1 << 20
	maxRecord  = maxMessage - 4<<10
)

// A request to JetStream is waited for so long. After it the outcome is unknown, and
// the next attempt finds it out. A cluster loses what was under way with a leader.
const (
	embeddedTimeout = 5 * time.Second
	clusterTimeout  = time.Second
)

// Options say where journals are kept. Either Dir or URL is needed.
type Options struct {
	Dir             string // of the embedded server's files; made if it is not there
	URL             string // nats:// or tls:// addresses of a cluster, with commas between them
	CredentialsFile string // of a NATS user, for URL
	Replicas        int    // copies of a journal, for URL; default 3. All on different servers
	MaxBytes        int64  // limit of each journal; 0: the disk
	// People names the key of the pseudonyms in the lines, without giving it away. Who
	// opens a journal that was written with another is refused: everybody would be
	// somebody else, and what is sent again would count again. "" is not compared.
	People string
	Owner  string       // who takes a journal, for the owner lines; default the host's name
	Logger *slog.Logger // default slog.Default
}

// Server keeps the journals of a relay's streams: in files of its own (an
// embedded NATS server without a port) or in a JetStream cluster. All methods may
// be called from any goroutine.
type Server struct {
	o    Options
	log  *slog.Logger
	held *os.File // the lock of o.Dir; nil with a cluster

	reviving sync.Mutex // held by whoever starts the embedded server again

	mu     sync.Mutex
	closed bool
	life   *life // replaced after a fault
}

// life is the time from one fault to the next. What waits for an answer stops
// waiting when it ends.
type life struct {
	ctx  context.Context
	end  context.CancelCauseFunc // the cause is what is the matter
	nats *server.Server          // nil with a cluster
	conn *nats.Conn
	js   jetstream.JetStream

	streams *sync.Map // jetstream.Stream by name, which saves a request for each request
}

// stream returns the handle of a JetStream stream.
func (l *life) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if s, ok := l.streams.Load(name); ok {
		return s.(jetstream.Stream), nil
	}
	s, err := l.js.Stream(ctx, name)
	if err == nil {
		l.streams.Store(name, s)
	}
	return s, err
}

// Start starts the embedded server, or connects to the cluster at o.URL. With a
// URL it does not wait until the cluster can be reached.
func Start(o Options) (*Server, error) {
	if (o.Dir == "") == (o.URL == "") {
		return nil, errors.New("journal: either a folder or the URL of a NATS cluster is needed")
	}
	if o.Replicas < 0 || o.Replicas > 5 {
		return nil, fmt.Errorf("journal.replicas: %d is not in the range 1 to 5", o.Replicas)
	}
	if o.Replicas == 0 {
		o.Replicas = 3
	}
	if o.URL == "" {
		o.Replicas = 1
	}
	if o.Owner == "" {
		o.Owner, _ = os.Hostname()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{o: o, log: o.Logger.With("part", "journal")}
	if o.Dir != "" {
		if err := s.hold(); err != nil {
			return nil, fmt.Errorf("journal.dir: %w", err)
		}
	}
	l, err := s.begin()
	if err != nil {
		if s.held != nil {
			err = errors.Join(err, s.held.Close())
		}
		return nil, err
	}
	s.life = l
	return s, nil
}

// Close ends the connection and the embedded server. Calls that wait for an
// answer return an error.
func (s *Server) Close() error {
	s.reviving.Lock()
	defer s.reviving.Unlock()
	s.mu.Lock()
	l, closed := s.life, s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	l.stop(errClosed)
	if s.held == nil {
		return nil
	}
	return s.held.Close()
}

// hold makes the folder, and takes it for this process.
func (s *Server) hold() (err error) {
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return err
	}
	s.held, err = lock(filepath.Join(s.o.Dir, "lock"))
	return err
}

var errClosed = errors.New("the server of the journals was closed")

func (s *Server) begin() (*life, error) {
	l := &life{streams: &sync.Map{}}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	var err error
	if s.o.URL != "" {
		err = s.connect(l, s.o.URL,
			nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond), nats.RetryOnFailedConnect(true),
			nats.ReconnectBufSize(-1), nats.ReconnectHandler(s.reconnected))
	} else if err = s.embed(l); err == nil {
		err = s.connect(l, "", nats.InProcessServer(l.nats), nats.NoReconnect())
	}
	if err != nil {
		l.stop(err)
		return nil, err
	}
	return l, nil
}

// embed starts a NATS server in this process that listens to nothing.
func (s *Server) embed(l *life) error {
	if err := settle(filepath.Join(s.o.Dir, "jetstream")); err != nil {
		return fmt.Errorf("journal.dir: %w", err)
	}
	o := &server.Options{
		ServerName:         "framelock-journal",
		DontListen:         true,
		NoSigs:             true,
		NoSystemAccount:    true,
		MaxPayload:         maxMessage,
		JetStream:          true,
		StoreDir:           s.o.Dir,
		SyncAlways:         true,
		JetStreamMaxMemory: 16 << 20, // of consumers that read; journals are in files
		JetStreamMaxStore:  math.MaxInt64 / 2,
	}
	n, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("journal.dir: %w", err)
	}
	n.SetLoggerV2(natsLog{s.log, l}, false, false, false)
	l.nats = n
	n.Start()
	if !n.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("journal.dir: %s: the embedded NATS server does not start: %w", s.o.Dir, l.fault())
	}
	if !n.JetStreamEnabled() {
		return fmt.Errorf("journal.dir: %s: the embedded NATS server cannot store anything: %w", s.o.Dir, l.fault())
	}
	return nil
}

func (s *Server) connect(l *life, url string, o ...nats.Option) error {
	o = append(o, nats.Name("framelock "+s.o.Owner),
		nats.DisconnectErrHandler(s.disconnected), nats.ClosedHandler(func(c *nats.Conn) { s.disconnected(c, errClosed) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.log.Warn("NATS", "err", err) }))
	if s.o.CredentialsFile != "" {
		o = append(o, nats.UserCredentials(s.o.CredentialsFile))
	}
	c, err := nats.Connect(url, o...)
	if err != nil {
		return fmt.Errorf("journal.url: %w", err)
	}
	l.conn = c
	l.js, err = jetstream.New(c)
	return err
}

func (s *Server) disconnected(c *nats.Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != nil && s.life.conn == c {
		s.life.end(fmt.Errorf("the connection to NATS is lost: %w", errors.Join(err, c.LastError())))
	}
}

// reconnected begins a new life with the same connection to a cluster.
func (s *Server) reconnected(c *nats.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.life == nil || s.life.conn != c {
		return
	}
	l := *s.life
	l.ctx, l.end = context.WithCancelCause(context.Background())
	s.life = &l
}

// stop ends a life and everything that it holds.
func (l *life) stop(cause error) {
	l.end(cause)
	if l.conn != nil {
		l.conn.Close()
	}
	if l.nats != nil {
		l.nats.Shutdown()
		l.nats.WaitForShutdown()
	}
}

// fault is what the embedded server last logged as an error.
func (l *life) fault() error {
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	return errors.New("see the log")
}

// living returns the present life. After a fault of the embedded server it starts
// that server again, on what is on the disk.
func (s *Server) living() (*life, error) {
	s.mu.Lock()
	l, closed := s.life, s.closed
	s.mu.Unlock()
	if closed {
		return nil, unavailable(errClosed)
	}
	if l.ctx.Err() == nil {
		return l, nil
	}
	if l.nats == nil {
		return nil, unavailable(context.Cause(l.ctx))
	}
	return s.revive(l)
}

func (s *Server) revive(old *life) (*life, error) {
	s.reviving.Lock()
	defer s.reviving.Unlock()
	s.mu.Lock()
	l, closed := s.life, s.closed
	s.mu.Unlock()
	if closed {
		return nil, unavailable(errClosed)
	}
	if l != old && l.ctx.Err() == nil {
		return l, nil // somebody else was faster
	}
	cause := context.Cause(l.ctx)
	l.stop(cause)
	if err := forget(filepath.Join(s.o.Dir, "jetstream")); err != nil {
		return nil, unavailable(errors.Join(cause, err))
	}
	next, err := s.begin()
	if err != nil {
		return nil, unavailable(errors.Join(cause, err))
	}
	s.mu.Lock()
	s.life = next
	s.mu.Unlock()
	s.log.Info("the journal's store was opened again", "after", cause)
	return next, nil
}

// call makes one request. An answer of JetStream comes back as it is
// (jetstream.APIError); everything else that goes wrong is ErrUnavailable, and the
// request may have been carried out or not.
func (s *Server) call(ctx context.Context, f func(context.Context, *life) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := s.living()
	if err != nil {
		return err
	}
	limit := embeddedTimeout
	if l.nats == nil {
		limit = clusterTimeout
	}
	c, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer from JetStream within %v", limit))
	defer cancel()
	c, end := context.WithCancelCause(c)
	defer end(nil)
	stop := context.AfterFunc(l.ctx, func() { end(context.Cause(l.ctx)) })
	defer stop()

	err = f(c, l)
	var answer jetstream.JetStreamError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errFraming), errors.Is(err, ErrDamaged):
		return err
	case errors.As(err, &answer) && answer.APIError() != nil && answer.APIError().Code < 500:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case context.Cause(c) != nil:
		err = context.Cause(c)
	}
	// The embedded server turns its storage off when it fails; then only a new
	// beginning helps.
	if l.nats != nil && !l.nats.JetStreamEnabled() {
		l.end(err)
	}
	return unavailable(err)
}
