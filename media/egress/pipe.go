package egress

import (
	"net"
	"time"
)

// pipe is a session's own view of the endpoint's port, for DTLS. It leads to
// wherever the viewer is now.
type pipe struct{ t *Transport }

var _ net.PacketConn = (*pipe)(nil)

// viewerAddress stands for wherever the viewer is.
type viewerAddress struct{}

func (viewerAddress) Network() string { return "udp" }
func (viewerAddress) String() string  { return "viewer" }

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.t.inbox.Read(b)
	return n, viewerAddress{}, err
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	return len(b), p.t.endpoint.cfg.Conn.WriteTo(b, p.t.address())
}

// Close implements net.PacketConn.
func (p *pipe) Close() error { return p.t.inbox.Close() }

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(p.t.endpoint.cfg.Conn.LocalAddr())
}

// SetDeadline implements net.PacketConn. Writing does not wait.
func (p *pipe) SetDeadline(at time.Time) error { return p.SetReadDeadline(at) }

// SetReadDeadline implements net.PacketConn.
func (p *pipe) SetReadDeadline(at time.Time) error { return p.t.inbox.SetReadDeadline(at) }

// SetWriteDeadline implements net.PacketConn.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
