package udp

import (
	"errors"
	"net"
	"sync"
)

// writers are the descriptors of a socket that are to be closed with it.
type writers struct {
	mu     sync.Mutex
	open   []*writer
	closed bool
}

func (s *writers) add(w *writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.Join(net.ErrClosed, w.Close())
	}
	s.open = append(s.open, w)
	return nil
}

func (s *writers) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, w := range s.open {
		errs = append(errs, w.Close())
	}
	s.open, s.closed = nil, true
	return errors.Join(errs...)
}
