package udp

import (
	"net"
	"net/netip"
	"sync"
)

// Memory is a Conn without a socket: what Deliver is given comes out of
// ReadBatch, what WriteTo is given comes out of Sent.
type Memory struct {
	local  netip.AddrPort
	in     chan memoryDatagram
	sent   chan memoryDatagram
	closed chan struct{}
	once   sync.Once
}

type memoryDatagram struct {
	data []byte
	addr netip.AddrPort
}

// NewMemory returns a Memory that claims the given local address.
func NewMemory(local netip.AddrPort) *Memory {
	return &Memory{
		local: local, in: make(chan memoryDatagram, 1024), sent: make(chan memoryDatagram, 1024),
		closed: make(chan struct{}),
	}
}

// Deliver hands a copy of b to the reader, as if from had sent it.
func (m *Memory) Deliver(b []byte, from netip.AddrPort) {
	select {
	case m.in <- memoryDatagram{append([]byte(nil), b...), from}:
	case <-m.closed:
	}
}

// Sent returns the next datagram written and where to. After Close, ok is false.
func (m *Memory) Sent() (b []byte, to netip.AddrPort, ok bool) {
	select {
	case d := <-m.sent:
		return d.data, d.addr, true
	case <-m.closed:
		return nil, netip.AddrPort{}, false
	}
}

// ReadBatch implements Conn.
func (m *Memory) ReadBatch(batch []Datagram) (int, error) {
	select {
	case d := <-m.in:
		b := batch[0].Buffer
		b.Data = b.Memory()[:copy(b.Memory(), d.data)]
		if len(d.data) > len(b.Memory()) {
			b.Data = b.Data[:0]
		}
		batch[0].From = d.addr
		return 1, nil
	case <-m.closed:
		return 0, net.ErrClosed
	}
}

// WriteTo implements Conn.
func (m *Memory) WriteTo(b []byte, to netip.AddrPort) error {
	select {
	case m.sent <- memoryDatagram{append([]byte(nil), b...), to}:
		return nil
	case <-m.closed:
		return net.ErrClosed
	default:
		return nil // a full socket drops
	}
}

// NewWriter implements Conn.
func (m *Memory) NewWriter() (Writer, error) { return plainWriter{m.WriteTo}, nil }

// LocalAddr implements Conn.
func (m *Memory) LocalAddr() netip.AddrPort { return m.local }

// Close implements Conn.
func (m *Memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}
