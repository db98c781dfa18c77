package croupier

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// logLine is frame n of a studio that began at epoch with 30 frames a second.
func logLine(n, bar uint64, ssrc uint32, pocket int) string {
	round := ""
	if pocket >= 0 {
		round = fmt.Sprintf(`,"round":{"pocket":%d}`, pocket)
	}
	at := epoch.Add(time.Duration(n) * time.Second / 30)
	return fmt.Sprintf(`{"frame":%d,"bar":%d,"ts":%d,"ssrc":%d,"capture_time":%q,"key":false%s}`+"\n",
		n, bar, uint32(1000+3000*n), ssrc, at.Format(time.RFC3339Nano), round)
}

func header(ssrc uint32) string {
	return fmt.Sprintf(`{"studio":{"codec":"h264","fps":30,"width":640,"height":360,"ssrc":%d,"audio_ssrc":7}}`+"\n", ssrc)
}

// relay is a stand-in for the relay's markers, windows and events calls.
type relay struct {
	*httptest.Server
	mu      sync.Mutex
	seen    []Mark
	windows []Window
	open    map[string]bool               // windows that are, by name
	answer  func(m Mark, attempt int) int // status
	refuse  bool                          // windows
	follows chan<- func(kind, window string)
}

// serveEvents says to the test that somebody follows, and sends what it is told to.
func (r *relay) serveEvents(w http.ResponseWriter, req *http.Request) {
	events := make(chan string)
	io.WriteString(w, "retry: 1000\n\n")
	w.(http.Flusher).Flush()
	r.follows <- func(kind, window string) {
		events <- fmt.Sprintf("id: 9\ndata: {\"seq\":9,\"kind\":%q,\"window\":%q}\n\n", kind, window)
	}
	for {
		select {
		case e := <-events:
			io.WriteString(w, e)
			w.(http.Flusher).Flush()
		case <-req.Context().Done():
			return
		}
	}
}

// openWindow takes a window.
func (r *relay) openWindow(w http.ResponseWriter, body *json.Decoder) error {
	var window Window
	if err := body.Decode(&window); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"title":"Not Found","status":404}`)
		return nil
	}
	r.windows = append(r.windows, window)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"id":"open:%s","seq":1,"ts":160000000000000}`, window.Window)
	return nil
}

func newRelay(t *testing.T, answer func(m Mark, attempt int) int) *relay {
	r := &relay{answer: answer}
	attempts := map[string]int{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var m Mark
		body := json.NewDecoder(req.Body)
		body.DisallowUnknownFields()
		if req.URL.Path == "/v1/streams/wheel/windows" {
			if err := r.openWindow(w, body); err != nil {
				t.Error(err)
			}
			return
		}
		if req.URL.Path == "/v1/streams/wheel/events" {
			r.serveEvents(w, req)
			return
		}
		if err := body.Decode(&m); err != nil || req.URL.Path != "/v1/streams/wheel/markers" || req.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("request %s %s: %v", req.Method, req.URL, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		attempts[m.ID]++
		r.seen = append(r.seen, m)
		status := r.answer(m, attempts[m.ID])
		if r.open[m.Window] {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"title":"Conflict","status":409,"detail":"window_not_closed: test"}`)
			return
		}
		if status/100 != 2 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"type":"about:blank","title":"no","status":%d,"detail":"frame_not_seen: test"}`, status)
			return
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"id":%q,"seq":%d,"epoch":1,"ts":160000000000000,"frame":1,"capture_time":"2026-11-22T12:00:00Z","error_ms":0.4,"late_ms":0,"clock":"sender_report"}`, m.ID, len(r.seen))
	}))
	t.Cleanup(func() {
		r.Close()
		r.Client().CloseIdleConnections()
	})
	return r
}

func (r *relay) client() *Client {
	return &Client{URL: r.URL, Token: "secret", HTTP: r.Server.Client()}
}

func accept(Mark, int) int { return http.StatusCreated }

func play(t *testing.T, r *relay, log string, change func(*Config)) []Record {
	t.Helper()
	var out strings.Builder
	cfg := Config{Log: io.NopCloser(strings.NewReader(log)), Client: r.client(), Stream: "wheel", Out: &out}
	if change != nil {
		change(&cfg)
	}
	if err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	var records []Record
	for line := range strings.Lines(out.String()) {
		var rec Record
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatal(err)
		}
		records = append(records, rec)
	}
	slices.SortFunc(records, func(a, b Record) int { return int(a.Frame) - int(b.Frame) })
	return records
}

func TestOutcomesNameTheFrameOfTheLog(t *testing.T) {
	r := newRelay(t, accept)
	var log strings.Builder
	log.WriteString(header(9))
	for n := range uint64(1000) {
		pocket := -1
		if n%200 == 125 {
			pocket = int(n / 200)
		}
		log.WriteString(logLine(n, n, 9, pocket))
	}
	records := play(t, r, log.String(), nil)
	var outcomes, byTime int
	for _, rec := range records {
		if rec.Kind != "outcome" {
			continue
		}
		outcomes++
		if rec.By == "capture_time" {
			byTime++
			if want := epoch.Add(time.Duration(rec.Frame) * time.Second / 30); !rec.CaptureTime.Equal(want) {
				t.Errorf("frame %d is named %v, want %v", rec.Frame, rec.CaptureTime, want)
			}
		} else if rec.Source.SSRC != 9 || rec.Source.TS != uint32(1000+3000*rec.Frame) {
			t.Errorf("frame %d is named %+v", rec.Frame, rec.Source)
		}
		if rec.Answer == nil || rec.Status != 201 {
			t.Errorf("frame %d: %+v", rec.Frame, rec)
		}
	}
	if outcomes != 5 || byTime != 3 {
		t.Errorf("%d outcomes, %d by capture time; want 5 and 3", outcomes, byTime)
	}
	// After each outcome: betting 30 frames later, spinning after 138; the last
	// outcome, on frame 925, has only the first before the log ends.
	var states []uint64
	for _, rec := range records {
		if rec.Kind == "state" {
			states = append(states, rec.Frame)
		}
	}
	if want := []uint64{155, 263, 355, 463, 555, 663, 755, 863, 955}; !slices.Equal(states, want) {
		t.Errorf("states on frames %v, want %v", states, want)
	}
}

func TestScriptNamesOutcomesAhead(t *testing.T) {
	r := newRelay(t, accept)
	var log strings.Builder
	log.WriteString(header(9))
	for n := range uint64(160) {
		pocket := -1
		switch n {
		case 50, 110:
			pocket = 17
		case 150:
			pocket = 5 // the script says 6
		}
		log.WriteString(logLine(n, n, 9, pocket))
	}
	script := Script{Loop: 1000, Rests: []Rest{{50, 17}, {150, 6}}}
	records := play(t, r, log.String(), func(c *Config) { c.Script, c.Lead = script, 100*time.Millisecond })
	var got []string
	for _, rec := range records {
		if rec.Kind != "state" && rec.Kind != windowOpen {
			got = append(got, fmt.Sprintf("%s %d %v", rec.ID, rec.Frame, rec.Predicted))
		}
	}
	slices.Sort(got)
	want := []string{
		"c-00000009-150 150 false", "o-00000009-110 110 false", "o-00000009-150 150 true",
		"o-00000009-50 50 true", "v-00000009-150 150 false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Each round has a window, open from the betting frame to the spinning one, and the
// outcome is about it.
func TestRoundsHaveWindows(t *testing.T) {
	r := newRelay(t, accept)
	var log strings.Builder
	log.WriteString(header(9))
	for n := range uint64(500) {
		pocket := -1
		if n%180 == 100 {
			pocket = 17
		}
		log.WriteString(logLine(n, n, 9, pocket))
	}
	records := play(t, r, log.String(), nil)
	var got []string
	for _, m := range r.seen {
		if m.Kind == "outcome" {
			got = append(got, m.Window)
		}
	}
	slices.Sort(got)
	if want := []string{"", "w-00000009-130", "w-00000009-310"}; !slices.Equal(got, want) {
		t.Errorf("outcomes of windows %q, want %q", got, want)
	}
	if len(r.windows) != 3 { // that of frame 490 has no outcome in this log
		t.Fatalf("%d windows", len(r.windows))
	}
	for _, w := range r.windows {
		if w.Closes == nil || w.Closes.AfterMS != 3600 || w.Accept.MaxPerViewer != 3 || w.At.CaptureTime == nil && w.At.Source == nil {
			t.Errorf("%+v", w)
		}
	}
	for _, rec := range records {
		if rec.Kind == windowOpen && (!strings.HasPrefix(rec.ID, "open:w-") || rec.Answer == nil) {
			t.Errorf("%+v", rec)
		}
	}
}

func TestOutcomeOfAWindowThatDidNotOpen(t *testing.T) {
	g := newGame(Script{}, 0, 0)
	g.start(Studio{FPS: 30, SSRC: 9})
	frame := func(n uint64, pocket int) []event {
		var l line
		if err := json.Unmarshal([]byte(logLine(n, n, 9, pocket)), &l); err != nil {
			t.Fatal(err)
		}
		return g.frame(l.Frame)
	}
	frame(0, 1)
	opened := frame(30, -1)
	g.failed(opened[1])
	if e := frame(180, 2); opened[1].Kind != windowOpen || e[0].Window != "" {
		t.Errorf("opened %+v, outcome %+v", opened, e)
	}
}

// An outcome that the relay refuses while its window takes actions is published
// when the window has closed.
func TestOutcomeWaitsForItsWindow(t *testing.T) {
	for _, end := range []string{"window.close", "void"} {
		again := make(chan struct{})
		r := newRelay(t, func(m Mark, attempt int) int {
			if m.Window != "" && attempt == 2 {
				close(again)
			}
			return http.StatusCreated
		})
		follows := make(chan func(kind, window string))
		r.follows, r.open = follows, map[string]bool{"w-00000009-30": true}
		go func() {
			tell := <-follows
			<-again
			tell("marker", "")
			tell("window.close", "another")
			r.mu.Lock()
			r.open = nil
			r.mu.Unlock()
			tell(end, "w-00000009-30")
		}()
		var log strings.Builder
		log.WriteString(header(9))
		for n := range uint64(181) {
			log.WriteString(logLine(n, n, 9, map[uint64]int{0: 1, 180: 2}[n]-1))
		}
		records := play(t, r, log.String(), nil)
		last := records[len(records)-1]
		if last.Kind != "outcome" || last.Error != "" || last.Status != http.StatusCreated || last.Attempts != 1 {
			t.Errorf("%s: %+v", end, last)
		}
		tries := 0
		for _, m := range r.seen {
			if m.Window == "w-00000009-30" {
				tries++
			}
		}
		if tries != 3 { // at once, when the events are followed, and when it is closed
			t.Errorf("%s: %d tries", end, tries)
		}
	}
}

func TestRejectedPredictionIsPublishedLater(t *testing.T) {
	g := newGame(Script{Loop: 1000, Rests: []Rest{{50, 17}}}, 3, 0)
	g.start(Studio{FPS: 30, SSRC: 9})
	frame := func(n uint64) []event {
		var l line
		pocket := -1
		if n == 50 {
			pocket = 17
		}
		if err := json.Unmarshal([]byte(logLine(n, n, 9, pocket)), &l); err != nil {
			t.Fatal(err)
		}
		return g.frame(l.Frame)
	}
	early := frame(47)
	g.failed(early[0])
	again := frame(50)
	if len(early) != 1 || len(again) != 1 || !early[0].Predicted || again[0].Predicted {
		t.Fatalf("early %+v, again %+v", early, again)
	}
	if early[0].ID != again[0].ID || string(early[0].Patch) != string(again[0].Patch) {
		t.Errorf("early %s %s, again %s %s", early[0].ID, early[0].Patch, again[0].ID, again[0].Patch)
	}
}

func TestRateMarkersHoldTheBarNumber(t *testing.T) {
	r := newRelay(t, accept)
	var log strings.Builder
	log.WriteString(strings.Replace(header(9), "h264", "vp8", 1)) // whose picture numbers repeat
	for n := range uint64(60) {
		log.WriteString(logLine(n+20, (n+20)%50, 9, -1))
	}
	records := play(t, r, log.String(), func(c *Config) {
		c.Rate, c.Lead, c.Script = 10, 100*time.Millisecond, Script{Loop: 50}
	})
	if len(records) < 19 || len(records) > 20 {
		t.Errorf("%d markers in 2 s at 10 a second", len(records))
	}
	bySource := 0
	for _, rec := range records {
		if rec.Frame >= 50 && rec.Bar != rec.Frame%50 {
			t.Errorf("frame %d has bar %d", rec.Frame, rec.Bar)
		}
		if rec.By == "source" {
			bySource++
		}
	}
	if bySource != len(records)/4 {
		t.Errorf("%d of %d by source, want one in four", bySource, len(records))
	}
}

func TestRetriesKeepTheID(t *testing.T) {
	statuses := []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusCreated}
	r := newRelay(t, func(_ Mark, attempt int) int { return statuses[attempt-1] })
	records := play(t, r, header(9)+logLine(0, 0, 9, 17), nil)
	if len(records) != 1 || records[0].Attempts != 3 || records[0].Error != "" || records[0].Answer == nil {
		t.Fatalf("%+v", records)
	}
	for _, m := range r.seen {
		if m.ID != r.seen[0].ID {
			t.Errorf("ids %q and %q", r.seen[0].ID, m.ID)
		}
	}
}

func TestRefusalIsNotRetried(t *testing.T) {
	r := newRelay(t, func(Mark, int) int { return http.StatusConflict })
	records := play(t, r, header(9)+logLine(0, 0, 9, 17), nil)
	if len(records) != 1 || records[0].Attempts != 1 || records[0].Status != 409 || !strings.Contains(records[0].Error, "frame_not_seen") {
		t.Errorf("%+v", records)
	}
}

func TestCountAndRestart(t *testing.T) {
	r := newRelay(t, accept)
	log, studio := io.Pipe()
	go func() {
		defer studio.Close()
		for _, ssrc := range []uint32{1, 2, 3} {
			if _, err := io.WriteString(studio, header(ssrc)+logLine(0, 0, ssrc, 17)); err != nil {
				return
			}
		}
	}()
	records := play(t, r, "", func(c *Config) { c.Log, c.Count = log, 2 })
	if len(records) != 2 || records[0].ID == records[1].ID {
		t.Errorf("%+v", records)
	}
}

func TestOldFramesArePassedOver(t *testing.T) {
	r := newRelay(t, accept)
	fresh := time.Now().Add(-time.Second).Format(time.RFC3339Nano)
	log := header(1) + logLine(0, 0, 1, 17) +
		fmt.Sprintf(`{"frame":1,"bar":1,"ts":4000,"ssrc":1,"capture_time":%q,"round":{"pocket":5}}`+"\n", fresh)
	records := play(t, r, log, func(c *Config) { c.Fresh = time.Minute })
	if len(records) != 1 || records[0].Frame != 1 {
		t.Errorf("%+v", records)
	}
}

func TestContextEndsARunWithAnIdleLog(t *testing.T) {
	r := newRelay(t, accept)
	ctx, cancel := context.WithCancel(t.Context())
	log, studio := io.Pipe()
	ended := make(chan error)
	go func() { ended <- Run(ctx, Config{Log: log, Client: r.client(), Stream: "wheel"}) }()
	if _, err := io.WriteString(studio, header(1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBadLog(t *testing.T) {
	err := Run(t.Context(), Config{Log: io.NopCloser(strings.NewReader(header(1) + "oops\n")), Client: &Client{}})
	if err == nil || !strings.Contains(err.Error(), "studio log, line 2") {
		t.Errorf("got %v", err)
	}
}

func TestTailFollowsAReplacedFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "studio.log")
	tail := NewTail(name)
	read := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(tail, got); err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	write := func(text string, flags int) {
		t.Helper()
		f, err := os.OpenFile(name, flags|os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("first", 0)
	read("first")
	write(" more", os.O_APPEND)
	read(" more")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	write("second", 0)
	read("second")
	write("3rd", os.O_TRUNC)
	read("3rd")
	tail.Close()
	if _, err := tail.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after Close: %v", err)
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct{ kind, body, want string }{
		{"application/problem+json", `{"title":"Conflict","status":409,"detail":"paused: the feed is paused"}`, "the relay answered 409 Conflict: paused: the feed is paused"},
		{"application/problem+json", `{"title":"Conflict","status":409,"field":"at.ts","value":-1,"allowed":"a positive integer"}`, "the relay answered 409 Conflict; field at.ts was -1, allowed: a positive integer"},
		{"text/html", "<html>", "the relay answered 409 Conflict"},
		{"application/json", "[", "the relay answered 409 Conflict"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", test.kind)
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, test.body)
		}))
		c := &Client{URL: srv.URL, HTTP: srv.Client()}
		_, _, err := c.Mark(t.Context(), "s", Mark{})
		if err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
		srv.Close()
	}
}
