package e2e

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// decodedCase plays on the route where the page decodes the frames itself.
type decodedCase struct {
	codec   string
	stallMS int
}

func TestChromiumDecodedH264(t *testing.T)  { decoded(t, decodedCase{codec: "h264"}) }
func TestChromiumDecodedVP8(t *testing.T)   { decoded(t, decodedCase{codec: "vp8"}) }
func TestChromiumDecodedStall(t *testing.T) { decoded(t, decodedCase{codec: "vp8", stallMS: 20}) }

func decoded(t *testing.T, d decodedCase) {
	c := begin(t, 4*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, d.codec))
	c.must(w.StartStudio(d.codec, "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open(fmt.Sprintf("/e2e/play.html?route=decoded&hashes=1&stall=%d&stream=%s", d.stallMS, w.Stream), 1280, 900)
	c.must(c.browser.Wait(`window.play?.log.drawn.filter((d) => d.overlay).length > 30`, 20*time.Second))
	c.must(w.StartPublisher(20, clip(c, d.codec, "360p30")))
	count := ofFull(1000, 100)
	c.must(c.browser.Wait(fmt.Sprintf(`play.log.drawn.reduce((n, d) => n + d.fired.length, 0) > %d`, count+count/20),
		time.Duration(count/10+20)*time.Second))
	published := c.published()

	var page PageLog
	var browser Instruments
	c.must(c.browser.Evaluate(`play.log`, &page))
	c.must(c.browser.Evaluate(`window.instruments`, &browser))
	studio, err := ReadStudioLog(w.StudioLog())
	c.must(err)
	c.keep("page.json", page)
	c.keep("instruments.json", browser)
	v := Judge(studio, published, &page, &browser)
	c.figure("%v", v)
	c.checkDecoded(v, &page, count)
	if d.stallMS > 0 {
		c.checkStalls(&page)
	}
}

// checkDecoded holds a run on the decoded route against what it promises: every frame
// is drawn while the page stands not still, none is wrong, and the coded bytes are those that the relay hashed.
func (c *scenario) checkDecoded(v *Verdict, page *PageLog, count int) {
	c.Helper()
	if page.Route != "decoded" {
		c.Errorf("the page is on the %q route, want decoded", page.Route)
	}
	for _, a := range page.Alarms {
		c.Errorf("alarm: %+v", a)
	}
	for i, wrong := range v.Wrong {
		if i == 20 {
			c.Errorf("… and %d more", len(v.Wrong)-i)
			break
		}
		c.Error(wrong)
	}
	if v.Markers < count*9/10 || v.Late > 0 {
		c.Errorf("%d markers were judged and %d were late, want %d and none", v.Markers, v.Late, count*9/10)
	}
	if n, excused := page.leftOut(); n > 0 && page.Stalls == 0 {
		c.Errorf("%d frames were left out although the page had not stood still", n)
	} else if n+excused > 0 {
		c.figure("%d frames left out where the page stood still or was stalled", n+excused)
	}
	results := map[string]int{}
	for _, h := range page.Hashes {
		results[h.Result]++
	}
	c.figure("coded bytes: %d match, %d mismatch, %d unseen", results["match"], results["mismatch"], results["unseen"])
	if results["match"] < count*9/10 || results["mismatch"] > 0 {
		c.Errorf("hashes of coded frames: %v, want %d matches at least and no mismatch", results, count*9/10)
	}
}

// A page that has not painted for stoodStillMS, because the machine was busy with other
// things or the main thread was blocked, has catchUpMS to be back in time.
const (
	stoodStillMS = 75
	catchUpMS    = 1000
)

// leftOut counts frames that were not drawn between two that were: with and without
// the page having stood still before. The join, which begins in the past, is left out.
func (l *PageLog) leftOut() (unexcused, excused int) {
	var before *Drawn
	still, interval := math.Inf(-1), uint32(0)
	for i := range l.Drawn {
		d := &l.Drawn[i]
		if d.Again {
			continue
		}
		if before != nil {
			if d.At-before.At > stoodStillMS {
				still = d.At
			}
			step := uint32(d.RTP) - uint32(before.RTP)
			if interval == 0 || step < interval {
				interval = step
			}
			switch missing := int(step/interval) - 1; {
			case missing <= 0 || d.At-l.Drawn[0].At < catchUpMS:
			case d.At-still < catchUpMS:
				excused += missing
			default:
				unexcused += missing
			}
		}
		before = d
	}
	return unexcused, excused
}

func TestLeftOut(t *testing.T) {
	type drawn struct {
		frame int
		at    float64
	}
	tests := []struct {
		name               string
		drawn              []drawn
		unexcused, excused int
	}{
		{name: "all drawn", drawn: []drawn{{1, 0}, {2, 33}, {3, 67}}},
		{name: "in the join", drawn: []drawn{{1, 0}, {9, 10}, {10, 40}, {12, 80}}},
		{name: "after a pause", drawn: []drawn{{1, 0}, {2, 33}, {6, 2000}, {9, 2020}}, excused: 3 + 2},
		{name: "long after a pause", drawn: []drawn{{1, 0}, {2, 33}, {3, 2000}, {4, 2070}, {5, 2140}, {7, 3001}}, excused: 1},
	}
	for _, tt := range tests {
		var l PageLog
		for _, d := range tt.drawn {
			l.Drawn = append(l.Drawn, Drawn{RTP: int64(4294960000 + uint32(3000*d.frame)), At: d.at}, Drawn{RTP: 5, At: d.at, Again: true})
		}
		if u, e := l.leftOut(); u != tt.unexcused || e != tt.excused {
			t.Errorf("%s: %d and %d, want %d and %d", tt.name, u, e, tt.unexcused, tt.excused)
		}
	}
	steady := PageLog{}
	for i := range 90 {
		if i != 70 {
			steady.Drawn = append(steady.Drawn, Drawn{RTP: int64(3000 * i), At: 1000 * float64(i) / 30})
		}
	}
	if u, e := steady.leftOut(); u != 1 || e != 0 {
		t.Errorf("a single frame of a steady page: %d and %d, want 1 and 0", u, e)
	}
}
