package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/framelock/relay/internal/studio/clips"
)

// TestMain lets the test's own binary stand in for the studio and the croupier.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "studio":
			actStudio()
			return
		case "croupier":
			actCroupier(os.Getenv("DEMO_TEST_HEARD"))
			return
		case "crash":
			os.Exit(3)
		case "stubborn":
			fmt.Println("up")
			select {}
		}
	}
	goleak.VerifyTestMain(m)
}

// actStudio prints what a studio's log begins with, and what it is told.
func actStudio() {
	fmt.Printf(`{"studio":{"codec":"h264","fps":30,"ssrc":%d}}`+"\n", os.Getpid())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Printf(`{"told":%q}`+"\n", in.Text())
	}
}

// actCroupier appends what it hears to a file, with its process id.
func actCroupier(name string) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Fprintf(f, "%d %s\n", os.Getpid(), in.Text())
	}
}

func self(t *testing.T, args ...string) func() *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func() *exec.Cmd { return exec.Command(program, args...) }
}

// eventually waits until check holds.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(20 * time.Second)
	for !check() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func newChild(t *testing.T, attach func(io.WriteCloser, io.Reader), args ...string) *child {
	return &child{
		name: args[0], command: self(t, args...), attach: attach,
		log: slog.New(slog.DiscardHandler), restarted: make(chan struct{}),
	}
}

// start runs the child until the test or the returned function ends it.
func start(t *testing.T, c *child) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { c.run(ctx); close(ended) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

func TestChildIsStartedAgain(t *testing.T) {
	starts := make(chan struct{}, 100)
	stop := start(t, newChild(t, func(io.WriteCloser, io.Reader) { starts <- struct{}{} }, "crash"))
	for range 3 {
		<-starts
	}
	stop()
}

func TestChildThatCannotStart(t *testing.T) {
	c := newChild(t, func(io.WriteCloser, io.Reader) {}, "crash")
	c.command = func() *exec.Cmd { return exec.Command(filepath.Join(t.TempDir(), "nothing")) }
	asked, err := c.once(t.Context())
	if asked || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, %v", asked, err)
	}
}

func TestStubbornChildIsKilled(t *testing.T) {
	up := make(chan int, 10)
	c := newChild(t, nil, "stubborn")
	c.attach = func(_ io.WriteCloser, output io.Reader) {
		bufio.NewReader(output).ReadString('\n')
		up <- 1
	}
	stop := start(t, c)
	<-up
	if !c.restart(t.Context()) {
		t.Error("not restarted")
	}
	<-up
	stop()
}

// newControl runs a studio of this test behind the demo's routes.
func newControl(t *testing.T) (*httptest.Server, *studioControl) {
	t.Helper()
	control := &studioControl{feed: newFeed()}
	control.child = newChild(t, func(input io.WriteCloser, output io.Reader) {
		control.attached(input)
		control.feed.from(output)
	}, "studio")
	began := control.feed.next()
	start(t, control.child)
	<-began
	relay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the relay") })
	server := httptest.NewServer(control.routes(PageInfo{Stream: "wheel", FPS: 30, Codec: "h264"})(relay))
	t.Cleanup(func() {
		server.Close()
		server.Client().CloseIdleConnections()
	})
	return server, control
}

func call(t *testing.T, server *httptest.Server, method, path string, header ...string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

func TestRoutes(t *testing.T) {
	server, control := newControl(t)
	header := func() string {
		control.feed.mu.Lock()
		defer control.feed.mu.Unlock()
		return string(control.feed.header)
	}
	before := header()
	for _, test := range []struct {
		method, path string
		header       []string
		status       int
		body         string
	}{
		{"GET", "/", nil, 200, "the relay"},
		{"GET", "/demo/info", nil, 200, `{"stream":"wheel","fps":30,"codec":"h264"}`},
		{"POST", "/demo/studio/pause", nil, 200, `{"paused":true}`},
		{"POST", "/demo/studio/pause", nil, 200, `{"paused":false}`},
		{"POST", "/demo/studio/pause", []string{"Sec-Fetch-Site", "same-origin"}, 200, `{"paused":true}`},
		{"POST", "/demo/studio/pause", []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross-origin request detected from Sec-Fetch-Site header"},
		{"GET", "/demo/studio/restart", nil, 200, "the relay"},
		{"POST", "/demo/studio/restart", nil, 200, `{"restarted":true}`},
		{"POST", "/demo/studio/pause", nil, 200, `{"paused":true}`}, // a new studio begins unpaused
	} {
		status, body := call(t, server, test.method, test.path, test.header...)
		if status != test.status || body != test.body {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, status, body, test.status, test.body)
		}
	}
	if after := header(); before == after || after == "" {
		t.Errorf("studio %q, after the restart %q", before, after)
	}
}

func TestPauseWithoutStudio(t *testing.T) {
	control := &studioControl{}
	w := httptest.NewRecorder()
	control.servePause(w, httptest.NewRequest("POST", "/demo/studio/pause", nil))
	if w.Code != 503 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestFeedOutlivesBothEnds(t *testing.T) {
	heard := filepath.Join(t.TempDir(), "heard")
	t.Setenv("DEMO_TEST_HEARD", heard)
	lines := func() []string {
		b, _ := os.ReadFile(heard)
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	feed := newFeed()
	cfg := Config{Logger: slog.New(slog.DiscardHandler)}
	cfg.Program = self(t)().Path
	croupier := cfg.croupier(Info{URL: "http://relay/"}, demoClip(t), feed)
	log, studio := io.Pipe()
	defer studio.Close()
	reading := make(chan struct{})
	go func() { feed.from(log); close(reading) }()
	defer func() { studio.Close(); <-reading }()
	say := func(text string) {
		if _, err := io.WriteString(studio, text+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	say(`{"studio":{"ssrc":1}}`)
	say(`{"frame":0}`)
	stop := start(t, croupier)
	eventually(t, "first line of a late croupier", func() bool { return strings.HasSuffix(lines()[0], `{"studio":{"ssrc":1}}`) })
	say(`{"frame":1}`)
	// Frame 0 comes too if the feed was slower to take it than the croupier to start.
	eventually(t, "the next line", func() bool { l := lines(); return strings.HasSuffix(l[len(l)-1], `{"frame":1}`) })
	if !croupier.restart(t.Context()) {
		t.Fatal("not restarted")
	}
	eventually(t, "header for the new croupier", func() bool {
		l := lines()
		last := l[len(l)-1]
		return strings.HasSuffix(last, `{"studio":{"ssrc":1}}`) && last != l[0]
	})
	stop()
	for range 2 * feedDepth {
		say(`{"frame":2}`) // nobody reads: nothing blocks
	}
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct{ codec, clip, want string }{
		{"h265", "", `bad setting: --codec "h265" is not one of the studio's (allowed: h264, vp8)`},
		{"vp8", "1080p60", `bad setting: --clip: there is no vp8 clip "1080p60" (allowed: 360p30)`},
	} {
		err := Run(t.Context(), Config{Codec: test.codec, Clip: test.clip})
		if err == nil || err.Error() != test.want || !errors.Is(err, ErrConfig) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestReachable(t *testing.T) {
	for in, want := range map[string]string{
		"[::]:8080": "127.0.0.1:8080", "0.0.0.0:1": "127.0.0.1:1", ":2": "127.0.0.1:2",
		"192.0.2.1:3": "192.0.2.1:3", "[::1]:4": "[::1]:4",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// TestRun runs the relay itself, with stand-ins for the other two.
func TestRun(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("DEMO_TEST_HEARD", filepath.Join(t.TempDir(), "heard"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready := make(chan Info, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			HTTP: "127.0.0.1:0", UDP: "127.0.0.1:0", Admin: "127.0.0.1:0",
			Program: self(t)().Path, Ready: func(i Info) { ready <- i },
		})
	}()
	var info Info
	select {
	case info = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(info.URL + "demo/info")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var page PageInfo
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil || page != (PageInfo{"wheel", 30, "h264"}) {
		t.Errorf("page info %+v, %v", page, err)
	}
	if info.Video == "" || info.Audio == "" || info.Stream != "wheel" || info.FPS != 30 {
		t.Errorf("info %+v", info)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "framelock-relay", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func demoClip(t *testing.T) clips.Info {
	t.Helper()
	cfg := Config{}
	clip, err := cfg.fill()
	if err != nil {
		t.Fatal(err)
	}
	return clip
}
