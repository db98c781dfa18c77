package e2e

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// An encoder whose sender reports are 80 ms late is found out, within 10 ms.
func TestCalibrate(t *testing.T) {
	for _, codec := range []string{"h264", "vp8"} {
		t.Run(codec, func(t *testing.T) { calibrate(t, codec) })
	}
}

func calibrate(t *testing.T, codec string) {
	c := begin(t, time.Minute, "ffmpeg")
	w := c.world
	const late, tolerance = 80.0, 10.0
	w.StudioFlags = []string{"--encoder-delay", "80ms"}
	c.must(w.StartRelay(c.ctx, codec))
	c.must(w.StartStudio(codec, "360p30"))
	c.must(w.WaitStream(c.ctx))
	out, err := Output(c.ctx, w.Relay, "calibrate", w.Stream, "--url", w.URL(""), "--log", w.StudioLog(), "--for", "5s", "--current", "20ms", "-o", "json")
	c.must(err)
	var r struct {
		OffsetMS      float64 `json:"offset_ms"`
		SpreadMS      float64 `json:"spread_ms"`
		Samples       int     `json:"samples"`
		Clock         string  `json:"clock"`
		CaptureOffset string  `json:"capture_offset"`
	}
	c.must(json.Unmarshal(out, &r))
	c.figure("%.1f ms found of %.0f, spread %.1f ms of %d frames", r.OffsetMS, late, r.SpreadMS, r.Samples)
	set, err := time.ParseDuration(r.CaptureOffset)
	c.must(err)
	if math.Abs(r.OffsetMS-late) > tolerance || (set-100*time.Millisecond).Abs() > tolerance*time.Millisecond {
		c.Errorf("found %.1f ms and %s to set, want %.0f ms and 20 ms more, within %.0f ms", r.OffsetMS, r.CaptureOffset, late, tolerance)
	}
	if r.Samples < 30 || r.Clock != "sender_report" {
		c.Errorf("%d samples by %q, want 30 at least by sender_report", r.Samples, r.Clock)
	}
}
