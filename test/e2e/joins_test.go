package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/internal/impair"
)

// Viewers who join in the middle of 50 events a second have the state before
// they have a picture, miss no event, see none twice, and need not wait for the
// next keyframe.
func TestJoins(t *testing.T) {
	c := begin(t, 16*time.Minute, chromium)
	burst := c.joins(ofFull(200, 10), 1200, "", nil)
	c.figure("%v", burst)
	for _, wrong := range burst.Wrong {
		c.Error(wrong)
	}
	waiting := c.joins(ofFull(50, 5), 4000, ", join_burst: false", nil)
	c.figure("without the burst %.0f ms [%.0f-%.0f]", waiting.Median(), waiting.FirstFrame[0], waiting.FirstFrame[len(waiting.FirstFrame)-1])
	for _, wrong := range waiting.Wrong {
		c.Errorf("without the burst: %s", wrong)
	}
	if burst.Median() > waiting.Median()/4 {
		c.Errorf("the burst shortens a join from %.0f ms to %.0f ms, want to a quarter at most", waiting.Median(), burst.Median())
	}
}

// The same far from the relay.
func TestJoinsFar(t *testing.T) {
	c := begin(t, 8*time.Minute, chromium)
	c.joinsOver(line{rtt: 80 * time.Millisecond}, ofFull(200, 5))
}

// The same over lines that lose packets both ways.
func TestJoinsLoss(t *testing.T) {
	if !full() {
		t.Skip("only in a full run: it takes minutes")
	}
	c := begin(t, 12*time.Minute, chromium)
	for _, l := range []line{{loss: 0.01}, {loss: 0.05}, {80 * time.Millisecond, 0.01}, {80 * time.Millisecond, 0.05}} {
		c.joinsOver(l, 60)
	}
}

func (c *scenario) joinsOver(l line, n int) {
	c.Helper()
	v := c.joins(n, 1200, "", &l)
	c.figure("%v: %v", l, v)
	for _, wrong := range v.Wrong {
		c.Errorf("%v: %s", l, wrong)
	}
}

// line is what is between a viewer and the relay: a round trip, and the share of
// datagrams that it loses each way.
type line struct {
	rtt  time.Duration
	loss float64
}

func (l line) String() string { return fmt.Sprintf("RTT %v, %g%% loss", l.rtt, 100*l.loss) }

func (l line) path() impair.Path { return impair.Path{Delay: l.rtt / 2, Loss: l.loss} }

// joins runs a relay with some options of its media section, and joins it n times
// from one page, every so many ms and a little more, at phases of the GOP of 2 s that
// are spread evenly. Without a line it is on loopback.
func (c *scenario) joins(n, every int, options string, l *line) *JoinVerdict {
	c.Helper()
	dir, err := os.MkdirTemp(c.dir, "joins-")
	c.must(err)
	w := &World{Dir: dir, Relay: c.world.Relay, Stream: c.world.Stream, MediaOptions: options}
	c.must(c.world.Close())
	c.world = w
	c.must(w.StartRelay(c.ctx, "h264"))
	if l != nil {
		c.must(w.StartNetwork(1, l.path(), l.path()))
	}
	c.must(w.StartPublisher(50, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	if c.browser != nil {
		c.must(c.browser.Close())
	}
	c.open("/e2e/play.html?start=no&stream="+w.Stream, 800, 600)

	// A join lasts until its first frame and 700 ms more.
	var attempts []JoinAttempt
	c.must(c.browser.Evaluate(fmt.Sprintf(`(async () => {
		const wait = (ms) => new Promise((done) => setTimeout(done, ms));
		const joins = [];
		const begin = performance.now();
		for (let i = 0; i < %d; i++) {
			await wait(begin + i * %d - performance.now());
			const start = performance.now(), { posts } = instruments, before = posts.length;
			play.start();
			while (!(play.log.drawn.at(-1)?.at > posts[before]?.at) && performance.now() < start + 8000) await wait(10);
			await wait(700);
			play.stop();
			joins.push({ start, stop: performance.now() });
		}
		return joins;
	})()`, n, every+2000/n), &attempts))
	var page PageLog
	var browser Instruments
	c.must(c.browser.Evaluate(`play.log`, &page))
	c.must(c.browser.Evaluate(`instruments`, &browser))
	c.keep("page.json", page)
	c.keep("instruments.json", browser)
	for _, a := range page.Alarms {
		c.Errorf("alarm: %+v", a)
	}
	v := JudgeJoins(attempts, &page, &browser)
	if len(v.FirstFrame) == 0 {
		c.Fatalf("no join came to a picture: %s", strings.Join(v.Wrong, "; "))
	}
	if v.Events < n*20 {
		c.Errorf("only %d events came in %d joins of 0.7 s at 50 a second", v.Events, n)
	}
	return v
}

func TestJudgeJoins(t *testing.T) {
	good := func() ([]JoinAttempt, *PageLog, *Instruments) {
		snapshot := func(at float64, pc int, seq int) RawMessage {
			return RawMessage{At: at, PC: pc, Label: "framelock.events.1", Type: "snapshot", Part: 1, Parts: 1, Body: fmt.Sprintf(`{"seq":%d}`, seq)}
		}
		event := func(at float64, pc int, seq uint64) RawMessage {
			return RawMessage{At: at, PC: pc, Label: "framelock.events.1", Type: "event", Seq: seq}
		}
		in := &Instruments{
			Raw: []RawMessage{
				snapshot(30, 1, 7), event(40, 1, 8), event(50, 1, 9),
				snapshot(130, 2, 20), event(140, 2, 21),
			},
			Presented: []Presented{{At: 60}, {At: 80}, {At: 180}},
		}
		in.Posts = append(in.Posts, struct {
			At float64 `json:"at"`
		}{10}, struct {
			At float64 `json:"at"`
		}{110})
		return []JoinAttempt{{Start: -2000, Stop: 100}, {Start: 105, Stop: 200}}, &PageLog{Snapshots: []Snapshot{{At: 31}, {At: 131}}}, in
	}
	tests := []struct {
		name   string
		change func(*PageLog, *Instruments)
		wrong  string
		early  int
	}{
		{name: "good", change: func(*PageLog, *Instruments) {}},
		{name: "gap", change: func(_ *PageLog, in *Instruments) { in.Raw[2].Seq++ }, wrong: "event 10 came, 9 was next"},
		{name: "double", change: func(_ *PageLog, in *Instruments) { in.Raw[2].Seq-- }, wrong: "event 8 came again"},
		{name: "first event missing", change: func(_ *PageLog, in *Instruments) { in.Raw[4].Seq++ }, wrong: "event 22 came, 21 was next"},
		{name: "late snapshot", change: func(p *PageLog, _ *Instruments) { p.Snapshots[0].At = 61 }, wrong: "1.0 ms after the first frame"},
		{name: "out of patience", change: func(p *PageLog, in *Instruments) {
			in.Posts[0].At, in.Raw[0].At, p.Snapshots[0].At = -1500, 61, 61
			in.Raw[1].At, in.Raw[2].At = 62, 63
		}, early: 1},
		{name: "no snapshot", change: func(p *PageLog, in *Instruments) {
			p.Snapshots = p.Snapshots[:1]
			in.Raw = slices.Delete(in.Raw, 3, 4)
		}, wrong: "one of them is missing"},
		{name: "on the canvas only", change: func(p *PageLog, in *Instruments) {
			in.Presented = in.Presented[:2]
			p.Drawn = []Drawn{{At: 60}, {At: 180}}
		}},
		{name: "on the canvas before the snapshot", change: func(p *PageLog, _ *Instruments) { p.Drawn = []Drawn{{At: 29}} }, wrong: "2.0 ms after the first frame"},
		{name: "no picture", change: func(_ *PageLog, in *Instruments) { in.Presented = in.Presented[:2] }, wrong: "one of them is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			joins, page, browser := good()
			tt.change(page, browser)
			v := JudgeJoins(joins, page, browser)
			got := strings.Join(v.Wrong, "; ")
			if (tt.wrong == "") != (got == "") || !strings.Contains(got, tt.wrong) {
				t.Errorf("complaints %q, want one with %q", got, tt.wrong)
			}
			if v.Early != tt.early {
				t.Errorf("%d before the snapshot, want %d", v.Early, tt.early)
			}
			if tt.name == "good" && (v.Median() != 70 || v.Events != 3) {
				t.Errorf("median %v ms, %d events; want 70 and 3", v.Median(), v.Events)
			}
		})
	}
}
