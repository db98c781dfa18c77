package egress

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// line is a Session that writes down what it is given.
type line struct {
	formats Formats
	mu      sync.Mutex
	log     []string // "rtp SEQ", "rtx SEQ of ORIGINAL", "0 TEXT", "closed"
	sent    []Outgoing
	rtcp    [][]byte
	queued  map[Channel]uint64
	stall   chan struct{} // Send waits for it
}

func newLine() *line {
	l := &line{queued: map[Channel]uint64{}}
	l.formats.Channels = true
	l.formats.Track[forward.Video] = Format{
		SSRC: 11, RTXSSRC: 12, PayloadType: 96, RTXPayloadType: 97, PlayoutDelay: 1, CaptureTime: 2, Marker: 3,
	}
	l.formats.Track[forward.Audio] = Format{SSRC: 21, PayloadType: 111, CaptureTime: 2}
	return l
}

func (l *line) Formats() *Formats { return &l.formats }

func (l *line) Send(_ *udp.Queue, batch []Outgoing) error {
	if l.stall != nil {
		<-l.stall
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range batch {
		if o.RTX {
			l.log = append(l.log, fmt.Sprintf("rtx of %d", o.Original))
		} else {
			l.log = append(l.log, fmt.Sprintf("rtp %d", o.SSRC))
		}
		l.sent = append(l.sent, o)
	}
	return nil
}

func (l *line) SendRTCP(_ *udp.Queue, b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rtcp = append(l.rtcp, slices.Clone(b))
	return nil
}

func (l *line) SendText(c Channel, b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, fmt.Sprintf("%d %s", c, b))
	return nil
}

func (l *line) Queued(c Channel) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued[c]
}

func (l *line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, "closed")
	return nil
}

func (l *line) setQueued(c Channel, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued[c] = n
}

func (l *line) taken() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.log
	l.log = nil
	return out
}

// wishes is a Source that writes down what is asked of it.
type wishes struct {
	mu    sync.Mutex
	log   []string
	began []time.Duration
}

func (w *wishes) add(format string, a ...any) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, a...))
	return true
}

func (w *wishes) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.log
	w.log = nil
	return out
}

func (w *wishes) Join(_ *Viewer, snapshot bool) { w.add("join %v", snapshot) }
func (w *wishes) TellSnapshot(*Viewer)          { w.add("snapshot") }
func (w *wishes) StartVideo(*Viewer) bool       { return w.add("start") }
func (w *wishes) WaitKeyframe(*Viewer) bool     { return w.add("keyframe") }
func (w *wishes) Resend(_ *Viewer, t forward.Track, slots []uint64) bool {
	return w.add("resend %s %v", t, slots)
}
func (w *wishes) KeyframeWanted() { w.add("wanted") }
func (w *wishes) Began(_ *Viewer, after time.Duration, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = append(w.began, after)
}
func (w *wishes) Message(_ *Viewer, b []byte)   { w.add("message %s", b) }
func (w *wishes) Left(_ *Viewer, reason string) { w.add("left %s", reason) }

type drops struct {
	mu sync.Mutex
	n  map[string]int
}

func (d *drops) Dropped(reason string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n[reason] += n
}

// room is a shard that runs, in virtual time, with what it needs.
type room struct {
	t       testing.TB
	shard   *Shard
	batches *Batches
	pool    *packet.Pool
	drops   drops
	slot    uint64
}

func newRoom(t testing.TB) *room {
	r := &room{t: t, batches: NewBatches(1), pool: packet.NewPool(64), slot: 1 << 16, drops: drops{n: map[string]int{}}}
	r.shard = NewShard(Settings{PlayoutDelay: [3]byte{0, 0x10, 2}, Now: time.Now, Drops: &r.drops})
	return r
}

// run makes the shard work until the function returned is called.
func (r *room) run() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.shard.Run(ctx) }()
	return func() {
		cancel()
		<-done
		if n := r.pool.Live(); n != 0 {
			r.t.Errorf("%d buffers are still held", n)
		}
	}
}

// inRoom runs f with a shard in a bubble of virtual time and checks that nothing
// is left behind.
func inRoom(t *testing.T, f func(*room)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		stop := r.run()
		f(r)
		stop()
		synctest.Wait()
	})
}

func (r *room) viewer(l *line, w *wishes) *Viewer {
	v := newViewer(Who{ID: "x"}, 1, w, r.shard)
	v.session = l
	v.setUp(l.Formats())
	return v
}

// packets returns the next n packets of a track; their references belong to the
// caller.
func (r *room) packets(t forward.Track, n int) []forward.Packet {
	var list []forward.Packet
	for range n {
		b := r.pool.Get()
		b.Data = append(packet.AppendHeader(b.Memory()[:0], 96, uint16(r.slot), uint32(r.slot), 7), byte(r.slot))
		h, err := packet.Parse(b.Data)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, forward.Packet{Buffer: b, Header: h, Slot: r.slot, TS: r.slot, Track: t})
		r.slot++
	}
	return list
}

// fan sends messages and n video packets to all viewers.
func (r *room) fan(n int, messages ...string) {
	b := r.batches.Get()
	for _, m := range messages {
		b.Messages = append(b.Messages, Message{Bytes: []byte(m), Channel: Events, Repeat: true})
	}
	for _, p := range r.packets(forward.Video, n) {
		b.Add(&p)
		p.Buffer.Release()
	}
	r.shard.Media(b)
	synctest.Wait()
}

func (r *room) expect(what string, got, want []string) {
	r.t.Helper()
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: %q, want %q", what, got, want)
	}
}
