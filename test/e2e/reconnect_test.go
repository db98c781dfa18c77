package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A new session takes over from one that plays: the picture goes on, and of the
// events none is lost and none fires twice.
func TestReconnect(t *testing.T) { reconnects(t, "exact", nil) }

// The same far from the relay.
func TestReconnectFar(t *testing.T) {
	if !full() {
		t.Skip("only in a full run: it takes minutes")
	}
	reconnects(t, "exact", &line{rtt: 80 * time.Millisecond})
}

// The same where the page decodes the pictures itself.
func TestReconnectDecoded(t *testing.T) { reconnects(t, "decoded", nil) }

func reconnects(t *testing.T, route string, l *line) {
	c := begin(t, 8*time.Minute, chromium)
	n := ofFull(100, 5)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	if l != nil {
		c.must(w.StartNetwork(1, l.path(), l.path()))
	}
	c.must(w.StartPublisher(50, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/e2e/play.html?route="+route+"&stream="+w.Stream, 800, 600)
	c.must(c.browser.Wait(`play.log.drawn.filter((d) => d.fired.length > 0).length > 20`, 20*time.Second))

	// Spread over the GOP of two seconds.
	var asked []JoinAttempt
	c.must(c.browser.Evaluate(fmt.Sprintf(`(async () => {
		const wait = (ms) => new Promise((done) => setTimeout(done, ms));
		const asked = [];
		for (let i = 0; i < %d; i++) {
			asked.push(await Promise.race([play.reconnect(), wait(15000)]));
			await wait(1000 + 370 * (i %% 3));
		}
		return asked.filter((a) => a !== undefined);
	})()`, n), &asked))
	var page PageLog
	var browser Instruments
	c.must(c.browser.Evaluate(`play.log`, &page))
	c.must(c.browser.Evaluate(`instruments`, &browser))
	c.keep("page.json", page)
	c.keep("instruments.json", browser)
	v := JudgeReconnects(asked, &page, &browser)
	c.figure("%s: %d of %d: the picture stood for %.0f ms [%.0f-%.0f], the session came up in %.0f ms; %d events, %d lost, %d doubles",
		route, v.Reconnects, n, quantile(v.Gaps, 0.5), quantile(v.Gaps, 0), quantile(v.Gaps, 1), quantile(v.Took, 0.5), v.Events, v.Lost, v.Doubles)
	if v.Reconnects != n {
		c.Errorf("%d of %d sessions took over", v.Reconnects, n)
	}
	for _, wrong := range v.Wrong {
		c.Error(wrong)
	}
	for _, a := range page.Alarms {
		c.Errorf("alarm: %+v", a)
	}
	if v.Events < n*40 {
		c.Errorf("only %d events came", v.Events)
	}
}

func TestJudgeReconnects(t *testing.T) {
	good := func() (*PageLog, *Instruments) {
		page := &PageLog{
			Snapshots: []Snapshot{{At: 1, StateAt: 1000}, {At: 149, StateAt: 1006}},
			Switches:  []Switch{{At: 151, Seamless: true}},
		}
		for i := range int64(5) { // at 10, 45, 80, 150, 185
			at := 10 + 35*float64(i)
			if i >= 3 {
				at += 35
			}
			page.Drawn = append(page.Drawn, Drawn{At: at, TS: 1001 + 3*i, Overlay: true})
		}
		page.Drawn[2].Fired = []Fired{{Seq: 7}}
		page.Drawn[3].Fired = []Fired{{Seq: 8}}
		event := func(pc int, seq, ts uint64) RawMessage {
			return RawMessage{PC: pc, Type: "event", Kind: "marker", Seq: seq, TS: ts}
		}
		return page, &Instruments{Raw: []RawMessage{event(1, 6, 1000), event(1, 7, 1006), event(1, 8, 1010), event(2, 8, 1010), event(2, 9, 1014)}}
	}
	tests := []struct {
		name   string
		change func(*PageLog, *Instruments)
		wrong  string
	}{
		{name: "good", change: func(*PageLog, *Instruments) {}},
		{name: "lost", change: func(p *PageLog, _ *Instruments) { p.Drawn[3].Fired = nil }, wrong: "event 8 never fired"},
		{name: "double", change: func(p *PageLog, _ *Instruments) { p.Drawn[4].Fired = p.Drawn[2].Fired }, wrong: "event 7 fired again"},
		{name: "goes back", change: func(p *PageLog, _ *Instruments) { p.Drawn[3].TS = 1007 }, wrong: "a frame at 1007 was drawn after one at 1007"},
		{name: "snapshot late", change: func(p *PageLog, _ *Instruments) { p.Snapshots[1].At = 151.5 }, wrong: "no snapshot was applied before"},
		{name: "no overlay", change: func(p *PageLog, _ *Instruments) { p.Drawn[3].Overlay = false }, wrong: "bore no overlay"},
		{name: "broken", change: func(p *PageLog, _ *Instruments) { p.Switches[0].Seamless = false }, wrong: "did not play until"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page, browser := good()
			tt.change(page, browser)
			v := JudgeReconnects([]JoinAttempt{{Start: 60, Stop: 152}}, page, browser)
			got := strings.Join(v.Wrong, "; ")
			if (tt.wrong == "") != (got == "") || !strings.Contains(got, tt.wrong) {
				t.Errorf("complaints %q, want one with %q", got, tt.wrong)
			}
			if tt.wrong == "" && (!slices.Equal(v.Gaps, []float64{70}) || v.Took[0] != 90 || v.Events != 2) {
				t.Errorf("gaps %v, took %v, %d events; want 70, 90 and 2", v.Gaps, v.Took, v.Events)
			}
		})
	}
}
