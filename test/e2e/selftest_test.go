package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/sync/marker"
)

// What the self-test page says of a device is what the studio's own log says.
func TestSelftestChromium(t *testing.T) {
	c := begin(t, 3*time.Minute, chromium)
	c.selftestWorld("h264")
	c.open(c.selftestQuery("/selftest/"), 1280, 1000)
	c.must(c.browser.Wait(`window.framelockSelftest?.result !== undefined`, 2*time.Minute))
	published := c.published()
	var s Selftest
	c.must(c.browser.Evaluate(`({...framelockSelftest, timeOrigin: performance.timeOrigin})`, &s))
	c.checkSelftest(&s, published, "exact")
}

func TestSelftestFirefox(t *testing.T) {
	c := begin(t, 3*time.Minute, "firefox-esr|firefox")
	c.selftestWorld("vp8")
	proxy, stop := c.firefox(c.selftestQuery("/e2e/selftest.html"))
	defer stop()
	report := c.firefoxReport(proxy, func(r *FirefoxReport) bool { return r.Selftest != nil })
	c.checkSelftest(report.Selftest, c.published(), "decoded")
}

// selftestWorld starts a table with markers on it.
func (c *scenario) selftestWorld(codec string) {
	c.Helper()
	w := c.world
	c.must(w.StartRelay(c.ctx, codec))
	c.must(w.StartStudio(codec, "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.must(w.StartPublisher(5, clip(c, codec, "360p30")))
}

func (c *scenario) selftestQuery(path string) string {
	return fmt.Sprintf("%s?auto=1&seconds=%d&stream=%s", path, ofFull(60, 6), c.world.Stream)
}

func (c *scenario) checkSelftest(s *Selftest, published []croupier.Record, route string) {
	c.Helper()
	c.keep("selftest.json", s)
	studio, err := ReadStudioLog(c.world.StudioLog())
	c.must(err)
	truth, err := s.Truth(studio, published)
	c.must(err)
	r := &s.Result
	if r.Latency == nil {
		c.Fatal("the page knows no latency")
	}
	c.figure("%s: %d drawn, %d skipped, %d wrong (the studio's log: %d, %d, %d); %d events exact of %d, %d skipped, %d wrong, %d late; latency %.0f ms, 95%% %.0f ms (log: %.0f ms); %d coded frames match, %d do not",
		r.Route, r.Pictures.Drawn, r.Pictures.Skipped, r.Pictures.Wrong, truth.Drawn, truth.Skipped, truth.Wrong,
		r.Events.Exact, truth.Markers, r.Events.Skipped, r.Events.Wrong, r.Events.Late, r.Latency.P50, r.Latency.P95, truth.LatencyP50,
		r.Hashes.Match, r.Hashes.Mismatch)
	if r.Skew != nil {
		c.figure("sound and picture within %.0f ms", r.Skew.P95)
	}
	if r.Route != route {
		c.Errorf("the page is on the %q route, want %s", r.Route, route)
	}
	if r.Pictures.Drawn != truth.Drawn || r.Pictures.Skipped != truth.Skipped || r.Pictures.Wrong != truth.Wrong {
		c.Error("the page counts other pictures than the studio's log bears out")
	}
	if truth.Wrong != 0 || r.Pictures.Unreadable != 0 || r.Events.Wrong != 0 || r.Hashes.Mismatch != 0 || len(r.Alarms) != 0 {
		c.Errorf("wrong pictures, unreadable ones, wrong events, hashes or alarms: %+v", *r)
	}
	// The game's own events name their frames too; each may lie at the very edge.
	if judged := r.Events.Exact + r.Events.Skipped + r.Events.Late; judged < truth.Markers-2 || judged == 0 {
		c.Errorf("%d events were judged, want the %d that were published at least", judged, truth.Markers)
	}
	// Both are from capture to expected display, by two clocks' words.
	if off := math.Abs(r.Latency.P50 - truth.LatencyP50); off > 1000.0/30 {
		c.Errorf("the page's latency is %.0f ms off", off)
	}
}

func TestSelftestTruth(t *testing.T) {
	const offset = 777
	ts := func(i int) uint32 { return 4294960000 + uint32(3000*i) } // wraps
	studio := &StudioLog{}
	start := time.UnixMilli(1_000_000)
	for i := range 10 {
		studio.Frames = append(studio.Frames, StudioFrame{
			Frame: uint64(i), Bar: int64(i), TS: ts(i), CaptureTime: start.Add(time.Duration(i) * 40 * time.Millisecond),
		})
	}
	var published []croupier.Record
	for i, kind := range map[int]string{3: "marker", 4: "state", 5: "outcome", 9: "marker"} {
		published = append(published, croupier.Record{Kind: kind, Frame: uint64(i), Answer: &marker.Resolved{TS: uint64(ts(i) + offset)}})
	}
	var s Selftest
	text := `{"timeOrigin":900000,"pictures":[`
	for n, i := range []int{1, 2, 5, 6} {
		bar := i
		if i == 5 {
			bar = 4
		}
		if n > 0 {
			text += ","
		}
		text += fmt.Sprintf(`{"rtp":%d,"bar":%d,"at":%d}`, ts(i)+offset, bar, 100_000+40*i+25)
	}
	if err := json.Unmarshal([]byte(text+"]}"), &s); err != nil {
		t.Fatal(err)
	}
	truth, err := s.Truth(studio, published)
	if err != nil {
		t.Fatal(err)
	}
	if want := (SelftestTruth{Drawn: 4, Skipped: 2, Wrong: 1, Markers: 2, LatencyP50: 25}); *truth != want {
		t.Errorf("got %+v, want %+v", *truth, want)
	}
}
