package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// A relay that is killed in mid-stream and started again continues where it was:
// timestamps and sequence numbers only go forward, no viewer takes it for a liar,
// and the player comes back by itself.
func TestRelayRestart(t *testing.T) { restart(t, (*Process).Kill) }

// The same where the relay is told to stop: it tells its viewers before it goes.
func TestRelayDrains(t *testing.T) {
	c, page := restart(t, (*Process).Stop)
	told := slices.IndexFunc(page.Notices, func(n Said) bool { return n.Code == "draining" })
	over := slices.IndexFunc(page.Statuses, func(s Said) bool { return s.Status == "reconnecting" })
	if told < 0 || over < 0 || page.Statuses[over].At < page.Notices[told].At {
		c.Fatalf("notices %+v, statuses %+v: want to be told before the session ends", page.Notices, page.Statuses)
	}
	c.figure("told %.0f ms before the session ended", page.Statuses[over].At-page.Notices[told].At)
}

// Where another relay answers at the same address, the page plays on from the one
// that drains until the other one's picture is there. Then the first one ends: nobody
// is left.
func TestRelayDrainsToAnother(t *testing.T) {
	c := begin(t, 2*time.Minute, chromium)
	w := c.world
	w.Grace = "60s"
	other := &World{Dir: filepath.Join(c.dir, "other"), Relay: w.Relay, Stream: w.Stream}
	c.must(os.Mkdir(other.Dir, 0o755))
	t.Cleanup(func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, at := range []*World{w, other} {
		c.must(at.StartRelay(c.ctx, "h264"))
		c.must(at.StartPublisher(20, clip(c, "h264", "360p30")))
		c.must(at.StartStudio("h264", "360p30"))
		c.must(at.WaitStream(c.ctx))
	}
	var moved atomic.Bool
	first, second := w.viewersHandler(), other.viewersHandler()
	balancer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if moved.Load() && r.Method == http.MethodPost {
			second.ServeHTTP(rw, r)
			return
		}
		first.ServeHTTP(rw, r)
	}))
	t.Cleanup(balancer.Close)
	c.open("/e2e/play.html?start=no", 800, 600)
	c.must(c.browser.Goto(balancer.URL + "/e2e/play.html?stream=" + w.Stream))
	const fires = `window.play?.log.drawn.filter((d) => d.at > %f && d.fired.length > 0).length > 20`
	c.must(c.browser.Wait(fmt.Sprintf(fires, 0.0), 20*time.Second))

	ended := make(chan error, 1)
	go func() { ended <- w.relay.Stop() }()
	c.must(c.browser.Wait(`play.log.notices.some((n) => n.code === "draining")`, 10*time.Second))
	moved.Store(true)
	c.must(c.browser.Wait(`play.log.switches.length > 0`, 20*time.Second))
	c.must(<-ended)
	var gone float64
	c.must(c.browser.Evaluate(`performance.now()`, &gone))
	c.must(c.browser.Wait(fmt.Sprintf(fires, gone), 20*time.Second))

	page, _ := c.seen()
	v := &ReconnectVerdict{}
	v.judgeSwitch(1, JoinAttempt{Start: page.Switches[0].At - 10_000, Stop: page.Switches[0].At}, page.Drawn, &page)
	for _, wrong := range v.Wrong {
		c.Error(wrong)
	}
	last := int64(0)
	for _, d := range page.Drawn {
		if !d.Again && d.TS <= last {
			c.Errorf("a frame at %d was drawn after one at %d", d.TS, last)
		}
		last = max(last, d.TS)
	}
	if slices.ContainsFunc(page.Statuses, func(s Said) bool { return s.Status == "reconnecting" }) {
		c.Errorf("the picture was lost: %+v", page.Statuses)
	}
	told := slices.IndexFunc(page.Notices, func(n Said) bool { return n.Code == "draining" })
	c.figure("another relay took over %.1f s after the notice; the picture stood for %.0f ms; the relay ended within %.1f s of that",
		(page.Switches[0].At-page.Notices[told].At)/1000, quantile(v.Gaps, 0.5), (gone-page.Switches[0].At)/1000)
}

// restart ends the relay, starts it again, and looks at what the page saw.
func restart(t *testing.T, end func(*Process) error) (*scenario, *PageLog) {
	c := begin(t, 2*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartPublisher(20, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/e2e/play.html?stream="+w.Stream, 800, 600)
	c.must(c.browser.Wait(fmt.Sprintf(`play.log.drawn.filter((d) => d.fired.length > 0).length > %d`, ofFull(60, 20)), 20*time.Second))

	c.must(end(w.relay))
	var gone, back float64
	c.must(c.browser.Evaluate(`performance.now()`, &gone))
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(c.browser.Evaluate(`performance.now()`, &back))
	c.must(c.browser.Wait(fmt.Sprintf(`play.log.drawn.filter((d) => d.at > %f && d.fired.length > 0).length > %d`, back, ofFull(60, 20)), 30*time.Second))

	var page PageLog
	var browser Instruments
	c.must(c.browser.Evaluate(`play.log`, &page))
	c.must(c.browser.Evaluate(`instruments`, &browser))
	c.keep("page.json", page)
	c.keep("instruments.json", browser)
	c.forward(&page, &browser)
	for _, a := range page.Alarms {
		c.Errorf("alarm: %+v", a)
	}
	if n := len(page.Snapshots); n < 2 {
		c.Errorf("%d snapshots: the player did not come back with a new session", n)
	}
	for _, s := range page.Statuses {
		if s.Status == "live" && s.At > gone {
			c.figure("down for %.1f s; the picture came back %.1f s after the end, %.1f s after the relay", (back-gone)/1000, (s.At-gone)/1000, (s.At-back)/1000)
			break
		}
	}
	return c, &page
}

// forward holds everything that came before and after the restart against the
// rule that nothing goes back: frames on screen, and events by their sequence
// numbers, within a log.
func (c *scenario) forward(page *PageLog, browser *Instruments) {
	c.Helper()
	last := int64(0)
	for _, d := range page.Drawn {
		if d.Again || d.TS < 0 {
			continue
		}
		if d.TS <= last {
			c.Errorf("a frame at %d was drawn after one at %d", d.TS, last)
		}
		last = d.TS
	}
	type known struct {
		ts uint64
		id string
	}
	seen := map[uint64]known{}
	next, logs := map[int]uint64{}, map[string]bool{}
	newest := uint64(0)
	for _, m := range browser.Raw {
		if m.Type != "event" {
			continue
		}
		logs[m.Log] = true
		if k, ok := seen[m.Seq]; ok && k != (known{m.TS, m.ID}) {
			c.Errorf("seq %d is both %q at %d and %q at %d", m.Seq, k.id, k.ts, m.ID, m.TS)
		}
		seen[m.Seq] = known{m.TS, m.ID}
		if m.Label != "framelock.events.1" {
			continue
		}
		if n := next[m.PC]; n > 0 && m.Seq != n && m.Kind != "recovered" {
			c.Errorf("connection %d: event %d came, %d was next", m.PC, m.Seq, n)
		}
		if m.Seq < newest && next[m.PC] > 0 {
			c.Errorf("event %d came after %d", m.Seq, newest)
		}
		next[m.PC], newest = m.Seq+1, max(newest, m.Seq)
	}
	if len(logs) != 1 {
		c.Errorf("the events are of %d logs, want the one that survives the restart", len(logs))
	}
	c.figure("%d events of %d log, seq up to %d", len(seen), len(logs), newest)
}
