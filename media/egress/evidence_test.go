package egress

import (
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/media/forward"
)

func TestEvidenceIsWhatWasSent(t *testing.T) {
	var v Viewer
	send := func(ts ...uint64) {
		for _, x := range ts {
			v.evidence.frame(&forward.Packet{TS: x, FrameStart: true})
			v.evidence.frame(&forward.Packet{TS: x})
		}
	}
	if got, rtt := v.Sent(nil); len(got) != 0 || rtt != 0 {
		t.Fatalf("before anything was sent: %v %v", got, rtt)
	}
	send(100, 200, 300, 250) // one that fills a gap belongs to the span
	v.evidence.gap()
	v.evidence.gap()
	v.evidence.roundTrip(80 * time.Millisecond)
	send(900, 1000)
	got, rtt := v.Sent(nil)
	if want := []Span{{100, 300}, {900, 1000}}; !slices.Equal(got, want) || rtt != 80*time.Millisecond {
		t.Fatalf("%v %v, want %v", got, rtt, want)
	}
	for i := range uint64(keptSpans) {
		v.evidence.gap()
		send(2000 + 10*i)
	}
	got, _ = v.Sent(got[:0])
	if len(got) != keptSpans || got[0] != (Span{2000, 2000}) || got[keptSpans-1] != (Span{2070, 2070}) {
		t.Fatalf("the newest %d spans, in order: %v", keptSpans, got)
	}
}

func TestEvidenceCostsNoMemory(t *testing.T) {
	var v Viewer
	p, ts := forward.Packet{FrameStart: true}, uint64(0)
	if n := testing.AllocsPerRun(100, func() { ts += 3000; p.TS = ts; v.evidence.frame(&p) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
