package control

import (
	"bufio"
	"context"
	"errors"
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
				c.path, c.token = strings.Replace(path, "wheel", "nowhere", 1), map[string]string{"game": "host", "player": "player"}[token]
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

func TestJournal(t *testing.T) {
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
		_, w := c.do(Handler(s, people, Options{}))
		c.check(t, w)
	}
}
