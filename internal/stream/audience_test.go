package stream

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// hall is a Loop that runs, with a shard and what it told the world.
type hall struct {
	*Loop
	t     testing.TB
	shard *egress.Shard
	pool  *packet.Pool
	world world
	seq   uint16
	frame uint32
}

// world is the Metrics and the studio's RTCP end of a hall.
type world struct {
	mu        sync.Mutex
	presented []string
	left      []string
	plis      []time.Time
}

func (w *world) Dropped(string, int)        {}
func (w *world) Joined(time.Duration, bool) {}
func (w *world) Marked(time.Duration)       {}
func (w *world) Acted(string, string)       {}
func (w *world) Switched(string, string)    {}

func (w *world) Left(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = append(w.left, reason)
}

func (w *world) Presented(frameError, skipped int, latency time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.presented = append(w.presented, fmt.Sprint(frameError, skipped, latency))
}

func (w *world) sendRTCP(_ forward.Origin, _ forward.Track, b []byte, _ netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(b) >= 4 {
		if b[1] == 206 && b[0]&31 == 1 { // a PLI: RFC 4585, section 6.3.1
			w.plis = append(w.plis, time.Now())
		}
		b = b[4*(1+int(binary.BigEndian.Uint16(b[2:]))):]
	}
	return nil
}

// asked returns when the studio was asked for keyframes since the last call,
// counted from an instant.
func (w *world) asked(since time.Time) (after []time.Duration) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.plis {
		after = append(after, at.Sub(since))
	}
	w.plis = nil
	return after
}

// inHall runs f with a hall in a bubble of virtual time and checks that nothing is
// left behind.
func inHall(t *testing.T, f func(*hall)) {
	synctest.Test(t, func(t *testing.T) {
		h, end := openHall(t)
		f(h)
		end()
		synctest.Wait()
		if n := h.pool.Live(); n != 0 {
			t.Errorf("%d buffers are still held", n)
		}
	})
}

// openHall returns a hall and what ends it.
func openHall(t testing.TB) (*hall, func()) {
	t.Helper()
	h := &hall{t: t, pool: packet.NewPool(64), seq: 100}
	h.shard = egress.NewShard(egress.Settings{Now: time.Now, Drops: &h.world})
	l, err := New(Config{
		Name: "wheel", Video: &Input{Codec: codec.H264, PayloadType: 96}, History: 10 * time.Second,
		Reorder: 20 * time.Millisecond, Silence: 2 * time.Second, MaxPayload: 1232, StateLimit: 64 << 10, JoinBurst: true,
	}, Shell{
		Now: time.Now, Pool: h.pool, Logger: slog.New(slog.DiscardHandler),
		Metrics: &h.world, SendRTCP: h.world.sendRTCP, Left: func(string) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Loop = l
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	shards, stopShard := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); h.shard.Run(shards) }()
	running.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return h, func() { cancel(); running.Wait(); stopShard(); <-ended }
}

var studioAddress = netip.MustParseAddrPort("192.0.2.1:5004")

// film sends one frame of one packet.
func (h *hall) film(key bool) {
	nal := byte(0x41)
	if key {
		nal = 0x65
	}
	b := h.pool.Get()
	b.Data = append(packet.AppendHeader(b.Memory()[:0], 96, h.seq, h.frame*ticks, 7), nal, byte(h.seq))
	b.Data[1] |= 0x80
	header, err := packet.Parse(b.Data)
	if err != nil {
		h.t.Fatal(err)
	}
	h.seq++
	h.frame++
	h.Sink(forward.Origin{}).Media(&ingest.Batch{Track: forward.Video, Packets: []ingest.Received{{
		From: studioAddress, Arrival: forward.Arrival{Buffer: b, Header: header, At: time.Now()},
	}}})
}

// viewers returns a source of viewers of the stream that never connect.
func (h *hall) viewers() (next func() *egress.Viewer) {
	h.t.Helper()
	port := netip.MustParseAddrPort("127.0.0.1:7882")
	endpoint, err := egress.NewEndpoint(egress.EndpointConfig{
		Conn: udp.NewMemory(port), Addresses: []netip.AddrPort{port}, Now: time.Now, Drops: &h.world, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return func() *egress.Viewer {
		v, _, err := egress.Open(endpoint, egress.Offer{Formats: egress.Formats{Channels: true}}, egress.Who{ID: "x"}, 0, h, h.shard)
		if err != nil {
			h.t.Fatal(err)
		}
		return v
	}
}

// counts returns how many viewers the loop knows, in each of its lists.
func (h *hall) counts() [3]int {
	synctest.Wait()
	n, err := ask(h.t.Context(), h.Loop, func() ([3]int, error) {
		return [3]int{h.Viewers(), len(h.watching), len(h.waiting)}, nil
	})
	if err != nil {
		h.t.Error(err)
	}
	return n
}

// A viewer's coming and going may reach the loop and the shard in any order.
func TestWhoHasLeftIsNotCounted(t *testing.T) {
	inHall(t, func(h *hall) {
		next := h.viewers()
		for _, tt := range []struct {
			name string
			do   func(*egress.Viewer)
		}{
			{"joins, then leaves", func(v *egress.Viewer) {
				h.Join(v, false)
				if n := h.counts(); n != [3]int{1, 1, 1} {
					t.Errorf("joined: %v", n)
				}
				v.Leave("deleted")
			}},
			{"leaves, then joins", func(v *egress.Viewer) {
				v.Leave("deleted")
				synctest.Wait()
				h.Join(v, false)
				h.TellSnapshot(v)
				h.StartVideo(v)
				h.WaitKeyframe(v)
			}},
			{"joins and leaves while the loop is busy", func(v *egress.Viewer) {
				busy := make(chan struct{})
				h.wish(func() { <-busy })
				h.Join(v, false)
				v.Leave("deleted")
				h.WaitKeyframe(v)
				synctest.Wait()
				close(busy)
			}},
			{"is forgotten by the loop before its join is read", func(v *egress.Viewer) {
				busy := make(chan struct{})
				h.wish(func() { <-busy })
				v.Leave("deleted")
				synctest.Wait() // Left is in the queue
				h.Join(v, false)
				close(busy)
			}},
		} {
			tt.do(next())
			if n := h.counts(); n != [3]int{} {
				t.Errorf("%s: %v viewers, watching, waiting; want none", tt.name, n)
			}
		}
		if diff := cmp.Diff([]string{"deleted", "deleted", "deleted", "deleted"}, h.world.left); diff != "" {
			t.Error(diff)
		}
	})
}

// However many viewers want a keyframe, the studio hears of one wish in half a
// second, none is forgotten, and the loop's queue stays free.
func TestKeyframeWishesAreOne(t *testing.T) {
	inHall(t, func(h *hall) {
		h.film(true)
		synctest.Wait()
		h.Sink(forward.Origin{}).SenderReport(ingest.SenderReport{From: studioAddress, SSRC: 7, NTP: time.Now(), At: time.Now()})
		synctest.Wait()
		start := time.Now()
		for range 100 { // 1 s
			for range 1000 {
				h.KeyframeWanted()
				if n := len(h.wishes); n > 1 {
					t.Fatalf("%d wishes wait", n)
				}
			}
			time.Sleep(10 * time.Millisecond)
			h.film(false)
		}
		if n := len(h.world.asked(start)); n < 2 || n > 3 {
			t.Errorf("the studio was asked %d times in 1 s", n)
		}
		time.Sleep(time.Second)
		h.world.asked(start)

		start = time.Now()
		h.KeyframeWanted()
		synctest.Wait()
		time.Sleep(time.Millisecond)
		h.KeyframeWanted()
		time.Sleep(2 * time.Second)
		asked := h.world.asked(start)
		if len(asked) != 2 || asked[0] != 0 || asked[1] < keyframeSpacing || asked[1] > keyframeSpacing+clockSpacing {
			t.Errorf("two wishes at once are asked after %v", asked)
		}

		h.KeyframeWanted()
		synctest.Wait()
		h.KeyframeWanted()
		h.film(true)
		time.Sleep(2 * time.Second)
		if asked := h.world.asked(start); len(asked) != 1 {
			t.Errorf("a keyframe has come, and the studio was asked %d times", len(asked))
		}
	})
}

// Resends never take the room of wishes that a viewer cannot go without.
func TestResendsLeaveRoomForOtherWishes(t *testing.T) {
	inHall(t, func(h *hall) {
		next := h.viewers()
		v := next()
		busy := make(chan struct{})
		h.wish(func() { <-busy })
		synctest.Wait()
		taken := 0
		for range 2 * requestQueue {
			if h.Resend(v, forward.Video, []uint64{1}) {
				taken++
			}
		}
		if taken != requestQueue/2 {
			t.Errorf("%d resends are queued, want %d", taken, requestQueue/2)
		}
		if !h.StartVideo(v) || !h.WaitKeyframe(v) {
			t.Error("there is no room for other wishes")
		}
		close(busy)
		v.Leave("deleted")
		synctest.Wait()
	})
}

// A viewer's messages share the member id: a ping's is a number, an action's a string.
func TestIDsOfViewersMessages(t *testing.T) {
	for text, want := range map[string]pingID{`7`: 7, `"chip-1"`: 0, `null`: 0} {
		var got pingID
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	if err := json.Unmarshal([]byte(`{}`), new(pingID)); err == nil {
		t.Error("an object is taken for an id")
	}
}

func TestReportsOfViewersAreBounded(t *testing.T) {
	inHall(t, func(h *hall) {
		next := h.viewers()
		v := next()
		for _, m := range []string{
			`{"type":"presented","frame_error":0,"skipped":0,"latency_ms":8.1}`,
			`{"type":"presented","frame_error":10000,"skipped":10000,"latency_ms":59999}`,
			`{"type":"presented","frame_error":10001,"skipped":0,"latency_ms":8}`,
			`{"type":"presented","frame_error":0,"skipped":10001,"latency_ms":8}`,
			`{"type":"presented","frame_error":-1,"skipped":0,"latency_ms":8}`,
			`{"type":"presented","frame_error":0,"skipped":-1,"latency_ms":8}`,
			`{"type":"presented","frame_error":0,"skipped":0,"latency_ms":-1}`,
			`{"type":"presented","frame_error":0,"skipped":0,"latency_ms":60000}`,
			`{"type":"presented","frame_error":0,"skipped":0,"latency_ms":1e300}`,
			`{"type":"presented","frame_error":9223372036854775808,"skipped":0,"latency_ms":8}`,
			`{"type":"presented","frame_error":1.5,"skipped":0,"latency_ms":8}`,
			`{"type":"presented","frame_error":null`, `[]`, ``,
		} {
			h.Message(v, []byte(m))
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]string{"0 0 8.1ms", "10000 10000 59.999s"}, h.world.presented); diff != "" {
			t.Error(diff)
		}
		h.world.presented = nil
		for range 100 { // 10 s
			h.Message(v, []byte(`{"type":"presented","frame_error":0,"skipped":10000,"latency_ms":8}`))
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(h.world.presented); n < 20 || n > 22 {
			t.Errorf("%d of 100 reports in 10 s count, want two a second", n)
		}
		v.Leave("deleted")
		synctest.Wait()
	})
}
