package udp

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/framelock/relay/media/packet"
)

func TestReadsWhatASocketSent(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			c, err := Listen(address)
			if err != nil {
				t.Fatal(err)
			}
			peer, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(c.LocalAddr()))
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			pool := packet.NewPool(8)
			batch := []Datagram{{Buffer: pool.Get()}, {Buffer: pool.Get()}, {Buffer: pool.Get()}}
			sent := [][]byte{[]byte("one"), []byte("two"), make([]byte, packet.MaxSize+1)}
			for _, b := range sent {
				if _, err := peer.Write(b); err != nil {
					t.Fatal(err)
				}
			}
			for i := 0; i < len(sent); {
				n, err := c.ReadBatch(batch)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range batch[:n] {
					want := sent[i]
					if len(want) > packet.MaxSize {
						want = nil
					}
					if string(d.Buffer.Data) != string(want) {
						t.Errorf("datagram %d: %q, want %q", i, d.Buffer.Data, want)
					}
					if d.From != peer.LocalAddr().(*net.UDPAddr).AddrPort() {
						t.Errorf("datagram %d from %v, want %v", i, d.From, peer.LocalAddr())
					}
					i++
				}
			}
			if err := c.WriteTo([]byte("back"), batch[0].From); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 16)
			if n, err := peer.Read(b); err != nil || string(b[:n]) != "back" {
				t.Errorf("peer read %q, %v", b[:n], err)
			}
			done := make(chan error)
			go func() { _, err := c.ReadBatch(batch); done <- err }()
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v, want net.ErrClosed", err)
			}
		})
	}
}

func TestReadBatchAllocatesNothing(t *testing.T) {
	c, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pool := packet.NewPool(8)
	batch := []Datagram{{Buffer: pool.Get()}, {Buffer: pool.Get()}}
	to, datagram := c.LocalAddr(), []byte("x")
	allocs := testing.AllocsPerRun(200, func() {
		if err := c.WriteTo(datagram, to); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadBatch(batch); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per read, want 0", allocs)
	}
}

func TestMemoryIsAConn(t *testing.T) {
	m := NewMemory(netip.MustParseAddrPort("192.0.2.1:5004"))
	from := netip.MustParseAddrPort("192.0.2.2:4000")
	m.Deliver([]byte("in"), from)
	batch := []Datagram{{Buffer: packet.NewPool(1).Get()}}
	if n, err := m.ReadBatch(batch); n != 1 || err != nil || string(batch[0].Buffer.Data) != "in" || batch[0].From != from {
		t.Errorf("read %d %v %q from %v", n, err, batch[0].Buffer.Data, batch[0].From)
	}
	if err := m.WriteTo([]byte("out"), from); err != nil {
		t.Fatal(err)
	}
	if b, to, ok := m.Sent(); string(b) != "out" || to != from || !ok {
		t.Errorf("sent %q to %v", b, to)
	}
	m.Close()
	if _, err := m.ReadBatch(batch); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
