package relay

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/control"
	"github.com/framelock/relay/signaling/sdp"
	"github.com/framelock/relay/signaling/whep"
)

// sessions is the registry of viewers' sessions. It implements whep.Gateway
// together with Relay.
type sessions struct {
	shards []*egress.Shard // set before the relay is ready

	mu     sync.Mutex
	open   map[string]session
	places placement
	closed bool          // takes no more
	empty  chan struct{} // closed when the last session has left after that
}

type session struct {
	viewer *egress.Viewer
	stream string
	owner  string // the name of the token that opened it
	shard  int
}

func newSessions() *sessions {
	return &sessions{open: map[string]session{}, empty: make(chan struct{})}
}

// errStopping is what viewers hear who come while the relay stops.
var errStopping = fmt.Errorf("%w: the relay is stopping", whep.ErrBusy)

// Play implements whep.Gateway.
func (r *Relay) Play(_ context.Context, name string, offer sdp.Offer, viewer auth.Identity) (whep.Answer, error) {
	s, ok := r.streams[name]
	if !ok {
		return whep.Answer{}, whep.ErrNoStream
	}
	loop := s.loop.Load()
	if loop == nil {
		return whep.Answer{}, fmt.Errorf("%w: %w", whep.ErrBusy, ErrNotRunning)
	}
	chosen, err := s.cfg.choose(offer)
	if err != nil {
		return whep.Answer{}, err
	}
	id := newSessionID()
	shard, err := r.sessions.reserve(id, session{stream: name, owner: viewer.Name})
	if err != nil {
		return whep.Answer{}, err
	}
	v, answer, err := egress.Open(r.ports.endpoint, chosen.offer(offer), r.who(id, name, viewer), s.cfg.Number, loop, shard)
	if err != nil {
		r.sessions.left(id)
		return whep.Answer{}, err
	}
	r.sessions.opened(id, v)
	return whep.Answer{SDP: offer.Answer(chosen.answer(answer)), Session: id}, nil
}

// who says under which names a session's viewer acts.
func (r *Relay) who(id, stream string, viewer auth.Identity) egress.Who {
	w := egress.Who{ID: id, Session: r.people.of("session", id)}
	if viewer.Allows(auth.Act, stream) {
		w.Subject = r.subject(viewer, id)
	}
	return w
}

// subject returns the pseudonym under which somebody acts: that of their token, or,
// where many share one, of the key that their client has made up.
func (r *Relay) subject(who auth.Identity, session string) string {
	switch {
	case who.Name != "" && !who.Shared:
		return r.people.of("token", who.Name)
	case who.Viewer != "":
		return r.people.of("viewer", who.Name, who.Viewer)
	}
	return r.people.of("alone", session)
}

// sessionOf returns the viewer of a session that is the caller's and may act.
func (r *Relay) sessionOf(stream, id string, who auth.Identity) (*egress.Viewer, error) {
	s, ok := r.sessions.find(id)
	if !ok || s.stream != stream || s.owner != who.Name || s.viewer == nil || s.viewer.Subject == "" {
		return nil, control.ErrNoSession
	}
	return s.viewer, nil
}

// Stop implements whep.Gateway. A session that is not the caller's own is not
// told apart from one that does not exist.
func (r *Relay) Stop(_ context.Context, stream, id string, viewer auth.Identity) error {
	s, ok := r.sessions.find(id)
	if !ok || s.stream != stream || s.owner != viewer.Name || s.viewer == nil {
		return whep.ErrNoSession
	}
	s.viewer.Leave("deleted")
	return nil
}

// newSessionID returns 128 bits that nobody can guess.
func newSessionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// reserve makes room for a session and picks its shard.
func (s *sessions) reserve(id string, e session) (*egress.Shard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errStopping
	}
	e.shard = s.places.take(e.stream)
	s.open[id] = e
	return s.shards[e.shard], nil
}

// opened notes a session's viewer, unless it has left already.
func (s *sessions) opened(id string, v *egress.Viewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.open[id]; ok {
		e.viewer = v
		s.open[id] = e
	}
}

func (s *sessions) find(id string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.open[id]
	return e, ok
}

// left forgets a session that has ended.
func (s *sessions) left(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.open[id]
	if !ok {
		return
	}
	s.places.leave(e.stream, e.shard)
	delete(s.open, id)
	if s.closed && len(s.open) == 0 {
		close(s.empty)
	}
}

// refuse takes no more sessions. The channel is closed when the last one has left.
func (s *sessions) refuse() (empty <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.empty
	}
	s.closed = true
	if len(s.open) == 0 {
		close(s.empty)
	}
	return s.empty
}

// closeAll ends every session and waits, but not for longer than grace.
func (s *sessions) closeAll(reason string, grace time.Duration) {
	empty := s.refuse()
	s.mu.Lock()
	var viewers []*egress.Viewer
	for _, e := range s.open {
		if e.viewer != nil {
			viewers = append(viewers, e.viewer)
		}
	}
	s.mu.Unlock()
	for _, v := range viewers {
		v.Leave(reason)
	}
	select {
	case <-empty:
	case <-time.After(grace):
	}
}

// count returns how many sessions there are.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
