package egress

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"github.com/framelock/relay/media/forward"
)

// count returns how often something was asked for.
func count(log []string, what string) (n int) {
	for _, s := range log {
		if s == what {
			n++
		}
	}
	return n
}

// One viewer sends as much as it can; the other one gets every packet, and its own
// NACK is answered.
func TestAFeedbackStormHurtsNobodyElse(t *testing.T) {
	inRoom(t, func(r *room) {
		storm, ws, good, wg := newLine(), &wishes{}, newLine(), &wishes{}
		bad, fine := r.viewer(storm, ws), r.viewer(good, wg)
		for _, v := range []*Viewer{bad, fine} {
			r.shard.Join(v, nil, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		}
		numbers := make([]uint16, 5000)
		for i := range numbers {
			numbers[i] = uint16(i * 7)
		}
		const frames, packets = 300, 4
		for range frames { // 3 s
			for range 200 {
				bad.ear.Nack(forward.Video, numbers)
				bad.ear.Nack(forward.Audio, numbers)
				bad.ear.Report(forward.Video, 1, 0.001)
				bad.ear.KeyframeWanted()
				r.shard.Reply(bad, []byte("pong"))
				if n := len(r.shard.inbox); n > shedAbove {
					t.Fatalf("%d messages wait", n)
				}
				if n := len(r.shard.spoken); n > 1 {
					t.Fatalf("one viewer has %d places in the queue", n)
				}
			}
			r.fan(packets)
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(good.taken()); n != 1+frames*packets {
			t.Errorf("the other viewer was sent %d packets, want %d", n, 1+frames*packets)
		}
		good.mu.Lock()
		number := good.sent[len(good.sent)-2].Sequence
		good.mu.Unlock()
		fine.ear.Nack(forward.Video, []uint16{number})
		synctest.Wait()
		if asked := wg.taken(); len(asked) != 1 {
			t.Errorf("for the other viewer, the stream is asked %q", asked)
		}
		log := ws.taken()
		if n := count(log, "wanted"); n < keyframeBurst || n > keyframeBurst+3*keyframeRate {
			t.Errorf("%d keyframes were asked for in 3 s", n)
		}
		if len(log) > feedbackBurst+3*feedbackRate {
			t.Errorf("the stream is asked %d things", len(log))
		}
		if r.drops.n[DropFeedback] == 0 || r.drops.n[DropNack] == 0 || r.drops.n[DropShardBehind]+r.drops.n[DropShardStalled] != 0 {
			t.Errorf("drops %v", r.drops.n)
		}
	})
}

// What viewers say to a shard that stands still never blocks them, and does not
// count towards the drop of media.
func TestFeedbackToAShardThatStandsIsDropped(t *testing.T) {
	inRoom(t, func(r *room) {
		stalled := newLine()
		stalled.stall = make(chan struct{})
		r.shard.Join(r.viewer(stalled, &wishes{}), nil, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		synctest.Wait() // stands in Send
		for range heardSize + 10 {
			v := r.viewer(newLine(), &wishes{})
			v.ear.Nack(forward.Video, []uint16{1, 2})
			v.ear.Report(forward.Video, 0, 0)
		}
		if len(r.shard.inbox) != 0 || r.drops.n[DropFeedbackBusy] != 10*3 {
			t.Errorf("%d in the inbox, drops %v", len(r.shard.inbox), r.drops.n)
		}
		close(stalled.stall)
		synctest.Wait()
		if len(r.shard.spoken) != 0 {
			t.Error("what was said is not looked at")
		}
	})
}

func TestRepliesAreBounded(t *testing.T) {
	inRoom(t, func(r *room) {
		l := newLine()
		l.stall = make(chan struct{})
		v := r.viewer(l, &wishes{})
		r.shard.Join(v, nil, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		synctest.Wait()
		for range 3 * maxReplies {
			r.shard.Reply(v, []byte("pong"))
		}
		close(l.stall)
		synctest.Wait()
		if n := count(l.taken(), "2 pong"); n != maxReplies || r.drops.n[DropFeedback] != 2*maxReplies {
			t.Errorf("%d replies, drops %v", n, r.drops.n)
		}
	})
}

// Receipts are not left out, whoever has many and however many have some; who has more
// to come than there can be is ended.
func TestReceiptsAreAllSent(t *testing.T) {
	inRoom(t, func(r *room) {
		stalled := newLine()
		stalled.stall = make(chan struct{})
		all := []*line{stalled}
		viewers := []*Viewer{r.viewer(stalled, &wishes{})}
		for range heardSize + 10 {
			l := newLine()
			all, viewers = append(all, l), append(viewers, r.viewer(l, &wishes{}))
		}
		for _, v := range viewers[1:] {
			r.shard.Join(v, nil, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		}
		synctest.Wait()
		r.shard.Join(viewers[0], nil, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		synctest.Wait() // stands in Send
		const each = 20
		for _, v := range viewers {
			for range each {
				r.shard.Receipt(v, []byte("receipt"))
			}
			v.ear.Report(forward.Video, 0, 0)
		}
		for range maxReceipts {
			r.shard.Receipt(viewers[5], []byte("receipt"))
		}
		close(stalled.stall)
		synctest.Wait()
		for i, l := range all {
			log := l.taken()
			if n := count(log, "2 receipt"); n != each && i != 5 {
				t.Fatalf("viewer %d got %d receipts of %d", i, n, each)
			}
		}
		if !viewers[5].Gone() {
			t.Error("who has more receipts to come than anybody could have asked for stays")
		}
	})
}

func TestReportsOfPresentationCountTwiceASecond(t *testing.T) {
	v, counted := newViewer(Who{ID: "x"}, 1, &wishes{}, NewShard(Settings{Now: time.Now})), 0
	now := time.Unix(1_800_000_000, 0)
	for i := range 1000 { // 10 s
		if v.MayReport(now.Add(time.Duration(i) * 10 * time.Millisecond)) {
			counted++
		}
	}
	if counted < 20 || counted > 22 {
		t.Errorf("%d of 1000 in 10 s count", counted)
	}
}

// told is a Feedback that writes down what it hears.
type told struct {
	Feedback
	nacks     [][]uint16
	keyframes int
	reports   int
}

func (o *told) Nack(_ forward.Track, numbers []uint16) {
	o.nacks = append(o.nacks, slices.Clone(numbers))
}
func (o *told) KeyframeWanted()                        { o.keyframes++ }
func (o *told) Report(forward.Track, float64, float64) { o.reports++ }

func TestWhatAPeerHearsIsBounded(t *testing.T) {
	o := &told{}
	p := &Transport{feedback: o}
	p.formats.Track[forward.Video].SSRC = 11
	now := time.Now()
	var pairs []rtcp.NackPair
	for i := range uint16(300) {
		pairs = append(pairs, rtcp.NackPair{PacketID: i * 17, LostPackets: 0xffff})
	}
	p.hear(&rtcp.TransportLayerNack{MediaSSRC: 11, Nacks: pairs[:1]}, now)
	p.hear(&rtcp.TransportLayerNack{MediaSSRC: 11, Nacks: pairs}, now)
	if len(o.nacks) != 2 || len(o.nacks[0]) != 17 || o.nacks[0][16] != 16 || len(o.nacks[1]) != maxNacked {
		t.Errorf("%d NACKs, of %d and %d", len(o.nacks), len(o.nacks[0]), len(o.nacks[len(o.nacks)-1]))
	}
	p.hear(&rtcp.PictureLossIndication{MediaSSRC: 11}, now)
	p.hear(&rtcp.TransportLayerNack{MediaSSRC: 21, Nacks: pairs[:1]}, now)
	if o.keyframes != 1 || len(o.nacks) != 2 {
		t.Errorf("%d keyframes, %d NACKs of tracks that the viewer has", o.keyframes, len(o.nacks))
	}
	p.hear(&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5}, {SSRC: 11}}}, now)
	if o.reports != 1 {
		t.Errorf("%d reports of one packet, want 1", o.reports)
	}
}

// A TWCC message that claims many packets is dropped before it is read into memory,
// wherever it stands in its compound.
func TestABloatedMessage(t *testing.T) {
	report := []byte{0x80, 201, 0, 1, 0, 0, 0, 1}
	claims := func(n uint16) []byte {
		b := []byte{0x8f, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, byte(n >> 8), byte(n), 0, 0, 0, 0}
		return b
	}
	for _, tt := range []struct {
		b    []byte
		want bool
	}{
		{claims(1024), false}, {claims(1025), true}, {claims(65528), true}, {append(slices.Clone(report), claims(65528)...), true},
		{append(slices.Clone(report), claims(20)...), false}, {report, false}, {nil, false}, {claims(65528)[:15], false},
	} {
		if got := bloated(tt.b); got != tt.want {
			t.Errorf("%x: %v", tt.b, got)
		}
	}
}
