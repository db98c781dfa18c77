package e2e

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/framelock/relay/internal/watch"
)

// The native viewer sees every event by both paths, on the packets of its frame.
func TestWatch(t *testing.T) {
	c := begin(t, 3*time.Minute)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartPublisher(20, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	span := time.Duration(ofFull(60, 8)) * time.Second
	ctx, cancel := context.WithTimeout(c.ctx, span+30*time.Second)
	defer cancel()
	report := c.watch(ctx, span)
	e, v := report.Events, report.Video
	c.figure("%.0f s: %d frames, %d incomplete, %d packets lost; %d events, %d by both paths and equal, frame error %v; %d frame hashes; latency p50 %.1f p99 %.1f ms",
		report.Seconds, v.Complete, v.Incomplete, v.Lost, e.Reliable, e.BothPaths, e.FrameError, report.FrameHash.Checked, report.Latency.P50, report.Latency.P99)
	for _, p := range report.Problems() {
		c.Error(p)
	}
	fired := 0
	for frames, n := range e.FrameError {
		fired += n
		if frames != 0 {
			c.Errorf("%d events were %+d frames off", n, frames)
		}
	}
	if want := int(span.Seconds()) * 15; fired < want {
		c.Errorf("%d events were judged, want %d at least", fired, want)
	}
	if e.BothPaths != fired+e.LateOnly+e.RepeatOnly+e.FrameUnknown {
		c.Errorf("%d events rode on packets, %d of them came by both paths", fired+e.LateOnly+e.RepeatOnly+e.FrameUnknown, e.BothPaths)
	}
	if e.LateOnly+e.RepeatOnly > 0 {
		c.Errorf("%d events were late and %d rode only as repeats, though all were named beforehand", e.LateOnly, e.RepeatOnly)
	}
	if !report.SnapshotFirst || e.Snapshots != 1 {
		c.Errorf("snapshot first: %v; snapshots: %d", report.SnapshotFirst, e.Snapshots)
	}
	if v.Lost > 0 || v.Incomplete > 0 {
		c.Errorf("%d packets lost, %d frames incomplete on loopback", v.Lost, v.Incomplete)
	}
	if report.FrameHash.Checked == 0 {
		c.Error("no frame hash was checked")
	}
	if uint64(report.Extensions.PlayoutDelay) != v.Packets {
		c.Errorf("%d of %d packets carry playout-delay", report.Extensions.PlayoutDelay, v.Packets)
	}
}

// watch runs the native viewer as a process of its own.
func (c *scenario) watch(ctx context.Context, span time.Duration) *watch.Report {
	c.Helper()
	w := c.world
	out, runErr := Output(ctx, w.Relay, "watch", w.Stream, "--url", w.URL(""), "--for", span.String(), "-o", "json")
	var report watch.Report
	if err := json.Unmarshal(out, &report); err != nil {
		c.Fatalf("relay watch printed no report: %v: %v", runErr, err)
	}
	c.keep("watch.json", report)
	if runErr != nil && len(report.Problems()) == 0 {
		c.Error(runErr)
	}
	return &report
}
