package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// amount is how much to test: nothing, a little or all.
var amount = os.Getenv("E2E")

// full says that the long cases are wanted.
func full() bool { return amount == "full" }

// ofFull is the size of a case: the first in a full run, the second in a short one.
func ofFull(long, short int) int {
	if full() {
		return long
	}
	return short
}

// relayBinary is the program under test, built once.
var relayBinary string

// results are the cases' lines, in the order in which they ended.
var results struct {
	sync.Mutex
	lines                   []string
	passed, failed, skipped int
}

func TestMain(m *testing.M) {
	if amount == "" {
		os.Exit(m.Run())
	}
	if amount != "1" && amount != "full" {
		fmt.Fprintf(os.Stderr, "E2E=%s: want 1 (short) or full\n", amount)
		os.Exit(2)
	}
	os.Exit(runCases(m))
}

func runCases(m *testing.M) int {
	dir, err := os.MkdirTemp("", "relay-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	relayBinary = filepath.Join(dir, "relay")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, err := Output(ctx, "go", "build", "-o", relayBinary, "github.com/framelock/relay/cmd/relay"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	r := &results
	for _, line := range r.lines {
		fmt.Println(line)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	if r.skipped > 0 && code == 0 {
		code = 1 // a case that cannot run proves nothing
	}
	return code
}

// scenario is a case at work: its programs, its browser and its word at the end.
type scenario struct {
	*testing.T
	ctx     context.Context
	dir     string // takes what the programs write; world.Dir is it or in it
	world   *World
	browser *Browser
	pages   string   // folder of the pages; the usual one if empty
	figures []string // what was measured, for the case's line
}

// outputDir takes the logs and screenshots of failed cases; git ignores it.
const outputDir = "../../test-results/e2e"

// begin prepares a case that takes at most limit; needs are the programs without
// which it cannot run, as alternatives separated by "|".
func begin(t *testing.T, limit time.Duration, needs ...string) *scenario {
	t.Helper()
	if amount == "" {
		t.Skip("set E2E=1 or E2E=full to run the cases in browsers")
	}
	c := &scenario{T: t}
	started := time.Now()
	t.Cleanup(func() { c.end(started) })
	for _, need := range append(needs, "node") {
		if _, err := Find(strings.Split(need, "|")...); err != nil {
			t.Skipf("%v: run tools/setup-test", err)
		}
	}
	if _, err := os.Stat("../../web/node_modules/playwright-core"); err != nil {
		t.Skip("playwright-core is not installed: run npm ci in web/")
	}
	dir, err := filepath.Abs(filepath.Join(outputDir, strings.ReplaceAll(t.Name(), "/", "-")))
	c.must(err)
	c.must(os.RemoveAll(dir))
	c.must(os.MkdirAll(dir, 0o755))
	c.dir = dir
	c.world = &World{Dir: dir, Relay: relayBinary, Stream: "wheel"}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	c.ctx = ctx
	t.Cleanup(c.tidy)
	return c
}

// tidy ends the programs; it keeps the logs, and a picture, of a failed case.
func (c *scenario) tidy() {
	if c.browser != nil {
		if c.Failed() {
			if err := c.browser.Screenshot(filepath.Join(c.dir, "failed.png")); err != nil {
				c.Log(err)
			}
		}
		if messages, err := c.browser.Console(); err == nil && c.Failed() && len(messages) > 0 {
			c.Logf("the page's console (%d lines):\n%s", len(messages), strings.Join(messages[:min(len(messages), 8)], "\n"))
		}
		if err := c.browser.Close(); err != nil {
			c.Error(err)
		}
	}
	if err := c.world.Close(); err != nil {
		c.Error(err)
	}
	if c.Failed() {
		c.Logf("logs are in test-results/e2e/%s", filepath.Base(c.dir))
		return
	}
	if err := os.RemoveAll(c.dir); err != nil {
		c.Error(err)
	}
}

// end writes the case's line.
func (c *scenario) end(started time.Time) {
	r := &results
	r.Lock()
	defer r.Unlock()
	word := "ok  "
	switch {
	case c.Failed():
		word = "FAIL"
		r.failed++
	case c.Skipped():
		word = "SKIP"
		r.skipped++
	default:
		r.passed++
	}
	name := strings.TrimPrefix(c.Name(), "Test")
	if load, err := os.ReadFile("/proc/loadavg"); err == nil && c.Failed() {
		c.figure("load average of the machine %s, %d cores", strings.Fields(string(load))[0], runtime.NumCPU())
	}
	line := fmt.Sprintf("%s %-22s %4.0f s  %s", word, name, time.Since(started).Seconds(), strings.Join(c.figures, "; "))
	r.lines = append(r.lines, line)
	c.Log(line)
}

// must ends the case if there is an error.
func (c *scenario) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// figure adds something measured to the case's line.
func (c *scenario) figure(format string, args ...any) {
	c.figures = append(c.figures, fmt.Sprintf(format, args...))
}

// open starts Chromium on a page of the relay.
func (c *scenario) open(path string, width, height int) {
	c.Helper()
	executable, err := Find("chromium", "chromium-browser", "google-chrome")
	c.must(err)
	c.browser, err = StartBrowser(BrowserConfig{Executable: executable, Width: width, Height: height, Dir: c.world.Dir, Pages: cmp.Or(c.pages, "page")})
	c.must(err)
	c.must(c.browser.Goto(c.world.Page(path)))
}

// chromium is the need for a Chromium.
const chromium = "chromium|chromium-browser|google-chrome"
