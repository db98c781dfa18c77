//go:build linux

package load

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Audience is all the viewers of some streams.
type Audience struct {
	viewers [][]*Viewer // by stream
	client  *http.Client
	atOnce  int
}

// joinTimeout is for one viewer.
const joinTimeout = 20 * time.Second

// NewAudience returns an audience of the streams, without viewers yet. atOnce is how
// many handshakes are under way together, so that a server is not asked for all of
// them at once.
func NewAudience(streams, atOnce int) *Audience {
	return &Audience{
		viewers: make([][]*Viewer, streams), atOnce: atOnce,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}},
	}
}

// Join adds n viewers to each stream, and returns when all are connected. As many as
// decrypting says decrypt; they are spread evenly over the order of joining, because
// servers send in some order. url names a stream's endpoint. joined is
// called after each.
func (a *Audience) Join(ctx context.Context, n, decrypting int, kind Viewing, url func(stream int) string, joined func()) error {
	kind.HTTP = a.client
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(a.atOnce)
	for stream := range a.viewers {
		begin := len(a.viewers[stream])
		a.viewers[stream] = slices.Grow(a.viewers[stream], n)[:begin+n]
		for i := range n {
			kind := kind
			kind.URL, kind.Decrypt = url(stream), evenly(i, n, decrypting)
			group.Go(func() error {
				ctx, cancel := context.WithTimeout(ctx, joinTimeout)
				defer cancel()
				v, err := Join(ctx, kind)
				a.viewers[stream][begin+i] = v
				if err == nil {
					joined()
				}
				return err
			})
		}
	}
	return group.Wait()
}

// evenly reports whether the ith of n is one of the k that are spread evenly over them.
func evenly(i, n, k int) bool { return i*k/n != (i+1)*k/n }

// each calls do for every viewer.
func (a *Audience) each(do func(*Viewer) error) error {
	for _, viewers := range a.viewers {
		for _, v := range viewers {
			if v == nil {
				continue
			}
			if err := do(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// Begin starts counting anew at every viewer.
func (a *Audience) Begin() error { return a.each((*Viewer).begin) }

// Delivered returns the packets that came since Begin, by stream and viewer.
func (a *Audience) Delivered() ([][]uint64, error) {
	counts := make([][]uint64, len(a.viewers))
	for i, viewers := range a.viewers {
		for _, v := range viewers {
			n, err := v.delivered()
			if err != nil {
				return nil, err
			}
			counts[i] = append(counts[i], n)
		}
	}
	return counts, nil
}

// Seen returns what the decrypting viewers saw since Begin.
func (a *Audience) Seen() Seen {
	var all Seen
	_ = a.each(func(v *Viewer) error {
		if v.timed != nil {
			all.Add(v.ledger.read())
		}
		return nil
	})
	return all
}

// Events returns how many event messages all viewers got so far on their channels.
func (a *Audience) Events() uint64 {
	var n uint64
	_ = a.each(func(v *Viewer) error {
		n += v.events.Load()
		return nil
	})
	return n
}

// Asked returns how many packets all viewers missed and asked for again since Begin.
func (a *Audience) Asked() uint64 {
	var n uint64
	_ = a.each(func(v *Viewer) error {
		n += v.asked.Load()
		return nil
	})
	return n
}

// Broken says how many sessions have ended.
func (a *Audience) Broken() error {
	n := 0
	_ = a.each(func(v *Viewer) error {
		select {
		case <-v.broken:
			n++
		default:
		}
		return nil
	})
	if n > 0 {
		return fmt.Errorf("load: %d viewers' sessions have ended", n)
	}
	return nil
}

// Joined says that nobody joins for a while: connections for joining are closed.
func (a *Audience) Joined() { a.client.CloseIdleConnections() }

// Close ends all sessions.
func (a *Audience) Close() error {
	var group errgroup.Group
	group.SetLimit(a.atOnce)
	_ = a.each(func(v *Viewer) error {
		group.Go(v.Close)
		return nil
	})
	a.client.CloseIdleConnections()
	return group.Wait()
}

// Sinks are sockets that stand for viewers of a server that only sends.
type Sinks struct {
	sinks [][]*Sink
	base  [][]uint32
}

// OpenSinks opens n sockets for each stream.
func OpenSinks(streams, n int) (*Sinks, error) {
	s := &Sinks{sinks: make([][]*Sink, streams), base: make([][]uint32, streams)}
	for i := range s.sinks {
		s.base[i] = make([]uint32, n)
		for range n {
			sink, err := OpenSink(true, 0)
			if err != nil {
				s.Close()
				return nil, err
			}
			s.sinks[i] = append(s.sinks[i], sink)
		}
	}
	return s, nil
}

// Ports returns the sockets' ports, by stream.
func (s *Sinks) Ports() [][]int {
	ports := make([][]int, len(s.sinks))
	for i, sinks := range s.sinks {
		for _, sink := range sinks {
			ports[i] = append(ports[i], sink.Port())
		}
	}
	return ports
}

// Begin starts counting anew.
func (s *Sinks) Begin() error {
	for i, sinks := range s.sinks {
		for j, sink := range sinks {
			var err error
			if s.base[i][j], err = sink.Dropped(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Delivered returns the packets that came since Begin, by stream and socket.
func (s *Sinks) Delivered() ([][]uint64, error) {
	counts := make([][]uint64, len(s.sinks))
	for i, sinks := range s.sinks {
		for j, sink := range sinks {
			now, err := sink.Dropped()
			if err != nil {
				return nil, err
			}
			counts[i] = append(counts[i], uint64(now-s.base[i][j]))
		}
	}
	return counts, nil
}

// Seen returns nothing: sinks cannot decrypt.
func (s *Sinks) Seen() Seen { return Seen{} }

// Broken returns nil: sinks have no session.
func (s *Sinks) Broken() error { return nil }

// Close closes the sockets.
func (s *Sinks) Close() error {
	for _, sinks := range s.sinks {
		for _, sink := range sinks {
			sink.Close()
		}
	}
	return nil
}
