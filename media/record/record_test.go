package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/evidence"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin is when the recordings begin, and beginTS its canonical timestamp.
var begin = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	beginTS   = uint64(1795348800) * 90000
	frameStep = 3000
)

// booth is a recorder under test, the stream that it records, and its clock.
type booth struct {
	t       testing.TB
	dir     string
	r       *Recorder
	pool    *packet.Pool
	mu      sync.Mutex
	now     time.Time
	slot    uint64
	frames  int
	hashes  map[uint64][32]byte
	dropped map[string]int
	stop    func()
}

func (b *booth) Recorded(int)                 {}
func (b *booth) SegmentBegun()                {}
func (b *booth) Kept(int, int64)              {}
func (b *booth) Dropped(reason string, n int) { b.mu.Lock(); b.dropped[reason] += n; b.mu.Unlock() }

func (b *booth) clock() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now }

func newBooth(t testing.TB, change ...func(*Options)) *booth {
	t.Helper()
	b := &booth{t: t, dir: filepath.Join(t.TempDir(), "wheel"), pool: packet.NewPool(64), now: begin,
		hashes: map[uint64][32]byte{}, dropped: map[string]int{}, slot: 65530}
	o := Options{
		Dir: b.dir, Stream: "wheel", Tracks: evidence.Tracks{codec.VP8, codec.Opus}, MaxAge: time.Hour, MaxSize: 1 << 30,
		Now: b.clock, Logger: slog.New(slog.DiscardHandler), Metrics: b,
	}
	for _, f := range change {
		f(&o)
	}
	var err error
	if b.r, err = New(o); err != nil {
		t.Fatal(err)
	}
	return b
}

// run starts the recorder.
func (b *booth) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.r.Run(ctx) }()
	b.stop = func() { cancel(); <-done }
	b.t.Cleanup(func() {
		b.stop()
		if n := b.pool.Live(); n != 0 {
			b.t.Errorf("%d buffers are still held", n)
		}
	})
}

// vp8Key is the head of a keyframe of 640x360 (RFC 6386, section 9.1).
var vp8Key = []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}

// frame sends one frame of two packets, whose second can be left out, and sound.
func (b *booth) frame(key, whole bool) (ts uint64) {
	ts = beginTS + uint64(b.frames)*frameStep
	head := vp8Key
	if !key {
		head = []byte{0x11, 0, 0}
	}
	first := binary.BigEndian.AppendUint64(append([]byte{0x10}, head...), ts)
	second := binary.BigEndian.AppendUint64([]byte{0x00}, ts*7)
	b.put(forward.Packet{Slot: b.slot, TS: ts, FrameStart: true, Keyframe: key}, first, false)
	if whole {
		b.put(forward.Packet{Slot: b.slot + 1, TS: ts}, second, true)
		b.hashes[ts] = sha256.Sum256(append(append([]byte(nil), first[1:]...), second[1:]...))
	}
	b.put(forward.Packet{Slot: uint64(b.frames), TS: ts * 48 / 90, Track: forward.Audio}, []byte{0xfc, byte(b.frames)}, false)
	b.slot += 2
	b.frames++
	b.mu.Lock()
	b.now = begin.Add(time.Duration(b.frames) * time.Second / 30)
	b.mu.Unlock()
	return ts
}

func (b *booth) put(p forward.Packet, payload []byte, last bool) {
	p.Buffer, p.Arrival = b.pool.Get(), b.clock()
	data := packet.AppendHeader(p.Buffer.Memory()[:0], 97, 1, 2, 3)
	if last {
		data[1] |= 0x80
	}
	p.Buffer.Data = append(data, payload...)
	p.Header, _ = packet.Parse(p.Buffer.Data)
	b.r.Put(&p, begin.Add(time.Duration(p.TS-beginTS)*time.Second/90000))
	p.Buffer.Release()
}

// settle waits until everything put so far has been written.
func (b *booth) settle() {
	b.t.Helper()
	if err := b.r.Cut(context.Background(), 1, 1, &bytes.Buffer{}); !errors.Is(err, evidence.ErrNothing) {
		b.t.Fatal(err)
	}
}

// film sends frames, of which every 30th is a keyframe, and waits after each second.
func (b *booth) film(frames int) {
	for range frames {
		b.frame(b.frames%30 == 0, true)
		if b.frames%30 == 0 {
			b.settle()
		}
	}
	b.settle()
}

func (b *booth) cut(from, to uint64) (list []evidence.Frame) {
	b.t.Helper()
	var file bytes.Buffer
	if err := b.r.Cut(context.Background(), from, to, &file); err != nil {
		b.t.Fatal(err)
	}
	if err := evidence.ReadMatroska(&file, func(f evidence.Frame) bool { list = append(list, f); return true }); err != nil {
		b.t.Fatal(err)
	}
	return list
}

func TestCut(t *testing.T) {
	b := newBooth(t)
	b.run()
	b.film(30 * 45)
	all, err := list(b.dir)
	if err != nil || len(all) != 5 {
		t.Fatalf("%d segments, %v; 45 s with a keyframe a second make one every 10 s", len(all), err)
	}
	for i, s := range all {
		if want := beginTS + uint64(i)*900000; s.ts != want {
			t.Errorf("segment %d begins at %d, want %d", i, s.ts, want)
		}
	}
	for _, tt := range []struct {
		name                  string
		from, to, first, last int // frames
	}{
		{"within a segment", 45, 75, 30, 75},
		{"from a keyframe", 60, 61, 60, 61},
		{"over a boundary", 290, 310, 270, 310},
		{"to a segment's last frame", 100, 299, 90, 299},
		{"all", 0, 1349, 0, 1349},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := func(n int) uint64 { return beginTS + uint64(n)*frameStep }
			next, sounds := tt.first, 0
			for _, f := range b.cut(at(tt.from), at(tt.to)) {
				if f.Track == forward.Audio {
					sounds++
					continue
				}
				if f.TS != at(next) || f.Hash != b.hashes[f.TS] || f.Keyframe != (next%30 == 0) {
					t.Fatalf("frame %d at %d, keyframe %v, hash equal %v", next, f.TS, f.Keyframe, f.Hash == b.hashes[f.TS])
				}
				next++
			}
			if next != tt.last+1 || sounds < tt.last-tt.first || sounds > tt.last-tt.first+1 {
				t.Errorf("%d frames and %d sounds, want frames %d to %d", next-tt.first, sounds, tt.first, tt.last)
			}
		})
	}
	err = b.r.Cut(context.Background(), beginTS+1e9, beginTS+2e9, &bytes.Buffer{})
	if !errors.Is(err, evidence.ErrNothing) {
		t.Errorf("beyond the end: %v", err)
	}
	b.stop()
	r, err := Open(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	for ts, want := range b.hashes {
		if got, ok, err := r.FrameHash(ts); !ok || err != nil || got != want {
			t.Fatalf("the hash of %d: %v %v", ts, ok, err)
		}
	}
	if _, ok, err := r.FrameHash(beginTS + 1); ok || err != nil {
		t.Errorf("a frame that never was: %v %v", ok, err)
	}
}

func TestFrameThatMissesAPacket(t *testing.T) {
	b := newBooth(t)
	b.run()
	b.frame(true, true)
	lost := b.frame(false, false)
	b.frame(false, true)
	last := b.frame(false, true)
	var got []uint64
	for _, f := range b.cut(beginTS, last) {
		if f.Track == forward.Video {
			got = append(got, (f.TS-beginTS)/frameStep)
		}
	}
	// What follows the lost packet may lack its beginning.
	if len(got) != 2 || got[0] != 0 || got[1] != 3 {
		t.Errorf("frames %v", got)
	}
	b.stop()
	r, err := Open(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.FrameHash(lost); ok || err != nil {
		t.Errorf("a frame in part has a hash: %v %v", ok, err)
	}
}

// TestSlowDisk fills the queue while nobody writes.
func TestSlowDisk(t *testing.T) {
	b := newBooth(t)
	const frames = queueSize/3 + 40
	for range frames {
		b.frame(b.frames == 0, true)
	}
	missing := 3*frames - queueSize
	if got := b.dropped[DropQueue]; got != missing {
		t.Fatalf("%d dropped, want %d", got, missing)
	}
	b.run()
	b.settle()
	b.film(60)
	b.stop()
	text, err := os.ReadFile(mustList(t, b.dir)[0].path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"reason":"queue_full","packets":`)) {
		t.Error("the recording does not say that it misses packets")
	}
}

func mustList(t *testing.T, dir string) []segment {
	t.Helper()
	all, err := list(dir)
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	return all
}

// TestCutShort has a segment that ends anywhere, as after a crash: what was whole is
// read.
func TestCutShort(t *testing.T) {
	b := newBooth(t)
	b.run()
	b.film(10)
	b.stop()
	name := mustList(t, b.dir)[0].path
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	for n := range text {
		if err := os.WriteFile(name, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for ts, want := range b.hashes {
			hash, ok, err := r.FrameHash(ts)
			if err != nil || ok && hash != want {
				t.Fatalf("%d of %d bytes: frame %d: %v", n, len(text), ts, err)
			}
			if ok {
				got++
			}
		}
		if got < before {
			t.Fatalf("%d frames in %d bytes, %d in one less", got, n, before)
		}
		before = got
	}
	if before != 10 {
		t.Errorf("%d frames in all but one byte, which is of a sound", before)
	}
}

func TestExpired(t *testing.T) {
	const second = 90000
	all := []segment{{"a", 1000 * second, 10}, {"b", 1010 * second, 10}, {"c", 1020 * second, 10}}
	for _, tt := range []struct {
		name string
		now  int64
		age  time.Duration
		size int64
		want string
	}{
		{"nothing", 1030, time.Minute, 30, ""},
		{"too old by its end", 1071, time.Minute, 30, "a"},
		{"old by its beginning only", 1070, time.Minute, 30, ""},
		{"too much", 1030, time.Minute, 29, "a"},
		{"much too much", 1030, time.Minute, 1, "ab"},
		{"the newest stays", 9999, time.Minute, 1, "ab"},
	} {
		var got strings.Builder
		for _, s := range expired(all, time.Unix(tt.now, 0), tt.age, tt.size) {
			got.WriteString(s.path)
		}
		if got.String() != tt.want {
			t.Errorf("%s: removes %q, want %q", tt.name, got.String(), tt.want)
		}
	}
}

func TestRetention(t *testing.T) {
	b := newBooth(t, func(o *Options) { o.MaxAge = 15 * time.Second })
	if err := os.WriteFile(filepath.Join(b.dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.run()
	b.film(30 * 45)
	if all := mustList(t, b.dir); len(all) != 3 || all[0].ts != beginTS+20*90000 {
		t.Errorf("%d segments from %d", len(all), all[0].ts)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "notes.txt")); err != nil {
		t.Error("somebody else's file is gone")
	}
}

func TestDiskRefuses(t *testing.T) {
	b := newBooth(t)
	b.run()
	b.film(30)
	b.stop()
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.r.done = make(chan struct{})
	b.run()
	b.frames = 30
	for range 40 {
		b.frame(b.frames%30 == 0, true)
	}
	b.stop()
	if b.dropped[DropNoSegment] == 0 {
		t.Errorf("dropped %v", b.dropped)
	}
}

func TestPutAllocatesNothing(t *testing.T) {
	b := newBooth(t)
	p := forward.Packet{Buffer: b.pool.Get(), TS: beginTS, FrameStart: true}
	p.Buffer.Data = packet.AppendHeader(p.Buffer.Memory()[:0], 96, 1, 2, 3)
	if n := testing.AllocsPerRun(2*queueSize, func() { b.r.Put(&p, begin) }); n != 0 {
		t.Errorf("%v allocations for a packet, half of them with a full queue", n)
	}
	p.Buffer.Release()
	b.run()
}
