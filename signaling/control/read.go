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

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/sync/marker"
)

// stream returns the stream that the path names, or answers 404.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) (Stream, bool) {
	name := auth.StreamOf(r)
	s, ok := h.streams.Stream(name)
	if !ok {
		problem.Write(w, http.StatusNotFound, "no such stream; GET /v1/streams lists those there are",
			problem.Field("stream", name, "a stream of this relay"))
	}
	return s, ok
}

// fail answers for an error that is not the caller's.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the caller has gone
	}
	if errors.Is(err, marker.ErrClosed) { // no failure: the relay is being stopped
		problem.Write(w, http.StatusServiceUnavailable, "the relay is being stopped; ask again when it is back", problem.RetryAfter(time.Second))
		return
	}
	h.opts.Logger.Error("the API failed to answer", "method", r.Method, "path", r.URL.Path, "error", err)
	if errors.Is(err, context.DeadlineExceeded) {
		problem.Write(w, http.StatusServiceUnavailable, "the stream did not answer in time; ask again, with the same id if there was one", problem.RetryAfter(0))
		return
	}
	problem.Internal(w)
}

// writeJSON answers with a JSON body.
func (h *handler) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Content-Length", strconv.Itoa(len(b)))
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller has gone if it fails
}

// list answers with the streams that the caller may read.
func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	infos, err := h.streams.List(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	caller := auth.FromContext(ctx)
	visible := struct {
		Streams []json.RawMessage `json:"streams"`
	}{[]json.RawMessage{}}
	for _, info := range infos {
		b, err := json.Marshal(info)
		var named struct {
			Name string `json:"name"`
		}
		if err == nil {
			err = json.Unmarshal(b, &named)
		}
		if err == nil && named.Name == "" {
			err = errors.New("it has no name")
		}
		if err != nil {
			h.fail(w, r, fmt.Errorf("describe a stream: %w", err))
			return
		}
		if caller.Allows(auth.Read, named.Name) {
			visible.Streams = append(visible.Streams, b)
		}
	}
	h.writeJSON(w, r, http.StatusOK, visible)
}

func (h *handler) info(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	info, err := s.Info(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, http.StatusOK, info)
}

func (h *handler) state(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, http.StatusOK, json.RawMessage(bytes.TrimSpace(snapshot)))
}
