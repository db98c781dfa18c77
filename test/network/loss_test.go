package network

import (
	"testing"
	"time"

	"github.com/framelock/relay/internal/impair"
)

// atRest is how long after the last event the viewers go on: until then everything
// has been repaired, or never will be.
const atRest = 2500 * time.Millisecond

// halfRTT is the way between relay and viewer.
const halfRTT = 40 * time.Millisecond

// Loss both ways at a round trip of 80 ms: retransmission makes the frames whole, no
// event is missing, and the relay does not send much more for it.
func TestLoss(t *testing.T) {
	begin(t)
	t.Parallel()
	w := newTable(t)
	_, tape := w.studio()
	cases := []struct {
		name  string
		path  impair.Path
		whole float64 // share of the frames, at least
	}{
		{"no loss", impair.Path{}, 1},
		{"5% at random", impair.Path{Loss: 0.05}, 0.995},
		{"10% at random", impair.Path{Loss: 0.10}, 0.98},
		// 3% in runs of 5 packets, within which three of four are lost.
		{"bursts", impair.Path{Bursts: impair.Bursts{Enter: 0.008, Leave: 0.2, Loss: 0.75}}, 0.97},
	}
	var viewers []*viewer
	for _, c := range cases {
		c.path.Delay = halfRTT
		viewers = append(viewers, w.watch(w.proxy(c.path, c.path), tape))
	}
	for _, v := range viewers {
		eventually(t, "every viewer has a frame", v.begun)
	}
	before := bytesDown(viewers)
	published := w.publish(170 * time.Millisecond)
	during(t.Context(), ofFull(2*time.Minute, 15*time.Second))
	ids := published.end()
	until := time.Now()
	during(t.Context(), atRest)
	after := bytesDown(viewers)
	for i, c := range cases {
		v := viewers[i]
		v.end()
		s, missed := v.sum(until), v.missed(ids)
		ratio := float64(after[i]-before[i]) / float64(after[0]-before[0])
		_, counts := v.proxy.Counts()
		ordered, first := v.delays(ids)
		t.Logf("%s: %d of %d frames whole (%.2f%%), %d that cannot be decoded; %d of %d events, the slowest after %v, by any channel %v; %.3f times the bytes; lost %d of %d datagrams to the viewer, %d packets repaired",
			c.name, s.whole, s.sent, 100*s.share(), len(s.stranded), len(ids)-len(missed), len(ids), ordered[1].Round(time.Millisecond), first[1].Round(time.Millisecond),
			ratio, counts.Lost, counts.Sent, v.report.Video.Repaired)
		if s.sent < 300 || s.share() < c.whole {
			t.Errorf("%s: %d of %d frames whole, want %.1f%%", c.name, s.whole, s.sent, 100*c.whole)
		}
		if len(missed) > 0 || len(ids) < 50 {
			t.Errorf("%s: of %d events %v are missing", c.name, len(ids), missed)
		}
		if ratio > 1.25 {
			t.Errorf("%s: %.3f times the bytes of a viewer without loss, want at most 1.25", c.name, ratio)
		}
		v.checkTruth(s)
	}
}

// Many events do not wait for one another where packets are lost: once the channel
// had shrunk to one packet after a time-out, they came up to a second late.
func TestEventsInLoss(t *testing.T) {
	begin(t)
	t.Parallel()
	w := newTable(t)
	w.studio()
	path := impair.Path{Delay: halfRTT}
	calm := w.watch(w.proxy(path, path), nil)
	path.Loss = 0.10
	lossy := w.watch(w.proxy(path, path), nil)
	for _, v := range []*viewer{calm, lossy} {
		eventually(t, "every viewer has a frame", v.begun)
	}
	published := w.publish(25 * time.Millisecond)
	during(t.Context(), ofFull(time.Minute, 10*time.Second))
	ids := published.end()
	during(t.Context(), atRest)
	for _, v := range []*viewer{calm, lossy} {
		v.end()
		if missed := v.missed(ids); len(missed) > 0 {
			t.Errorf("of %d events %v are missing", len(ids), missed)
		}
	}
	// A time-out takes a second.
	late := lossy.behind(calm, ids, 500*time.Millisecond)
	t.Logf("%d of %d events came more than half a second after they came to the viewer without loss", late, len(ids))
	if late*100 > len(ids) || len(ids) < 100 {
		t.Errorf("%d of %d events were held back", late, len(ids))
	}
}

// bytesDown returns what the relay has sent to each viewer so far.
func bytesDown(viewers []*viewer) []uint64 {
	var n []uint64
	for _, v := range viewers {
		_, down := v.proxy.Bytes()
		n = append(n, down)
	}
	return n
}

// checkTruth checks what holds on every network.
func (v *viewer) checkTruth(s sum) {
	t, r := v.table, v.report
	t.Helper()
	for _, p := range r.Problems() {
		t.Error(p)
	}
	if len(s.skipped) > 0 {
		t.Errorf("the frames %v were sent without what they build on", s.skipped)
	}
}
