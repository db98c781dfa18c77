//go:build linux

package network

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/internal/impair"
)

// crowd is many viewers on good networks, who count every packet.
type crowd struct {
	*table
	sender *load.Sender
	all    *load.Audience
}

const (
	settleSpacing = 20 * time.Millisecond
	settled       = 4 // looks without a packet
	// settleLimit is how long packets may take to arrive. The relay takes a studio
	// that says nothing for 400 ms for paused.
	settleLimit = 330 * time.Millisecond
)

func (w *table) crowd(n, decrypting int) *crowd {
	w.Helper()
	to := w.relay.Addrs().Streams["wheel"]
	sender, err := load.NewSender([]load.Destination{{Video: to.Video, Audio: to.Audio}}, load.Burst, load.DefaultSize)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := sender.Close(); err != nil {
			w.Error(err)
		}
	})
	c := &crowd{table: w, sender: sender, all: load.NewAudience(1, 8)}
	w.must(sender.Go(w.Context()))
	w.Cleanup(func() {
		if err := c.all.Close(); err != nil {
			w.Error(err)
		}
	})
	w.must(c.all.Join(w.Context(), n, decrypting, load.Viewing{Channels: true, Markers: true},
		func(int) string { return w.url() }, func() {}))
	return c
}

func (w *table) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// count has the studio send for a while, between two moments at which everything has
// arrived, and checks that every viewer was sent every packet, once. It returns the
// 99th percentile of the latency.
func (c *crowd) count(what string, during func()) time.Duration {
	c.Helper()
	c.quiet()
	c.must(c.all.Begin())
	before, err := c.sender.Sent(c.Context())
	c.must(err)
	c.must(c.sender.Go(c.Context()))
	during()
	c.quiet()
	after, err := c.sender.Sent(c.Context())
	c.must(err)
	delivered, err := c.all.Delivered()
	c.must(err)
	seen := c.all.Seen()
	c.must(c.sender.Go(c.Context()))
	sent, wrong := after[0]-before[0], 0
	for _, n := range delivered[0] {
		if n != sent {
			wrong++
		}
	}
	if wrong > 0 || seen.Gaps > 0 || seen.Damaged > 0 {
		c.Errorf("%s: of %d viewers %d did not get the %d packets that were sent: %d to %d; %d numbers missing, %d packets damaged", what,
			len(delivered[0]), wrong, sent, slices.Min(delivered[0]), slices.Max(delivered[0]), seen.Gaps, seen.Damaged)
	}
	if err := c.all.Broken(); err != nil {
		c.Errorf("%s: %v", what, err)
	}
	slices.Sort(seen.Latency)
	c.Logf("%s: %d viewers got %d packets each; p50 %v, p99 %v", what, len(delivered[0])-wrong, sent,
		seen.Latency[len(seen.Latency)/2], seen.Latency[len(seen.Latency)*99/100])
	return seen.Latency[len(seen.Latency)*99/100]
}

// quiet holds the studio and waits until nothing arrives any more.
func (c *crowd) quiet() {
	c.Helper()
	c.must(c.sender.Hold(c.Context()))
	tick := time.NewTicker(settleSpacing)
	defer tick.Stop()
	var before uint64
	for still, deadline := 0, time.Now().Add(settleLimit); still < settled && time.Now().Before(deadline); <-tick.C {
		counts, err := c.all.Delivered()
		c.must(err)
		var now uint64
		for _, n := range counts[0] {
			now += n
		}
		if still++; now != before {
			before, still = now, 0
		}
	}
}

// troubled are three viewers whose networks go bad.
type troubled struct{ stalled, slow, moving *viewer }

func (w *table) troubled() *troubled {
	w.Helper()
	good := impair.Path{Delay: 10 * time.Millisecond}
	t := &troubled{
		stalled: w.watch(w.proxy(good, good), nil),
		slow:    w.watch(w.proxy(good, impair.Path{Delay: good.Delay, Rate: 300e3, Queue: 500 * time.Millisecond}), nil),
		moving:  w.watch(w.proxy(good, good), nil),
	}
	for _, v := range []*viewer{t.stalled, t.moving} {
		eventually(w.T, "a troubled viewer has a frame", v.begun)
	}
	return t
}

// goBad stops all that the stalled viewer says, and moves the moving one every few
// seconds, for a while. It returns after how long the relay sent the stalled viewer
// the last datagram.
func (w *table) goBad(t *troubled, d time.Duration) time.Duration {
	w.Helper()
	began := time.Now()
	good := impair.Path{Delay: 10 * time.Millisecond}
	t.stalled.proxy.Change(impair.Path{Loss: 1}, good)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var sent uint64
	var last, moved time.Time
	for now := range tick.C {
		if _, down := t.stalled.proxy.Counts(); down.Sent != sent {
			sent, last = down.Sent, now
		}
		if now.Sub(moved) > 3*time.Second {
			moved = now
			w.must(t.moving.proxy.Rebind())
		}
		if now.Sub(began) > d {
			break
		}
	}
	return last.Sub(began)
}

func (t *troubled) leave() {
	for _, v := range []*viewer{t.stalled, t.slow, t.moving} {
		v.stop()
		<-v.ended
	}
}

// One viewer that stalls, one behind a thin line and one that moves, among many
// others: the others get every packet, once. The relay ends the session of the one
// that stalls.
func TestCrowd(t *testing.T) {
	begin(t)
	w := newTable(t)
	c := w.crowd(ofFull(200, 50), 2)
	bad := w.troubled()
	var quiet time.Duration
	c.count("with three on bad networks", func() { quiet = w.goBad(bad, 14*time.Second) })
	bad.moving.end()
	bad.leave()
	if quiet < 8*time.Second || quiet > 13*time.Second {
		t.Errorf("the stalled viewer was sent its last datagram after %v, want about 10 s", quiet)
	}
	const ended = `relay_sessions_ended_total{reason="consent_lost",stream="wheel"} 1`
	if text := w.metrics(); !strings.Contains(text, ended) {
		t.Errorf("no %q in the metrics", ended)
	}
	_, down := bad.slow.proxy.Counts()
	_, bytes := bad.slow.proxy.Bytes()
	t.Logf("stalled: last datagram after %v; thin line: %d of %d datagrams (%d bytes) dropped by it, told so %v after joining, %d whole frames, %+v; moving: %d packets lost, %d repaired",
		quiet, down.Overflowed, down.Sent, bytes, bad.slow.told("congested", bad.slow.started).Round(time.Millisecond), bad.slow.report.Video.Complete, bad.slow.report.Audio, bad.moving.report.Video.Lost, bad.moving.report.Video.Repaired)
}

// The others' latency is the same with and without the three. Runs with and without
// them take turns, so that the noise of the machine is in both.
func TestCrowdLatency(t *testing.T) {
	begin(t)
	if amount != "full" {
		t.Skip("only in a full run: it takes minutes")
	}
	w := newTable(t)
	c := w.crowd(200, 8)
	var without, with []time.Duration
	for i := range 5 {
		without = append(without, c.count(fmt.Sprint("without, ", i), func() { during(t.Context(), 8*time.Second) }))
		bad := w.troubled()
		with = append(with, c.count(fmt.Sprint("with, ", i), func() { w.goBad(bad, 8*time.Second) }))
		bad.leave()
	}
	a, b := median(without), median(with)
	t.Logf("p99 without %v, with %v: %.2f times", a, b, float64(b)/float64(a))
	if float64(b) > 1.2*float64(a) {
		t.Errorf("the p99 of the latency is %v with three on bad networks, want at most 1.2 times %v", b, a)
	}
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// metrics is what operators' tools get.
func (w *table) metrics() string {
	w.Helper()
	answer, err := w.http.Get("http://" + w.relay.Addrs().Admin + "/metrics")
	w.must(err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	w.must(err)
	if answer.StatusCode != http.StatusOK {
		w.Fatalf("metrics: %s", answer.Status)
	}
	return string(b)
}
