package e2e

import (
	"testing"
	"time"
)

// Firefox tells no timestamps with its pixels: the page decodes the frames itself.
func TestFirefoxVP8(t *testing.T) {
	c := begin(t, 3*time.Minute, "firefox-esr|firefox")
	w := c.world
	c.must(w.StartRelay(c.ctx, "vp8"))
	c.must(w.StartStudio("vp8", "360p30"))
	c.must(w.WaitStream(c.ctx))
	proxy, stop := c.firefox("/e2e/firefox.html?hashes=1&stream=" + w.Stream)
	defer stop()
	c.firefoxReport(proxy, func(r *FirefoxReport) bool { return len(r.Page.Drawn) > 30 })
	c.must(w.StartPublisher(20, clip(c, "vp8", "360p30")))

	count := ofFull(1000, 100)
	report := c.firefoxReport(proxy, func(r *FirefoxReport) bool { return r.fired() >= count+count/20 })
	published := c.published()
	c.keep("page.json", report)
	studio, err := ReadStudioLog(w.StudioLog())
	c.must(err)
	v := Judge(studio, published, &report.Page, &report.Browser)
	c.figure("%v", v)
	c.checkDecoded(v, &report.Page, count)
}

// firefox starts Firefox on a page, which reports to the proxy that is returned.
func (c *scenario) firefox(path string) (proxy *ReportingProxy, stop func()) {
	c.Helper()
	proxy = NewReportingProxy(c.world.viewersHandler(), "page")
	profile, err := FirefoxProfile(c.world.Dir)
	c.must(err)
	executable, err := Find("firefox-esr", "firefox")
	c.must(err)
	firefox, err := StartProcess(c.world.Dir, "firefox", executable, "--headless", "--no-remote", "--profile", profile, proxy.URL+path)
	c.must(err)
	return proxy, func() {
		if err := firefox.Stop(); err != nil {
			c.Error(err)
		}
		proxy.Close()
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
