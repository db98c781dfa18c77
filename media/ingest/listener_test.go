package ingest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	local  = netip.MustParseAddrPort("192.0.2.10:5004")
	studio = netip.MustParseAddrPort("192.0.2.1:4000")
	noon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// sink keeps what a Listener receives, in order.
type sink struct {
	t   testing.TB
	got chan any // received or SenderReport
}

// received is one packet, its buffer given back.
type received struct {
	Track    forward.Track
	From     netip.AddrPort
	At       time.Time
	Sequence uint16
	Payload  string
}

func newSink(t testing.TB) *sink { return &sink{t, make(chan any, 64)} }

func (s *sink) Media(b *Batch) {
	for _, p := range b.Packets {
		s.got <- received{b.Track, p.From, p.At, p.Header.Sequence, string(p.Header.Payload(p.Buffer.Data))}
		p.Buffer.Release()
	}
	b.Recycle()
}

func (s *sink) SenderReport(r SenderReport) { s.got <- r }

func (s *sink) next() any {
	s.t.Helper()
	select {
	case v := <-s.got:
		return v
	case <-time.After(patience):
		s.t.Fatal("nothing came")
		return nil
	}
}

// running is a Listener that runs until stop, which returns what Run returned.
func running(t testing.TB, l *Listener, s Sink) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx, s) }()
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			t.Fatal("Run does not end")
			return nil
		}
	}
}

// rtp is a packet with the given second byte: marker and payload type.
func rtp(second byte, seq uint16, payload string) []byte {
	b := append(packet.AppendHeader(nil, 0, seq, 1000, 0xCAFE), payload...)
	b[1] = second
	return b
}

func TestDemultiplexing(t *testing.T) {
	pool, m, s := packet.NewPool(64), udp.NewMemory(local), newSink(t)
	l := NewListener(forward.Audio, m, nil, pool, func() time.Time { return noon })
	if l.Address() != local {
		t.Errorf("address %v", l.Address())
	}
	stop := running(t, l, s)
	for _, b := range [][]byte{
		rtp(96, 1, "media"),
		rtp(224, 2, "marker and type 96"),
		rtp(191, 3, "marker and type 63"),
		rtp(192, 4, "of an RTCP type: not RTP"), // RFC 5761, section 4
		rtp(223, 5, "likewise"),
		sr(0xCAFE, 3155587200<<32|1<<31, 12345),
		append(sr(0xCAFE, 1<<63, 1), bye(1, 2)...),
		[]byte("garbage"), {0x80}, {},
		rtp(96, 6, ""),
	} {
		m.Deliver(b, studio)
	}
	media := func(seq uint16, payload string) received { return received{forward.Audio, studio, noon, seq, payload} }
	report := SenderReport{Track: forward.Audio, From: studio, At: noon}
	first, second, gone1, gone2 := report, report, report, report
	first.SSRC, first.RTP, first.NTP = 0xCAFE, 12345, time.Date(1999, 12, 31, 0, 0, 0, 500_000_000, time.UTC) // RFC 5905, figure 4
	second.SSRC, second.RTP, second.NTP = 0xCAFE, 1, time.Date(1968, 1, 20, 3, 14, 8, 0, time.UTC)            // RFC 4330, section 3
	gone1.SSRC, gone1.Bye, gone2.SSRC, gone2.Bye = 1, true, 2, true
	for _, want := range []any{
		media(1, "media"), media(2, "marker and type 96"), media(3, "marker and type 63"),
		first, second, gone1, gone2, media(6, ""),
	} {
		if diff := cmp.Diff(want, s.next(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("want then got\n%s", diff)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if malformed, oversize := l.Dropped(); malformed != 4 || oversize != 1 { // a datagram of nothing is of length 0, too
		t.Errorf("%d malformed, %d oversize", malformed, oversize)
	}
	if n := pool.Live(); n != 0 {
		t.Errorf("%d buffers were never released", n)
	}
}

func TestPortOfItsOwnForRTCP(t *testing.T) {
	pool, media, reports, s := packet.NewPool(64), udp.NewMemory(local), udp.NewMemory(netip.AddrPortFrom(local.Addr(), 5005)), newSink(t)
	l := NewListener(forward.Video, media, reports, pool, func() time.Time { return noon })
	stop := running(t, l, s)
	reports.Deliver(sr(7, 1<<63, 1), studio)
	if r, ok := s.next().(SenderReport); !ok || r.SSRC != 7 || r.From != studio || r.Track != forward.Video {
		t.Errorf("%+v", r)
	}
	reports.Deliver(rtp(96, 1, "media on the wrong port"), studio)
	reports.Deliver(nil, studio)
	reports.Deliver(bye(7), studio)
	if r, ok := s.next().(SenderReport); !ok || !r.Bye {
		t.Errorf("%+v", r)
	}
	if err := l.SendRTCP([]byte("to the studio"), studio); err != nil {
		t.Fatal(err)
	}
	if b, to, ok := reports.Sent(); !ok || string(b) != "to the studio" || to != studio {
		t.Errorf("%q to %v", b, to)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if malformed, oversize := l.Dropped(); malformed != 1 || oversize != 1 {
		t.Errorf("%d malformed, %d oversize", malformed, oversize)
	}
	if n := pool.Live(); n != 0 {
		t.Errorf("%d buffers were never released", n)
	}
}

func TestSharedPortForRTCP(t *testing.T) {
	m := udp.NewMemory(local)
	l := NewListener(forward.Video, m, nil, packet.NewPool(1), time.Now)
	if err := l.SendRTCP([]byte("x"), studio); err != nil {
		t.Fatal(err)
	}
	if b, to, ok := m.Sent(); !ok || string(b) != "x" || to != studio {
		t.Errorf("%q to %v", b, to)
	}
	l.Close()
	l.Close()
}

// Real sockets: one datagram each of media, reports and too much of it.
func TestLoopback(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, mux := range []bool{false, true} {
			pool, s := packet.NewPool(64), newSink(t)
			l, err := Listen(forward.Video, address, mux, pool, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			stop := running(t, l, s)
			peer := dial(t, l.Address())
			write(t, peer, make([]byte, packet.MaxSize+1))
			write(t, peer, rtp(96, 1, strings.Repeat("x", packet.MaxSize-12)))
			got, ok := s.next().(received)
			if !ok || len(got.Payload) != packet.MaxSize-12 || got.From != peer.LocalAddr().(*net.UDPAddr).AddrPort() {
				t.Errorf("%d bytes from %v", len(got.Payload), got.From)
			}
			to := l.Address()
			if !mux {
				to = netip.AddrPortFrom(to.Addr(), to.Port()+1)
			}
			reporter := dial(t, to)
			write(t, reporter, sr(7, 1<<63, 1))
			r, ok := s.next().(SenderReport)
			if !ok || r.From != reporter.LocalAddr().(*net.UDPAddr).AddrPort() {
				t.Errorf("%+v", r)
			}
			if err := l.SendRTCP([]byte("back"), r.From); err != nil {
				t.Error(err)
			}
			b := make([]byte, 16)
			if err := reporter.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if n, err := reporter.Read(b); err != nil || string(b[:n]) != "back" {
				t.Errorf("%q, %v", b[:n], err)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if malformed, oversize := l.Dropped(); malformed != 0 || oversize != 1 {
				t.Errorf("%d malformed, %d oversize", malformed, oversize)
			}
			if n := pool.Live(); n != 0 {
				t.Errorf("%d buffers were never released", n)
			}
		}
	}
}

func dial(t testing.TB, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t testing.TB, c *net.UDPConn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// What came before the end is handed on or released, but never lost.
func TestEndReleasesWhatIsUnderWay(t *testing.T) {
	pool, m := packet.NewPool(64), udp.NewMemory(local)
	for i := range uint16(100) {
		m.Deliver(rtp(96, i, "x"), studio)
	}
	s := newSink(t)
	stop := running(t, NewListener(forward.Video, m, nil, pool, time.Now), s)
	for range 10 {
		s.next()
	}
	done := make(chan error)
	go func() { done <- stop() }()
	for {
		select {
		case <-s.got:
			continue
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		}
		break
	}
	if n := pool.Live(); n != 0 {
		t.Errorf("%d buffers were never released", n)
	}
}

// failing is a socket that fails some times and then blocks until it is closed.
type failing struct {
	*udp.Memory
	times int
}

func (f *failing) ReadBatch(b []udp.Datagram) (int, error) {
	if f.times > 0 {
		f.times--
		return 0, syscall.ENOBUFS
	}
	return f.Memory.ReadBatch(b)
}

func TestSocketsThatFail(t *testing.T) {
	for _, tt := range []struct {
		name      string
		rtp, rtcp int // failures
		ends      bool
	}{
		{"for a while", maxFailures - 1, maxFailures - 1, false},
		{"RTP for good", 1 << 30, 0, true},
		{"RTCP for good", 0, 1 << 30, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pool, s := packet.NewPool(64), newSink(t)
			media, reports := &failing{udp.NewMemory(local), tt.rtp}, &failing{udp.NewMemory(local), tt.rtcp}
			l := NewListener(forward.Video, media, reports, pool, time.Now)
			if tt.ends {
				if err := l.Run(t.Context(), s); !errors.Is(err, syscall.ENOBUFS) || !strings.Contains(err.Error(), "track v0") {
					t.Errorf("%v", err)
				}
			} else {
				stop := running(t, l, s)
				media.Deliver(rtp(96, 1, "x"), studio)
				s.next()
				reports.Deliver(sr(7, 1<<63, 1), studio)
				s.next()
				if err := stop(); err != nil {
					t.Error(err)
				}
			}
			if n := pool.Live(); n != 0 {
				t.Errorf("%d buffers were never released", n)
			}
		})
	}
}

func TestClosedByItsOwner(t *testing.T) {
	l := NewListener(forward.Video, udp.NewMemory(local), udp.NewMemory(local), packet.NewPool(64), time.Now)
	l.Close()
	if err := l.Run(t.Context(), newSink(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want net.ErrClosed", err)
	}
}

func TestBatchesAreUsedAgain(t *testing.T) {
	l := NewListener(forward.Audio, udp.NewMemory(local), nil, packet.NewPool(64), time.Now)
	a, b := l.batch(), l.batch()
	if a == b || a.Track != forward.Audio || cap(a.Packets) < readBatch {
		t.Fatalf("%+v and %+v", a, b)
	}
	a.Packets = append(a.Packets, Received{})
	a.Recycle()
	if again := l.batch(); again != a || len(again.Packets) != 0 {
		t.Errorf("%+v", again)
	}
	for range 2 * cap(l.free) { // more than there is room for
		(&Batch{home: l.free}).Recycle()
	}
}

// signal is a sink that gives everything back at once.
type signal chan int

func (s signal) Media(b *Batch) {
	n := len(b.Packets)
	for i := range b.Packets {
		b.Packets[i].Buffer.Release()
	}
	b.Recycle()
	s <- n
}

func (s signal) SenderReport(SenderReport) { s <- 0 }

func TestReceivingAllocatesNothing(t *testing.T) {
	s := make(signal, 64)
	l, err := Listen(forward.Video, "127.0.0.1:0", true, packet.NewPool(2*readBatch), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	stop := running(t, l, s)
	peer := dial(t, l.Address())
	media, report := rtp(96, 1, "media"), sr(7, 1<<63, 1)
	round := func() {
		for range 8 {
			write(t, peer, media)
		}
		for n := 0; n < 8; {
			n += <-s
		}
		write(t, peer, report)
		<-s
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations for 8 packets and a report", n)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
