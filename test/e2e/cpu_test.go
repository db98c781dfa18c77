package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What each route costs the machine, beside a stock player: told, not judged, as
// other programs' work shows in it too.
func TestChromiumCPU(t *testing.T) {
	for _, stream := range []struct {
		codec, clip string
		fps         int
	}{{"h264", "360p30", 30}, {"vp8", "360p30", 30}, {"h264", "1080p60", 60}} {
		for _, query := range []string{"route=plain", "route=approximate", "route=exact", "route=exact&hashes=1", "route=decoded"} {
			t.Run(strings.Join([]string{stream.codec, stream.clip, query}, " "), func(t *testing.T) {
				cpu(t, stream.codec, stream.clip, query, stream.fps)
			})
		}
	}
}

func cpu(t *testing.T, codec, clip, query string, fps int) {
	c := begin(t, 2*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, codec))
	c.must(w.StartStudio(codec, clip))
	c.must(w.WaitStream(c.ctx))
	c.open("/e2e/cpu.html?"+query+"&stream="+w.Stream, 800, 600)
	c.must(c.browser.Wait(`window.cpu?.log.frames > 90`, 20*time.Second)) // the page has settled
	type stats struct{ Decoded, PLI, Frames int }
	look := func() (s stats, used time.Duration) {
		c.must(c.browser.Evaluate(`cpu.stats().then((s) => ({...s, frames: cpu.log.frames}))`, &s))
		used, err := processorTime(c.browser.cmd.Process.Pid)
		c.must(err)
		return s, used
	}
	began := time.Now()
	before, used := look()
	const span = 20 * time.Second
	var from float64
	c.must(c.browser.Evaluate(`performance.now()`, &from))
	c.must(c.browser.Wait(fmt.Sprintf(`performance.now() > %f`, from+float64(span.Milliseconds())), 2*span))
	after, usedAfter := look()
	took := time.Since(began)
	c.figure("%.1f%% of a core; %d of %d frames shown, %d decoded by the browser, %d keyframes asked for",
		100*(usedAfter-used).Seconds()/took.Seconds(), after.Frames-before.Frames, int(took.Seconds()*float64(fps)), after.Decoded-before.Decoded, after.PLI-before.PLI)
}

func TestParseStat(t *testing.T) {
	const stat = `4711 (odd) name) S 42 4711 4711 0 -1 4194304 100 200 0 0 350 25 10 5 20 0 9 0 12345 1000 200`
	parent, used, err := parseStat([]byte(stat))
	if parent != 42 || used != 3900*time.Millisecond || err != nil {
		t.Errorf("parent %d, %v, %v; want 42, 3.9s", parent, used, err)
	}
	for _, bad := range []string{"", "1 (x) S", "1 (x) S a 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", "1 (x) S 1 0 0 0 0 0 0 0 0 0 x 0 0 0 0 0"} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
