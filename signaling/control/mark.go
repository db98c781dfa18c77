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
	// A page of another origin cannot send this type without asking first.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		problem.Write(w, http.StatusUnsupportedMediaType, "the body must be JSON and say so",
			problem.Field("Content-Type", r.Header.Get("Content-Type"), "application/json"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMarkBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		problem.Write(w, http.StatusRequestEntityTooLarge, "the body is too large; put larger data behind a URL and its hash",
			problem.Field("body", "", "at most "+strconv.Itoa(maxMarkBody)+" bytes"))
		return
	}
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "the body did not arrive whole; send the request again")
		return
	}
	request, err := marker.DecodeRequest(body)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	request.By = auth.FromContext(r.Context()).Name
	wait := request.Timeout
	if wait == 0 {
		wait = marker.DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait+answerTimeout)
	defer cancel()
	resolved, replayed, err := s.Mark(ctx, request)
	switch {
	case err != nil:
		h.refuse(w, r, err)
	case replayed:
		h.writeJSON(w, r, http.StatusOK, resolved)
	default:
		h.writeJSON(w, r, http.StatusCreated, resolved)
	}
}

// refusals are the statuses of package marker's errors. Their text tells the
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
	{marker.ErrTooLarge, http.StatusRequestEntityTooLarge, 0},
	{marker.ErrInboxFull, http.StatusTooManyRequests, time.Second},
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
