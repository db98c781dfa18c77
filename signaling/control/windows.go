package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/sync/marker"
)

// opened is the answer for a window that was opened.
type opened struct {
	marker.Resolved
	Window   string `json:"window"`
	ClosesTS uint64 `json:"closes_ts"` // canonical timestamp; 0 if it is closed by hand
}

// openWindow opens a window (docs/windows.md).
func (h *handler) openWindow(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	body, ok := readJSON(w, r)
	if !ok {
		return
	}
	request, err := marker.DecodeOpen(body)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	request.By = auth.FromContext(r.Context()).Name
	ctx, cancel := patience(r, request.Timeout)
	defer cancel()
	resolved, closes, replayed, err := s.OpenWindow(ctx, request)
	h.answer(w, r, opened{resolved, request.Window, closes}, replayed, err)
}

// closeWindow closes or voids a window.
func (h *handler) closeWindow(kind marker.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := h.stream(w, r)
		if !ok {
			return
		}
		body, ok := readAnyJSON(w, r)
		if !ok {
			return
		}
		request, err := marker.DecodeClose(r.PathValue("window"), body)
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		request.By = auth.FromContext(r.Context()).Name
		ctx, cancel := patience(r, request.Timeout)
		defer cancel()
		resolved, replayed, err := s.CloseWindow(ctx, request, kind)
		h.answer(w, r, resolved, replayed, err)
	}
}

func (h *handler) windows(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	list, err := s.Windows(ctx)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.writeJSON(w, r, http.StatusOK, map[string]any{"windows": list})
}

// act takes an action. Who acts is who calls: the body may name a session of the
// caller's, or, if the caller publishes events, the user for whom it acts.
func (h *handler) act(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	body, ok := readJSON(w, r)
	if !ok {
		return
	}
	request, err := marker.DecodeAct(body)
	if name := r.PathValue("window"); err == nil && request.Window != "" && request.Window != name {
		err = &marker.FieldError{Field: "window", Value: request.Window, Allowed: "none, or the one of the path, " + name}
	}
	request.Window = r.PathValue("window")
	who := auth.FromContext(r.Context())
	switch {
	case err != nil:
	case request.Subject != "" && !who.Allows(auth.Mark, auth.StreamOf(r)):
		err = &marker.FieldError{Field: "subject", Value: request.Subject, Allowed: "only of a caller with scope mark: who acts is whose token it is"}
	case request.Session == "" && request.Seen != 0:
		err = &marker.FieldError{Field: "seen", Value: strconv.FormatUint(request.Seen, 10), Allowed: "only with the session that was sent the frame"}
	default:
		err = request.Validate()
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	receipt, err := s.Act(ctx, request, who)
	if errors.Is(err, ErrNoSession) {
		problem.Write(w, http.StatusNotFound, "there is no such session of yours; take the last part of the Location that playing returned",
			problem.Field("session", "", "a session of the caller's"))
		return
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.writeJSON(w, r, http.StatusOK, json.RawMessage(receipt))
}

func (h *handler) receipt(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	who, session, subject := auth.FromContext(ctx), r.URL.Query().Get("session"), r.URL.Query().Get("subject")
	switch {
	case subject != "" && !who.Allows(auth.Mark, auth.StreamOf(r)):
		h.refuse(w, r, &marker.FieldError{Field: "subject", Value: subject, Allowed: "only of a caller with scope mark: a receipt is for whose token it is"})
		return
	case subject != "" && session != "":
		h.refuse(w, r, &marker.FieldError{Field: "subject", Value: subject, Allowed: "none with a session, which has its own"})
		return
	}
	v, err := s.Receipt(ctx, r.PathValue("window"), r.PathValue("id"), session, subject, who)
	switch {
	case err != nil && !errors.Is(err, ErrNoSession):
		h.refuse(w, r, err)
	case err != nil || v == nil:
		problem.Write(w, http.StatusNotFound, "you have no receipt for such an action in this window, or it is so long ago that only the transcript has it",
			problem.Field("id", r.PathValue("id"), "the id of an action of the caller's"))
	default:
		h.writeJSON(w, r, http.StatusOK, v)
	}
}

// journal sends every line of a stream's journal from a position on, as it becomes
// durable: server-sent events, each with its position as id, so that a reader that
// comes back misses nothing. A line whose action has its payload comes as
// {"action":…,"payload":…}.
func (h *handler) journal(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	after, ok := resumeAfter(w, r, 0)
	if !ok {
		return
	}
	if n := h.subscribers.Add(1); n > int64(h.opts.MaxSubscribers) {
		h.subscribers.Add(-1)
		problem.Write(w, http.StatusServiceUnavailable, "too many callers follow events; come back later, or share one call",
			problem.RetryAfter(5*time.Second))
		return
	}
	defer h.subscribers.Add(-1)
	if !s.Keeps() {
		problem.Write(w, http.StatusNotFound, "this relay keeps no journal; set state.dir")
		return
	}
	// Found out before the answer begins: a reader whose position is beyond the end would
	// miss whatever comes up to it.
	switch err := s.Follow(r.Context(), after+1, true, func(uint64, []byte, []byte) error { return errFirstLine }); {
	case errors.Is(err, ErrGone):
		problem.Write(w, http.StatusGone, "the journal is not that long: it is another than the one that was read; begin again without a position",
			problem.Field("Last-Event-ID", strconv.FormatUint(after, 10), "the position of a line of this journal, or none to begin with the first"))
		return
	case err != nil && !errors.Is(err, errFirstLine):
		h.refuse(w, r, err)
		return
	}
	startEventStream(w)
	write := h.eventStream(w)
	if r.Method == http.MethodHead || !write([]byte("retry: 1000\n\n")) {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if err := h.followLines(ctx, s, after+1, write); err != nil && ctx.Err() == nil {
		h.opts.Logger.Error("the journal cannot be followed", "path", r.URL.Path, "error", err)
	}
}

// errFirstLine ends a look at whether there is a line.
var errFirstLine = errors.New("there is a line")

// followLines calls write with the lines as server-sent events, and with comments
// while there are none.
func (h *handler) followLines(ctx context.Context, s Stream, from uint64, write func([]byte) bool) error {
	type line struct {
		b   []byte
		err error
	}
	lines := make(chan line)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		err := s.Follow(ctx, from, false, func(pos uint64, b, payload []byte) error {
			if payload != nil {
				b = fmt.Appendf(nil, `{"action":%s,"payload":%s}`, b, payload)
			}
			select {
			case lines <- line{b: fmt.Appendf(nil, "id: %d\ndata: %s\n\n", pos, b)}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		select {
		case lines <- line{err: err}:
		case <-ctx.Done():
		}
	}()
	heartbeat := time.NewTicker(h.opts.Heartbeat)
	defer heartbeat.Stop()
	for {
		var b []byte
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-heartbeat.C:
			b = []byte(":\n\n")
		case l := <-lines:
			if l.err != nil || l.b == nil {
				return l.err
			}
			b = l.b
		}
		if !write(b) {
			return nil
		}
	}
}

// export sends the whole transcript: lines of JSON (docs/transcript.md). What people
// sent is part of it only where the caller publishes events and asks for it.
func (h *handler) export(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	payloads, ok := wantsPayloads(w, r)
	if !ok {
		return
	}
	if payloads && !auth.FromContext(r.Context()).Allows(auth.Mark, auth.StreamOf(r)) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="relay", error="insufficient_scope", scope="mark"`)
		problem.Write(w, http.StatusForbidden, "the data of actions is for callers with scope mark; leave payloads out, or use a token that has it")
		return
	}
	if !s.Keeps() {
		problem.Write(w, http.StatusNotFound, "this relay keeps no journal; set state.dir")
		return
	}
	if !h.beginReading(w) {
		return
	}
	defer h.readers.Add(-1)
	body := h.download(w, r, "application/x-ndjson")
	switch err := s.Export(r.Context(), body, payloads); {
	case err == nil || errors.Is(err, errOnlyHead) || r.Context().Err() != nil:
	case body.begun:
		h.opts.Logger.Error("a transcript was sent in part", "path", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler) // half a transcript must not look like a whole one
	case errors.Is(err, ErrUnsigned):
		problem.Write(w, http.StatusNotFound, err.Error())
	default:
		h.refuse(w, r, err)
	}
}

// wantsPayloads reads the parameter of export, or answers. A value that says no must
// not be taken for a yes: what people sent is at stake.
func wantsPayloads(w http.ResponseWriter, r *http.Request) (wanted, ok bool) {
	if !r.URL.Query().Has("payloads") {
		return false, true
	}
	switch v := r.URL.Query().Get("payloads"); v {
	case "", "1", "true":
		return true, true
	case "0", "false":
		return false, true
	default:
		const allowed = "true, 1 or nothing for the data of actions; false or 0 without it"
		problem.Write(w, http.StatusBadRequest, "payloads says neither yes nor no", problem.Field("payloads", v, allowed))
		return false, false
	}
}

// erase removes what people sent, for good. The log stays as valid as it was.
func (h *handler) erase(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	body, ok := readJSON(w, r)
	if !ok {
		return
	}
	orders, err := marker.DecodeErase(body)
	if err == nil && !s.Keeps() {
		problem.Write(w, http.StatusNotFound, "this relay keeps no journal; set state.dir")
		return
	}
	if err == nil {
		err = s.Erase(r.Context(), orders)
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
