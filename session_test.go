package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v4/vnet"
	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/internal/watch"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// network is a wide-area network between the relay and one viewer, in virtual
// time: delay and seeded loss each way.
type network struct {
	router        *vnet.Router
	relay, viewer *vnet.Net
}

func newNetwork(t *testing.T, delay time.Duration, loss float64) *network {
	t.Helper()
	router, err := vnet.NewRouter(&vnet.RouterConfig{
		CIDR: "192.0.2.0/24", MinDelay: delay, QueueSize: 1 << 16,
		LoggerFactory: logging.NewDefaultLoggerFactory(),
	})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	router.AddChunkFilter(func(vnet.Chunk) bool { return random.Float64() >= loss })
	n := &network{router: router}
	for i, side := range []**vnet.Net{&n.relay, &n.viewer} {
		*side, err = vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{fmt.Sprintf("192.0.2.%d", i+1)}})
		if err == nil {
			err = router.AddNet(*side)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// reordering is a socket whose every fiftieth datagram takes 7 ms longer.
type reordering struct {
	net.PacketConn
	n atomic.Int64
}

func (r *reordering) WriteTo(b []byte, to net.Addr) (int, error) {
	if r.n.Add(1)%50 != 0 {
		return r.PacketConn.WriteTo(b, to)
	}
	b = bytes.Clone(b)
	time.AfterFunc(7*time.Millisecond, func() { _, _ = r.PacketConn.WriteTo(b, to) })
	return len(b), nil
}

// roundTripper calls a handler without a socket.
type roundTripper struct{ h http.Handler }

func (rt roundTripper) RoundTrip(q *http.Request) (*http.Response, error) {
	w := &response{header: http.Header{}, status: http.StatusOK}
	if q.Body == nil {
		q.Body = http.NoBody
	}
	q.RemoteAddr = "192.0.2.2:40000"
	rt.h.ServeHTTP(w, q)
	return &http.Response{
		StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: q, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

type response struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(status int)      { r.status = status }
func (r *response) Write(b []byte) (int, error) { return r.body.Write(b) }

// A whole session, from the studio's RTP to a viewer that checks everything, over
// a network that loses 5% of the packets, takes 40 ms each way and reorders.
func TestSessionOverABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wan := newNetwork(t, 40*time.Millisecond, 0.05)
		cfg := DefaultConfig()
		cfg.HTTP.Listen, cfg.Admin.Listen, cfg.Auth.Insecure = "", "", true
		s := DefaultStream()
		video := DefaultVideo()
		video.Codec = "h264"
		s.RTP.Video = &video
		cfg.Streams["wheel"] = s
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		socket := udp.NewMemory(netip.MustParseAddrPort("192.0.2.9:5004"))
		r.listenMedia = func(string) (udp.Conn, error) {
			conn, err := wan.relay.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7882})
			return udp.FromPacketConn(&reordering{PacketConn: conn}), err
		}
		r.listenRTP = func(track forward.Track, _ string, _ bool, pool *packet.Pool, now func() time.Time) (*ingest.Listener, error) {
			return ingest.NewListener(track, socket, nil, pool, now), nil
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		<-r.Ready()
		studio := make(chan struct{})
		go func() { defer close(studio); runTestStudio(ctx, socket) }()
		stream, _ := r.Stream("wheel")
		marked := make(chan int)
		go func() { marked <- markEverySoOften(ctx, stream) }()

		report, err := watch.Run(ctx, watch.Config{
			URL: "http://relay.example/whep/wheel", Duration: 20 * time.Second,
			HTTP:     &http.Client{Transport: roundTripper{r.Handler()}},
			Settings: func(e *webrtc.SettingEngine) { e.SetNet(wan.viewer) },
		})
		if err != nil {
			t.Error(err)
		}
		stop()
		n := <-marked
		<-studio
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := wan.router.Stop(); err != nil {
			t.Error(err)
		}
		checkBadNetwork(t, report, n)
	})
}

func checkBadNetwork(t *testing.T, r watch.Report, published int) {
	t.Helper()
	t.Logf("%d events published; %+v", published, r)
	frames := r.Video.Complete + r.Video.Incomplete
	if frames < 500 || float64(r.Video.Complete) < 0.995*float64(frames) {
		t.Errorf("%d of %d frames complete, want 99.5%%", r.Video.Complete, frames)
	}
	if r.Video.Repaired == 0 || r.Video.Reordered == 0 {
		t.Error("the network did not lose or reorder")
	}
	if r.Events.Gaps != 0 || r.Events.Doubles != 0 || r.Events.Reliable < 100 {
		t.Errorf("events: %+v", r.Events)
	}
	if r.FrameHash.Mismatched != 0 || r.FrameHash.Checked == 0 || r.Video.TimestampsBack != 0 || !r.SnapshotFirst {
		t.Errorf("frame hashes %+v, %d timestamps back", r.FrameHash, r.Video.TimestampsBack)
	}
}

// runTestStudio sends 30 frames a second, of 5 packets, with a keyframe a second.
func runTestStudio(ctx context.Context, socket *udp.Memory) {
	from := netip.MustParseAddrPort("192.0.2.9:4000")
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	var seq uint16
	for frame := uint32(0); ; frame++ {
		for i := range 5 {
			b := packet.AppendHeader(nil, 96, seq, 3000*frame, 7)
			if i == 4 {
				b[1] |= 0x80
			}
			nal := byte(0x41)
			if frame%30 == 0 {
				nal = 0x65
			}
			b = binary.BigEndian.AppendUint64(append(b, nal), uint64(seq))
			socket.Deliver(append(b, make([]byte, 900)...), from)
			seq++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// markEverySoOften publishes an event on every fifth frame or so, and returns how
// many were bound to a frame.
func markEverySoOften(ctx context.Context, s *Stream) (n int) {
	tick := time.NewTicker(170 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		if _, err := s.Mark(ctx, Marker{ID: fmt.Sprint("m", i), Kind: Outcome, At: Next()}); err == nil {
			n++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n
		}
	}
}
