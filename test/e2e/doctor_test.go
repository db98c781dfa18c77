package e2e

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/internal/doctor"
)

// The doctor finds what is wrong with an encoder that is set up badly, and no error in
// one that is set up well.
func TestDoctor(t *testing.T) {
	c := begin(t, 2*time.Minute, "ffmpeg")
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	ffmpeg, err := Find("ffmpeg")
	c.must(err)
	w.studio, err = StartProcess(w.Dir, "ffmpeg", ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning",
		"-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
		"-bf", "2", "-g", "300", "-b:v", "3M", "-x264-params", "repeat-headers=1:scenecut=0:b-adapt=0:rc-lookahead=5:sync-lookahead=0",
		"-payload_type", "96", "-rtpflags", "skip_rtcp", "-f", "rtp", "rtp://"+w.primary.Video+"?pkt_size=1400")
	c.must(err)
	codes, failed := c.doctor("arrival")
	c.figure("badly set up: %v", codes)
	for _, want := range []string{"b-frames", "long-gop", "oversize", "no-sender-reports"} {
		if !slices.Contains(codes, want) {
			c.Errorf("%s was not found", want)
		}
	}
	if !failed {
		c.Error("errors were found, and the exit code is 0")
	}

}

func TestDoctorOfGoodStream(t *testing.T) {
	c := begin(t, 2*time.Minute)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	codes, failed := c.doctor("sender_report")
	c.figure("well set up: %v", codes)
	for _, code := range codes {
		// A busy machine is late and may lose packets, for which nobody is to blame here.
		if !slices.Contains([]string{"jitter", "viewer-loss", "input-loss", "clock-behind"}, code) {
			c.Errorf("%s was found", code)
		}
	}
	if failed {
		c.Error("the exit code says that there is an error")
	}
}

// doctor runs the doctor once the stream has a clock of the source, and returns the
// codes of its findings, and whether it failed.
func (c *scenario) doctor(source string) (codes []string, failed bool) {
	c.Helper()
	w := c.world
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var info struct{ Clock struct{ Source string } }
		if err := w.Get(c.ctx, "/v1/streams/"+w.Stream, &info); err == nil && info.Clock.Source == source {
			break
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			c.Fatalf("the stream has no clock of source %s", source)
		}
	}
	out, err := Output(c.ctx, w.Relay, "doctor", "--url", w.URL(""), "-o", "json")
	var found []doctor.Finding
	if jsonErr := json.Unmarshal(out, &found); jsonErr != nil {
		c.Fatalf("no findings: %v: %v", err, jsonErr)
	}
	for _, f := range found {
		codes = append(codes, f.Code)
	}
	return codes, err != nil
}
