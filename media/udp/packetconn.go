package udp

import (
	"net"
	"net/netip"
)

// FromPacketConn makes a Conn of any UDP socket, with one system call for each
// datagram.
func FromPacketConn(c net.PacketConn) Conn { return packetConn{c} }

type packetConn struct{ net.PacketConn }

func (c packetConn) ReadBatch(batch []Datagram) (int, error) {
	b := batch[0].Buffer
	n, from, err := c.ReadFrom(b.Memory())
	if err != nil {
		return 0, err
	}
	b.Data = b.Memory()[:n]
	batch[0].From = unmapped(from)
	return 1, nil
}

func (c packetConn) WriteTo(b []byte, to netip.AddrPort) error {
	_, err := c.PacketConn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}

func (c packetConn) NewWriter() (Writer, error) { return plainWriter{c.WriteTo}, nil }

func (c packetConn) LocalAddr() netip.AddrPort { return unmapped(c.PacketConn.LocalAddr()) }

func unmapped(a net.Addr) netip.AddrPort {
	ap := a.(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
