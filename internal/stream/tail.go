package stream

import (
	"errors"
	"fmt"
)

// Sizes of the memory of recent events.
const (
	tailEvents = 4096 // remembered
	tailAhead  = 256  // that a subscriber may be behind
)

// tail is the newest events, for those who follow the log from outside.
type tail struct {
	ring        [][]byte // by seq
	first       uint64   // the seq before the first in memory
	newest      uint64
	subscribers map[chan []byte]bool
}

func newTail(seq uint64) *tail {
	return &tail{ring: make([][]byte, tailEvents), first: seq, newest: seq, subscribers: map[chan []byte]bool{}}
}

func (t *tail) add(seq uint64, b []byte) {
	t.ring[seq%tailEvents] = b
	t.newest = seq
	if seq-t.first > tailEvents {
		t.first = seq - tailEvents
	}
	for s := range t.subscribers {
		select {
		case s <- b:
		default:
			t.unsubscribe(s)
		}
	}
}

// ErrNotYet is wrapped by the error for a seq that no event has, or a position that no
// line of the journal has.
var ErrNotYet = errors.New("nothing has this number yet")

// ErrTooOld is wrapped by the error for a seq whose events are not in memory.
var ErrTooOld = errors.New("events that old are not kept; read the state and follow from there")

func (t *tail) subscribe(after uint64) (chan []byte, error) {
	switch {
	case after == 0:
		after = t.first
	case after == Newest:
		after = t.newest
	case after > t.newest:
		return nil, fmt.Errorf("seq %d: %w (the newest is %d)", after, ErrNotYet, t.newest)
	case after < t.first:
		return nil, fmt.Errorf("seq %d: %w (the first is %d)", after, ErrTooOld, t.first+1)
	}
	s := make(chan []byte, t.newest-after+tailAhead)
	for seq := after + 1; seq <= t.newest; seq++ {
		s <- t.ring[seq%tailEvents]
	}
	t.subscribers[s] = true
	return s, nil
}

func (t *tail) unsubscribe(s chan []byte) {
	if t.subscribers[s] {
		delete(t.subscribers, s)
		close(s)
	}
}

func (t *tail) close() {
	for s := range t.subscribers {
		t.unsubscribe(s)
	}
}
