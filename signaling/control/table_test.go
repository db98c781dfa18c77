package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/tiles"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens is an Authority that takes names for tokens.
type tokens map[string]auth.Identity

func (t tokens) Authenticate(r *http.Request) (auth.Identity, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return auth.Identity{}, auth.ErrNoToken
	}
	who, ok := t[name]
	if !ok {
		return auth.Identity{}, auth.ErrBadToken
	}
	return who, nil
}

var people = tokens{
	"game":   {Name: "game-server", Scopes: []auth.Scope{auth.Mark}, Streams: []string{"wheel"}},
	"table":  {Name: "table-server", Scopes: []auth.Scope{auth.Mark, auth.Act}, Streams: []string{"wheel"}},
	"host":   {Name: "host", Scopes: []auth.Scope{auth.Mark}},
	"reader": {Name: "reader", Scopes: []auth.Scope{auth.Read}},
	"guest":  {Name: "guest", Scopes: []auth.Scope{auth.Read}, Streams: []string{"baccarat"}},
	"ops":    {Name: "ops", Scopes: []auth.Scope{auth.Admin}},
	"viewer": {Name: "viewer", Scopes: []auth.Scope{auth.View}},
	"player": {Name: "player", Scopes: []auth.Scope{auth.View, auth.Act}},
	"studio": {Name: "studio", Scopes: []auth.Scope{auth.Read, auth.Mark}},
}

// table is a stream and the streams that hold it.
type table struct {
	t   testing.TB
	err error // of every method

	forgets   bool // it keeps no journal
	breaksOff bool // its exports fail in the middle
	mu        sync.Mutex
	marked    []marker.Request
	replayed  bool
	after     []uint64
	events    chan []byte
	cancelled chan struct{} // closed when the context of a Subscribe has ended
}

func newTable(t testing.TB) *table {
	return &table{t: t, events: make(chan []byte, 16), cancelled: make(chan struct{})}
}

const (
	info     = `{"name":"%s","log":"9f3c0a77d2e41b05","seq":3,"epoch":1,"paused":false,"hold_ms":0,"viewers":2,"tracks":[{"track":"v0","codec":"H264","ssrc":4294967295,"packets":9,"lost":0}],"actions":{"accepted":2,"in_grace":1,"rtt_rises":0,"suspects":0},"health":[]}`
	snapshot = `{"type":"snapshot","protocol":{"min":1,"max":1},"stream":"wheel","log":"9f3c0a77d2e41b05","seq":3,"epoch":1,"state_at":0,"state":{},"pending":[],"recent":[],"windows":[],"paused":false,"clock":null,"tracks":[]}`
)

func (t *table) Stream(name string) (Stream, bool) { return t, name == "wheel" || name == "baccarat" }

func (t *table) List(context.Context) ([]any, error) {
	return []any{json.RawMessage(fmt.Sprintf(info, "wheel")), json.RawMessage(fmt.Sprintf(info, "baccarat"))}, t.err
}

func (t *table) Info(context.Context) (any, error) {
	return json.RawMessage(fmt.Sprintf(info, "wheel")), t.err
}

func (t *table) Snapshot(context.Context) ([]byte, error) { return []byte(snapshot), t.err }

const inputs = `{"active":"primary","inputs":[{"input":"primary","state":"on","tracks":[{"track":"v0","ssrc":7,"packets":9,"foreign":0}]}]}`

func (t *table) Inputs(context.Context) (any, error) { return json.RawMessage(inputs), t.err }

func (t *table) SwitchInput(_ context.Context, input string) (any, bool, error) {
	return json.RawMessage(inputs), input == "primary", t.err
}

func (t *table) Mark(ctx context.Context, r marker.Request) (marker.Resolved, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.marked = append(t.marked, r)
	deadline, ok := ctx.Deadline()
	want := r.Timeout
	if want == 0 {
		want = 2 * time.Second
	}
	if !ok || time.Until(deadline) < want || time.Until(deadline) > want+6*time.Second {
		t.t.Errorf("deadline in %v for a request that may wait %v", time.Until(deadline), want)
	}
	return marker.Resolved{
		ID: r.ID, Seq: 4, Epoch: 1, TS: 160000000000000, Frame: 7,
		CaptureTime: time.Date(2030, 1, 1, 0, 0, 0, 5, time.UTC), ErrorMS: 0.4, Clock: "arrival",
	}, t.replayed, t.err
}

func (t *table) Subscribe(ctx context.Context, after uint64) (<-chan []byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.after = append(t.after, after)
	if t.err != nil {
		return nil, t.err
	}
	context.AfterFunc(ctx, func() { close(t.cancelled) })
	return t.events, nil
}

func (t *table) OpenWindow(_ context.Context, r marker.OpenRequest) (marker.Resolved, uint64, bool, error) {
	return marker.Resolved{ID: "open:" + r.Window, Seq: 4, TS: 160000000000000, Clock: "arrival"}, r.Deadline(160000000000000, time.Time{}), t.replayed, t.err
}

func (t *table) CloseWindow(_ context.Context, r marker.CloseRequest, k marker.Kind) (marker.Resolved, bool, error) {
	return marker.Resolved{ID: r.Request(k).ID, Seq: 5, TS: 160000000090000, Clock: "journal"}, t.replayed, t.err
}

func (t *table) Windows(context.Context) (any, error) { return []string{}, t.err }

func (t *table) Act(_ context.Context, r marker.ActRequest, who auth.Identity) ([]byte, error) {
	if r.Session != "" && r.Session != "mine" {
		return nil, ErrNoSession
	}
	return fmt.Appendf(nil, `{"type":"receipt","v":1,"id":%q,"window":%q,"verdict":"accepted","by":%q}`, r.ID, r.Window, who.Name), t.err
}

func (t *table) Receipt(_ context.Context, _, id, _, _ string, _ auth.Identity) (any, error) {
	if id != "a1" {
		return nil, t.err
	}
	return json.RawMessage(`{"receipt":{},"action":{},"proof":null}`), t.err
}

func (t *table) Recording(_ context.Context, from, to uint64, w io.Writer) error {
	if t.err != nil {
		return t.err
	}
	_, err := fmt.Fprintf(w, "film from %d to %d", from, to)
	return err
}

func (t *table) Erase(context.Context, []uint64) error { return t.err }

func (t *table) Keeps() bool { return !t.forgets }

func (t *table) Export(_ context.Context, w io.Writer, payloads bool) error {
	if t.err != nil && !t.breaksOff {
		return t.err
	}
	if _, err := fmt.Fprintf(w, "{\"payloads\":%v}\n", payloads); err != nil {
		return err
	}
	return t.err
}

func (t *table) Follow(ctx context.Context, from uint64, toEnd bool, f func(uint64, []byte, []byte) error) error {
	if from > 4 {
		return fmt.Errorf("secret cause: %w", ErrGone)
	}
	for pos := from; pos <= 3; pos++ {
		if err := f(pos, fmt.Appendf(nil, `{"line":%d}`, pos), nil); err != nil {
			return err
		}
	}
	if !toEnd {
		<-ctx.Done()
	}
	return ctx.Err()
}

// log is a log that is what the table's other methods are.
type log struct{ err error }

func (t *table) Log(name string) (Log, bool) { return log{t.err}, name == "wheel" }

func (l log) Checkpoint() (string, bool) { return "a\n1\nroot\n", l.err == nil }

func (l log) Read(path string) ([]byte, error) { return []byte(path), l.err }

func (l log) Proof(seq uint64) (transcript.EventProof, error) {
	return transcript.EventProof{
		Event: `{"v":1}`, Note: "a\n1\nroot\n",
		Proof: transcript.Proof{Index: seq - 1, Size: seq, Hashes: []transcript.Hash{transcript.LeafHash(nil)}},
	}, l.err
}

const openBody = `{"window":"w1","at":{"next":true},"closes":{"after_ms":10000},"grace_ms":200,"accept":{"max_per_viewer":3}}`

const markBody = `{"id":"r1","at":{"next":true}}`

// call is one request and what its answer must be.
type call struct {
	name, method, path, token, body string
	kind                            string // content type; application/json if empty
	err                             error  // of the stream
	status                          int
	want                            string            // a part of the body
	header                          map[string]string // of the answer
}

var retry = map[string]string{"Retry-After": "1"}

// calls has every call with every status that openapi.yaml gives for it.
var calls = []call{
	{name: "list", method: "GET", path: "/v1/streams", token: "reader", status: 200, want: `{"streams":[{"name":"wheel"`},
	{name: "list without a token", method: "GET", path: "/v1/streams", status: 401, want: "no token"},
	{name: "list with a wrong token", method: "GET", path: "/v1/streams", token: "x", status: 401, want: "not valid",
		header: map[string]string{"WWW-Authenticate": `Bearer realm="relay", error="invalid_token"`}},
	{name: "list with another scope", method: "GET", path: "/v1/streams", token: "viewer", status: 403, want: "lacks the scope read"},
	{name: "list fails", method: "GET", path: "/v1/streams", token: "reader", err: errors.New("secret cause"), status: 500, want: "its log says why"},
	{name: "list is late", method: "GET", path: "/v1/streams", token: "reader", err: context.DeadlineExceeded, status: 503, want: "in time", header: retry},

	{name: "info", method: "GET", path: "/v1/streams/wheel", token: "reader", status: 200, want: `{"name":"wheel"`,
		header: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}},
	{name: "info without a token", method: "GET", path: "/v1/streams/wheel", status: 401},
	{name: "info of another's stream", method: "GET", path: "/v1/streams/wheel", token: "guest", status: 403},
	{name: "info of no stream", method: "GET", path: "/v1/streams/nowhere", token: "reader", status: 404, want: `"field":"stream","value":"nowhere"`},
	{name: "info of no stream, for one who may not know", method: "GET", path: "/v1/streams/nowhere", token: "guest", status: 403},
	{name: "info fails", method: "GET", path: "/v1/streams/wheel", token: "reader", err: errors.New("secret cause"), status: 500},
	{name: "info is late", method: "GET", path: "/v1/streams/wheel", token: "reader", err: context.DeadlineExceeded, status: 503, header: retry},

	{name: "state", method: "GET", path: "/v1/streams/wheel/state", token: "reader", status: 200, want: snapshot},
	{name: "state without a token", method: "GET", path: "/v1/streams/wheel/state", status: 401},
	{name: "state of another's stream", method: "GET", path: "/v1/streams/wheel/state", token: "guest", status: 403},
	{name: "state of no stream", method: "GET", path: "/v1/streams/nowhere/state", token: "reader", status: 404},
	{name: "state fails", method: "GET", path: "/v1/streams/wheel/state", token: "reader", err: errors.New("secret cause"), status: 500},
	{name: "state is late", method: "GET", path: "/v1/streams/wheel/state", token: "reader", err: context.DeadlineExceeded, status: 503, header: retry},

	{name: "inputs", method: "GET", path: "/v1/streams/wheel/inputs", token: "reader", status: 200, want: inputs},
	{name: "inputs without a token", method: "GET", path: "/v1/streams/wheel/inputs", status: 401},
	{name: "inputs of another's stream", method: "GET", path: "/v1/streams/wheel/inputs", token: "guest", status: 403},
	{name: "inputs of no stream", method: "GET", path: "/v1/streams/nowhere/inputs", token: "reader", status: 404},
	{name: "inputs fail", method: "GET", path: "/v1/streams/wheel/inputs", token: "reader", err: errors.New("secret cause"), status: 500},
	{name: "inputs are late", method: "GET", path: "/v1/streams/wheel/inputs", token: "reader", err: context.DeadlineExceeded, status: 503, header: retry},

	{name: "switch", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"backup"}`, status: 202, want: inputs},
	{name: "switch to what is on", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"primary"}`, status: 200, want: inputs},
	{name: "switch to nothing", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"spare"}`, status: 400, want: `"allowed":"primary, backup"`},
	{name: "switch with more", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"backup","now":true}`, status: 400},
	{name: "switch without a token", method: "POST", path: "/v1/streams/wheel/inputs/switch", body: `{"input":"backup"}`, status: 401},
	{name: "switch with another scope", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "host", body: `{"input":"backup"}`, status: 403, want: "lacks the scope admin"},
	{name: "switch no stream", method: "POST", path: "/v1/streams/nowhere/inputs/switch", token: "ops", body: `{"input":"backup"}`, status: 404},
	{name: "switch, not now", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"backup"}`,
		err: &NotNow{errors.New("input_silent: start it")}, status: 409, want: `"detail":"input_silent: start it"`},
	{name: "switch, body too large", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"` + strings.Repeat("x", 1<<10) + `"}`, status: 413},
	{name: "switch, another type", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"backup"}`, kind: "text/plain", status: 415},
	{name: "switch fails", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"backup"}`, err: errors.New("secret cause"), status: 500},
	{name: "switch is late", method: "POST", path: "/v1/streams/wheel/inputs/switch", token: "ops", body: `{"input":"backup"}`, err: context.DeadlineExceeded, status: 503, header: retry},
	{name: "recording", method: "GET", path: "/v1/streams/wheel/recording?from=160000000000000&to=160000000090000", token: "reader", status: 200,
		want: "film from 160000000000000 to 160000000090000", header: map[string]string{"Content-Type": "video/matroska"}},
	{name: "recording of a moment", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=5", token: "reader", status: 200},
	{name: "recording from nowhere", method: "GET", path: "/v1/streams/wheel/recording?to=5", token: "reader", status: 400, want: `"field":"from"`},
	{name: "recording to nothing", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=x", token: "reader", status: 400, want: `"field":"to","value":"x"`},
	{name: "recording backwards", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=4", token: "reader", status: 400, want: `"allowed":"from 5 to an hour`},
	{name: "recording of too much", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=324000006", token: "reader", status: 400, want: `"field":"to"`},
	{name: "recording without a token", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=5", status: 401},
	{name: "recording of another's stream", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=5", token: "guest", status: 403},
	{name: "recording of no stream", method: "GET", path: "/v1/streams/nowhere/recording?from=5&to=5", token: "reader", status: 404},
	{name: "recording that is not kept", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=5", token: "reader", status: 404, err: ErrNoRecording, want: "no recording of that time"},
	{name: "no recording at all", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=5", token: "reader", status: 404, err: ErrNotRecorded, want: "set its record.dir"},
	{name: "recording fails", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=5", token: "reader", status: 500, err: errors.New("secret cause")},
	{name: "recording is late", method: "GET", path: "/v1/streams/wheel/recording?from=5&to=5", token: "reader", status: 503, err: context.DeadlineExceeded, header: retry},

	{name: "windows", method: "GET", path: "/v1/streams/wheel/windows", token: "reader", status: 200, want: `{"windows":[]}`},
	{name: "windows without a token", method: "GET", path: "/v1/streams/wheel/windows", status: 401},
	{name: "windows of another's stream", method: "GET", path: "/v1/streams/wheel/windows", token: "guest", status: 403},
	{name: "windows of no stream", method: "GET", path: "/v1/streams/nowhere/windows", token: "reader", status: 404},
	{name: "windows fail", method: "GET", path: "/v1/streams/wheel/windows", token: "reader", err: errors.New("secret cause"), status: 500},
	{name: "windows are late", method: "GET", path: "/v1/streams/wheel/windows", token: "reader", err: context.DeadlineExceeded, status: 503, header: retry},

	{name: "open", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: openBody, status: 201, want: `"window":"w1","closes_ts":160000000900000}`},
	{name: "open by hand", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: `{"window":"w1","at":{"next":true},"closes":null}`, status: 201, want: `"closes_ts":0`},
	{name: "open without a name", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: `{"at":{"next":true}}`, status: 400, want: `"field":"window"`},
	{name: "open with too much grace", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: `{"window":"w1","at":{"next":true},"grace_ms":1001}`, status: 400, want: `0 to 1000`},
	{name: "open with both deadlines", method: "POST", path: "/v1/streams/wheel/windows", token: "game",
		body: `{"window":"w1","at":{"next":true},"closes":{"after_ms":1,"capture_time":"2030-01-01T00:00:00Z"}}`, status: 400, want: `"field":"closes"`},
	{name: "open with more", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: `{"window":"w1","at":{"next":true},"max":3}`, status: 400, want: `"field":"max"`},
	{name: "open without a token", method: "POST", path: "/v1/streams/wheel/windows", body: openBody, status: 401},
	{name: "open with another scope", method: "POST", path: "/v1/streams/wheel/windows", token: "reader", body: openBody, status: 403},
	{name: "open on no stream", method: "POST", path: "/v1/streams/nowhere/windows", token: "host", body: openBody, status: 404},
	{name: "open what is open", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: openBody, err: fmt.Errorf("window w1: %w", window.ErrExists), status: 409, want: `window_exists`},
	{name: "open, body too large", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: `{"window":"` + strings.Repeat("x", 20<<10) + `"}`, status: 413},
	{name: "open, another type", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: openBody, kind: "text/plain", status: 415},
	{name: "open too many", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: openBody, err: window.ErrTooMany, status: 429, header: retry},
	{name: "open fails", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: openBody, err: errors.New("secret cause"), status: 500},
	{name: "open without a disk", method: "POST", path: "/v1/streams/wheel/windows", token: "game", body: openBody, err: marker.ErrUnavailable, status: 503, want: "journal_unavailable"},

	{name: "close", method: "POST", path: "/v1/streams/wheel/windows/w1/close", token: "game", body: `{"at":{"next":true}}`, status: 201, want: `"id":"close:w1"`},
	{name: "void", method: "POST", path: "/v1/streams/wheel/windows/w1/void", token: "game", body: `{}`, status: 201, want: `"id":"void:w1"`},
	{name: "close nowhere", method: "POST", path: "/v1/streams/wheel/windows/w1/close", token: "game", body: `{"at":{}}`, status: 400, want: `"field":"at"`},
	{name: "close without a token", method: "POST", path: "/v1/streams/wheel/windows/w1/close", body: `{}`, status: 401},
	{name: "close with another scope", method: "POST", path: "/v1/streams/wheel/windows/w1/close", token: "viewer", body: `{}`, status: 403},
	{name: "close on another relay's stream", method: "POST", path: "/v1/streams/wheel/windows/w1/close", token: "game", body: `{}`, err: marker.ErrNotOwner, status: 503, want: "not_owner", header: map[string]string{"Retry-After": ""}},
	{name: "close what no name can be", method: "POST", path: "/v1/streams/wheel/windows/w%201/close", token: "game", body: `{}`, status: 400, want: `"field":"window"`},
	{name: "close what is closed", method: "POST", path: "/v1/streams/wheel/windows/w1/close", token: "game", body: `{}`, err: window.ErrPhase, status: 409, want: "window_phase"},
	{name: "close without a word", method: "POST", path: "/v1/streams/wheel/windows/w1/close", token: "game", body: ``, status: 201},
	{name: "void what is not there", method: "POST", path: "/v1/streams/wheel/windows/w1/void", token: "game", body: `{}`, err: window.ErrUnknown, status: 409, want: "window_unknown"},

	{name: "act", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{"id":"a1","data":{"pocket":17}}`, status: 200, want: `"by":"player"`},
	{name: "act in a session", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{"id":"a1","session":"mine","seen":{"ts":5}}`, status: 200},
	{name: "act in another's session", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{"id":"a1","session":"hers","seen":{"ts":5}}`, status: 404, want: `"field":"session"`},
	{name: "act as somebody", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{"id":"a1","subject":"anna"}`, status: 400, want: `"field":"subject"`},
	{name: "act on a frame without a session", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{"id":"a1","seen":{"ts":5}}`, status: 400, want: `"field":"seen"`},
	{name: "act in another window", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{"id":"a1","window":"w2"}`, status: 400, want: `"field":"window"`},
	{name: "act without an id", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{}`, status: 400, want: `"field":"id"`},
	{name: "act without a token", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", body: `{"id":"a1"}`, status: 401},
	{name: "act with another scope", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "viewer", body: `{"id":"a1"}`, status: 403},
	{name: "act while the relay stops", method: "POST", path: "/v1/streams/wheel/windows/w1/actions", token: "player", body: `{"id":"a1"}`, err: marker.ErrClosed, status: 503},

	{name: "receipt", method: "GET", path: "/v1/streams/wheel/windows/w1/receipts/a1", token: "player", status: 200, want: `"proof":null`},
	{name: "receipt for a subject", method: "GET", path: "/v1/streams/wheel/windows/w1/receipts/a1?subject=u1", token: "table", status: 200, want: `"proof":null`},
	{name: "receipt for a subject without scope", method: "GET", path: "/v1/streams/wheel/windows/w1/receipts/a1?subject=u1", token: "player", status: 400, want: `"field":"subject"`},
	{name: "receipt for a subject and a session", method: "GET", path: "/v1/streams/wheel/windows/w1/receipts/a1?subject=u1&session=s1", token: "table", status: 400, want: `"field":"subject"`},
	{name: "receipt of nothing", method: "GET", path: "/v1/streams/wheel/windows/w1/receipts/a2", token: "player", status: 404, want: `"field":"id"`},
	{name: "receipt without a token", method: "GET", path: "/v1/streams/wheel/windows/w1/receipts/a1", status: 401},

	{name: "journal without a token", method: "GET", path: "/v1/streams/wheel/journal", status: 401},
	{name: "journal with another scope", method: "GET", path: "/v1/streams/wheel/journal", token: "reader", status: 403},
	{name: "journal of another's stream", method: "GET", path: "/v1/streams/baccarat/journal", token: "game", status: 403},
	{name: "journal of no stream", method: "GET", path: "/v1/streams/nowhere/journal", token: "host", status: 404, want: `"field":"stream"`},
	{name: "journal of which less is there", method: "GET", path: "/v1/streams/wheel/journal?after=4", token: "game", status: 410, want: `"value":"4"`},
	{name: "journal from nowhere", method: "GET", path: "/v1/streams/wheel/journal?after=x", token: "game", status: 400},

	{name: "export", method: "GET", path: "/v1/streams/wheel/log/export", token: "reader", status: 200, want: `{"payloads":false}`, header: map[string]string{"Content-Type": "application/x-ndjson"}},
	{name: "export with data", method: "GET", path: "/v1/streams/wheel/log/export?payloads=1", token: "studio", status: 200, want: `{"payloads":true}`},
	{name: "export with data, for a reader", method: "GET", path: "/v1/streams/wheel/log/export?payloads=1", token: "reader", status: 403, want: "scope mark"},
	{name: "export that says no data", method: "GET", path: "/v1/streams/wheel/log/export?payloads=false", token: "reader", status: 200, want: `{"payloads":false}`},
	{name: "export with data, in short", method: "GET", path: "/v1/streams/wheel/log/export?payloads", token: "studio", status: 200, want: `{"payloads":true}`},
	{name: "export with data or not", method: "GET", path: "/v1/streams/wheel/log/export?payloads=no", token: "studio", status: 400, want: `"field":"payloads","value":"no"`},
	{name: "export of another's stream", method: "GET", path: "/v1/streams/wheel/log/export", token: "guest", status: 403},
	{name: "export of no stream", method: "GET", path: "/v1/streams/nowhere/log/export", token: "reader", status: 404},
	{name: "export that nobody signs", method: "GET", path: "/v1/streams/wheel/log/export", token: "reader", err: ErrUnsigned, status: 404, want: "set state.dir"},
	{name: "export, full", method: "GET", path: "/v1/streams/wheel/log/export", token: "reader", err: marker.ErrInboxFull, status: 429, header: retry},
	{name: "export fails", method: "GET", path: "/v1/streams/wheel/log/export", token: "reader", err: errors.New("secret cause"), status: 500},
	{name: "export without a disk", method: "GET", path: "/v1/streams/wheel/log/export", token: "reader", err: marker.ErrUnavailable, status: 503, want: "journal_unavailable"},
	{name: "export of another relay's stream", method: "GET", path: "/v1/streams/wheel/log/export", token: "reader", err: marker.ErrNotOwner, status: 503, want: "not_owner"},
	{name: "export without a token", method: "GET", path: "/v1/streams/wheel/log/export", status: 401},

	{name: "events without a token", method: "GET", path: "/v1/streams/wheel/events", status: 401},
	{name: "events of another's stream", method: "GET", path: "/v1/streams/wheel/events", token: "guest", status: 403},
	{name: "events of no stream", method: "GET", path: "/v1/streams/nowhere/events", token: "reader", status: 404},
	{name: "events after nothing", method: "GET", path: "/v1/streams/wheel/events?after=x", token: "reader", status: 400, want: `"field":"after","value":"x"`},
	{name: "events after too much", method: "GET", path: "/v1/streams/wheel/events?after=9007199254740992", token: "reader", status: 400, want: `"allowed":"a seq, from 0 to 9007199254740991"`},
	{name: "events that are gone", method: "GET", path: "/v1/streams/wheel/events?after=7", token: "reader", err: fmt.Errorf("secret cause: %w", ErrGone), status: 410, want: `"value":"7"`},
	{name: "events fail", method: "GET", path: "/v1/streams/wheel/events", token: "reader", err: errors.New("secret cause"), status: 500},
	{name: "events are late", method: "GET", path: "/v1/streams/wheel/events", token: "reader", err: context.DeadlineExceeded, status: 503, header: retry},

	{name: "mark", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, status: 201,
		want: `{"id":"r1","seq":4,"epoch":1,"ts":160000000000000,"frame":7,"capture_time":"2030-01-01T00:00:00.000000005Z","error_ms":0.4,"late_ms":0,"clock":"arrival"}`},
	{name: "mark everything", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 201, kind: "application/json; charset=utf-8",
		body: `{"id":"r1","kind":"outcome","at":{"ts":160000000000000,"track":"v0"},"data":null,"patch":{"a":null},"window":"w1","timeout_ms":10000}`},
	{name: "mark a source's frame", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 201,
		body: `{"id":"r1","at":{"source":{"ssrc":4294967295,"ts":0}},"data":[1]}`},
	{name: "mark a time", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 201,
		body: `{"id":"r1","kind":"state","at":{"capture_time":"2030-01-02T03:04:05.123456789Z"},"patch":{},"timeout_ms":0}`},
	{name: "mark a timecode", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 201,
		body: `{"id":"r1","at":{"timecode":"10:11:12;13","track":"v0"}}`},
	{name: "mark an SEI time", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 201,
		body: `{"id":"r1","at":{"sei_time":"2030-01-02T03:04:05.123456Z"}}`},
	{name: "mark a wrong timecode", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 400,
		body: `{"id":"r1","at":{"timecode":"25:11:12:13"}}`, want: `"field":"at.timecode","value":"25:11:12:13","allowed":"HH:MM:SS:FF`},
	{name: "mark with nothing", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 400, want: `"field":"body"`},
	{name: "mark with an unknown field", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 400,
		body: `{"id":"r1","at":{"next":true},"by":"somebody else"}`, want: `"field":"by"`},
	{name: "mark with a wrong value", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 400,
		body: `{"id":"r1","at":{"ts":-1}}`, want: `"field":"at.ts","value":"-1","allowed":"an integer from 1`},
	{name: "mark, refused by the stream", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, status: 400,
		err: fmt.Errorf("secret cause: %w", &marker.FieldError{Field: "at", Value: "v", Allowed: "w"}), want: `"field":"at","value":"v","allowed":"w"`},
	{name: "mark without a token", method: "POST", path: "/v1/streams/wheel/markers", body: markBody, status: 401},
	{name: "mark with another scope", method: "POST", path: "/v1/streams/wheel/markers", token: "reader", body: markBody, status: 403, want: "lacks the scope mark"},
	{name: "mark another's stream", method: "POST", path: "/v1/streams/baccarat/markers", token: "game", body: markBody, status: 403},
	{name: "mark no stream", method: "POST", path: "/v1/streams/nowhere/markers", token: "host", body: markBody, status: 404},
	{name: "mark, no frame", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, err: marker.ErrFrameNotSeen, status: 409, want: `"detail":"frame_not_seen: `},
	{name: "mark, paused", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, err: marker.ErrPaused, status: 409, want: `"detail":"paused: `},
	{name: "mark, another event", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, err: marker.ErrConflict, status: 409, want: `"detail":"conflict: `},
	{name: "mark, unresolvable", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody,
		err: fmt.Errorf("%w: the frame is more than 10s ahead", marker.ErrUnresolvable), status: 409, want: `10 s away: the frame is more than 10s ahead"`},
	{name: "mark, not carried", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody,
		err: fmt.Errorf("%w: the newest frame carries timecode 10:11:12:13", marker.ErrNotCarried), status: 409, want: `"detail":"not_carried: `},
	{name: "mark, event too large", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody,
		err: fmt.Errorf("secret cause: %w", marker.ErrTooLarge), status: 413, want: `"detail":"too_large: `},
	{name: "mark, body too large", method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 413,
		body: `{"id":"r1","at":{"next":true},"data":"` + strings.Repeat("x", 16<<10) + `"}`, want: `"allowed":"at most 16384 bytes"`},
	{name: "mark, another type", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, kind: "text/plain", status: 415, want: `"value":"text/plain"`},
	{name: "mark, no such type", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, kind: ";", status: 415},
	{name: "mark, full", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, err: marker.ErrInboxFull, status: 429, header: retry},
	{name: "mark while the relay stops", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, err: marker.ErrClosed, status: 503, want: "same id", header: retry},
	{name: "mark fails", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, err: errors.New("secret cause"), status: 500},
	{name: "mark is late", method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, err: context.DeadlineExceeded, status: 503, want: "same id", header: retry},

	{name: "checkpoint", method: "GET", path: "/v1/streams/wheel/log/checkpoint", token: "reader", status: 200, want: "a\n1\nroot\n",
		header: map[string]string{"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "private, max-age=1", "X-Content-Type-Options": "nosniff"}},
	{name: "checkpoint without a token", method: "GET", path: "/v1/streams/wheel/log/checkpoint", status: 401},
	{name: "checkpoint of another's stream", method: "GET", path: "/v1/streams/wheel/log/checkpoint", token: "guest", status: 403},
	{name: "checkpoint of no log", method: "GET", path: "/v1/streams/baccarat/log/checkpoint", token: "reader", status: 404, want: `"field":"stream"`},
	{name: "checkpoint before the first", method: "GET", path: "/v1/streams/wheel/log/checkpoint", token: "reader", err: errors.New("none"), status: 404, want: "no checkpoint yet"},

	{name: "tile", method: "GET", path: "/v1/streams/wheel/log/tile/0/067", token: "reader", status: 200, want: "tile/0/067",
		header: map[string]string{"Content-Type": "application/octet-stream", "Cache-Control": "private, max-age=31536000, immutable"}},
	{name: "bundle", method: "GET", path: "/v1/streams/wheel/log/tile/entries/067", token: "reader", status: 200, want: "tile/entries/067"},
	{name: "tile that is none", method: "GET", path: "/v1/streams/wheel/log/tile/data/067", token: "reader", err: tiles.ErrPath, status: 400, want: `"field":"path","value":"data/067"`},
	{name: "tile without a token", method: "GET", path: "/v1/streams/wheel/log/tile/0/067", status: 401},
	{name: "tile of another's stream", method: "GET", path: "/v1/streams/wheel/log/tile/0/067", token: "guest", status: 403},
	{name: "tile of no log", method: "GET", path: "/v1/streams/baccarat/log/tile/0/067", token: "reader", status: 404},
	{name: "tile that is not there", method: "GET", path: "/v1/streams/wheel/log/tile/0/067", token: "reader", err: fmt.Errorf("secret: %w", tiles.ErrNotFound), status: 404, want: `"value":"0/067"`},
	{name: "tile fails", method: "GET", path: "/v1/streams/wheel/log/tile/0/067", token: "reader", err: errors.New("secret cause"), status: 500},

	{name: "proof", method: "GET", path: "/v1/streams/wheel/log/proof/7", token: "reader", status: 200, want: `{"event":"{\"v\":1}","index":6,"size":7,"hashes":["6e340b9c`,
		header: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}},
	{name: "proof of no seq", method: "GET", path: "/v1/streams/wheel/log/proof/0", token: "reader", status: 400, want: `"field":"seq","value":"0"`},
	{name: "proof of too much", method: "GET", path: "/v1/streams/wheel/log/proof/9007199254740992", token: "reader", status: 400},
	{name: "proof without a token", method: "GET", path: "/v1/streams/wheel/log/proof/7", status: 401},
	{name: "proof of another's stream", method: "GET", path: "/v1/streams/wheel/log/proof/7", token: "guest", status: 403},
	{name: "proof of no log", method: "GET", path: "/v1/streams/baccarat/log/proof/7", token: "reader", status: 404},
	{name: "proof of what is not covered", method: "GET", path: "/v1/streams/wheel/log/proof/7", token: "reader", err: fmt.Errorf("secret: %w", tiles.ErrNotFound), status: 404, want: `"value":"7"`},
	{name: "proof fails", method: "GET", path: "/v1/streams/wheel/log/proof/7", token: "reader", err: errors.New("secret cause"), status: 500},

	{name: "description", method: "GET", path: "/openapi.yaml", status: 200, want: "openapi: 3.0.3",
		header: map[string]string{"Content-Type": "application/yaml"}},
}

// do makes a call to a handler.
func (c call) do(handler http.Handler) (*http.Request, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.body != "" || c.method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.kind != "" {
		r.Header.Set("Content-Type", c.kind)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return r, w
}

func (c call) check(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
		t.Errorf("status %d, want %d; body %s\nwant …%s…", w.Code, c.status, w.Body, c.want)
	}
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the answer shows an inner cause: %s", w.Body)
	}
	if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("an error of type %q", w.Header().Get("Content-Type"))
	}
	for k, v := range c.header {
		if got := w.Header().Get(k); got != v {
			t.Errorf("%s: %q, want %q", k, got, v)
		}
	}
}

func TestCalls(t *testing.T) {
	described := newContract(t)
	for _, c := range allCalls() {
		t.Run(c.name, func(t *testing.T) {
			s := newTable(t)
			s.err = c.err
			r, w := c.do(Handler(s, people, Options{Logs: s}))
			c.check(t, w)
			described.check(t, r, []byte(c.body), w)
			if c.status >= 400 && c.err == nil && len(s.marked) > 0 {
				t.Error("a refused call reached the stream")
			}
		})
	}
}

// TestOtherPaths has what is no call of the description.
func TestOtherPaths(t *testing.T) {
	for _, c := range []call{
		{method: "GET", path: "/v1", status: 404, want: "/openapi.yaml lists what is"},
		{method: "GET", path: "/v1/streams/", status: 404},
		{method: "GET", path: "/v1/streams/wheel/nothing", status: 404},
		{method: "POST", path: "/v1/streams/wheel", token: "reader", status: 405, header: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		{method: "DELETE", path: "/v1/streams", token: "reader", status: 405, want: `"value":"DELETE"`},
		{method: "GET", path: "/v1/streams/wheel/markers", token: "game", status: 405, header: map[string]string{"Allow": "POST, OPTIONS"}},
		{method: "POST", path: "/openapi.yaml", status: 405, header: map[string]string{"Allow": "GET, HEAD"}},
		{method: "OPTIONS", path: "/v1/streams/wheel/markers", status: 204, header: map[string]string{"Allow": "POST, OPTIONS"}},
		{method: "HEAD", path: "/v1/streams/wheel", token: "reader", status: 200},
		{method: "HEAD", path: "/v1/streams/wheel/events", token: "reader", status: 200, header: map[string]string{"Content-Type": "text/event-stream"}},
		{method: "GET", path: "/v1/streams/..%2Fwheel", token: "reader", status: 404},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			_, w := c.do(Handler(newTable(t), people, Options{}))
			c.check(t, w)
		})
	}
}

// A relay that is being stopped has not failed: nobody is to look into a log for it.
func TestStoppingIsNoError(t *testing.T) {
	var log bytes.Buffer
	s := newTable(t)
	s.err = marker.ErrClosed
	handler := Handler(s, people, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, c := range []call{
		{method: "GET", path: "/v1/streams/wheel", token: "reader", status: 503, header: retry},
		{method: "GET", path: "/v1/streams/wheel/state", token: "reader", status: 503, header: retry},
		{method: "POST", path: "/v1/streams/wheel/markers", token: "game", body: markBody, status: 503, header: retry},
	} {
		_, w := c.do(handler)
		c.check(t, w)
	}
	if log.Len() > 0 {
		t.Errorf("logged:\n%s", &log)
	}
}

func TestListShowsWhatTheCallerMayRead(t *testing.T) {
	for token, want := range map[string][]string{"reader": {"wheel", "baccarat"}, "guest": {"baccarat"}} {
		_, w := call{method: "GET", path: "/v1/streams", token: token}.do(Handler(newTable(t), people, Options{}))
		var got struct{ Streams []struct{ Name string } }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range got.Streams {
			names = append(names, s.Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", token, diff)
		}
	}
	nobody := tokens{"none": {Name: "none", Scopes: []auth.Scope{auth.Read}, Streams: []string{"x"}}}
	_, w := call{method: "GET", path: "/v1/streams", token: "none"}.do(Handler(newTable(t), nobody, Options{}))
	if w.Body.String() != `{"streams":[]}` {
		t.Errorf("got %s", w.Body)
	}
}

func TestMarkSaysWhoPublishes(t *testing.T) {
	s := newTable(t)
	c := call{method: "POST", path: "/v1/streams/wheel/markers", token: "game", status: 200,
		body: `{"id":"r1","kind":"outcome","at":{"ts":5},"data":{"pocket":17},"timeout_ms":1500}`}
	s.replayed = true
	_, w := c.do(Handler(s, people, Options{}))
	c.check(t, w)
	want := []marker.Request{{
		ID: "r1", Kind: marker.Outcome, At: marker.At{TS: 5}, Data: json.RawMessage(`{"pocket":17}`),
		By: "game-server", Timeout: 1500 * time.Millisecond,
	}}
	if diff := cmp.Diff(want, s.marked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMarkWithABodyThatBreaksOff(t *testing.T) {
	r := httptest.NewRequest("POST", "/v1/streams/wheel/markers", failing{})
	r.Header.Set("Authorization", "Bearer game")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	Handler(newTable(t), people, Options{}).ServeHTTP(w, r)
	call{status: 400, want: "did not arrive whole"}.check(t, w)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("secret cause") }

// TestEveryStatusIsTried keeps the table of calls and the description together.
func TestEveryStatusIsTried(t *testing.T) {
	described := newContract(t)
	tried := make(map[string]bool)
	for _, c := range allCalls() {
		r := httptest.NewRequest(c.method, c.path, nil)
		route, _, err := described.router.FindRoute(r)
		if err != nil {
			t.Fatal(err)
		}
		tried[fmt.Sprintf("%s %d", route.Operation.OperationID, c.status)] = true
	}
	tried["mark 200"] = true         // TestMarkSaysWhoPublishes
	tried["followEvents 200"] = true // TestEvents
	for _, status := range []string{"openWindow 200", "closeWindow 200", "voidWindow 200"} {
		tried[status] = true // TestWindowsAreOpenedOnce
	}
	for _, status := range []string{"followJournal 200", "followJournal 404", "followJournal 503", "exportLog 404"} {
		tried[status] = true // TestJournal
	}
	for _, path := range described.paths() {
		for _, op := range path.Operations() {
			if strings.Contains(strings.Join(op.Tags, ""), "play") {
				continue // of package whep
			}
			for status := range op.Responses.Map() {
				if !tried[op.OperationID+" "+status] {
					t.Errorf("no call shows the status %s of %s", status, op.OperationID)
				}
			}
		}
	}
}
