package croupier

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Every call about windows is the one of docs/protocol.md, section 8.
func TestWindowCalls(t *testing.T) {
	var sent, answer string
	status := http.StatusCreated
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s: %v", r.URL, err)
		}
		sent = r.Method + " " + r.URL.EscapedPath() + " " + string(body)
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer server.Close()
	c := &Client{URL: server.URL, Token: "secret", HTTP: server.Client()}
	at := time.Date(2026, 11, 22, 12, 0, 0, 250e6, time.UTC)
	const resolved = `{"id":"x","seq":7,"epoch":1,"ts":160000000000000,"frame":9,"capture_time":"2026-11-22T12:00:00Z","error_ms":0.4,"late_ms":0,"clock":"arrival"`
	for _, test := range []struct {
		name, want, answer string
		status             int
		do                 func() (got any, status int, err error)
		result             string
	}{
		{
			"open", `POST /v1/streams/wheel/windows {"window":"r1","at":{"next":true},"closes":{"after_ms":8000},"grace_ms":200,` +
				`"accept":{"max_per_viewer":2,"max_bytes":64,"max_actions":1000,"max_age_ms":500},"timeout_ms":2000}`,
			resolved + `,"window":"r1","closes_ts":160000000720000}`, 201,
			func() (any, int, error) {
				o, status, err := c.OpenWindow(t.Context(), "wheel", Window{
					Window: "r1", At: At{Next: true}, Closes: &Closes{AfterMS: 8000}, GraceMS: 200,
					Accept: Accept{MaxPerViewer: 2, MaxBytes: 64, MaxActions: 1000, MaxAgeMS: 500}, TimeoutMS: 2000,
				})
				return []any{o.TS, o.Window, o.ClosesTS}, status, err
			}, `[160000000000000,"r1",160000000720000]`,
		},
		{
			"open until a time, for the second time", `POST /v1/streams/wheel/windows {"window":"r1","at":{"ts":5},"closes":{"capture_time":"2026-11-22T12:00:00.25Z"},"accept":{}}`,
			resolved + `,"window":"r1","closes_ts":0}`, 200,
			func() (any, int, error) {
				o, status, err := c.OpenWindow(t.Context(), "wheel", Window{Window: "r1", At: At{TS: 5}, Closes: &Closes{CaptureTime: &at}})
				return o.ClosesTS, status, err
			}, `0`,
		},
		{
			"close", `POST /v1/streams/wheel/windows/r1/close {"at":{"next":true}}`, resolved + `}`, 201,
			func() (any, int, error) {
				r, status, err := c.CloseWindow(t.Context(), "wheel", "r1", At{Next: true})
				return r.Seq, status, err
			}, `7`,
		},
		{
			"void, with a name to escape", `POST /v1/streams/wheel/windows/r%2F1/void {"at":{"ts":5}}`, resolved + `}`, 200,
			func() (any, int, error) {
				r, status, err := c.VoidWindow(t.Context(), "wheel", "r/1", At{TS: 5})
				return r.Seq, status, err
			}, `7`,
		},
		{
			"act", `POST /v1/streams/wheel/windows/r1/actions {"id":"a1","data":{"pocket":17},"subject":"user-1"}`, `{"verdict":"accepted"}`, 200,
			func() (any, int, error) {
				r, err := c.Act(t.Context(), "wheel", "r1", Action{ID: "a1", Data: json.RawMessage(`{"pocket":17}`), Subject: "user-1"})
				return r, 200, err
			}, `{"verdict":"accepted"}`,
		},
		{
			"receipt", `GET /v1/streams/wheel/windows/r1/receipts/a1 `, `{"receipt":{},"proof":null}`, 200,
			func() (any, int, error) {
				r, err := c.Receipt(t.Context(), "wheel", "r1", "a1", "")
				return r, 200, err
			}, `{"receipt":{},"proof":null}`,
		},
		{
			"list", `GET /v1/streams/wheel/windows `, `{"windows":[]}`, 200,
			func() (any, int, error) {
				r, err := c.Windows(t.Context(), "wheel")
				return r, 200, err
			}, `{"windows":[]}`,
		},
	} {
		answer, status = test.answer, test.status
		got, gotStatus, err := test.do()
		b, _ := json.Marshal(got)
		if err != nil || sent != test.want || gotStatus != test.status || string(b) != test.result {
			t.Errorf("%s: sent %s\nwant %s\ngot %d %s, %v; want %d %s", test.name, sent, test.want, gotStatus, b, err, test.status, test.result)
		}
		answer, status = `{"title":"Conflict","status":409,"detail":"window_phase: test"}`, http.StatusConflict
		var p *Problem
		if _, _, err := test.do(); !errors.As(err, &p) || p.Status != 409 {
			t.Errorf("%s, refused: %v", test.name, err)
		}
	}
}
