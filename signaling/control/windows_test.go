package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/framelock/relay/sync/marker"
)

// allCalls are the calls of the table, and for those about windows what every call
// of their kind may answer.
func allCalls() []call {
	all := calls
	post := func(name, path, token, wrong, body string, statuses ...int) {
		for _, status := range statuses {
			c := call{name: name + " " + http.StatusText(status), method: "POST", path: path, token: token, body: body, status: status}
			switch status {
			case 400:
				c.body = `{"nothing":1}`
			case 401:
				c.token = ""
			case 403:
				c.token = wrong
			case 404:
				c.path, c.token = strings.Replace(path, "wheel", "nowhere", 1), map[string]string{"game": "host", "player": "player", "ops": "ops"}[token]
			case 413:
				c.body = `{"id":"` + strings.Repeat("x", 20<<10) + `"}`
			case 415:
				c.kind = "text/plain"
			case 429:
				c.err = marker.ErrInboxFull
			case 500:
				c.err = errors.New("secret cause")
			case 503:
				c.err = marker.ErrUnavailable
			}
			all = append(all, c)
		}
	}
	post("close:", "/v1/streams/wheel/windows/w1/close", "game", "viewer", `{}`, 404, 413, 415, 429, 500, 503)
	post("void:", "/v1/streams/wheel/windows/w1/void", "game", "viewer", `{}`, 400, 401, 403, 404, 413, 415, 429, 500, 503)
	post("act:", "/v1/streams/wheel/windows/w1/actions", "player", "viewer", `{"id":"a1"}`, 413, 415, 429, 500)
	post("erase:", "/v1/streams/wheel/log/erase", "ops", "reader", `{"orders":[3]}`, 204, 400, 401, 403, 404, 413, 415, 500, 503)
	const receipt = "/v1/streams/wheel/windows/w1/receipts/a2"
	return append(all,
		call{name: "receipt with another scope", method: "GET", path: receipt, token: "viewer", status: 403},
		call{name: "receipt fails", method: "GET", path: receipt, token: "player", err: errors.New("secret cause"), status: 500},
		call{name: "receipt is late", method: "GET", path: receipt, token: "player", err: context.DeadlineExceeded, status: 503, header: retry},
	)
}

func TestWindowsAreOpenedOnce(t *testing.T) {
	described := newContract(t)
	for _, c := range []call{
		{method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: openBody, status: 200},
		{method: "POST", path: "/v1/streams/wheel/windows/w1/close", token: "game", body: `{}`, status: 200},
		{method: "POST", path: "/v1/streams/wheel/windows/w1/void", token: "game", body: `{}`, status: 200},
	} {
		s := newTable(t)
		s.replayed = true
		r, w := c.do(Handler(s, people, Options{}))
		c.check(t, w)
		described.check(t, r, []byte(c.body), w)
	}
}

// A window can be closed with nothing but its name, by everybody but the page of
// another origin, which a browser would let send just that.
func TestCloseNeedsNoBody(t *testing.T) {
	described := newContract(t)
	for _, verb := range []string{"close", "void"} {
		for _, c := range []struct {
			name   string
			header http.Header
			body   string
			status int
		}{
			{"a command", nil, "", 201},
			{"its own page", http.Header{"Origin": {"http://example.com"}, "Sec-Fetch-Site": {"same-origin"}}, "", 201},
			{"another's page", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, "", 415},
			{"another's page in an old browser", http.Header{"Origin": {"https://evil.example"}}, "", 415},
			{"another's form", http.Header{"Origin": {"https://evil.example"}, "Content-Type": {"text/plain"}}, "", 415},
			{"a form", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "", 415},
			{"a body without a type", nil, `{}`, 415},
		} {
			t.Run(verb+"/"+c.name, func(t *testing.T) {
				r := httptest.NewRequest("POST", "/v1/streams/wheel/windows/w1/"+verb, strings.NewReader(c.body))
				maps.Copy(r.Header, c.header)
				r.Header.Set("Authorization", "Bearer game")
				w := httptest.NewRecorder()
				Handler(newTable(t), people, Options{}).ServeHTTP(w, r)
				call{status: c.status}.check(t, w)
				described.check(t, r, []byte(c.body), w)
			})
		}
	}
}

// Every call has its HEAD, OPTIONS and 405.
func TestMethods(t *testing.T) {
	const table = "/v1/streams/wheel"
	for _, c := range []struct{ path, allow, token, kind string }{
		{"/windows", "GET, HEAD, POST, OPTIONS", "reader", "application/json"},
		{"/windows/w1/close", "POST, OPTIONS", "", ""},
		{"/windows/w1/void", "POST, OPTIONS", "", ""},
		{"/windows/w1/actions", "POST, OPTIONS", "", ""},
		{"/windows/w1/receipts/a1", "GET, HEAD, OPTIONS", "player", "application/json"},
		{"/journal", "GET, HEAD, OPTIONS", "game", "text/event-stream"},
		{"/log/export", "GET, HEAD, OPTIONS", "reader", "application/x-ndjson"},
		{"/log/checkpoint", "GET, HEAD, OPTIONS", "reader", "text/plain; charset=utf-8"},
		{"/log/tile/0/000", "GET, HEAD, OPTIONS", "reader", "application/octet-stream"},
		{"/log/proof/1", "GET, HEAD, OPTIONS", "reader", "application/json"},
	} {
		s := newTable(t)
		server := httptest.NewServer(Handler(s, people, Options{Logs: s}))
		client := server.Client()
		do := func(method, token string) *http.Response {
			q, err := http.NewRequestWithContext(t.Context(), method, server.URL+table+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if token != "" {
				q.Header.Set("Authorization", "Bearer "+token)
			}
			res, err := client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return res
		}
		if res := do("OPTIONS", ""); res.StatusCode != 204 || res.Header.Get("Allow") != c.allow {
			t.Errorf("OPTIONS %s: %s, Allow %q, want %q", c.path, res.Status, res.Header.Get("Allow"), c.allow)
		}
		for _, method := range []string{"PUT", "DELETE", "PATCH", "POST", "GET"} {
			if strings.Contains(c.allow, method) {
				continue
			}
			if res := do(method, c.token); res.StatusCode != 405 || res.Header.Get("Allow") != c.allow {
				t.Errorf("%s %s: %s, Allow %q, want %q", method, c.path, res.Status, res.Header.Get("Allow"), c.allow)
			}
		}
		if c.kind != "" {
			if res := do("HEAD", c.token); res.StatusCode != 200 || res.Header.Get("Content-Type") != c.kind {
				t.Errorf("HEAD %s: %s of type %q, want %q", c.path, res.Status, res.Header.Get("Content-Type"), c.kind)
			}
			if res := do("HEAD", ""); res.StatusCode != 401 {
				t.Errorf("HEAD %s without a token: %s", c.path, res.Status)
			}
		}
		server.Close()
	}
}

func TestJournal(t *testing.T) {
	described := newContract(t)
	s := newTable(t)
	server := httptest.NewServer(Handler(s, people, Options{MaxSubscribers: 1}))
	defer server.Close()
	get := func(path string) *http.Response {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer studio")
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := get("/v1/streams/wheel/journal?after=1")
	lines := bufio.NewScanner(res.Body)
	for _, want := range []string{"retry: 1000", "", "id: 2", `data: {"line":2}`, "", "id: 3", `data: {"line":3}`, ""} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, want %q (%v)", lines.Text(), want, lines.Err())
		}
	}
	second := get("/v1/streams/wheel/journal")
	if second.Body.Close(); second.StatusCode != http.StatusServiceUnavailable || second.Header.Get("Retry-After") == "" {
		t.Errorf("a second reader: %s", second.Status)
	}
	res.Body.Close()
	s.forgets = true
	for _, path := range []string{"/v1/streams/wheel/journal", "/v1/streams/wheel/log/export"} {
		c := call{method: "GET", path: path, token: "studio", status: 404, want: "set state.dir"}
		r, w := c.do(Handler(s, people, Options{}))
		c.check(t, w)
		described.check(t, r, nil, w)
	}
}

// Half a transcript must not look like a whole one.
func TestExportThatBreaksOff(t *testing.T) {
	s := newTable(t)
	s.err, s.breaksOff = errors.New("secret cause"), true
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("the answer ended with %v", got)
		}
	}()
	call{method: "GET", path: "/v1/streams/wheel/log/export", token: "reader"}.do(Handler(s, people, Options{}))
}

// slowExport is a stream whose export takes its time.
type slowExport struct {
	*table
	begun, end chan struct{}
}

func (s slowExport) Stream(string) (Stream, bool) { return s, true }

func (s slowExport) Export(_ context.Context, w io.Writer, _ bool) error {
	close(s.begun)
	<-s.end
	_, err := io.WriteString(w, "{}\n")
	return err
}

// An export reads the whole journal, so that many at a time would cost the stream.
func TestExportsAreFewAtATime(t *testing.T) {
	s := slowExport{newTable(t), make(chan struct{}), make(chan struct{})}
	h := Handler(s, people, Options{MaxReaders: 1})
	first := make(chan int)
	export := call{method: "GET", path: "/v1/streams/wheel/log/export", token: "reader"}
	go func() {
		_, w := export.do(h)
		first <- w.Code
	}()
	<-s.begun
	if _, w := export.do(h); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("a second export: %d", w.Code)
	}
	close(s.end)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first: %d", status)
	}
}
