package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

// studioControl is what the demo page's buttons do to the studio.
type studioControl struct {
	child *child
	feed  *feed

	mu     sync.Mutex
	input  io.Writer // the running process's commands; nil if there is none
	paused bool
}

// attached takes a new process's input; the studio begins unpaused.
func (s *studioControl) attached(input io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.input, s.paused = input, false
}

// toggle pauses or resumes the studio and returns whether it is paused now.
func (s *studioControl) toggle() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	command := "pause\n"
	if s.paused {
		command = "resume\n"
	}
	if s.input == nil {
		return s.paused, io.ErrClosedPipe
	}
	if _, err := io.WriteString(s.input, command); err != nil {
		return s.paused, err
	}
	s.paused = !s.paused
	return s.paused, nil
}

// restartTimeout bounds the wait for a new studio to begin.
const restartTimeout = 5 * time.Second

// routes adds the demo's own calls in front of the relay's handler. A page of
// another site cannot call them.
func (s *studioControl) routes(info PageInfo) func(http.Handler) http.Handler {
	return func(relay http.Handler) http.Handler {
		guard := http.NewCrossOriginProtection()
		mux := http.NewServeMux()
		mux.HandleFunc("GET /demo/info", func(w http.ResponseWriter, _ *http.Request) { answer(w, info) })
		mux.Handle("POST /demo/studio/restart", guard.Handler(http.HandlerFunc(s.serveRestart)))
		mux.Handle("POST /demo/studio/pause", guard.Handler(http.HandlerFunc(s.servePause)))
		mux.Handle("/", relay)
		return mux
	}
}

// serveRestart answers when the new studio has begun.
func (s *studioControl) serveRestart(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), restartTimeout)
	defer cancel()
	began := s.feed.next()
	if s.child.restart(ctx) {
		select {
		case <-began:
			answer(w, map[string]bool{"restarted": true})
			return
		case <-ctx.Done():
		}
	}
	problem(w, "the studio did not begin again in time; see the demo's log")
}

func (s *studioControl) servePause(w http.ResponseWriter, _ *http.Request) {
	paused, err := s.toggle()
	if err != nil {
		problem(w, "the studio is not running at the moment: "+err.Error())
		return
	}
	answer(w, map[string]bool{"paused": paused})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the caller has gone if it fails
}

// problem answers 503 in the form of RFC 9457.
func problem(w http.ResponseWriter, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": "Service Unavailable", "status": http.StatusServiceUnavailable, "detail": detail,
	})
}
