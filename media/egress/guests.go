package egress

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"

	"github.com/framelock/relay/media/packet"
)

// Limits of what comes for guests.
const (
	guestQueue     = 1024 // datagrams that wait for pion: some keyframes
	guestKept      = 64   // buffers
	guestAddresses = 16   // from which checks for one connection may come
)

// Guests is pion's way to the endpoint's port: an ice.UDPMux for PeerConnections that
// are no viewers', such as publishers. A check names a guest by its ufrag; then all
// that comes from the check's address, if it is no viewer's, is the guest's.
type Guests struct {
	*ice.UDPMuxDefault
	endpoint *Endpoint
	pool     *packet.Pool
	in       chan guestDatagram
	done     chan struct{}
	closed   sync.Once

	mu        sync.Mutex
	ufrags    map[string][]netip.AddrPort // with their addresses
	addresses map[netip.AddrPort]string   // with their ufrags
}

type guestDatagram struct {
	buffer *packet.Buffer
	from   netip.AddrPort
}

// Guests returns the endpoint's mux, for webrtc.SettingEngine.SetICEUDPMux. It ends
// with the endpoint.
func (e *Endpoint) Guests() *Guests {
	e.mu.Lock()
	defer e.mu.Unlock()
	if g := e.guests.Load(); g != nil {
		return g
	}
	g := &Guests{
		endpoint: e, pool: packet.NewPool(guestKept), in: make(chan guestDatagram, guestQueue), done: make(chan struct{}),
		ufrags: map[string][]netip.AddrPort{}, addresses: map[netip.AddrPort]string{},
	}
	g.UDPMuxDefault = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: guestConn{g}, Logger: e.logs.NewLogger("ice")})
	e.guests.Store(g)
	return g
}

// GetConn implements ice.UDPMux.
func (g *Guests) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	g.expect(ufrag)
	return g.UDPMuxDefault.GetConn(ufrag, addr)
}

// RemoveConnByUfrag implements ice.UDPMux.
func (g *Guests) RemoveConnByUfrag(ufrag string) {
	g.forget(ufrag)
	g.UDPMuxDefault.RemoveConnByUfrag(ufrag)
}

// expect makes a ufrag a guest's.
func (g *Guests) expect(ufrag string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.ufrags[ufrag]; !ok {
		g.ufrags[ufrag] = nil
	}
}

func (g *Guests) forget(ufrag string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.ufrags[ufrag] {
		delete(g.addresses, a)
	}
	delete(g.ufrags, ufrag)
}

// knows reports whether a datagram is a guest's: by the ufrag of a check, or else by
// its address.
func (g *Guests) knows(ufrag string, from netip.AddrPort) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner, known := g.addresses[from]
	if ufrag == "" {
		return known
	}
	all, ok := g.ufrags[ufrag]
	if !ok || known && owner != ufrag || !known && len(all) == guestAddresses {
		return false
	}
	if !known {
		g.ufrags[ufrag], g.addresses[from] = append(all, from), ufrag
	}
	return true
}

// guest hands over what is a guest's. A guest that is far behind loses it.
func (r *reader) guest(ufrag string, b []byte, from netip.AddrPort) bool {
	g := r.e.guests.Load()
	if g == nil || !g.knows(ufrag, from) {
		return false
	}
	d := guestDatagram{g.pool.Get(), from}
	d.buffer.Data = append(d.buffer.Memory()[:0], b...)
	select {
	case g.in <- d:
	default:
		d.buffer.Release()
		r.drop(DropGuest)
	}
	return true
}

// guestConn is the endpoint's port as pion's mux sees it.
type guestConn struct{ *Guests }

// ReadFrom implements net.PacketConn.
func (c guestConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		n := copy(b, d.buffer.Data)
		d.buffer.Release()
		return n, net.UDPAddrFromAddrPort(d.from), nil
	case <-c.done:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn.
func (c guestConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("the address %v is none of UDP", to)
	}
	ap := a.AddrPort()
	if err := c.endpoint.cfg.Conn.WriteTo(b, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())); err != nil {
		return 0, err
	}
	return len(b), nil
}

// LocalAddr implements net.PacketConn.
func (c guestConn) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(c.endpoint.cfg.Conn.LocalAddr())
}

// Close implements net.PacketConn. The port stays open: it is the endpoint's.
func (c guestConn) Close() error {
	c.closed.Do(func() { close(c.done) })
	return nil
}

// SetDeadline implements net.PacketConn. Only Close ends a read, and no write waits.
func (guestConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn, like SetDeadline.
func (guestConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn, like SetDeadline.
func (guestConn) SetWriteDeadline(time.Time) error { return nil }
