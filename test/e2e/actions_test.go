package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/internal/croupier"
)

// chip places a chip on a number of the demo page's board, as a visitor would.
const chip = `document.querySelectorAll(".number")[17].click()`

// A viewer of the demo page places chips on the frames that it sees. Each has one
// receipt, over a reconnect too, and the page can prove what became of it.
func TestChipsAreTakenOnce(t *testing.T) {
	c := begin(t, 2*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartPublisher(0, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/?stream="+w.Stream, 1280, 900)

	open := `document.getElementById("board").dataset.open === "true"`
	c.must(c.browser.Wait(open, 30*time.Second))
	c.must(c.browser.Evaluate(chip+`; framelockDemo.player.player.reconnect("asked to by the test")`, nil))
	c.must(c.browser.Wait(`framelockDemo.receipts.length === 1`, 20*time.Second))
	// The board is closed for a moment while the new session catches up: wait for another round.
	c.must(c.browser.Wait(open+` && framelockDemo.windows.at(-1).window !== framelockDemo.receipts[0].window`, 20*time.Second))
	for range 4 { // one more than a round takes
		c.must(c.browser.Evaluate(chip, nil))
	}
	c.must(c.browser.Wait(`framelockDemo.receipts.length === 5`, 20*time.Second))
	c.must(c.browser.Wait(`framelockDemo.player.player.framelock.window(framelockDemo.receipts.at(-1).window)?.result !== undefined`, 20*time.Second))

	var receipts []struct{ ID, Verdict, Reason string }
	c.must(c.browser.Evaluate(`framelockDemo.receipts`, &receipts))
	c.keep("receipts.json", receipts)
	for i, r := range receipts {
		want := "accepted"
		if i == 4 {
			want = "rejected limit_per_viewer"
		}
		if got := strings.TrimSpace(r.Verdict + " " + r.Reason); got != want {
			c.Errorf("chip %d (%s): %s, want %s", i+1, r.ID, got, want)
		}
	}
	var page struct{ Alarms []Said }
	c.must(c.browser.Evaluate(`({alarms: framelockDemo.alarms})`, &page))
	for _, a := range page.Alarms {
		c.Errorf("alarm: %+v", a)
	}
	c.prove(4)
}

// actor sends an action on every frame that is drawn, naming that frame, while a test
// window is open and for a second after its close frame, as no honest client would; and
// some that name frames which it cannot have seen.
const actor = `(() => {
  const { framelock } = framelockDemo.player.player;
  const channel = framelock.link.channels.get("actions");
  const log = (window.acts = { sent: [], receipts: [], until: 0, window: "" });
  channel.addEventListener("message", ({ data }) => { if (data.includes('"receipt"')) log.receipts.push(JSON.parse(data)); });
  let n = 0;
  const send = (id, ts) => {
    log.sent.push({ id, ts, window: log.window });
    channel.send(JSON.stringify({ type: "action", id, window: log.window, seen: { track: "v0", ts }, data: n }));
  };
  framelock.events.on("frame", ({ ts }) => {
    if (ts === undefined || !log.window || ts > log.until) return;
    send("f" + n++, ts);
    if (n % 30 === 10) send("never" + n, ts - 1);
    if (n % 30 === 20) send("future" + n, ts + 9000);
  });
})()`

// Actions around the close, judged by the frame that the page really drew: every one
// before the close frame counts, none on it or after, and no claim is believed that the
// viewer cannot have made good.
func TestActionsAroundTheClose(t *testing.T) {
	c := begin(t, 2*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/?stream="+w.Stream, 1280, 900)
	c.must(c.browser.Wait(`framelockDemo.player.player.framelock.link?.channels.get("actions")?.readyState === "open"`, 20*time.Second))
	c.must(c.browser.Evaluate(actor, nil))
	client := &croupier.Client{URL: w.URL("")}
	type window struct {
		TS       uint64 `json:"ts"`
		ClosesTS uint64 `json:"closes_ts"`
	}
	windows := map[string]window{}
	for i := range ofFull(10, 3) {
		name := "close-" + jsonOf(i)
		var opened window
		c.must(client.Post(c.ctx, "/v1/streams/"+w.Stream+"/windows", map[string]any{
			"window": name, "at": map[string]any{"next": true}, "closes": map[string]any{"after_ms": 2000}, "grace_ms": 1000,
			"accept": map[string]any{"max_age_ms": 500},
		}, &opened))
		windows[name] = opened
		c.must(c.browser.Evaluate(`acts.window = "`+name+`"; acts.until = `+jsonOf(opened.ClosesTS+90000), nil))
		c.must(c.browser.Wait(`acts.sent.some((a) => a.window === "`+name+`" && a.ts > `+jsonOf(opened.ClosesTS+80000)+`)`, 20*time.Second))
	}
	c.must(c.browser.Wait(`acts.receipts.length >= acts.sent.length`, 20*time.Second))
	var acts struct {
		Sent []struct {
			ID, Window string
			TS         uint64
		}
		Receipts []struct {
			ID, Window, Verdict, Reason string
			Seen                        uint64
		}
	}
	c.must(c.browser.Evaluate(`acts`, &acts))
	c.keep("acts.json", acts)
	var before, after, forged, wrong int
	for _, r := range acts.Receipts {
		win := windows[r.Window]
		var want []string
		switch {
		case strings.HasPrefix(r.ID, "never"):
			forged++
			want = []string{"seen_not_sent", "seen_after_close", "seen_before_open", "window_closed"}
		case strings.HasPrefix(r.ID, "future"):
			forged++
			want = []string{"seen_future", "seen_not_sent", "seen_after_close", "window_closed"}
		case r.Seen < win.TS:
			want = []string{"seen_before_open", "window_not_open"}
		case r.Seen < win.ClosesTS:
			before++
			want = []string{""}
		default:
			after++
			want = []string{"seen_after_close", "window_closed"}
		}
		if !slices.Contains(want, r.Reason) || (r.Verdict == "accepted") != (r.Reason == "") {
			wrong++
			c.Errorf("%s on frame %d (open %d, close %d): %s %s, want %v", r.ID, r.Seen, win.TS, win.ClosesTS, r.Verdict, r.Reason, want)
		}
	}
	c.figure("%d windows: %d actions before the close frame all counted, %d on it or after and %d forged ones did not; %d wrong", len(windows), before, after, forged, wrong)
	if before < 30*len(windows) || after < 10*len(windows) || forged < 2*len(windows) || len(acts.Receipts) != len(acts.Sent) {
		c.Errorf("too few: %d sent, %d receipts", len(acts.Sent), len(acts.Receipts))
	}
}

// Two people play a round in browsers of their own, and one of them loses the
// connection while the window is open: both end with the same state, one receipt for
// each chip, the outcome on its exact frame, and a log that is verified. The round can
// be exported, with the video of it.
func TestTwoPlayersOneRound(t *testing.T) {
	c := begin(t, 2*time.Minute, chromium, "ffmpeg", "ffprobe")
	w := c.world
	w.Record = true
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartPublisher(0, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/?collect=1&stream="+w.Stream, 900, 700)
	dir := filepath.Join(w.Dir, "second")
	c.must(os.Mkdir(dir, 0o700))
	executable, err := Find("chromium", "chromium-browser", "google-chrome")
	c.must(err)
	second, err := StartBrowser(BrowserConfig{Executable: executable, Width: 900, Height: 700, Dir: dir, Pages: "page"})
	c.must(err)
	defer func() { c.must(second.Close()) }()
	c.must(second.Goto(w.URL("/?collect=1&stream=" + w.Stream)))

	const open = `document.getElementById("board").dataset.open === "true"`
	players := []*Browser{c.browser, second}
	for _, b := range players {
		c.must(b.Wait(open, 40*time.Second))
	}
	for _, b := range players { // the next round, from its beginning
		c.must(b.Wait(`document.getElementById("board").dataset.open !== "true"`, 20*time.Second))
	}
	for _, b := range players {
		c.must(b.Wait(open, 20*time.Second))
		c.must(b.Evaluate(chip, nil))
	}
	c.must(second.Evaluate(`framelockDemo.player.player.reconnect("asked to by the test")`, nil))
	type page struct {
		Receipts []struct{ ID, Window, Verdict string }
		State    string
		Alarms   []Said
		Trust    string
	}
	var seen [2]page
	for i, b := range players {
		c.must(b.Wait(`framelockDemo.receipts.length === 1`, 20*time.Second))
		c.must(b.Wait(`framelockDemo.player.player.framelock.window(framelockDemo.receipts[0].window)?.result !== undefined`, 20*time.Second))
		c.must(b.Wait(`framelockDemo.player.player.framelock.verification.state !== "unverified"`, 20*time.Second))
		c.must(b.Evaluate(`({receipts: framelockDemo.receipts, alarms: framelockDemo.alarms,
		  state: JSON.stringify(framelockDemo.player.player.framelock.window(framelockDemo.receipts[0].window).result),
		  trust: framelockDemo.player.player.framelock.verification.state})`, &seen[i]))
	}
	c.keep("players.json", seen)
	for i, p := range seen {
		if r := p.Receipts[0]; r.Verdict != "accepted" || r.Window != seen[0].Receipts[0].Window || p.State != seen[0].State || p.Trust != "verified" || len(p.Alarms) > 0 {
			c.Errorf("player %d: %+v", i+1, p)
		}
	}
	if seen[0].Receipts[0].ID == seen[1].Receipts[0].ID {
		c.Errorf("two players, one receipt: %+v", seen)
	}
	c.figure("window %s: two players, one of whom came back in it, a receipt each, the same result, both verified", seen[0].Receipts[0].Window)
	r := c.exportRound(seen[0].Receipts[0].Window)
	r.check(c)
	for i, b := range players {
		drawn := fmt.Sprintf(`framelockDemo.drawn.find(d => d.kind === "outcome" && d.id === %q)`, r.outcome.ID)
		c.must(b.Wait(drawn+" !== undefined", 20*time.Second))
		var d struct {
			Bar           uint64
			Late, Skipped bool
		}
		c.must(b.Evaluate(drawn, &d))
		if d.Bar != r.bar && !(d.Skipped && d.Bar > r.bar && d.Bar < r.bar+4) || d.Late {
			c.Errorf("player %d drew the outcome on picture %d (skipped: %v, late: %v), it belongs on %d", i+1, d.Bar, d.Skipped, d.Late, r.bar)
		}
		c.figure("player %d drew it on picture %d", i+1, d.Bar)
	}
}

// An event that is changed on its way to one viewer, and nowhere else, raises the
// alarm with the next checkpoint, and the page says what is wrong.
func TestChangedEventRaisesTheAlarm(t *testing.T) {
	c := begin(t, 2*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartPublisher(2, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/?stream="+w.Stream, 1280, 900)
	const state = `framelockDemo.player.player.framelock.verification.state`
	c.must(c.browser.Wait(state+` === "verified"`, 30*time.Second))

	// A bit of a number that the game does not look at.
	c.must(c.browser.Evaluate(`(() => {
	  const events = framelockDemo.player.player.framelock.link.channels.get("events");
	  const take = events.onmessage;
	  events.onmessage = ({ data }) => {
	    if (data.includes('"kind":"marker"')) window.changed ??= data.replace(/"frame":(\d+)/, (_, n) => '"frame":' + (n ^ 1));
	    take({ data: window.changed && !window.done ? (window.done = true, window.changed) : data });
	  };
	})()`, nil))
	c.must(c.browser.Wait(state+` === "alarm"`, 30*time.Second))
	var said struct {
		Badge, Text string
		Hidden      bool
		Alarm       struct{ Code, Expected, Actual string }
	}
	c.must(c.browser.Evaluate(`({
	  badge: document.getElementById("verified").textContent, text: document.getElementById("alarm").textContent,
	  hidden: document.getElementById("alarm").hidden, alarm: framelockDemo.player.player.framelock.verification.alarm})`, &said))
	if said.Hidden || said.Badge != "alarm" || said.Alarm.Code != "root" || said.Alarm.Expected == said.Alarm.Actual ||
		!strings.Contains(said.Text, said.Alarm.Expected) {
		c.Errorf("%+v", said)
	}
}

// A relay that is killed and started again goes on with the log that the page has
// verified: the page keeps its trust, and verifies what follows.
func TestVerificationOverARestart(t *testing.T) {
	c := begin(t, 2*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartPublisher(20, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/?stream="+w.Stream, 1280, 900)
	const at = `framelockDemo.player.player.framelock.verification`
	c.must(c.browser.Wait(at+`.state === "verified"`, 30*time.Second))
	var before, after struct {
		State, Reason, Log, Key string
		Checkpoint              struct{ Seq uint64 }
	}
	c.must(c.browser.Evaluate(at, &before))
	c.must(w.relay.Kill())
	c.must(w.StartRelay(c.ctx, "h264"))
	// A crash moves seq to the next reserved block.
	c.must(c.browser.Wait(at+`.state === "alarm" || `+at+`.state === "verified" && `+at+`.checkpoint.seq > 4096`, 40*time.Second))
	c.must(c.browser.Evaluate(at, &after))
	c.figure("verified up to event %d, and after the restart up to event %d", before.Checkpoint.Seq, after.Checkpoint.Seq)
	if after.State != "verified" || after.Log != before.Log || after.Key != before.Key {
		c.Errorf("before %+v, after %+v", before, after)
	}
}

// prove has the page prove an action: the nth receipt's.
func (c *scenario) prove(n int) {
	c.Helper()
	const framelock = `framelockDemo.player.player.framelock`
	c.must(c.browser.Wait(framelock+`.verification.checkpoint?.seq >= `+framelock+`.window(framelockDemo.receipts[`+jsonOf(n-1)+`].window).result.seq`, 20*time.Second))
	c.must(c.browser.Evaluate(`(async (framelock, id) => {
	  const { verifyAction } = await import("/sdk/framelock.js");
	  window.proof = await verifyAction(framelock, id, {
	    url: location.href, stream: new URLSearchParams(location.search).get("stream"), viewer: framelockDemo.player.player.viewer });
	})(`+framelock+`, framelockDemo.receipts[`+jsonOf(n-1)+`].id)`, nil))
	c.must(c.browser.Wait(`window.proof !== undefined`, 10*time.Second))
	var steps []struct{ Step, Result, Text string }
	c.must(c.browser.Evaluate(`window.proof`, &steps))
	if len(steps) != 5 {
		c.Errorf("%d steps of proof, want 5: %+v", len(steps), steps)
	}
	for _, s := range steps {
		if s.Result != "right" {
			c.Errorf("%s is %s: %s", s.Step, s.Result, s.Text)
		}
	}
}
