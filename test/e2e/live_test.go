package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// What any ffmpeg sends plays: the picture moves, the tone has its pitch, and
// picture and sound belong together.
func TestFFmpegLive(t *testing.T) { live(t, "exact") }

// The same where the page decodes the pictures and keeps them to the sound itself.
func TestFFmpegLiveDecoded(t *testing.T) { live(t, "decoded") }

func live(t *testing.T, route string) {
	c := begin(t, 8*time.Minute, chromium, "ffmpeg")
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartFFmpeg("ffmpeg"))
	c.must(w.WaitStream(c.ctx))
	c.open("/e2e/live.html?route="+route+"&stream="+w.Stream, 800, 600)
	c.must(c.browser.Wait(`live.log.frames.length > 0 && live.log.tones.length > 0`, 20*time.Second))
	c.look("", time.Duration(ofFull(60, 20))*time.Second) // of fewer beeps, the 95th percentile would be the worst
	if !full() {
		return
	}
	c.must(w.studio.Stop())
	c.must(w.StartFFmpeg("ffmpeg-again"))
	shown := 0
	c.must(c.browser.Evaluate(`live.log.frames.length`, &shown))
	c.must(c.browser.Wait(fmt.Sprintf(`live.log.frames.length > %d`, shown+30), 20*time.Second))
	c.look("after the encoder began anew: ", 60*time.Second)
}

// look looks and listens for a while. The browser brings picture and sound together
// step by step (docs/decisions/0007): measured is what comes once it believes for 5 s
// that they are.
func (c *scenario) look(when string, span time.Duration) {
	c.Helper()
	const settle = 90 * time.Second
	var begun, from float64
	c.must(c.browser.Evaluate(`live.log.skews.length = 0, performance.now()`, &begun))
	c.must(c.browser.Wait(`live.log.skews.length > 10 && live.log.skews.slice(-10).every((s) => Math.abs(s.ms) <= 40)`, settle))
	c.must(c.browser.Evaluate(`performance.now()`, &from))
	c.figure("%stogether after %.0f s", when, (from-begun)/1000)
	c.must(c.browser.Wait(fmt.Sprintf(`performance.now() > %f`, from+float64(span.Milliseconds())), span+10*time.Second))
	var l LiveLog
	c.must(c.browser.Evaluate(`live.log`, &l))
	c.keep("live.json", l)

	v := JudgeLive(&l, from)
	c.figure("%v", v)
	seconds := int(span.Seconds())
	if want := seconds * 30 * 95 / 100; v.Moving < want {
		c.Errorf("%s%d moving frames in %d s, want %d at least", when, v.Moving, seconds, want)
	}
	if v.LongestStill > 500 {
		c.Errorf("%sthe picture stood still for %.0f ms", when, v.LongestStill)
	}
	if v.Tones < seconds*3 || v.WorstTone > 3 {
		c.Errorf("%s%d samples of the tone, up to %.1f Hz off; want %d at least, within 3 Hz of %d", when, v.Tones, v.WorstTone, seconds*3, ToneHz)
	}
	if len(v.Skews) < seconds*8/10 {
		c.Errorf("%s%d of %d flashes had a beep near them", when, len(v.Skews), len(v.Skews)+v.Unpaired)
	}
	if v.P95() > 45 {
		c.Errorf("%spicture and sound are %.0f ms apart at the 95th percentile, want 45 ms at most", when, v.P95())
	}
	for _, a := range l.Alarms {
		c.Errorf("%salarm: %+v", when, a)
	}
}

func TestJudgeLive(t *testing.T) {
	// Two seconds at 20 frames a second; the beeps are 30 ms late, then 20 ms early.
	var l LiveLog
	text := `{"flashes":[{"at":500},{"at":1000},{"at":2000}],"beeps":[{"at":1030},{"at":1980}],
		"tones":[{"at":400,"hz":300},{"at":1100,"hz":440.5},{"at":1200,"hz":439}],"skews":[{"ms":5},{"ms":1},{"ms":3}]}`
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatal(err)
	}
	for i := range 41 {
		changed := 7
		if i == 30 || i == 31 {
			changed = 0
		}
		l.Frames = append(l.Frames, struct {
			At      float64 `json:"at"`
			Changed int     `json:"changed"`
		}{float64(50 * i), changed})
	}
	v := JudgeLive(&l, 1000)
	want := "21 frames, 19 moving, still for 150 ms at most; tone within 1.0 Hz of 440; " +
		"beep - flash -20 ms [-20 to +30], p95 30 ms of 2; the browser's own estimate +3 ms"
	if got := v.String(); got != want || v.Unpaired != 0 {
		t.Errorf("got  %s (%d unpaired)\nwant %s", got, v.Unpaired, want)
	}
	l.Beeps = l.Beeps[:1]
	if v := JudgeLive(&l, 1000); v.Unpaired != 1 || len(v.Skews) != 1 {
		t.Errorf("%d unpaired, %d paired; want one of each", v.Unpaired, len(v.Skews))
	}
}
