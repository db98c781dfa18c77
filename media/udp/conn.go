// Package udp is the socket at the edge of the packet path: datagrams come in
// batches, into buffers that the caller owns. Linux reads a batch with one
// system call; elsewhere a batch is one datagram. Memory is the twin for tests.
package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/framelock/relay/media/packet"
)

// Datagram is one slot of a batch. The caller sets Buffer; ReadBatch sets its
// Data and From.
type Datagram struct {
	Buffer *packet.Buffer
	From   netip.AddrPort // IPv4 addresses are never mapped into IPv6
}

// Conn is a datagram socket. One goroutine reads; any may write.
type Conn interface {
	// ReadBatch waits for at least one datagram and fills the first n slots. A
	// datagram that is longer than its buffer has length zero. After Close the
	// error is net.ErrClosed.
	ReadBatch(batch []Datagram) (n int, err error)
	WriteTo(b []byte, to netip.AddrPort) error
	// NewWriter returns a writer of runs, which works until the socket is closed.
	NewWriter() (Writer, error)
	LocalAddr() netip.AddrPort
	Close() error
}

// receiveBuffer is asked of the kernel: a few frames of the largest streams.
const receiveBuffer = 4 << 20

// Listen opens a socket on the given address, "host:port".
func Listen(address string) (Conn, error) {
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on UDP %q: %w", address, err)
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, err
	}
	if err := c.SetReadBuffer(receiveBuffer); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, errors.Join(err, c.Close())
	}
	return newConn(c)
}

// socket is what both variants share.
type socket struct{ *net.UDPConn }

func (s socket) WriteTo(b []byte, to netip.AddrPort) error {
	if local := s.LocalAddr(); local.Addr().Is6() && to.Addr().Is4() {
		to = netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
	}
	_, err := s.WriteToUDPAddrPort(b, to)
	return err
}

func (s socket) LocalAddr() netip.AddrPort {
	return s.UDPConn.LocalAddr().(*net.UDPAddr).AddrPort()
}
