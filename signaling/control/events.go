package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/framelock/relay/signaling/problem"
)

// events sends a stream's events as they are sequenced: server-sent events
// (WHATWG HTML, section 9.2), each with its seq as id and its exact bytes as data.
// Last-Event-ID, or ?after= where a client cannot set it, resumes after that seq;
// without either only new events are sent.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	after, ok := resumeAfter(w, r, Newest)
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
	// A reader that goes, or that is cut, ends the subscription.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	events, err := s.Subscribe(ctx, after)
	if errors.Is(err, ErrGone) {
		problem.Write(w, http.StatusGone, "the events that follow are kept no more; read /v1/streams/{stream}/state and go on from its seq",
			problem.Field("Last-Event-ID", strconv.FormatUint(after, 10), "the seq of a recent event, or none for new ones only"))
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	startEventStream(w)
	if r.Method == http.MethodHead {
		return
	}
	h.send(ctx, w, events)
}

// startEventStream begins an answer of server-sent events.
func startEventStream(w http.ResponseWriter) {
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // some reverse proxies would hold events back
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
}

// eventStream returns what writes to a reader, until that takes nothing any more.
func (h *handler) eventStream(w http.ResponseWriter) (write func([]byte) bool) {
	control := http.NewResponseController(w)
	return func(b []byte) bool {
		// The server's own deadline is for whole answers. A writer that knows no
		// deadlines has none to overrule.
		_ = control.SetWriteDeadline(time.Now().Add(h.opts.WriteTimeout))
		if _, err := w.Write(b); err != nil {
			return false
		}
		return control.Flush() == nil
	}
}

// send writes events until there are no more, or the reader does not take them.
func (h *handler) send(ctx context.Context, w http.ResponseWriter, events <-chan []byte) {
	write := h.eventStream(w)
	if !write([]byte("retry: 1000\n\n")) {
		return
	}
	heartbeat := time.NewTicker(h.opts.Heartbeat)
	defer heartbeat.Stop()
	draining := h.opts.Draining
	for {
		select {
		case <-ctx.Done():
			return
		case <-draining:
			draining = nil
			if !write(drainingNotice) {
				return
			}
		case <-heartbeat.C:
			if !write([]byte(":\n\n")) {
				return
			}
		case event, ok := <-events:
			if !ok {
				return
			}
			message, err := frame(event)
			if err != nil {
				h.opts.Logger.Error("an event cannot be sent", "error", err)
				return
			}
			if !write(message) {
				return
			}
		}
	}
}

// drainingNotice says that the relay will stop. It is named, so that who reads events
// alone does not get it, and has no id, so that they resume where they were.
var drainingNotice = []byte("event: notice\n" + `data: {"type":"notice","code":"draining","text":"This relay stops soon."}` + "\n\n")

// frame writes an event as a server-sent one.
func frame(event []byte) ([]byte, error) {
	var sequenced struct {
		Seq *uint64 `json:"seq"`
	}
	if err := json.Unmarshal(event, &sequenced); err != nil {
		return nil, err
	}
	if sequenced.Seq == nil || bytes.ContainsAny(event, "\r\n") {
		return nil, errors.New("it has no seq, or more than one line")
	}
	return fmt.Appendf(nil, "id: %d\ndata: %s\n\n", *sequenced.Seq, event), nil
}

// resumeAfter reads the seq after which to go on, which is otherwise if the caller
// names none, or answers 400.
func resumeAfter(w http.ResponseWriter, r *http.Request, otherwise uint64) (uint64, bool) {
	field, text := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		field, text = "after", r.URL.Query().Get("after")
	}
	if text == "" {
		return otherwise, true
	}
	const allowed = "a seq, from 0 to 9007199254740991"
	after, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "that is no seq to go on from", problem.Field(field, text, allowed))
		return 0, false
	}
	return after, true
}
