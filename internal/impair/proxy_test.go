package impair

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; on a good day it is
// there at once.
const patience = 20 * time.Second

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// run starts a proxy and stops it at the end of the test.
func run(t *testing.T, c Config) *Proxy {
	t.Helper()
	p, err := Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := p.Refused(); n != 0 {
			t.Errorf("%d datagrams beyond the proxy's limits", n)
		}
	})
	return p
}

// echo is a server that sends back what it gets and knows from where it came.
type echo struct {
	conn  *net.UDPConn
	mu    sync.Mutex
	ports []uint16 // in order of their first datagram
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	e := &echo{conn: socket(t)}
	var reader sync.WaitGroup
	reader.Go(func() {
		b := make([]byte, 2000)
		for {
			n, from, err := e.conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			e.mu.Lock()
			if !slices.Contains(e.ports, from.Port()) {
				e.ports = append(e.ports, from.Port())
			}
			e.mu.Unlock()
			_, _ = e.conn.WriteToUDPAddrPort(b[:n], from)
		}
	})
	t.Cleanup(func() {
		_ = e.conn.Close()
		reader.Wait()
	})
	return e
}

func (e *echo) seen() []uint16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ports)
}

func socket(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask sends a number and waits for it to come back.
func ask(t *testing.T, conn *net.UDPConn, to netip.AddrPort, number uint32) {
	t.Helper()
	send(t, conn, to, number)
	for {
		if got, from := receive(t, conn); from != to {
			t.Fatalf("an answer from %v, want %v", from, to)
		} else if got == number {
			return
		}
	}
}

func send(t *testing.T, conn *net.UDPConn, to netip.AddrPort, number uint32) {
	t.Helper()
	if _, err := conn.WriteToUDPAddrPort(binary.BigEndian.AppendUint32(nil, number), to); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn *net.UDPConn) (uint32, netip.AddrPort) {
	t.Helper()
	b := make([]byte, 2000)
	n, from, err := conn.ReadFromUDPAddrPort(b)
	if err != nil || n != 4 {
		t.Fatalf("%d bytes: %v", n, err)
	}
	return binary.BigEndian.Uint32(b), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

func TestEveryClientHasAPortOfItsOwn(t *testing.T) {
	e := newEcho(t)
	p := run(t, Config{Server: local(e.conn)})
	const clients = 5
	for i := range uint32(clients) {
		conn := socket(t)
		ask(t, conn, p.Addr(), i)
		ask(t, conn, p.Addr(), 100+i)
	}
	if ports := e.seen(); len(ports) != clients {
		t.Errorf("the server has seen ports %v, want %d", ports, clients)
	}
	want := Counts{Sent: 2 * clients, Delivered: 2 * clients}
	if up, down := p.Counts(); up != want || down != want {
		t.Errorf("up %+v, down %+v, want %+v", up, down, want)
	}
	const bytes = 2 * clients * (4 + headers)
	if up, down := p.Bytes(); up != bytes || down != bytes {
		t.Errorf("%d and %d bytes, want %d", up, down, bytes)
	}
}

// Each direction has a link of its own, and what is lost is what its seed says.
func TestProxyImpairsEachWay(t *testing.T) {
	const n = 100 // few enough for the buffer of a socket that nobody reads yet
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			e := newEcho(t)
			up := Direction{Path: Path{Loss: 0.3, Delay: ms(1)}}
			down := Direction{Path: Path{Duplicate: 0.2, Jitter: ms(1)}}
			p := run(t, Config{Server: local(e.conn), Seed: seed, Up: up, Down: down})
			var want []uint32
			expected := NewLink(seed, epoch, up.Path)
			conn := socket(t)
			for i := range uint32(n) {
				send(t, conn, p.Addr(), i)
				if expected.Send(4+headers, epoch) != nil {
					want = append(want, i)
				}
			}
			copies := make(map[uint32]int)
			var got []uint32
			// The last arrives last: nothing here changes the order.
			for len(got) == 0 || got[len(got)-1] != want[len(want)-1] {
				i, _ := receive(t, conn)
				if copies[i]++; copies[i] == 1 {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			counted, back := p.Counts()
			if counted != (Counts{Sent: n, Delivered: uint64(len(want)), Lost: uint64(n - len(want))}) {
				t.Errorf("up: %+v", counted)
			}
			if back.Delivered != uint64(len(want)) || back.Lost != 0 || back.Duplicated == 0 {
				t.Errorf("down: %+v", back)
			}
		})
	}
}

func TestChange(t *testing.T) {
	e := newEcho(t)
	p := run(t, Config{Server: local(e.conn), Down: Direction{Path: Path{Loss: 1}}})
	conn := socket(t)
	send(t, conn, p.Addr(), 1)
	deadline := time.Now().Add(patience)
	for {
		if _, down := p.Counts(); down.Lost == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the answer was not lost")
		}
	}
	p.Change(Path{}, Path{})
	ask(t, conn, p.Addr(), 2)
}

func TestRebind(t *testing.T) {
	e := newEcho(t)
	p := run(t, Config{Server: local(e.conn)})
	first, second := socket(t), socket(t)
	for i := range uint32(3) {
		ask(t, first, p.Addr(), i)
		ask(t, second, p.Addr(), i)
		if err := p.Rebind(); err != nil {
			t.Fatal(err)
		}
	}
	if ports := e.seen(); len(ports) != 6 {
		t.Errorf("the server has seen ports %v, want 6 of them", ports)
	}
}

func TestRebindEvery(t *testing.T) {
	e := newEcho(t)
	p := run(t, Config{Server: local(e.conn), RebindEvery: time.Millisecond})
	conn := socket(t)
	deadline := time.Now().Add(patience)
	for i := uint32(0); len(e.seen()) < 3; i++ {
		if time.Now().After(deadline) {
			t.Fatalf("the server has seen ports %v only", e.seen())
		}
		send(t, conn, p.Addr(), i) // an answer to an old port is lost
	}
}

// A client is only answered by the server: a NAT lets nobody else in.
func TestStrangersAreNotHeard(t *testing.T) {
	e := newEcho(t)
	p := run(t, Config{Server: local(e.conn)})
	conn := socket(t)
	ask(t, conn, p.Addr(), 1)
	stranger := netip.AddrPortFrom(loopback.Addr(), e.seen()[0])
	send(t, socket(t), stranger, 666)
	send(t, conn, p.Addr(), 2)
	if got, _ := receive(t, conn); got != 2 {
		t.Errorf("%d came in", got)
	}
}

// A proxy that ends in the middle of traffic leaves no goroutine behind, whatever
// is still under way; TestMain looks.
func TestRunEndsInTheMiddle(t *testing.T) {
	e := newEcho(t)
	p, err := Listen(Config{Server: local(e.conn), Up: Direction{Path: Path{Delay: time.Hour}}, RebindEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	conn := socket(t)
	deadline := time.Now().Add(patience)
	for {
		send(t, conn, p.Addr(), 1)
		if up, _ := p.Counts(); up.Delivered > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing came through")
		}
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Run does not end")
	}
	if err := p.Rebind(); err != nil {
		t.Error(err)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	taken := socket(t)
	if _, err := Listen(Config{Listen: local(taken)}); err == nil {
		t.Error("an address that is taken was opened")
	}
}
