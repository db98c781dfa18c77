package studio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/framelock/relay/internal/studio/clips"
)

// Studio plays one configuration, once.
type Studio struct {
	cfg      Config
	fps      int
	pictures *pictures
	tone     [][]byte
	first    uint64 // number of the first frame
	stats    counters

	mu     sync.Mutex
	paused bool
	ahead  time.Duration // how far the timestamps have jumped
}

// New checks the configuration and loads its clip. It starts nothing.
func New(c Config) (*Studio, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p, err := newPictures(c)
	if err != nil {
		return nil, err
	}
	s := &Studio{cfg: c, fps: c.fps(p.info), pictures: p, first: uint64(c.StartFrame)}
	for !p.keyAt(s.first) {
		s.first++
	}
	if c.Audio.To != "" {
		s.tone, err = clips.Tone()
	}
	return s, err
}

// Run plays a configuration until the context ends or its frames are sent.
func Run(ctx context.Context, c Config) error {
	s, err := New(c)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// SetPaused holds the studio's packets back, or lets it go on. Meanwhile frames
// are captured and numbered as before; they are neither sent nor logged. It goes
// on with the next keyframe of the clip. It may be called at any time.
func (s *Studio) SetPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
}

// Paused returns what was last set.
func (s *Studio) Paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// Jump moves the RTP timestamps of both tracks by d, from the next frame on, as an
// encoder does whose clock is set. What is captured, and when, stays as it is. It
// may be called at any time.
func (s *Studio) Jump(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// jumped returns by how much the timestamps of a clock of the given rate have
// jumped.
func (s *Studio) jumped(rate int) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint32(int64(s.ahead) * int64(rate) / int64(time.Second))
}

// Stats returns what was counted so far. It may be called at any time.
func (s *Studio) Stats() Stats { return s.stats.read() }

// Run plays until the context ends or the configured number of frames is
// through, and then returns nil; all that it started has ended by then. It fails
// if an address does not resolve or the log cannot be written, never because
// nobody listens. It may be called once.
func (s *Studio) Run(ctx context.Context) (err error) {
	var conns connections
	defer func() {
		err = errors.Join(err, conns.close())
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = nil // it ended before it had begun
		}
	}()
	r := &run{Studio: s}
	if r.video, err = s.outlet(ctx, s.cfg.Video, &conns); err != nil {
		return err
	}
	if s.tone != nil {
		if r.audio, err = s.outlet(ctx, s.cfg.Audio, &conns); err != nil {
			return err
		}
	}
	if err := writeLine(s.cfg.Log, s.header()); err != nil {
		return err
	}
	return r.play(ctx)
}

// outlet opens a track's connections and has them read for RTCP.
func (s *Studio) outlet(ctx context.Context, t Track, conns *connections) (*outlet, error) {
	dial := s.cfg.Dial
	if dial == nil {
		dial = dialUDP
	}
	rtp, err := dial(ctx, t.Local, t.To)
	if err != nil {
		return nil, fmt.Errorf("studio: %w", err)
	}
	conns.read(rtp, &s.stats)
	control := rtp
	if !s.cfg.RTCPMux {
		if control, err = dial(ctx, nextPort(t.Local), nextPort(t.To)); err != nil {
			return nil, fmt.Errorf("studio: RTCP: %w", err)
		}
		conns.read(control, &s.stats)
	}
	return newOutlet(t, s.cfg, rtp, control, &s.stats), nil
}

func dialUDP(ctx context.Context, local, to string) (net.Conn, error) {
	var d net.Dialer
	if local != "" {
		address, err := net.ResolveUDPAddr("udp", local)
		if err != nil {
			return nil, err
		}
		d.LocalAddr = address
	}
	return d.DialContext(ctx, "udp", to)
}

// nextPort is the address of the RTCP that belongs to an RTP address.
func nextPort(address string) string {
	host, _, err := net.SplitHostPort(address)
	port, ok := portOf(address)
	if err != nil || !ok || port == 0 {
		return address
	}
	return net.JoinHostPort(host, strconv.Itoa(port+1))
}

// connections are a run's open connections and the goroutines that read them.
type connections struct {
	open    []net.Conn
	readers sync.WaitGroup
}

// read counts the RTCP that comes back until the connection is closed.
func (c *connections) read(conn net.Conn, stats *counters) {
	c.open = append(c.open, conn)
	c.readers.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, err := conn.Read(buffer)
			if err == nil {
				stats.received(buffer[:n])
			} else if !errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
		}
	})
}

func (c *connections) close() error {
	var errs []error
	for _, conn := range c.open {
		errs = append(errs, conn.Close())
	}
	c.readers.Wait()
	return errors.Join(errs...)
}

// due is the moment of step n of a schedule of rate steps a second.
func due(start time.Time, n uint64, rate int) time.Time {
	r := uint64(rate)
	return start.Add(time.Duration(n/r)*time.Second + time.Duration(n%r*uint64(time.Second)/r))
}
