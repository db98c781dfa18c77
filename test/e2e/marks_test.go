package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/internal/studio/clips"
)

// marksCase publishes test markers at a rate, most of them by capture time, and
// looks at the demo page's pixels for each.
type marksCase struct {
	codec, clip   string
	fps           int
	rate          float64
	count         int
	stallMS       int
	width, height int
	// maxSkipped is the largest share of markers whose frame the browser may leave
	// out; each must be confirmed by the frames that it did present.
	maxSkipped float64
}

func TestChromiumH264(t *testing.T) {
	marks(t, marksCase{codec: "h264", clip: "360p30", fps: 30, rate: 20, count: ofFull(1000, 150), maxSkipped: 0.01})
}

func TestChromiumVP8(t *testing.T) {
	marks(t, marksCase{codec: "vp8", clip: "360p30", fps: 30, rate: 20, count: ofFull(1000, 150), maxSkipped: 0.01})
}

// A main thread that is busy for 20 ms before each draw makes the browser leave
// frames out, never a marker on a wrong one.
func TestChromiumStall(t *testing.T) {
	marks(t, marksCase{codec: "h264", clip: "360p30", fps: 30, rate: 20, count: ofFull(1000, 150), stallMS: 20, maxSkipped: 1})
}

func TestChromium1080p60(t *testing.T) {
	marks(t, marksCase{codec: "h264", clip: "1080p60", fps: 60, rate: 20, count: ofFull(1000, 150), width: 1920, height: 1200, maxSkipped: 1})
}

func marks(t *testing.T, m marksCase) {
	c := begin(t, 4*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, m.codec))
	c.must(w.StartStudio(m.codec, m.clip))
	c.must(w.WaitStream(c.ctx))

	path := "/?collect=1&stream=" + w.Stream
	if m.stallMS > 0 {
		path += "&stall=20"
	}
	c.open(path, max(m.width, 1280), max(m.height, 900))
	c.must(c.browser.Wait(`window.framelockDemo?.frames.filter((f) => f.overlay).length > 30`, 20*time.Second))
	// A page that opens takes both cores for a moment, from the relay as well; what
	// happens to events then is what TestJoins is about.
	c.must(w.StartPublisher(m.rate, clip(c, m.codec, m.clip)))
	c.must(c.browser.Wait(fmt.Sprintf(`framelockDemo.drawn.length > %d`, m.count+m.count/20),
		time.Duration(float64(m.count)/m.rate*2+20)*time.Second))
	published := c.published()

	var record demoRecord
	var browser Instruments
	c.must(c.browser.Evaluate(demoExpression, &record))
	c.must(c.browser.Evaluate(`window.instruments`, &browser))
	studio, err := ReadStudioLog(w.StudioLog())
	c.must(err)
	c.keep("page.json", record)
	c.keep("instruments.json", browser)

	page := record.pageLog(&browser)
	v := Judge(studio, published, page, &browser)
	c.figure("%v", v)
	c.check(v, m)
	if m.stallMS > 0 {
		c.checkStalls(page)
	}
	if record.Route != "exact" {
		t.Errorf("the page is on the %q route", record.Route)
	}
	for _, a := range record.Alarms {
		t.Errorf("alarm: %+v", a)
	}
}

// check holds a verdict against what the case allows.
func (c *scenario) check(v *Verdict, m marksCase) {
	c.Helper()
	for i, wrong := range v.Wrong {
		if i == 20 {
			c.Errorf("… and %d more", len(v.Wrong)-i)
			break
		}
		c.Error(wrong)
	}
	for i, u := range v.Unpublished {
		if i < 5 {
			c.Errorf("not published: %s", u)
		}
	}
	if late := v.Late; late > 0 && (full() || late*100 > v.Markers) { // in a short run, once the machine stood still
		c.Errorf("%d markers were drawn after a frame later than their own had been drawn without them", v.Late)
	}
	if v.Markers < m.count {
		c.Errorf("%d markers were judged, want %d", v.Markers, m.count)
	}
	if v.ByCapture*2 < v.Markers {
		c.Errorf("%d of %d markers were named by capture time, want half at least", v.ByCapture, v.Markers)
	}
	if limit := 500 / float64(m.fps); v.MaxErrorMS > limit {
		c.Errorf("error_ms is up to %.2f, want half a frame (%.2f) at most", v.MaxErrorMS, limit)
	}
	if limit := m.skipLimit(); v.SkippedShare() > limit {
		c.Errorf("%.1f%% of the markers' frames were not presented, want %.1f%% at most", 100*v.SkippedShare(), 100*limit)
	}
}

// skipLimit is the largest share of skipped markers that a run may show. A long run
// is held to maxSkipped. How many frames a browser leaves out in a short one says more
// of what else the machine does: it has to show most of them.
func (m *marksCase) skipLimit() float64 {
	if full() {
		return m.maxSkipped
	}
	return max(m.maxSkipped, 0.1)
}

// checkStalls makes sure that a stall case really stalled, in each paint.
func (c *scenario) checkStalls(page *PageLog) {
	c.Helper()
	frames := 0
	for _, d := range page.Drawn {
		if !d.Again {
			frames++
		}
	}
	if page.Stalls < frames*9/10 {
		c.Errorf("%d stalls for %d frames: the stalls did not happen", page.Stalls, frames)
	}
}

// published ends the publisher and returns what it published.
func (c *scenario) published() []croupier.Record {
	c.Helper()
	c.must(c.world.StopPublisher())
	published, err := c.world.Published()
	c.must(err)
	return published
}

// clip finds one of the studio's clips.
func clip(c *scenario, codec, name string) *clips.Info {
	c.Helper()
	for _, info := range clips.Catalog() {
		if strings.EqualFold(info.Codec.String(), codec) && info.Name == name {
			return &info
		}
	}
	c.Fatalf("the studio has no %s clip %s", codec, name)
	return nil
}

// keep writes a log into the case's folder.
func (c *scenario) keep(name string, v any) {
	c.Helper()
	c.must(os.WriteFile(filepath.Join(c.world.Dir, name), []byte(jsonOf(v)), 0o644))
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
