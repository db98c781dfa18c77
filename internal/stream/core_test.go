package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/evidence"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/record"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
)

func TestPayloadGoesThroughUnchanged(t *testing.T) {
	tb := newTable(t)
	for i := range 90 {
		tb.frame(i%30 == 0, 1+i%5)
	}
	got := tb.packets()
	if len(got) != len(tb.feed.sent) {
		t.Fatalf("%d packets out, %d in", len(got), len(tb.feed.sent))
	}
	for i, o := range got {
		if !bytes.Equal(o.payload, tb.feed.sent[i]) {
			t.Fatalf("packet %d: %x, want %x", i, o.payload, tb.feed.sent[i])
		}
		if i > 0 && (o.packet.Slot != got[i-1].packet.Slot+1 || o.packet.TS < got[i-1].packet.TS) {
			t.Fatalf("packet %d: slot %d ts %d after slot %d ts %d", i, o.packet.Slot, o.packet.TS, got[i-1].packet.Slot, got[i-1].packet.TS)
		}
	}
	if first := got[0].packet.TS; first != uint64(epochStart.Unix())*90000 {
		t.Errorf("the line begins at %d, want the wall clock's %d", first, epochStart.Unix()*90000)
	}
}

func TestNextBindsToTheNextFrameBeforeItLeaves(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 3)
	tb.frame(false, 3)
	answer := tb.mark(marker.Request{ID: "a", Kind: marker.Outcome, At: marker.At{Next: true}, Data: json.RawMessage(`17`)})
	before := len(tb.out)
	tb.frame(false, 3)
	a := answered1(t, answer)
	if a.Err != nil {
		t.Fatal(a.Err)
	}
	if want := uint64(epochStart.Unix())*90000 + 2*ticks; a.Resolved.TS != want || a.Resolved.Frame != 3 || a.Resolved.LateMS != 0 {
		t.Errorf("resolved %+v, want ts %d, frame 3, in time", a.Resolved, want)
	}
	rest := tb.out[before:]
	if rest[0].message == nil || rest[1].packet == nil {
		t.Fatal("the event must leave before the first packet of its frame")
	}
	hash := marker.LeafHash(rest[0].message.Bytes)
	for i, o := range tb.packets()[6:] {
		p := o.packet
		if i == 2 {
			break // may carry the frame's hash
		}
		x, err := marker.ParseExtension(p.Marker[:p.MarkerSize])
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if x.Kind != marker.Outcome || x.Seq != 1 || x.RefTS != uint32(a.Resolved.TS) || x.Repeat != (i > 0) || x.Late ||
			!bytes.Equal(x.Digest[:], hash[:4]) {
			t.Errorf("packet %d carries %+v", i, x)
		}
	}
}

func TestCaptureTimeNamesTheFrame(t *testing.T) {
	tb := newTable(t)
	tb.report()
	tb.frame(true, 2)
	tb.report()
	for i := range 60 {
		tb.frame(false, 2)
		if i%30 == 0 {
			tb.report()
		}
	}
	frame := func(n int) time.Time { return tb.feed.start.Add(time.Duration(n) * interval) }
	for _, c := range []struct {
		name string
		at   time.Time
		want int // the feed's frame, from 0
	}{
		{"its own capture time", frame(40), 40},
		{"just before", frame(40).Add(-3 * time.Millisecond), 40},
		{"well after", frame(40).Add(5 * time.Millisecond), 41},
		{"the newest", frame(60), 60},
	} {
		a := answered1(t, tb.mark(marker.Request{ID: c.name[:3], At: marker.At{CaptureTime: c.at}}))
		if a.Err != nil {
			t.Errorf("%s: %v", c.name, a.Err)
			continue
		}
		want := uint64(epochStart.Unix())*90000 + uint64(c.want)*ticks
		if a.Resolved.TS != want || a.Resolved.Clock != "sender_report" || a.Resolved.ErrorMS > 1000./60 {
			t.Errorf("%s: %+v, want ts %d", c.name, a.Resolved, want)
		}
		if a.Resolved.LateMS <= 0 {
			t.Errorf("%s: a frame that has left is late: %+v", c.name, a.Resolved)
		}
	}
	future := tb.mark(marker.Request{ID: "fut", At: marker.At{CaptureTime: frame(65)}})
	for range 10 {
		tb.frame(false, 2)
	}
	if a := answered1(t, future); a.Err != nil || a.Resolved.TS != uint64(epochStart.Unix())*90000+65*ticks || a.Resolved.LateMS != 0 {
		t.Errorf("future: %+v", a)
	}
}

func TestFormsOfAtThatCannotBeResolved(t *testing.T) {
	tb := newTable(t)
	check := func(name string, at marker.At, want error) {
		t.Helper()
		if a := answered1(t, tb.mark(marker.Request{ID: name, At: at})); !errors.Is(a.Err, want) {
			t.Errorf("%s: %v, want %v", name, a.Err, want)
		}
	}
	check("before-anything", marker.At{Next: true}, marker.ErrPaused)
	for i := range 30 {
		tb.frame(i == 0, 1)
	}
	now := uint64(tb.now.Unix()) * 90000
	check("too-far", marker.At{TS: now + 20*90000}, marker.ErrUnresolvable)
	check("too-old", marker.At{TS: now - 100*90000}, marker.ErrUnresolvable)
	check("no-such-source", marker.At{Source: &marker.SourceTime{SSRC: 1, TS: 1}}, marker.ErrUnresolvable)
	tb.advance(time.Second)
	check("paused", marker.At{Next: true}, marker.ErrPaused)
}

func TestAnIDIsAnsweredOnce(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 1)
	r := marker.Request{ID: "x", At: marker.At{Next: true}, Data: json.RawMessage(`{"n":1}`)}
	first, second := tb.mark(r), tb.mark(r)
	tb.frame(false, 1)
	a, b := answered1(t, first), answered1(t, second)
	if a.Err != nil || a.Resolved != b.Resolved {
		t.Errorf("two callers of one request: %+v and %+v", a, b)
	}
	again := answered1(t, tb.mark(r))
	if !again.Replayed || again.Resolved != a.Resolved {
		t.Errorf("replay: %+v, want %+v", again, a)
	}
	r.Data = json.RawMessage(`{"n":2}`)
	if c := answered1(t, tb.mark(r)); !errors.Is(c.Err, marker.ErrConflict) {
		t.Errorf("other payload: %v", c.Err)
	}
	if n := len(tb.events()); n != 2 { // the event and its frame's hash
		t.Errorf("%d events, want 2", n)
	}
}

func TestARequestWhoseFrameNeverComesIsWithdrawn(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 1)
	at := marker.At{TS: uint64(epochStart.Unix())*90000 + 5*90000}
	r := marker.Request{ID: "x", At: at, Timeout: 100 * time.Millisecond}
	answer := tb.mark(r)
	for range 4 {
		tb.frame(false, 1)
	}
	if a := answered1(t, answer); !errors.Is(a.Err, marker.ErrFrameNotSeen) {
		t.Fatalf("%+v", a)
	}
	r.At, r.Data = marker.At{Next: true}, json.RawMessage(`2`)
	answer = tb.mark(r)
	tb.frame(false, 1)
	if a := answered1(t, answer); a.Err != nil || a.Replayed {
		t.Errorf("the ID is free again: %+v", a)
	}
}

func TestHoldMakesADetectorsLagHarmless(t *testing.T) {
	const hold = 200 * time.Millisecond
	tb := newTable(t, func(c *Config) { c.Hold = hold })
	for i := range 30 {
		tb.frame(i == 0, 2)
	}
	// The detector saw frame 28 and took 60 ms.
	ts := uint64(epochStart.Unix())*90000 + 28*ticks
	a := answered1(t, tb.mark(marker.Request{ID: "x", At: marker.At{TS: ts}}))
	if a.Err != nil || a.Resolved.LateMS != 0 || a.Resolved.TS != ts {
		t.Fatalf("%+v", a)
	}
	told := len(tb.out)
	s, err := tb.core.Snapshot(tb.now)
	if err != nil || len(s.Pending) == 0 || s.StateAt >= ts {
		t.Errorf("a snapshot before the frame has the event pending: %+v %v", s, err)
	}
	for range 10 {
		tb.frame(false, 2)
	}
	carried := 0
	for _, o := range tb.out[told:] {
		if o.packet == nil {
			continue
		}
		if late := tb.now.Sub(o.packet.Arrival); late < hold {
			t.Fatalf("a packet left %v after it came, before %v", late, hold)
		}
		if o.packet.TS == ts && o.packet.MarkerSize == 16 {
			carried++
		}
	}
	if carried != 2 {
		t.Errorf("%d of the frame's 2 packets carry the marker", carried)
	}
}

func TestFrameHashFollowsItsEvent(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	answer := tb.mark(marker.Request{ID: "x", At: marker.At{Next: true}})
	tb.frame(false, 3)
	seq := answered1(t, answer).Resolved.Seq
	events := tb.events()
	if len(events) != 2 || events[1].Kind != marker.FrameHash || events[1].Seq != seq+1 || events[1].TS != events[0].TS {
		t.Fatalf("%+v", events)
	}
	var data struct {
		OfSeq uint64 `json:"of_seq"`
		Hash  string `json:"hash"`
	}
	if err := json.Unmarshal(events[1].Data, &data); err != nil {
		t.Fatal(err)
	}
	n := len(tb.feed.sent)
	if want := annexBHash(tb.feed.sent[n-3:]); data.Hash != want || data.OfSeq != seq {
		t.Errorf("hash %+v, want %s of seq %d", data, want, seq)
	}
	// An event that comes after its frame gets a hash as well.
	late := answered1(t, tb.mark(marker.Request{ID: "y", At: marker.At{TS: events[0].TS}}))
	events = tb.events()
	if last := events[len(events)-1]; last.Kind != marker.FrameHash || last.Seq != late.Resolved.Seq+1 {
		t.Errorf("after a late event: %+v", last)
	}
}

func TestBurstIsWhatADecoderNeeds(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	for range 5 {
		tb.frame(false, 2)
	}
	burst := tb.core.Burst()
	if len(burst) != 12 || !burst[0].Keyframe || !burst[0].FrameStart {
		t.Fatalf("%d packets, first %+v", len(burst), burst[0])
	}
	releaseAll(burst)
	tb.frame(false, 1)
	tb.feed.seq++ // one is lost
	tb.frame(false, 2)
	tb.advance(50 * time.Millisecond)
	tb.frame(false, 2)
	if burst := tb.core.Burst(); burst != nil {
		t.Errorf("a burst of %d packets across a hole", len(burst))
	}
	tb.frame(true, 1)
	burst = tb.core.Burst()
	if len(burst) != 1 {
		t.Errorf("%d packets after the next keyframe", len(burst))
	}
	releaseAll(burst)
}

func TestALatePacketGetsItsOwnSlot(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	missing, ts := tb.feed.seq, tb.feed.ts
	tb.feed.seq++
	tb.packet(tb.nal(false, 1), true)
	tb.feed.frames++
	tb.feed.ts += ticks
	tb.advance(100 * time.Millisecond)
	before := tb.packets()
	tb.raw(missing, ts, []byte{0x41, 9}, false)
	after := tb.packets()
	if len(before) != 3 || len(after) != 4 {
		t.Fatalf("%d, then %d packets", len(before), len(after))
	}
	if got, want := after[3].packet.Slot, before[2].packet.Slot-1; got != want {
		t.Errorf("slot %d, want %d", got, want)
	}
}

func TestASourceThatRestartsGoesOnForward(t *testing.T) {
	tb := newTable(t)
	for i := range 30 {
		tb.frame(i == 0, 2)
	}
	last := tb.packets()
	tb.advance(3 * time.Second) // killed; the silence passes
	tb.restartStudio(12345, 77)
	n := len(tb.packets())
	for range 5 {
		tb.frame(false, 2) // it begins in the middle of a GOP
	}
	if got := len(tb.packets()); got != n {
		t.Errorf("%d packets left before a keyframe", got-n)
	}
	if tb.keys == 0 {
		t.Error("the studio was not asked for a keyframe")
	}
	tb.frame(true, 2)
	tb.frame(false, 2)
	all := tb.packets()
	p, q := last[len(last)-1].packet, all[n].packet
	if q.Slot != p.Slot+1 {
		t.Errorf("slot %d after %d", q.Slot, p.Slot)
	}
	wall := uint64(tb.feed.start.UnixNano()/1e3) * 90 / 1000
	if q.TS < wall || q.TS > wall+6*ticks {
		t.Errorf("ts %d, want the wall clock's %d plus 5 frames", q.TS, wall)
	}
	if e := tb.core.Info(tb.now, 0).Epoch; e != 2 {
		t.Errorf("epoch %d, want 2", e)
	}
}

func TestASecondSenderIsNeverMixedIn(t *testing.T) {
	tb := newTable(t)
	for i := range 10 {
		tb.frame(i == 0, 1)
		mine := tb.feed
		tb.feed.from, tb.feed.ssrc = mine.from, mine.ssrc+1
		tb.raw(5, 5, []byte{0x65, 0xee}, true)
		tb.feed = mine
	}
	tb.advance(time.Second)
	if n := len(tb.packets()); n != 10 || tb.drops[DropForeign] != 10 {
		t.Errorf("%d packets forwarded, %v", n, tb.drops)
	}
}

func TestParameterSetsComeInBand(t *testing.T) {
	sps, pps := []byte{0x67, 1, 2, 3}, []byte{0x68, 4}
	tb := newTable(t, func(c *Config) { c.Video.ParameterSets = [][]byte{sps, pps} })
	tb.frame(true, 2)
	tb.frame(false, 2)
	tb.packet([]byte{0x67, 9, 9, 9}, false) // this keyframe brings its own
	tb.packet([]byte{0x68, 9}, false)
	tb.frame(true, 1)
	got := tb.packets()
	want := append([]byte{0x78, 0, 4}, append(sps, append([]byte{0, 2}, pps...)...)...)
	if len(got) != 8 || got[0].payload[0]&0x1F != 24 || !bytes.Equal(got[0].payload[1:], want[1:]) {
		t.Fatalf("%d packets, first %x, want %x", len(got), got[0].payload, want)
	}
	if !got[0].packet.FrameStart || got[1].packet.FrameStart || got[0].packet.TS != got[1].packet.TS {
		t.Errorf("the parameter sets begin the keyframe: %+v %+v", got[0].packet, got[1].packet)
	}
	for i := 1; i < len(got); i++ {
		if got[i].packet.Slot != got[i-1].packet.Slot+1 {
			t.Errorf("slot %d after %d", got[i].packet.Slot, got[i-1].packet.Slot)
		}
	}
	if burst := tb.core.Burst(); len(burst) != 3 {
		t.Errorf("burst of %d packets, want the keyframe's 3", len(burst))
	} else {
		releaseAll(burst)
	}
}

func TestSeqIsNeverUsedBeforeItIsLeased(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 1)
	ts := tb.core.sent
	n := 0
	for ; ; n++ {
		a := answered1(t, tb.mark(marker.Request{ID: fmt.Sprint(n), At: marker.At{TS: ts}}))
		if errors.Is(a.Err, marker.ErrInboxFull) {
			break
		}
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if tb.core.seq != journal.SeqBlock || len(tb.lease) != 1 {
		t.Fatalf("seq %d of %d leased, %d asked for", tb.core.seq, journal.SeqBlock, len(tb.lease))
	}
	tb.core.Leased(tb.lease[0], nil)
	if a := answered1(t, tb.mark(marker.Request{ID: "more", At: marker.At{TS: ts}})); a.Err != nil || a.Resolved.Seq != journal.SeqBlock+1 {
		t.Errorf("%+v", a)
	}
}

func TestARestartSaysSoOnItsFirstFrame(t *testing.T) {
	tb := newTable(t)
	lease := journal.Lease{Log: 5, SeqEnd: 3 * journal.SeqBlock, Epoch: 4, AheadBy: time.Second}
	earlier := newPast(tb.core.cfg.StateLimit)
	earlier.resumed, earlier.next, earlier.seq = true, 2*journal.SeqBlock, 17
	tb.core = NewCore(tb.core.cfg, lease, earlier, tb.pool, tb)
	tb.frame(true, 1)
	e := tb.events()
	if len(e) != 1 || e[0].Kind != marker.Recovered || e[0].Seq != 2*journal.SeqBlock+1 || e[0].Epoch != 5 || e[0].Log != 5 ||
		string(e[0].Data) != `{"last_durable":17}` {
		t.Fatalf("%+v", e)
	}
	if want := uint64(epochStart.Unix()+1) * 90000; e[0].TS != want {
		t.Errorf("ts %d, want one second ahead: %d", e[0].TS, want)
	}
}

func TestPauseIsNoticedWithinHalfASecond(t *testing.T) {
	tb := newTable(t)
	for i := range 5 {
		tb.frame(i == 0, 1)
	}
	stopped, n := tb.now.Add(-interval), len(tb.out)
	for i := 0; i < 2000 && len(tb.out) > 0; i++ {
		tb.advance(time.Millisecond)
		for _, o := range tb.out[n:] {
			if o.message != nil && bytes.Contains(o.message.Bytes, []byte(`"paused"`)) {
				if d := tb.now.Sub(stopped); d > 500*time.Millisecond {
					t.Errorf("noticed after %v", d)
				}
				return
			}
		}
	}
	t.Error("never noticed")
}

func TestEveryBufferIsGivenBack(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Hold = 50 * time.Millisecond })
	for i := range 400 {
		tb.frame(i%60 == 0, 3)
		if i%50 == 0 {
			tb.feed.seq += 3
		}
	}
	tb.core.Close()
	if n := tb.pool.Live(); n != 0 {
		t.Errorf("%d buffers are still held", n)
	}
}

func TestPacketPathAllocatesNothing(t *testing.T) {
	tb := newTable(t)
	sink := &silent{}
	tb.core = NewCore(tb.core.cfg, journal.Lease{Log: 1, SeqEnd: 1 << 20}, newPast(1), tb.pool, sink)
	frameAllocatesNothing(t, tb)
	if sink.packets < 700*7 {
		t.Errorf("only %d packets were forwarded", sink.packets)
	}
}

// recorded forwards as a loop with a recorder does.
type recorded struct {
	silent
	l *Loop
}

func (r *recorded) Forward(p *forward.Packet) { r.l.Forward(p) }

// written counts what a recorder writes.
type written struct{ bytes, dropped atomic.Int64 }

func (w *written) Recorded(bytes int)      { w.bytes.Add(int64(bytes)) }
func (w *written) SegmentBegun()           {}
func (w *written) Kept(int, int64)         {}
func (w *written) Dropped(_ string, n int) { w.dropped.Add(int64(n)) }

func taken(pool *packet.Pool, n int) (list []*packet.Buffer) {
	for range n {
		list = append(list, pool.Get())
	}
	return list
}

// TestRecordedPacketPathAllocatesNothing has the recorder at work beside the loop: it
// allocates nothing for a packet either.
func TestRecordedPacketPathAllocatesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	tb := newTable(t)
	tb.pool = packet.NewPool(1 << 14)
	for _, b := range taken(tb.pool, 1<<13) { // as many as history and recorder may hold
		b.Release()
	}
	w := &written{}
	r, err := record.New(record.Options{
		Dir: t.TempDir(), Stream: "wheel", Tracks: evidence.Tracks{codec.H264}, MaxAge: time.Hour, MaxSize: 1 << 30,
		Now: func() time.Time { return epochStart }, Logger: slog.New(slog.DiscardHandler), Metrics: w,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	l := &Loop{sh: Shell{Recorder: r}}
	l.core = NewCore(tb.core.cfg, journal.Lease{Log: 1, SeqEnd: 1 << 20}, newPast(1), tb.pool, &recorded{l: l})
	tb.core = l.core
	frameAllocatesNothing(t, tb)
	cancel()
	<-done
	if n := w.bytes.Load() / 1100; n+w.dropped.Load() < 700*7 {
		t.Errorf("about %d packets were recorded and %d dropped", n, w.dropped.Load())
	}
	tb.core.Close()
	if n := tb.pool.Live(); n != 0 {
		t.Errorf("%d buffers are still held", n)
	}
}

// frameAllocatesNothing sends frames of 7 packets until the history is full, and then
// counts.
func frameAllocatesNothing(t *testing.T, tb *table) {
	t.Helper()
	payload := append([]byte{0x65}, make([]byte, 1100)...)
	send := func() {
		for i := range 7 {
			b := tb.pool.Get()
			b.Data = append(b.Memory()[:0], 0x80, 96, byte(tb.feed.seq>>8), byte(tb.feed.seq),
				byte(tb.feed.ts>>24), byte(tb.feed.ts>>16), byte(tb.feed.ts>>8), byte(tb.feed.ts), 0, 0, 0, 7)
			if i == 6 {
				b.Data[1] |= 0x80
			}
			b.Data = append(b.Data, payload...)
			h, _ := parse(b.Data)
			tb.core.Media(forward.Video, tb.feed.from, forward.Arrival{Buffer: b, Header: h, At: tb.now})
			tb.feed.seq++
		}
		payload[0] = 0x41
		tb.feed.ts += ticks
		tb.now = tb.now.Add(interval)
	}
	for range 400 {
		send()
	}
	if n := testing.AllocsPerRun(300, send); n != 0 {
		t.Errorf("%v allocations per frame of 7 packets, want 0", n)
	}
}

func TestADiskThatFailedIsAskedAgain(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 1)
	failed := errors.New("no space left on device")
	for n := 0; n < 3*journal.SeqBlock; n++ {
		tb.mark(marker.Request{ID: fmt.Sprint(n), At: marker.At{TS: tb.core.sent}})
		if tb.core.leasing {
			tb.core.Leased(tb.lease[len(tb.lease)-1], failed)
		}
	}
	if n := len(tb.lease); n != 1 {
		t.Errorf("the disk was asked %d times in no time", n)
	}
	tb.frame(false, 1)
	tb.advance(2 * leaseRetry)
	ts := tb.core.sent
	if a := answered1(t, tb.mark(marker.Request{ID: "x", At: marker.At{TS: ts}})); !errors.Is(a.Err, marker.ErrInboxFull) || len(tb.lease) != 2 {
		t.Fatalf("%+v, %d leases asked for", a, len(tb.lease))
	}
	tb.core.Leased(tb.lease[1], nil)
	if a := answered1(t, tb.mark(marker.Request{ID: "x", At: marker.At{TS: ts}})); a.Err != nil {
		t.Errorf("the disk is back: %v", a.Err)
	}
}

// Sound and picture of one instant are told together, however long after its
// capture each track's first packet came.
func TestTheClockTellsTheSoundOfAPicture(t *testing.T) {
	const late = 70 * time.Millisecond // of the sound
	tb := newTable(t, func(c *Config) { c.Audio = &Input{Codec: codec.Opus, PayloadType: 111} })
	if s, err := tb.core.Snapshot(tb.now); err != nil || s.Clock.AudioTS != 0 {
		t.Fatalf("audio_ts %d before any sound, %v", s.Clock.AudioTS, err)
	}
	for range 10 {
		tb.frame(true, 1)
	}
	const rtp, ssrc = 5000, 99
	captured := tb.now.Add(-late)
	b := tb.pool.Get()
	b.Data = append(packet.AppendHeader(b.Memory()[:0], 111, 1, rtp, ssrc), 0xf8, 0xff, 0xfe)
	h, err := packet.Parse(b.Data)
	if err != nil {
		t.Fatal(err)
	}
	line := uint64(tb.now.UnixMicro()) * 48 / 1000 // where the audio line begins
	tb.core.Media(forward.Audio, tb.feed.from, forward.Arrival{Buffer: b, Header: h, At: tb.now})
	tb.report()
	tb.core.SenderReport(ingest.SenderReport{
		Track: forward.Audio, From: tb.feed.from, SSRC: ssrc, NTP: tb.now, At: tb.now,
		RTP: rtp + uint32(tb.now.Sub(captured).Milliseconds()*48),
	})
	for range 10 {
		tb.frame(false, 1)
	}
	s, err := tb.core.Snapshot(tb.now)
	if err != nil {
		t.Fatal(err)
	}
	want := line + uint64(s.Clock.CaptureTime.Sub(captured).Microseconds()*48/1000)
	if got := s.Clock.AudioTS; got+2 < want || got > want+2 {
		t.Errorf("audio_ts %d, want %d: %+d ticks off", got, want, int64(got-want))
	}
}

func TestAForgedSenderReportIsNotBelieved(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 1)
	for _, r := range []ingest.SenderReport{
		{From: netip.MustParseAddrPort("203.0.113.66:9999"), SSRC: tb.feed.ssrc, NTP: tb.now, At: tb.now},
		{From: tb.feed.from, SSRC: tb.feed.ssrc + 1, NTP: tb.now, At: tb.now},
		{From: netip.MustParseAddrPort("203.0.113.66:9999"), SSRC: tb.feed.ssrc, At: tb.now, Bye: true},
	} {
		if tb.core.SenderReport(r) {
			t.Errorf("%+v was believed", r)
		}
	}
	if _, _, ok := tb.core.tracks[forward.Video].sources[forward.Primary].locks[0].Holder(); !ok {
		t.Error("the source lost its lock")
	}
}

func TestAFrameWhoseHeadIsLostHasNoHash(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	tb.feed.seq++ // the head of the next frame
	answer := tb.mark(marker.Request{ID: "x", At: marker.At{Next: true}})
	tb.frame(false, 2)
	tb.advance(100 * time.Millisecond)
	if a := answered1(t, answer); a.Err != nil {
		t.Fatal(a.Err)
	}
	for _, e := range tb.events() {
		if e.Kind == marker.FrameHash {
			t.Errorf("a hash of what is left: %s", e.Data)
		}
	}
}

func TestSubscribersOfTheTail(t *testing.T) {
	tail := newTail(10)
	for seq := uint64(11); seq <= 20; seq++ {
		tail.add(seq, []byte{byte(seq)})
	}
	for _, c := range []struct {
		after uint64
		first byte // of what comes; 0 = an error
		want  error
	}{
		{0, 11, nil}, {10, 11, nil}, {15, 16, nil}, {20, 21, nil}, {Newest, 21, nil}, {9, 0, ErrTooOld}, {99, 0, ErrNotYet},
	} {
		events, err := tail.subscribe(c.after)
		if !errors.Is(err, c.want) {
			t.Errorf("after %d: %v, want %v", c.after, err, c.want)
			continue
		}
		if c.want != nil {
			continue
		}
		if len(events) == 0 {
			tail.add(tail.newest+1, []byte{21})
		}
		if got := (<-events)[0]; got != c.first {
			t.Errorf("after %d: first %d, want %d", c.after, got, c.first)
		}
		tail.unsubscribe(events)
	}
}

func TestHealthHeals(t *testing.T) {
	tb := newTable(t)
	tb.report()
	tb.frame(true, 1)
	mine := tb.feed
	tb.feed.ssrc++
	tb.raw(5, 5, []byte{0x65, 0xee}, true)
	tb.feed = mine
	for range 10 {
		tb.frame(false, 1)
	}
	tb.report()
	if h := tb.core.Info(tb.now, 0).Health; len(h) != 1 || h[0].Code != "second_sender" || !h[0].Since.After(epochStart) {
		t.Errorf("with a second sender: %+v", h)
	}
	for i := range 30 * 25 {
		tb.frame(i%30 == 0, 1)
	}
	tb.report()
	if h := tb.core.Info(tb.now, 0).Health; len(h) != 0 {
		t.Errorf("25 s later: %+v", h)
	}
}

// A frame that came after the reorder window is still a frame with a name.
func TestALateFrameCanBeNamed(t *testing.T) {
	tb := newTable(t)
	tb.report()
	tb.frame(true, 1)
	tb.report()
	lost := tb.feed // frame 1
	tb.feed.seq++
	tb.feed.frames++
	tb.feed.ts += ticks
	tb.advance(interval)
	want := uint64(epochStart.Unix())*90000 + ticks
	early := tb.mark(marker.Request{ID: "early", At: marker.At{CaptureTime: tb.feed.start.Add(interval)}})
	tb.frame(false, 1)
	if a := answered1(t, early); a.Err != nil || a.Resolved.TS != want+ticks || a.Resolved.ErrorMS < 1000/30 {
		t.Errorf("given up: %+v %v, want the next frame, and a bound that says so", a.Resolved, a.Err)
	}
	tb.advance(2 * interval)
	tb.raw(lost.seq, lost.ts, []byte{0x41, 7}, true)
	for name, at := range map[string]marker.At{
		"ts": {TS: want}, "capture": {CaptureTime: tb.feed.start.Add(interval)},
		"source": {Source: &marker.SourceTime{SSRC: lost.ssrc, TS: lost.ts}},
	} {
		a := answered1(t, tb.mark(marker.Request{ID: name, At: at}))
		if a.Err != nil || a.Resolved.TS != want {
			t.Errorf("%s: %+v %v, want ts %d", name, a.Resolved, a.Err, want)
		}
	}
}

// Where the frame that was meant has not come, the answer says how far off it is.
func TestTheBoundTellsOfAMissingFrame(t *testing.T) {
	tb := newTable(t)
	tb.report()
	tb.frame(true, 1)
	tb.report()
	answer := tb.mark(marker.Request{ID: "x", At: marker.At{CaptureTime: tb.feed.start.Add(interval)}})
	for range 2 { // two frames are lost
		tb.feed.seq++
		tb.feed.frames++
		tb.feed.ts += ticks
		tb.advance(interval)
	}
	tb.frame(false, 1)
	tb.advance(interval)
	a := answered1(t, answer)
	if a.Err != nil || a.Resolved.ErrorMS < 2*1000/30 {
		t.Errorf("%+v %v: two frames later, and the bound does not say so", a.Resolved, a.Err)
	}
}

// One packet from before a jump of the source's clock is no further jump.
func TestALatePacketIsNoNewEpoch(t *testing.T) {
	tb := newTable(t)
	for i := range 10 {
		tb.frame(i == 0, 1)
	}
	old := tb.feed
	tb.feed.seq++ // lost for now
	tb.feed.ts += 10 * 90000
	tb.feed.start = tb.now
	tb.feed.frames = 0
	tb.frame(true, 1)
	tb.advance(50 * time.Millisecond)
	tb.raw(old.seq, old.ts, []byte{0x41, 7}, true)
	tb.frame(false, 1)
	i := tb.core.Info(tb.now, 0)
	if i.Epoch != 2 || tb.core.tracks[forward.Video].waitKey {
		t.Errorf("epoch %d, want 2; waiting for a keyframe: %v", i.Epoch, tb.core.tracks[forward.Video].waitKey)
	}
}

// B-frames come out of order. Each has its name once it has come, and health says
// what is wrong.
func TestBFramesAreNamedAndTold(t *testing.T) {
	tb := newTable(t)
	base := tb.feed.ts
	for _, n := range []uint32{0, 3, 1, 2, 6, 4, 5} {
		tb.feed.ts = base + n*ticks
		tb.packet(tb.nal(n == 0, 0), true)
		tb.advance(interval)
	}
	for n := uint64(0); n <= 6; n++ {
		want := uint64(epochStart.Unix())*90000 + n*ticks
		a := answered1(t, tb.mark(marker.Request{ID: fmt.Sprint(n), At: marker.At{TS: want}}))
		if a.Err != nil || a.Resolved.TS != want {
			t.Errorf("frame %d: %+v %v", n, a.Resolved, a.Err)
		}
	}
	if h := tb.core.Info(tb.now, 0).Health; !slices.ContainsFunc(h, func(p Problem) bool { return p.Code == "b_frames" }) {
		t.Errorf("health: %+v", h)
	}
}

// What comes late within the delay line leaves in its turn, with its frame.
func TestHoldKeepsAPlaceForALatePacket(t *testing.T) {
	const hold = 500 * time.Millisecond
	tb := newTable(t, func(c *Config) { c.Hold = hold })
	tb.frame(true, 1)
	lost := tb.feed
	tb.feed.seq++
	tb.packet(tb.nal(false, 1), true)
	tb.feed.frames++
	tb.feed.ts += ticks
	tb.advance(60 * time.Millisecond)
	next := tb.mark(marker.Request{ID: "next", At: marker.At{Next: true}})
	tb.raw(lost.seq, lost.ts, []byte{0x41, 7}, false)
	select {
	case a := <-next:
		t.Errorf("a late packet is nobody's next frame: %+v", a)
	default:
	}
	for range 30 {
		tb.frame(false, 1)
	}
	got := tb.packets()
	for i := 1; i < len(got); i++ {
		if got[i].packet.Slot != got[i-1].packet.Slot+1 {
			t.Fatalf("slot %d after %d", got[i].packet.Slot, got[i-1].packet.Slot)
		}
	}
	if len(got) < 10 {
		t.Errorf("only %d packets left", len(got))
	}
}

func TestAPausedFeedForgets(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 1)
	ts := tb.core.sent
	tb.advance(20 * time.Second)
	if a := answered1(t, tb.mark(marker.Request{ID: "x", At: marker.At{TS: ts}})); !errors.Is(a.Err, marker.ErrUnresolvable) {
		t.Errorf("a frame of 20 s ago: %+v", a)
	}
}
