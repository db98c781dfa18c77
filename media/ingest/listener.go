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
	Track forward.Track
	From  netip.AddrPort // where receiver reports and requests go
	SSRC  uint32
	NTP   time.Time
	RTP   uint32
	At    time.Time // when it came
	Bye   bool      // the source has left; NTP and RTP are not set
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
// mux is set or that port is taken by another track.
func Listen(track forward.Track, address string, mux bool, pool *packet.Pool, now func() time.Time) (*Listener, error) {
	rtp, err := udp.Listen(address)
	if err != nil {
		return nil, fmt.Errorf("RTP of track %s: %w", track, err)
	}
	var rtcp udp.Conn
	if !mux {
		local := rtp.LocalAddr()
		rtcp, err = udp.Listen(netip.AddrPortFrom(local.Addr(), local.Port()+1).String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("RTCP of track %s, the port after RTP's: %w", track, err), rtp.Close())
		}
	}
	return NewListener(track, rtp, rtcp, pool, now), nil
}

// NewListener returns a listener on sockets that are open already. It owns them.
// rtcp is nil if RTCP shares the RTP socket.
func NewListener(track forward.Track, rtp, rtcp udp.Conn, pool *packet.Pool, now func() time.Time) *Listener {
	return &Listener{track: track, rtp: rtp, rtcp: rtcp, pool: pool, now: now, free: make(chan *Batch, 16)}
}

// Address returns where the listener receives RTP.
func (l *Listener) Address() netip.AddrPort { return l.rtp.LocalAddr() }

// Dropped returns how many datagrams were no RTP, and how many were larger than
// a buffer.
func (l *Listener) Dropped() (malformed, oversize uint64) {
	return l.malformed.Load(), l.oversize.Load()
}

// Run receives until ctx ends, then closes the sockets.
func (l *Listener) Run(ctx context.Context, sink Sink) error {
	stop := context.AfterFunc(ctx, l.Close)
	defer stop()
	defer l.Close()
	var rtcp sync.WaitGroup
	if l.rtcp != nil {
		rtcp.Go(func() { l.readRTCP(sink) })
	}
	err := l.readRTP(sink)
	if ctx.Err() == nil {
		err = fmt.Errorf("RTP of track %s: %w", l.track, err)
	} else {
		err = nil
	}
	l.Close()
	rtcp.Wait()
	return err
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
		n, err := l.rtp.ReadBatch(in[:])
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			l.malformed.Add(1)
			continue
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
