package whep

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/signaling/sdp"
)

type handler struct {
	gateway Gateway
	opts    Options

	mu    sync.Mutex
	joins *limiter
}

// play opens a session.
func (h *handler) play(w http.ResponseWriter, r *http.Request) {
	if wait, ok := h.admit(r.RemoteAddr); !ok {
		problem.Write(w, http.StatusTooManyRequests, "too many sessions are opened from this address; wait before the next", problem.RetryAfter(wait))
		return
	}
	offer, ok := readOffer(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	stream := auth.StreamOf(r)
	answer, err := h.gateway.Play(ctx, stream, offer, auth.FromContext(ctx))
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/sdp")
	head.Set("Content-Length", strconv.Itoa(len(answer.SDP)))
	head.Set("Cache-Control", "no-store")
	head.Set("Location", "/whep/"+url.PathEscape(stream)+"/"+url.PathEscape(answer.Session))
	// The ICE session lasts as long as the session does: one tag is enough.
	hash := sha256.Sum256(answer.SDP)
	head.Set("ETag", fmt.Sprintf(`"%x"`, hash[:8]))
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(answer.SDP) // a session that nobody connects to ends by itself
}

// admit reports whether an address may open a session now, or else in how long.
func (h *handler) admit(remote string) (time.Duration, bool) {
	at, _ := netip.ParseAddrPort(remote) // what is no address shares one limit
	now := h.opts.Clock()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.joins.allow(at.Addr(), now)
}

// readOffer reads the body, or answers why it cannot be used.
func readOffer(w http.ResponseWriter, r *http.Request) (sdp.Offer, bool) {
	// A page of another origin cannot send this type without asking first.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/sdp" {
		problem.Write(w, http.StatusUnsupportedMediaType, "the body must be an SDP offer and say so",
			problem.Field("Content-Type", r.Header.Get("Content-Type"), "application/sdp"))
		return sdp.Offer{}, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, sdp.MaxSize))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		problem.Write(w, http.StatusRequestEntityTooLarge, "the offer is too large",
			problem.Field("body", "", "at most "+strconv.Itoa(sdp.MaxSize)+" bytes"))
		return sdp.Offer{}, false
	}
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "the offer did not arrive whole; send it again")
		return sdp.Offer{}, false
	}
	offer, err := sdp.ReadOffer(body)
	if err != nil {
		malformed(w, err)
		return sdp.Offer{}, false
	}
	return offer, true
}

// malformed answers for an error of package sdp.
func malformed(w http.ResponseWriter, err error) {
	var option []problem.Option
	if wrong := (*sdp.FieldError)(nil); errors.As(err, &wrong) {
		err = wrong
		option = append(option, problem.Field(wrong.Field, wrong.Value, wrong.Allowed))
	}
	problem.Write(w, http.StatusBadRequest, err.Error(), option...)
}

// stop ends a session.
func (h *handler) stop(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	if err := h.gateway.Stop(ctx, auth.StreamOf(r), r.PathValue("session"), auth.FromContext(ctx)); err != nil {
		h.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// refuse answers for an error of the gateway.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	wrong := (*sdp.FieldError)(nil)
	switch {
	case errors.As(err, &wrong):
		malformed(w, wrong)
	case errors.Is(err, ErrNoStream):
		problem.Write(w, http.StatusNotFound, "the relay has no such stream",
			problem.Field("stream", auth.StreamOf(r), "a stream of this relay"))
	case errors.Is(err, ErrNoSession):
		problem.Write(w, http.StatusNotFound, "there is no such session; it has ended, or another token opened it")
	case errors.Is(err, ErrNoCodec):
		problem.Write(w, http.StatusNotAcceptable, err.Error())
	case errors.Is(err, ErrBusy):
		problem.Write(w, http.StatusServiceUnavailable, err.Error(), problem.RetryAfter(retryAfter))
	case r.Context().Err() != nil: // the viewer has gone
	case errors.Is(err, context.DeadlineExceeded):
		h.opts.Logger.Error("a viewer got no answer in time", "method", r.Method, "path", r.URL.Path, "error", err)
		problem.Write(w, http.StatusServiceUnavailable, "the relay did not answer in time; try again soon", problem.RetryAfter(retryAfter))
	default:
		h.opts.Logger.Error("a viewer got no answer", "method", r.Method, "path", r.URL.Path, "error", err)
		problem.Internal(w)
	}
}
