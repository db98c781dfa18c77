//go:build !linux

package udp

import (
	"net"
	"net/netip"
)

type conn struct{ socket }

func newConn(c *net.UDPConn) (Conn, error) { return conn{socket{c}}, nil }

// NewWriter implements Conn.
func (c conn) NewWriter() (Writer, error) { return plainWriter{c.WriteTo}, nil }

func (c conn) ReadBatch(batch []Datagram) (int, error) {
	b := batch[0].Buffer
	n, from, err := c.ReadFromUDPAddrPort(b.Memory())
	if err != nil {
		return 0, err
	}
	b.Data = b.Memory()[:n]
	batch[0].From = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	return 1, nil
}
