package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/framelock/relay/media/packet"
)

// ledger is a Writer that writes down each call, and refuses when it is told to.
type ledger struct {
	calls [][]Run
	fail  error
}

func (l *ledger) WriteRuns(runs []Run) (int, error) {
	kept := make([]Run, len(runs))
	for i, r := range runs {
		kept[i] = Run{bytes.Clone(r.Data), r.Segment, r.To}
	}
	l.calls = append(l.calls, kept)
	if l.fail != nil {
		return len(runs), l.fail
	}
	return 0, nil
}

// text is the runs of all calls, as sizes.
func (l *ledger) text() (all []string) {
	for _, runs := range l.calls {
		for _, r := range runs {
			all = append(all, fmt.Sprintf("%d/%d to %d", len(r.Data), r.Segment, r.To.Port()))
		}
	}
	return all
}

var a1, a2 = netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.1:2")

func (q *Queue) put(size int, to netip.AddrPort, fill byte) {
	q.Add(append(q.Room(), bytes.Repeat([]byte{fill}, size)...), to)
}

func TestQueueMakesRuns(t *testing.T) {
	type datagram struct {
		size int
		to   netip.AddrPort
	}
	many := func(n, size int, to netip.AddrPort) (list []datagram) {
		for range n {
			list = append(list, datagram{size, to})
		}
		return list
	}
	for name, tt := range map[string]struct {
		in   []datagram
		want []string
	}{
		"equal ones":                  {many(3, 100, a1), []string{"300/100 to 1"}},
		"a shorter one ends the run":  {append(many(2, 100, a1), datagram{40, a1}, datagram{40, a1}), []string{"240/100 to 1", "40/40 to 1"}},
		"a longer one begins another": {append(many(2, 100, a1), datagram{101, a1}), []string{"200/100 to 1", "101/101 to 1"}},
		"another address":             {append(many(2, 100, a1), many(2, 100, a2)...), []string{"200/100 to 1", "200/100 to 2"}},
		"64 segments at most":         {many(65, 10, a1), []string{"640/10 to 1", "10/10 to 1"}},
		"as long as a datagram":       {many(50, 1500, a1), []string{"60000/1500 to 1", "15000/1500 to 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &ledger{}
			q := NewQueue(l)
			for _, d := range tt.in {
				q.put(d.size, d.to, 1)
			}
			if refused, err := q.Flush(); refused != 0 || err != nil {
				t.Error(refused, err)
			}
			if got := l.text(); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestQueueTellsWhatWasRefused(t *testing.T) {
	l := &ledger{fail: errors.New("no room")}
	q := NewQueue(l)
	for i := range 3 {
		q.put(100, []netip.AddrPort{a1, a2}[i%2], 1)
	}
	if refused, err := q.Flush(); refused != 3 || err != l.fail {
		t.Errorf("%d refused, %v", refused, err)
	}
	if refused, err := q.Flush(); refused != 0 || err != nil {
		t.Errorf("again: %d refused, %v", refused, err)
	}
}

// Whatever is queued comes out once, whole and in order.
func TestQueueLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &ledger{}
		q := NewQueue(l)
		var want, got []string
		for i := range rapid.IntRange(1, 600).Draw(t, "n") {
			size := rapid.SampledFrom([]int{1, 700, 700, 700, 1200, 1200, MaxDatagram}).Draw(t, "size")
			to := rapid.SampledFrom([]netip.AddrPort{a1, a1, a2}).Draw(t, "to")
			q.put(size, to, byte(i))
			want = append(want, fmt.Sprint(size, byte(i), to))
		}
		_, _ = q.Flush()
		for _, runs := range l.calls {
			if len(runs) > maxRuns {
				t.Fatalf("%d runs in one call", len(runs))
			}
			for _, r := range runs {
				for d := range slices.Chunk(r.Data, r.Segment) {
					if !bytes.Equal(d, bytes.Repeat(d[:1], len(d))) {
						t.Fatal("a datagram of several")
					}
					got = append(got, fmt.Sprint(len(d), d[0], r.To))
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %d datagrams, want %d", len(got), len(want))
		}
	})
}

// Through real sockets, with whatever the kernel offers for it.
func TestWritersSendRuns(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(address, func(t *testing.T) {
			c, err := Listen(address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			host := c.LocalAddr().Addr().Unmap()
			if host.IsUnspecified() {
				host = netip.MustParseAddr("127.0.0.1")
			}
			var peers [2]Conn
			for i := range peers {
				if peers[i], err = Listen(netip.AddrPortFrom(host, 0).String()); err != nil {
					t.Fatal(err)
				}
				defer peers[i].Close()
			}
			w, err := c.NewWriter()
			if err != nil {
				t.Fatal(err)
			}
			q := NewQueue(w)
			const rounds = 20
			for i := range rounds {
				for _, p := range peers {
					for _, size := range []int{1200, 1200, 1200, 300, 160} {
						q.put(size, p.LocalAddr(), byte(i))
					}
				}
			}
			if refused, err := q.Flush(); refused != 0 || err != nil {
				t.Fatal(refused, err)
			}
			pool := packet.NewPool(8)
			batch := []Datagram{{Buffer: pool.Get()}}
			for _, p := range peers {
				for i := range rounds {
					for _, size := range []int{1200, 1200, 1200, 300, 160} {
						if _, err := p.ReadBatch(batch); err != nil {
							t.Fatal(err)
						}
						if b := batch[0].Buffer.Data; len(b) != size || b[0] != byte(i) || batch[0].From.Port() != c.LocalAddr().Port() {
							t.Fatalf("round %d: %d bytes of %d from %v, want %d", i, len(b), b[0], batch[0].From, size)
						}
					}
				}
			}
		})
	}
}

func TestAWriterEndsWithItsSocket(t *testing.T) {
	c, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	port := c.LocalAddr().String()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if refused, err := w.WriteRuns([]Run{{Data: []byte("x"), Segment: 1, To: a1}}); refused != 1 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d refused, %v", refused, err)
	}
	if _, err := c.NewWriter(); err == nil {
		t.Error("a writer of a closed socket")
	}
	again, err := Listen(port) // the port is free
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestWritingAllocatesNothing(t *testing.T) {
	c, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	q, sink := NewQueue(w), c.LocalAddr()
	payload := make([]byte, 1200)
	if n := testing.AllocsPerRun(100, func() {
		for range 100 {
			q.Add(append(q.Room(), payload...), sink)
		}
		if _, err := q.Flush(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
