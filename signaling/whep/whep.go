// Package whep is the HTTP side of playing a stream: WHEP
// (draft-ietf-wish-whep), which is what RFC 9725 is for publishing. A viewer posts
// an offer and gets an answer and a session, and ends the session with DELETE. What
// a session is, the [Gateway] knows.
package whep

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/signaling/sdp"
)

// Answer is what a viewer gets for an offer.
type Answer struct {
	SDP     []byte
	Session string // names the session in its URL, as nobody can guess: at least 128 random bits
}

// Gateway opens and ends viewers' sessions. Its methods return soon after ctx
// ends.
type Gateway interface {
	// Play opens a session for what the viewer offers to receive. The error is a
	// *sdp.FieldError, or wraps ErrNoStream, ErrNoCodec or ErrBusy, where the viewer
	// is to be told; the texts of ErrNoCodec and ErrBusy with what wraps them reach
	// the viewer. A session whose viewer never connects is the gateway's to end.
	Play(ctx context.Context, stream string, offer sdp.Offer, viewer auth.Identity) (Answer, error)
	// Stop ends a session. It wraps ErrNoSession if the stream has none of that name
	// or if the session is another's than the viewer's: the two are not told apart.
	Stop(ctx context.Context, stream, session string, viewer auth.Identity) error
}

// The reasons for which a gateway refuses.
var (
	// ErrNoStream: the relay has no such stream.
	ErrNoStream = errors.New("no such stream")
	// ErrNoCodec: the viewer offers no codec of the studio's. Wrap it to say which
	// the studio sends and which were offered.
	ErrNoCodec = errors.New("no codec in common")
	// ErrBusy: the relay takes no viewers just now.
	ErrBusy = errors.New("the relay takes no more viewers at the moment; try again soon")
	// ErrNoSession: the stream has no such session, or it is another viewer's.
	ErrNoSession = errors.New("no such session")
)

// Options change what a handler does. A zero field means its default.
type Options struct {
	// Origins are the web origins whose pages may play, or auth.AnyOrigin; none
	// means only the relay's own.
	Origins []string
	// Logger receives the causes of failures that viewers are not told; nil discards
	// them.
	Logger *slog.Logger
	// JoinRate is how many sessions one network address may open per second: 20. A
	// negative one means any number.
	JoinRate float64
	// JoinBurst is how many it may open at once: 100. With a gateway that ends what
	// does not connect within 10 s, an address has at most JoinBurst + 10 x JoinRate
	// sessions that are half open. Loopback addresses have no limit: there is a
	// reverse proxy, which has limits of its own, or a test.
	JoinBurst int
	// Clock is read in place of time.Now if it is set.
	Clock func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.JoinRate == 0 {
		o.JoinRate = 20
	}
	if o.JoinBurst == 0 {
		o.JoinBurst = 100
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

const (
	answerTimeout = 10 * time.Second // of a gateway
	retryAfter    = 2 * time.Second  // what a busy relay asks viewers to wait
	endpoint      = "/whep/{stream}"
	resource      = "/whep/{stream}/{session}"
)

// Handler returns the handler of /whep/{stream} and of the sessions below it.
func Handler(g Gateway, authority auth.Authority, opts Options) http.Handler {
	opts = opts.withDefaults()
	h := &handler{gateway: g, opts: opts, joins: newLimiter(opts.JoinRate, opts.JoinBurst)}
	view := auth.Require(authority, auth.View, auth.StreamOf)
	mux := http.NewServeMux()
	mux.HandleFunc("/", problem.NotFound)
	mux.Handle("POST "+endpoint, view(http.HandlerFunc(h.play)))
	mux.HandleFunc("OPTIONS "+endpoint, options("POST, OPTIONS", "application/sdp"))
	mux.HandleFunc(endpoint, problem.MethodNotAllowed("POST, OPTIONS"))
	mux.Handle("DELETE "+resource, view(http.HandlerFunc(h.stop)))
	mux.Handle("PATCH "+resource, view(http.HandlerFunc(patch)))
	mux.HandleFunc("OPTIONS "+resource, options("DELETE, OPTIONS", ""))
	mux.HandleFunc(resource, problem.MethodNotAllowed("DELETE, OPTIONS"))
	return auth.CORS(opts.Origins, http.MethodDelete, http.MethodPatch)(mux)
}

// options answers what a path can do, to anybody.
func options(allow, acceptPost string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		if acceptPost != "" {
			w.Header().Set("Accept-Post", acceptPost)
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// patch refuses both trickled candidates and ICE restarts (RFC 9725, section 4.3).
func patch(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "DELETE, OPTIONS")
	problem.Write(w, http.StatusMethodNotAllowed,
		"ICE restarts are not supported: make a new session; candidates need not be sent, since the relay finds the viewer's address by itself")
}
