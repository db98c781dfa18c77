// Package control is the HTTP API of game servers and operators: what streams
// there are, what state each is in, and the events that are to be bound to its
// frames. openapi.yaml describes it, and the player's calls, for clients.
package control

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/sync/marker"
)

// Streams are those that the relay carries.
type Streams interface {
	// Stream returns the stream of that name.
	Stream(name string) (Stream, bool)
	// List describes every stream: values that encode to JSON objects with a
	// "name".
	List(ctx context.Context) ([]any, error)
}

// Newest asks Subscribe for new events only.
const Newest = math.MaxUint64

// Stream is one of them. Every method returns soon after ctx ends.
type Stream interface {
	// Mark binds an event to a frame. replayed says that the same request was
	// answered before, with the same result. Where the caller is to blame, the error
	// is a *marker.FieldError or wraps one of package marker's; what it adds behind
	// that one's text reaches the caller.
	Mark(ctx context.Context, r marker.Request) (res marker.Resolved, replayed bool, err error)
	// OpenWindow opens a window; closes is the timestamp at which it closes, 0 if it is
	// closed by hand. The errors are those of Mark, or wrap one of package window's.
	OpenWindow(ctx context.Context, r marker.OpenRequest) (res marker.Resolved, closes uint64, replayed bool, err error)
	// CloseWindow closes a window (marker.WindowClosing) or voids it (marker.Void).
	CloseWindow(ctx context.Context, r marker.CloseRequest, kind marker.Kind) (res marker.Resolved, replayed bool, err error)
	// Windows describes the windows that are known: a value that encodes to a JSON
	// array.
	Windows(ctx context.Context) (any, error)
	// Act takes an action of who calls and returns its receipt, a JSON object. It wraps
	// ErrNoSession if the action names a session that is not the caller's.
	Act(ctx context.Context, r marker.ActRequest, who auth.Identity) ([]byte, error)
	// Receipt returns what a caller got for an action of theirs, or of a session of
	// theirs, with the proof that it counts; nil if there is none. A subject that is not
	// "" is the one that they acted for.
	Receipt(ctx context.Context, window, id, session, subject string, who auth.Identity) (any, error)
	// Export writes the transcript, with the data of actions where it is wanted and
	// still there. Having written nothing, it wraps ErrUnsigned if nobody signs it, or
	// one of package marker's errors.
	Export(ctx context.Context, w io.Writer, payloads bool) error
	// Erase removes the data of actions for good, by their orders.
	Erase(ctx context.Context, orders []uint64) error
	// Keeps reports whether there is a journal.
	Keeps() bool
	// Follow calls f with every line of the journal from a position on, and its erasable
	// part if there is one, as they become durable, until ctx ends or f fails. With
	// toEnd it returns at the newest. ErrGone says that the line before that position is
	// not there.
	Follow(ctx context.Context, from uint64, toEnd bool, f func(pos uint64, line, payload []byte) error) error
	// Recording writes what viewers were sent, from the keyframe before one canonical
	// timestamp of video to another, as a Matroska file. It wraps ErrNotRecorded or
	// ErrNoRecording, having written nothing, if there is none.
	Recording(ctx context.Context, from, to uint64, w io.Writer) error
	// Snapshot returns the state, as viewers get it: a JSON object.
	Snapshot(ctx context.Context) ([]byte, error)
	// Info describes the stream: a value that encodes to a JSON object.
	Info(ctx context.Context) (any, error)
	// Inputs describes the stream's encoders: a value that encodes to a JSON object.
	Inputs(ctx context.Context) (any, error)
	// SwitchInput has an encoder, "primary" or "backup", take over as soon as it
	// can. done says that it is on already. A *NotNow says why it cannot.
	SwitchInput(ctx context.Context, input string) (inputs any, done bool, err error)
	// Subscribe sends the bytes of every event whose seq is greater than after, in
	// order: first those that are kept, then each as it comes. An after of 0 asks for
	// all that are kept, Newest for new ones only. ErrGone says that after is not a seq from which on all are
	// kept. The channel is closed when the reader is too slow, the stream ends or ctx
	// does.
	Subscribe(ctx context.Context, after uint64) (<-chan []byte, error)
}

// ErrGone is Subscribe's answer where the events that follow are kept no more, and
// Follow's where there are none to follow.
var ErrGone = errors.New("there is nothing to go on from there")

// ErrUnsigned: there is no transcript, since nobody signs it.
var ErrUnsigned = errors.New("this relay signs no transcript; set state.dir")

// ErrNoSession: the session is not there, or another's.
var ErrNoSession = errors.New("no such session of the caller's")

// NotNow is the error of a call that the stream, as it is, does not allow. Its text
// reaches the caller.
type NotNow struct{ Err error }

// Error implements error.
func (n *NotNow) Error() string { return n.Err.Error() }

// Unwrap returns what the stream said.
func (n *NotNow) Unwrap() error { return n.Err }

// Options change what a handler does. A zero field means its default.
type Options struct {
	// Origins are the web origins whose pages may call, or auth.AnyOrigin; none
	// means only the relay's own.
	Origins []string
	// Logger receives the causes of failures that callers are not told; nil
	// discards them.
	Logger *slog.Logger
	// Heartbeat is how often an idle event stream shows that it is alive: 15 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a reader of events may block a write: 10 s.
	WriteTimeout time.Duration
	// Draining is closed when the relay has been told to stop: readers of events are
	// told. Nil never is.
	Draining <-chan struct{}
	// Logs are served below /v1/streams/{stream}/log; nil serves none.
	Logs Logs
	// MaxSubscribers is how many callers may follow events at a time: 1,024.
	MaxSubscribers int
	// MaxReaders is how many callers may read recordings or transcripts at a time: 4.
	MaxReaders int
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.MaxSubscribers == 0 {
		o.MaxSubscribers = 1024
	}
	if o.MaxReaders == 0 {
		o.MaxReaders = 4
	}
	return o
}

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the API's description (OpenAPI 3.0, YAML), as served at
// /openapi.yaml.
func OpenAPI() []byte { return openAPI }

// answerTimeout is how long a call that waits for no frame may take, and how long
// one that does may take beyond its own timeout.
const answerTimeout = 5 * time.Second

type handler struct {
	streams     Streams
	opts        Options
	subscribers atomic.Int64
	readers     atomic.Int64
}

// Handler returns the handler of /v1/streams and what is below it, and of
// /openapi.yaml, which needs no token.
func Handler(streams Streams, authority auth.Authority, opts Options) http.Handler {
	h := &handler{streams: streams, opts: opts.withDefaults()}
	mux := http.NewServeMux()
	mux.HandleFunc("/", problem.NotFound)
	methods := map[string][]string{} // by path
	route := func(path, method string, scope auth.Scope, f http.HandlerFunc) {
		mux.Handle(method+" "+path, auth.Require(authority, scope, auth.StreamOf)(f))
		methods[path] = append(methods[path], method)
		if method == http.MethodGet {
			methods[path] = append(methods[path], http.MethodHead)
		}
	}
	route("/v1/streams", http.MethodGet, auth.Read, h.list)
	route("/v1/streams/{stream}", http.MethodGet, auth.Read, h.info)
	route("/v1/streams/{stream}/state", http.MethodGet, auth.Read, h.state)
	route("/v1/streams/{stream}/events", http.MethodGet, auth.Read, h.events)
	route("/v1/streams/{stream}/markers", http.MethodPost, auth.Mark, h.mark)
	route("/v1/streams/{stream}/inputs", http.MethodGet, auth.Read, h.inputs)
	route("/v1/streams/{stream}/inputs/switch", http.MethodPost, auth.Admin, h.switchInput)
	const windows = "/v1/streams/{stream}/windows"
	route(windows, http.MethodGet, auth.Read, h.windows)
	route(windows, http.MethodPost, auth.Mark, h.openWindow)
	route(windows+"/{window}/close", http.MethodPost, auth.Mark, h.closeWindow(marker.WindowClosing))
	route(windows+"/{window}/void", http.MethodPost, auth.Mark, h.closeWindow(marker.Void))
	route(windows+"/{window}/actions", http.MethodPost, auth.Act, h.act)
	route(windows+"/{window}/receipts/{id}", http.MethodGet, auth.Act, h.receipt)
	route("/v1/streams/{stream}/recording", http.MethodGet, auth.Read, h.recording)
	route("/v1/streams/{stream}/journal", http.MethodGet, auth.Mark, h.journal)
	route("/v1/streams/{stream}/log/erase", http.MethodPost, auth.Admin, h.erase)
	route("/v1/streams/{stream}/log/export", http.MethodGet, auth.Read, h.export)
	if opts.Logs != nil {
		route("/v1/streams/{stream}/log/checkpoint", http.MethodGet, auth.Read, h.logCheckpoint)
		route("/v1/streams/{stream}/log/tile/{path...}", http.MethodGet, auth.Read, h.logTile)
		route("/v1/streams/{stream}/log/proof/{seq}", http.MethodGet, auth.Read, h.logProof)
	}
	for path, known := range methods {
		allow := strings.Join(append(known, http.MethodOptions), ", ")
		mux.HandleFunc(path, problem.MethodNotAllowed(allow))
		mux.HandleFunc("OPTIONS "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusNoContent)
		})
	}
	mux.HandleFunc("GET /openapi.yaml", serveOpenAPI)
	mux.HandleFunc("/openapi.yaml", problem.MethodNotAllowed("GET, HEAD"))
	return auth.CORS(opts.Origins)(mux)
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(openAPI)
}
