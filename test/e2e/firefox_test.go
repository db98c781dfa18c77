package e2e

import (
	"testing"
	"time"
)

// Firefox has no exact route: the page must say so, play, and show its events.
func TestFirefoxVP8(t *testing.T) {
	c := begin(t, 2*time.Minute, "firefox-esr|firefox")
	w := c.world
	c.must(w.StartRelay(c.ctx, "vp8"))
	c.must(w.StartPublisher(20, clip(c, "vp8", "360p30")))
	c.must(w.StartStudio("vp8", "360p30"))
	c.must(w.WaitStream(c.ctx))
	proxy := NewReportingProxy(w.HTTP, "page")
	defer proxy.Close()
	profile, err := FirefoxProfile(w.Dir)
	c.must(err)
	executable, err := Find("firefox-esr", "firefox")
	c.must(err)
	firefox, err := StartProcess(w.Dir, "firefox", executable, "--headless", "--no-remote", "--profile", profile,
		proxy.URL+"/e2e/firefox.html?stream="+w.Stream)
	c.must(err)
	defer func() {
		if err := firefox.Stop(); err != nil {
			c.Error(err)
		}
	}()

	count := ofFull(300, 100)
	report := c.firefoxReport(proxy, func(r *FirefoxReport) bool { return len(r.Page.Snapshots) > 0 && r.fired() >= count })
	published := c.published()
	c.keep("page.json", report)

	if report.Page.Route != "approximate" {
		t.Errorf("the page is on the %q route, want approximate", report.Page.Route)
	}
	for _, a := range report.Page.Alarms {
		t.Errorf("alarm: %+v", a)
	}
	studio, err := ReadStudioLog(w.StudioLog())
	c.must(err)
	v := Judge(studio, published, &report.Page, &report.Browser)
	c.figure("%v", v)
	if v.Markers < count*9/10 {
		t.Errorf("%d markers were judged, want %d", v.Markers, count*9/10)
	}
	// Approximate means that a newer picture may have been copied than the one that
	// was named: about one in a thousand on a quiet machine, one in twenty on a busy
	// one. The figure is told; only a page that is mostly wrong does not work.
	if limit := v.Drawn / 4; len(v.Wrong) > limit {
		t.Errorf("%d complaints in %d frames, want %d at most; the first: %s", len(v.Wrong), v.Drawn, limit, v.Wrong[0])
	}
}

// firefoxReport waits for a report that is good enough.
func (c *scenario) firefoxReport(proxy *ReportingProxy, good func(*FirefoxReport) bool) *FirefoxReport {
	c.Helper()
	var last FirefoxReport
	for {
		select {
		case r := <-proxy.Reports:
			if good(&r) {
				return &r
			}
			last = r
		case <-c.ctx.Done():
			c.Fatalf("no report from Firefox that will do: %v; the last has %d frames drawn, statuses %+v", c.ctx.Err(), len(last.Page.Drawn), last.Page.Statuses)
		}
	}
}
