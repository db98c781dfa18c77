package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// plays has a page play a stream of 50 events a second.
func (c *scenario) plays(l *line) {
	c.Helper()
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	if l != nil {
		c.must(w.StartNetwork(1, l.path(), l.path()))
	}
	c.must(w.StartPublisher(50, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/e2e/play.html?stream="+w.Stream, 800, 600)
	c.must(c.browser.Wait(`window.play?.log.drawn.filter((d) => d.fired.length > 0).length > 20`, 20*time.Second))
}

// seen reads what the page noted, and keeps it.
func (c *scenario) seen() (page PageLog, browser Instruments) {
	c.Helper()
	c.must(c.browser.Evaluate(`play.log`, &page))
	c.must(c.browser.Evaluate(`instruments`, &browser))
	c.keep("page.json", page)
	c.keep("instruments.json", browser)
	for _, a := range page.Alarms {
		c.Errorf("alarm: %+v", a)
	}
	return page, browser
}

// A page that was hidden shows the present frame and state at once. What happened
// meanwhile fired unseen, and none of it is painted late. Neither the page nor the
// relay grow meanwhile.
func TestHidden(t *testing.T) {
	c := begin(t, 4*time.Minute, chromium)
	c.plays(nil)
	if full() { // until the relay has its history
		c.must(c.browser.Wait(`performance.now() > 25000`, 40*time.Second))
	}
	var hidden, back float64
	before := c.memory()
	c.must(c.browser.Show(false))
	c.must(c.browser.Evaluate(`performance.now()`, &hidden))
	c.must(c.browser.Wait(fmt.Sprintf(`performance.now() > %f`, hidden+float64(ofFull(60_000, 2_000))), 70*time.Second))
	c.must(c.browser.Evaluate(`performance.now()`, &back))
	after := c.memory()
	c.must(c.browser.Show(true))
	c.must(c.browser.Wait(fmt.Sprintf(`play.log.drawn.filter((d) => d.at > %f && d.fired.length > 0).length > 20`, back), 20*time.Second))

	page, browser := c.seen()
	v := JudgeAway(hidden, back, &page, &browser)
	c.figure("hidden for %.0f s: the first frame %.0f ms after the return, %.0f ms behind the newest clock; %d events, %d of them unseen, %d lost, %d doubles; relay %.1f -> %.1f MiB, pages %.0f -> %.0f MiB",
		(back-hidden)/1000, v.Return, v.Behind, v.Events, v.Unseen, v.Lost, v.Doubles, before.relay, after.relay, before.pages, after.pages)
	for _, wrong := range v.Wrong {
		c.Error(wrong)
	}
	if v.Unseen < ofFull(2500, 50) {
		c.Errorf("only %d events fired unseen", v.Unseen)
	}
	if full() && (after.relay > 1.25*before.relay || after.pages > 1.25*before.pages) {
		c.Errorf("the relay had %.1f MiB and has %.1f, the pages had %.0f and have %.0f, want not a quarter more", before.relay, after.relay, before.pages, after.pages)
	}
}

// A viewer whose address changes in the middle, as when a telephone takes another
// network, loses nothing of the state, whether its session lives on or another
// takes its place.
func TestMoving(t *testing.T) {
	c := begin(t, 4*time.Minute, chromium)
	c.plays(&line{rtt: 40 * time.Millisecond})
	moves := ofFull(10, 1)
	for range moves {
		var at float64
		c.must(c.browser.Evaluate(`performance.now()`, &at))
		c.must(c.world.Network.Rebind())
		c.must(c.browser.Wait(fmt.Sprintf(`performance.now() > %f && play.log.drawn.filter((d) => d.at > %f && d.fired.length > 0).length > 30`, at+4000, at+3000), 30*time.Second))
	}
	page, browser := c.seen()
	v := JudgeReconnects(nil, &page, &browser)
	c.figure("%d moves: %d sessions, the picture stood for %.1f s at most; %d events, %d lost, %d doubles", moves, len(browser.Posts),
		longestStill(page.Drawn)/1000, v.Events, v.Lost, v.Doubles)
	for _, wrong := range v.Wrong {
		c.Error(wrong)
	}
	if v.Events < moves*100 {
		c.Errorf("only %d events came", v.Events)
	}
}

// longestStill is the longest time without a new picture, in ms.
func longestStill(drawn []Drawn) (longest float64) {
	last := 0.0
	for _, d := range drawn {
		if d.Again || d.TS < 0 {
			continue
		}
		if last > 0 {
			longest = max(longest, d.At-last)
		}
		last = d.At
	}
	return longest
}

// memory is what programs have resident, in MiB.
type memory struct{ relay, pages float64 }

func (c *scenario) memory() (m memory) {
	c.Helper()
	m.relay = c.resident(c.world.relay.cmd.Process.Pid)
	ids, err := c.browser.Renderers()
	c.must(err)
	for _, id := range ids {
		m.pages += c.resident(id)
	}
	return m
}

func (c *scenario) resident(pid int) float64 {
	c.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	c.must(err)
	pages, err := strconv.ParseUint(strings.Fields(string(b))[1], 10, 64)
	c.must(err)
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20)
}

func TestJudgeAway(t *testing.T) {
	const frame = 3000
	good := func() (*PageLog, *Instruments) {
		event := func(at float64, seq, ts uint64) RawMessage {
			return RawMessage{At: at, Type: "event", Kind: "marker", Seq: seq, TS: ts}
		}
		page := &PageLog{
			Snapshots: []Snapshot{{At: 1, StateAt: frame}},
			Drawn: []Drawn{
				{At: 10, TS: 2 * frame, Overlay: true, Fired: []Fired{{Seq: 1, TS: 2 * frame}}},
				{At: 1010, TS: 20 * frame, Overlay: true, Fired: []Fired{{Seq: 3, TS: 20 * frame}}},
			},
			Unseen: []uint64{2},
		}
		return page, &Instruments{Raw: []RawMessage{
			event(5, 1, 2*frame), event(500, 2, 9*frame), {At: 990, Type: "clock", TS: 19 * frame}, event(995, 3, 20*frame), event(1100, 4, 40*frame),
		}}
	}
	tests := []struct {
		name   string
		change func(*PageLog, *Instruments)
		wrong  string
	}{
		{name: "good", change: func(*PageLog, *Instruments) {}},
		{name: "old picture", change: func(p *PageLog, _ *Instruments) { p.Drawn[1].TS = 3 * frame }, wrong: "the first frame"},
		{name: "old overlay", change: func(p *PageLog, _ *Instruments) {
			p.Unseen = nil
			p.Drawn[1].Fired = append(p.Drawn[1].Fired, Fired{Seq: 2, TS: 9 * frame})
		}, wrong: "event 2 was painted"},
		{name: "lost", change: func(p *PageLog, _ *Instruments) { p.Unseen = nil }, wrong: "event 2 never fired"},
		{name: "double", change: func(p *PageLog, _ *Instruments) { p.Unseen = append(p.Unseen, 3) }, wrong: "event 3 fired again"},
		{name: "never back", change: func(p *PageLog, _ *Instruments) { p.Drawn = p.Drawn[:1] }, wrong: "no frame"},
		{name: "not hidden", change: func(p *PageLog, _ *Instruments) {
			p.Drawn = slices.Insert(p.Drawn, 1, Drawn{At: 300, TS: 5 * frame})
		}, wrong: "was drawn while hidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page, browser := good()
			tt.change(page, browser)
			v := JudgeAway(100, 1000, page, browser)
			got := strings.Join(v.Wrong, "; ")
			if (tt.wrong == "") != (got == "") || !strings.Contains(got, tt.wrong) {
				t.Errorf("complaints %q, want one with %q", got, tt.wrong)
			}
			if tt.wrong == "" && (v.Return != 10 || v.Events != 3 || v.Unseen != 1) {
				t.Errorf("%+v", v)
			}
		})
	}
}
