// Package ingest receives a studio's media. Plain RTP over UDP comes in through
// a Listener for each track; whatever the way in, a stream sees the same batches
// of packets and sender reports.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// Received is one RTP packet from a studio.
type Received struct {
	forward.Arrival
	From netip.AddrPort
}

// Batch is what one read of a socket brought. Whoever gets it calls Recycle when
// done; the buffers in it are the receiver's to release.
type Batch struct {
	Track   forward.Track
	Packets []Received
	home    chan *Batch
}

// Recycle gives the batch back for the next read.
func (b *Batch) Recycle() {
	b.Packets = b.Packets[:0]
	select {
	case b.home <- b:
	default:
	}
}

// SenderReport is what a studio says of a track's clock (RFC 3550, section
// 6.4.1), or that it leaves.
type SenderReport struct {
	Origin forward.Origin // set by who hands it on, if there is more than one
	Track  forward.Track
	From   netip.AddrPort // where receiver reports and requests go
	SSRC   uint32
	NTP    time.Time
	RTP    uint32
	At     time.Time // when it came
	Bye    bool      // the source has left; NTP and RTP are not set
}

// Sink takes what a Listener receives. Its methods may block for a while: what
// comes meanwhile waits in the socket.
type Sink interface {
	Media(*Batch)
	SenderReport(SenderReport)
}

// Listener receives one track as plain RTP over UDP.
type Listener struct {
	track forward.Track
	rtp   udp.Conn
	rtcp  udp.Conn // nil if RTCP shares the RTP port (RFC 5761)
	pool  *packet.Pool
	now   func() time.Time
	free  chan *Batch

	malformed atomic.Uint64
	oversize  atomic.Uint64
}

// readBatch is how many datagrams a Listener asks for at once.
const readBatch = 32

// Listen opens a track's sockets: RTP on address, RTCP on the next port unless
// mux is set. For port 0 it chooses a port whose next one is free as well.
func Listen(track forward.Track, address string, mux bool, pool *packet.Pool, now func() time.Time) (*Listener, error) {
	rtp, rtcp, err := listenPair(udp.Listen, address, mux)
	if err != nil {
		return nil, fmt.Errorf("track %s: %w", track, err)
	}
	return NewListener(track, rtp, rtcp, pool, now), nil
}

// portTries is how many ports are tried for port 0 until the next one is free.
const portTries = 16

func listenPair(listen func(string) (udp.Conn, error), address string, mux bool) (rtp, rtcp udp.Conn, err error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("RTP: %w", err)
	}
	tries := 1
	if port == "" || port == "0" {
		tries = portTries
	}
	for range tries {
		if rtp, err = listen(address); err != nil {
			return nil, nil, fmt.Errorf("RTP: %w", err)
		}
		if mux {
			return rtp, nil, nil
		}
		if rtcp, err = listenAfter(listen, rtp.LocalAddr()); err == nil {
			return rtp, rtcp, nil
		}
		err = errors.Join(fmt.Errorf("RTCP, the port after RTP's: %w", err), rtp.Close())
	}
	return nil, nil, err
}

// listenAfter opens the port after another.
func listenAfter(listen func(string) (udp.Conn, error), rtp netip.AddrPort) (udp.Conn, error) {
	if rtp.Port() == 65535 {
		return nil, errors.New("there is none after 65535")
	}
	return listen(netip.AddrPortFrom(rtp.Addr(), rtp.Port()+1).String())
}

// NewListener returns a listener on sockets that are open already. It owns them.
// rtcp is nil if RTCP shares the RTP socket.
func NewListener(track forward.Track, rtp, rtcp udp.Conn, pool *packet.Pool, now func() time.Time) *Listener {
	return &Listener{track: track, rtp: rtp, rtcp: rtcp, pool: pool, now: now, free: make(chan *Batch, 16)}
}

// Address returns where the listener receives RTP.
func (l *Listener) Address() netip.AddrPort { return l.rtp.LocalAddr() }

// Track returns the track that the listener receives.
func (l *Listener) Track() forward.Track { return l.track }

// Dropped returns how many datagrams were no RTP, and how many were larger than
// a buffer.
func (l *Listener) Dropped() (malformed, oversize uint64) {
	return l.malformed.Load(), l.oversize.Load()
}

// Run receives until ctx ends, then closes the sockets. It ends earlier, with an
// error, if a socket fails for good.
func (l *Listener) Run(ctx context.Context, sink Sink) error {
	stop := context.AfterFunc(ctx, l.Close)
	defer stop()
	var reports sync.WaitGroup
	var failed error // of the RTCP socket
	if l.rtcp != nil {
		reports.Go(func() {
			failed = l.readRTCP(sink)
			l.Close()
		})
	}
	err := l.readRTP(sink)
	l.Close()
	reports.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("track %s: %w", l.track, errors.Join(err, failed))
}

// SendRTCP sends a compound RTCP packet to the studio.
func (l *Listener) SendRTCP(b []byte, to netip.AddrPort) error {
	if l.rtcp != nil {
		return l.rtcp.WriteTo(b, to)
	}
	return l.rtp.WriteTo(b, to)
}

// Close closes the sockets, and Run returns. Closing twice is harmless.
func (l *Listener) Close() {
	_ = l.rtp.Close()
	if l.rtcp != nil {
		_ = l.rtcp.Close()
	}
}

func (l *Listener) readRTP(sink Sink) error {
	var in [readBatch]udp.Datagram
	for i := range in {
		in[i].Buffer = l.pool.Get()
	}
	defer func() {
		for i := range in {
			in[i].Buffer.Release()
		}
	}()
	for {
		n, err := read(l.rtp, in[:])
		if err != nil {
			return fmt.Errorf("RTP: %w", err)
		}
		now := l.now()
		out := l.batch()
		for i := range n {
			l.sort(&in[i], now, out, sink)
		}
		if len(out.Packets) == 0 {
			out.Recycle()
			continue
		}
		sink.Media(out)
	}
}

// maxFailures is how often in a row a socket may fail to read: an error that
// passes is passed over, one that stays ends the listener.
const maxFailures = 100

func read(c udp.Conn, in []udp.Datagram) (n int, err error) {
	for range maxFailures {
		if n, err = c.ReadBatch(in); err == nil || errors.Is(err, net.ErrClosed) {
			return n, err
		}
	}
	return 0, err
}

// sort puts a datagram into the batch, with its buffer, or reads it as RTCP.
func (l *Listener) sort(d *udp.Datagram, now time.Time, out *Batch, sink Sink) {
	b := d.Buffer.Data
	switch {
	case len(b) == 0:
		l.oversize.Add(1)
		return
	case len(b) >= 2 && b[1] >= 192 && b[1] <= 223: // RFC 5761, section 4
		l.reportsIn(b, d.From, now, sink)
		return
	}
	h, err := packet.Parse(b)
	if err != nil {
		l.malformed.Add(1)
		return
	}
	out.Packets = append(out.Packets, Received{forward.Arrival{Buffer: d.Buffer, Header: h, At: now}, d.From})
	d.Buffer = l.pool.Get()
}

func (l *Listener) batch() *Batch {
	select {
	case b := <-l.free:
		return b
	default:
		return &Batch{Track: l.track, Packets: make([]Received, 0, readBatch), home: l.free}
	}
}
