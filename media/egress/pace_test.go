package egress

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/framelock/relay/media/congestion"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// large returns the next n packets of a frame of video, of 1,200 bytes each.
func (r *room) large(n int, keyframe bool) []forward.Packet {
	list := r.packets(forward.Video, n)
	for i := range list {
		p := &list[i]
		p.Buffer.Data = append(p.Buffer.Data, make([]byte, 1200-len(p.Buffer.Data))...)
		p.Header, _ = packet.Parse(p.Buffer.Data)
		p.FrameStart, p.Keyframe, p.Header.Marker = i == 0, keyframe && i == 0, i == n-1
	}
	return list
}

// pictures sends everybody a frame, and a packet of sound after it.
func (r *room) pictures(n int, keyframe bool) {
	b := r.batches.Get()
	list := append(r.large(n, keyframe), r.packets(forward.Audio, 1)...)
	r.slot-- // the tracks have slots of their own
	for _, p := range list {
		b.Add(&p)
		p.Buffer.Release()
	}
	r.shard.Media(b)
	synctest.Wait()
}

// strained lets a viewer's path carry frames for a while and then report what it
// could not.
func (r *room) strained(v *Viewer) {
	for i := range 61 {
		r.pictures(8, i == 0)
		if i%30 == 0 {
			v.ear.Report(forward.Video, float64(i)/1500, 0.02) // 4% in the end
		}
		time.Sleep(33 * time.Millisecond)
	}
	time.Sleep(time.Second)
}

// shed gives the shard a frame as if it were far behind.
func (r *room) shed() {
	b := r.batches.Get()
	for _, p := range r.large(1, false) {
		b.Add(&p)
		p.Buffer.Release()
	}
	r.shard.inbox <- message{kind: batchIn, batch: b, shed: true}
	synctest.Wait()
}

// pass lets time pass.
func (r *room) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const keyframePackets = 80

func TestAKeyframeIsSpreadForWhomItIsTooMuch(t *testing.T) {
	inRoom(t, func(r *room) {
		thin, wide := newLine(), newLine()
		v, w := r.viewer(thin, &wishes{}), r.viewer(wide, &wishes{})
		for _, v := range []*Viewer{v, w} {
			r.shard.Join(v, nil, r.large(1, true), [forward.Tracks]ClockMap{})
		}
		r.strained(v)
		thin.taken()
		wide.taken()
		sent := len(thin.sent)
		r.pictures(keyframePackets, true)
		if n := count(wide.taken(), "rtp 11"); n != keyframePackets {
			t.Errorf("the other viewer was sent %d packets at once, want all", n)
		}
		log := thin.taken()
		if n := count(log, "rtp 11"); n < 4 || n > keyframePackets/3 {
			t.Errorf("%d packets at once", n)
		}
		if count(log, "rtp 21") != 1 {
			t.Error("the sound waits")
		}
		r.pictures(2, false) // follows, and does not overtake
		r.pass(40 * time.Millisecond)
		if n := count(thin.taken(), "rtp 11"); n < 10 || n > keyframePackets*2/3 {
			t.Errorf("%d packets within 40 ms", n)
		}
		r.pass(congestion.MaxHold)
		n := inSequence(t, thin.sent[sent:])
		if n != keyframePackets+2 {
			t.Errorf("%d packets in the end, want %d", n, keyframePackets+2)
		}
		r.pictures(4, false)
		if n := count(thin.taken(), "rtp 11"); n < 4 {
			t.Errorf("%d packets of a small frame at once, want all 4", n)
		}
	})
}

// inSequence checks that packets of video have numbers without a gap, and returns
// how many there are.
func inSequence(t *testing.T, list []Outgoing) (n int) {
	t.Helper()
	var before uint16
	for _, o := range list {
		if o.SSRC != 11 {
			continue
		}
		if n > 0 && o.Sequence != before+1 {
			t.Fatalf("number %d after %d", o.Sequence, before)
		}
		before = o.Sequence
		n++
	}
	return n
}

// Who leaves takes nothing along: the room checks that no buffer is held.
func TestLeavingAmidAKeyframe(t *testing.T) {
	inRoom(t, func(r *room) {
		l := newLine()
		v := r.viewer(l, &wishes{})
		r.shard.Join(v, nil, r.large(1, true), [forward.Tracks]ClockMap{})
		r.strained(v)
		r.pictures(keyframePackets, true)
		l.taken()
		v.Leave("left")
		r.pass(time.Second)
		r.expect("after leaving", l.taken(), []string{"closed"})
		if n := r.pool.Live(); n != 0 {
			t.Errorf("%d buffers are still held", n)
		}
	})
}

// Video that begins anew comes after what waits of before, and in a numbering without
// a gap.
func TestABurstBehindAKeyframe(t *testing.T) {
	inRoom(t, func(r *room) {
		l := newLine()
		v := r.viewer(l, &wishes{})
		r.shard.Join(v, nil, r.large(1, true), [forward.Tracks]ClockMap{})
		r.strained(v)
		r.pictures(keyframePackets, true)
		r.shed()
		r.shard.Burst(v, r.large(keyframePackets, true))
		r.pass(time.Second)
		inSequence(t, l.sent)
		if n := l.sent[len(l.sent)-1].Timestamp; n != uint32(r.slot-1) {
			t.Errorf("the last packet is %d, want %d", n, r.slot-1)
		}
	})
}

// Once the memory for what waits is there, spreading allocates nothing.
func TestSpreadingAllocatesNothing(t *testing.T) {
	r := newRoom(t)
	s := r.shard
	now := time.Now()
	s.set.Now = func() time.Time { return now }
	s.queue = udp.NewQueue(nowhere{})
	formats := Formats{Track: [forward.Tracks]Format{{SSRC: 11, PayloadType: 96, TransportSequence: 4}}}
	tr := connected(t, formats, 1)
	v := newViewer(Who{ID: "x"}, 1, &wishes{}, s)
	v.session = tr
	v.setUp(&tr.formats)
	s.join(message{viewer: v, packets: r.large(1, true)})
	strain(&v.path, now)
	packets := r.large(keyframePackets, true)
	most := 0
	if n := testing.AllocsPerRun(50, func() {
		batch := r.batches.Get()
		for i := range packets {
			packets[i].Slot += keyframePackets
			batch.Add(&packets[i])
		}
		s.fanOut(batch, false)
		batch.Release()
		most = max(most, len(v.held))
		for range 40 {
			now = now.Add(5 * time.Millisecond)
			s.takeTurns(now)
			s.transmit()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if most < keyframePackets/2 {
		t.Errorf("%d packets waited: the test proves nothing", most)
	}
}

// strain makes a path known for a limit, by receiver reports.
func strain(e *congestion.Estimator, now time.Time) {
	for i := range 2 {
		for n := range uint16(200) {
			e.Sent(uint16(i)*200+n, 1250, now)
		}
		e.Report(0.05*float64(i), 20*time.Millisecond, now.Add(time.Duration(i-2)*time.Second))
	}
}

// What waits is part of what the viewer is sent, before a gap that comes meanwhile.
// Who gets no video was sent none.
func TestEvidenceOfWhatWaits(t *testing.T) {
	inRoom(t, func(r *room) {
		l, deaf := newLine(), newLine()
		deaf.formats.Track[forward.Video] = Format{}
		v, w := r.viewer(l, &wishes{}), r.viewer(deaf, &wishes{})
		for _, v := range []*Viewer{v, w} {
			r.shard.Join(v, nil, r.large(1, true), [forward.Tracks]ClockMap{})
		}
		r.strained(v)
		r.strained(w)
		r.pictures(keyframePackets, true)
		r.pictures(2, false)
		second := r.slot - 2
		r.shed()
		r.pass(time.Second)
		r.shard.Burst(v, r.large(3, true))
		synctest.Wait()
		spans, _ := v.Sent(nil)
		if n := len(spans); n != 2 || spans[0].To != second || spans[1] != (Span{r.slot - 3, r.slot - 3}) {
			t.Errorf("spans %v, want two: to %d, and %d alone", spans, second, r.slot-3)
		}
		if spans, _ := w.Sent(nil); len(spans) > 0 {
			t.Errorf("a viewer without video was sent %v", spans)
		}
	})
}
