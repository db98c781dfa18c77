package control

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// maxMarkBody is the largest body of a request for an event, in bytes. An event
// has at most 1,024, but JSON may spell them at six times the length and more.
const maxMarkBody = 16 << 10

// mark binds an event to a frame (docs/protocol.md, section 7).
func (h *handler) mark(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	body, ok := readJSON(w, r)
	if !ok {
		return
	}
	request, err := marker.DecodeRequest(body)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	request.By = auth.FromContext(r.Context()).Name
	ctx, cancel := patience(r, request.Timeout)
	defer cancel()
	resolved, replayed, err := s.Mark(ctx, request)
	h.answer(w, r, resolved, replayed, err)
}

// answer answers for a request that makes something, once.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, v any, replayed bool, err error) {
	switch {
	case err != nil:
		h.refuse(w, r, err)
	case replayed:
		h.writeJSON(w, r, http.StatusOK, v)
	default:
		h.writeJSON(w, r, http.StatusCreated, v)
	}
}

// patience bounds a call that may wait for a frame.
func patience(r *http.Request, wait time.Duration) (context.Context, context.CancelFunc) {
	if wait == 0 {
		wait = marker.DefaultTimeout
	}
	return context.WithTimeout(r.Context(), wait+answerTimeout)
}

// readJSON reads the body of a call, or answers.
func readJSON(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	// A page of another origin cannot send this type without asking first.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		problem.Write(w, http.StatusUnsupportedMediaType, "the body must be JSON and say so",
			problem.Field("Content-Type", r.Header.Get("Content-Type"), "application/json"))
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMarkBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		problem.Write(w, http.StatusRequestEntityTooLarge, "the body is too large; put larger data behind a URL and its hash",
			problem.Field("body", "", "at most "+strconv.Itoa(maxMarkBody)+" bytes"))
		return nil, false
	}
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "the body did not arrive whole; send the request again")
		return nil, false
	}
	return body, true
}

// sameOrigin tells the calls of other origins' pages from all others.
var sameOrigin = http.NewCrossOriginProtection()

// readAnyJSON is readJSON for a call that needs no body, and then no type of one
// either. Without a type a browser sends the call of any page, so that one from
// another origin must have it.
func readAnyJSON(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	if r.ContentLength == 0 && len(r.Header.Values("Content-Type")) == 0 && sameOrigin.Check(r) == nil {
		return nil, true
	}
	return readJSON(w, r)
}

// refusals are the statuses of the errors of packages marker and window. Their text tells the
// caller what to do. What a stream adds behind it is meant for the caller too;
// other wrappings are not.
var refusals = []struct {
	err    error
	status int
	wait   time.Duration // 0: the same request will not do later either
}{
	{marker.ErrFrameNotSeen, http.StatusConflict, 0},
	{marker.ErrPaused, http.StatusConflict, 0},
	{marker.ErrConflict, http.StatusConflict, 0},
	{marker.ErrUnresolvable, http.StatusConflict, 0},
	{marker.ErrNotCarried, http.StatusConflict, 0},
	{marker.ErrTooLarge, http.StatusRequestEntityTooLarge, 0},
	{marker.ErrInboxFull, http.StatusTooManyRequests, time.Second},
	{marker.ErrUnavailable, http.StatusServiceUnavailable, 2 * time.Second},
	{marker.ErrClosed, http.StatusServiceUnavailable, time.Second},
	{marker.ErrNotOwner, http.StatusServiceUnavailable, 0},
	{window.ErrExists, http.StatusConflict, 0},
	{window.ErrNotClosed, http.StatusConflict, 0},
	{window.ErrPhase, http.StatusConflict, 0},
	{window.ErrUnknown, http.StatusConflict, 0},
	{window.ErrTooMany, http.StatusTooManyRequests, time.Second},
}

// refuse answers for an error of decoding or marking.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if wrong := (*marker.FieldError)(nil); errors.As(err, &wrong) {
		problem.Write(w, http.StatusBadRequest, wrong.Error(), problem.Field(wrong.Field, wrong.Value, wrong.Allowed))
		return
	}
	for _, known := range refusals {
		if !errors.Is(err, known.err) {
			continue
		}
		var options []problem.Option
		if known.wait > 0 {
			options = append(options, problem.RetryAfter(known.wait))
		}
		detail := known.err.Error()
		if strings.HasPrefix(err.Error(), detail) {
			detail = err.Error()
		}
		problem.Write(w, known.status, detail, options...)
		return
	}
	h.fail(w, r, err)
}
