package impair

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits of a Proxy.
const (
	maxClients  = 1024    // client addresses; datagrams of more are dropped
	maxWaiting  = 1 << 16 // datagrams that are under way; more are dropped
	socketSpace = 4 << 20 // bytes asked of the kernel for each socket's buffer
	headers     = 20 + 8  // bytes of IPv4 and UDP that a link carries besides
)

// Direction is what happens to a client's datagrams one way. The changes are
// counted from the client's first datagram.
type Direction struct {
	Path
	Changes []Change
}

// Config says what a Proxy does.
type Config struct {
	Server netip.AddrPort // whom the clients want to reach
	Listen netip.AddrPort // zero: a free port of 127.0.0.1
	Seed   uint64
	Up     Direction // from the clients to the server
	Down   Direction
	// RebindEvery, if not 0, is how often every client comes from a new port.
	RebindEvery time.Duration
}

// Proxy stands between clients and one server like a NAT with a bad line: each
// client address has a socket of its own towards the server, and a Link each way.
// It changes no byte; who wants traffic to go through it announces Addr in place of
// the server's address.
type Proxy struct {
	cfg   Config
	front *net.UDPConn
	wake  chan struct{} // holds one: something is due earlier than before

	mu      sync.Mutex // guards what follows
	clients map[netip.AddrPort]*client
	list    []*client // in order of their first datagram
	waiting parcels
	refused uint64 // datagrams beyond the limits
	stopped bool
	readers sync.WaitGroup
}

// client is who sends from one address.
type client struct {
	addr     netip.AddrPort
	up, down *Link
	back     *net.UDPConn // towards the server; a rebinding replaces it
}

// Listen opens the clients' side. Run makes it work, and closes it.
func Listen(c Config) (*Proxy, error) {
	if !c.Listen.IsValid() {
		c.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	now := time.Now()
	NewLink(c.Seed, now, c.Up.Path, c.Up.Changes...) // a mistake shows here, not with the first client
	NewLink(c.Seed, now, c.Down.Path, c.Down.Changes...)
	front, err := open(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("impair: %w", err)
	}
	return &Proxy{cfg: c, front: front, wake: make(chan struct{}, 1), clients: map[netip.AddrPort]*client{}}, nil
}

func open(addr netip.AddrPort) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	// The kernel may give less; what it then drops is missing from the counts.
	_, _ = conn.SetReadBuffer(socketSpace), conn.SetWriteBuffer(socketSpace)
	return conn, nil
}

// Addr is where the clients send to.
func (p *Proxy) Addr() netip.AddrPort { return local(p.front) }

func local(conn *net.UDPConn) netip.AddrPort {
	a := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Run carries datagrams until ctx ends. When it returns, the sockets are closed
// and no goroutine is left.
func (p *Proxy) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	loops.Go(func() { p.deliver(ctx) })
	if p.cfg.RebindEvery > 0 {
		loops.Go(func() { p.rebindEvery(ctx) })
	}
	var failed error
	loops.Go(func() {
		defer cancel()
		failed = p.readClients()
	})
	<-ctx.Done()
	cancel()
	p.close()
	loops.Wait()
	p.readers.Wait()
	return failed
}

func (p *Proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	_ = p.front.Close()
	for _, c := range p.list {
		_ = c.back.Close()
	}
}

// readClients takes what clients send, until the socket is closed.
func (p *Proxy) readClients() error {
	b := make([]byte, 1<<16)
	for {
		n, from, err := p.front.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("impair: %w", err)
		}
		if err := p.fromClient(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), b[:n]); err != nil {
			return err
		}
	}
}

func (p *Proxy) fromClient(from netip.AddrPort, b []byte) error {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[from]
	if c == nil {
		if p.stopped || len(p.list) == maxClients {
			p.refused++
			return nil
		}
		c = &client{addr: from}
		if err := p.bind(c); err != nil {
			return err
		}
		seed := p.cfg.Seed + uint64(len(p.list))<<1
		c.up = NewLink(seed, now, p.cfg.Up.Path, p.cfg.Up.Changes...)
		c.down = NewLink(seed+1, now, p.cfg.Down.Path, p.cfg.Down.Changes...)
		p.clients[from], p.list = c, append(p.list, c)
	}
	p.send(c, true, b, now)
	return nil
}

// bind gives a client a socket towards the server and reads from it. The caller
// holds mu, and has seen that the proxy has not stopped.
func (p *Proxy) bind(c *client) error {
	// An unconnected socket: a server that is not there yet is no error.
	conn, err := open(netip.AddrPortFrom(p.cfg.Listen.Addr(), 0))
	if err != nil {
		return fmt.Errorf("impair: %w", err)
	}
	c.back = conn
	p.readers.Go(func() { p.readServer(c, conn) })
	return nil
}

// readServer takes what the server sends to one of a client's ports, until that is
// closed.
func (p *Proxy) readServer(c *client, conn *net.UDPConn) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != p.cfg.Server {
			continue
		}
		p.mu.Lock()
		p.send(c, false, b[:n], time.Now())
		p.mu.Unlock()
	}
}

// Rebind gives every client a new port towards the server, as a NAT does that has
// forgotten them. What the server still sends to the old ones is lost.
func (p *Proxy) Rebind() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.list {
		if p.stopped {
			return nil
		}
		old := c.back
		if err := p.bind(c); err != nil {
			return err
		}
		_ = old.Close()
	}
	return nil
}

func (p *Proxy) rebindEvery(ctx context.Context) {
	every := time.NewTicker(p.cfg.RebindEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			_ = p.Rebind() // out of ports: the clients keep those they have
		case <-ctx.Done():
			return
		}
	}
}

// Change replaces the paths of every client, and of those to come, from now on.
// Changes of the Config that are still to come do come.
func (p *Proxy) Change(up, down Path) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfg.Up.Path, p.cfg.Down.Path = up, down
	for _, c := range p.list {
		c.up.Change(up, now)
		c.down.Change(down, now)
	}
}

// Counts returns what has become of all clients' datagrams, each way. A datagram
// counts when it comes, also if it is still under way.
func (p *Proxy) Counts() (up, down Counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.list {
		up.add(c.up.Counts())
		down.add(c.down.Counts())
	}
	return up, down
}

// Bytes returns how many bytes all clients' datagrams had that came, each way, with
// the headers of IP and UDP.
func (p *Proxy) Bytes() (up, down uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.list {
		up += c.up.Bytes()
		down += c.down.Bytes()
	}
	return up, down
}

// Refused returns how many datagrams were dropped because there were too many
// clients or too many datagrams under way: a test of more than 0 proves nothing.
func (p *Proxy) Refused() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

func (c *Counts) add(d Counts) {
	c.Sent += d.Sent
	c.Delivered += d.Delivered
	c.Lost += d.Lost
	c.Overflowed += d.Overflowed
	c.Duplicated += d.Duplicated
	c.Reordered += d.Reordered
}
