package whep

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/sdp"
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
	"viewer": {Name: "viewer", Scopes: []auth.Scope{auth.View}},
	"guest":  {Name: "guest", Scopes: []auth.Scope{auth.View}, Streams: []string{"baccarat"}},
	"game":   {Name: "game", Scopes: []auth.Scope{auth.Mark}},
}

// door is a Gateway that notes what it is asked.
type door struct {
	t      *testing.T
	err    error
	asked  []string
	offers []sdp.Offer
}

func (d *door) note(ctx context.Context, text string) {
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 11*time.Second {
		d.t.Error("no deadline")
	}
	d.asked = append(d.asked, text)
}

func (d *door) Play(ctx context.Context, stream string, offer sdp.Offer, viewer auth.Identity) (Answer, error) {
	d.note(ctx, fmt.Sprintf("%s plays %s", viewer.Name, stream))
	d.offers = append(d.offers, offer)
	if d.err != nil {
		return Answer{}, d.err
	}
	return Answer{SDP: []byte("v=0\r\n"), Session: "s/1?"}, nil
}

func (d *door) Stop(ctx context.Context, stream, session string, viewer auth.Identity) error {
	d.note(ctx, fmt.Sprintf("%s stops %s of %s", viewer.Name, session, stream))
	return d.err
}

// chromium is an offer that a browser made.
var chromium = func() string {
	b, err := os.ReadFile("../sdp/testdata/chromium-video-audio-data.sdp")
	if err != nil {
		panic(err)
	}
	return string(b)
}()

// call is one request and what its answer must be.
type call struct {
	name, method, path, token, body string
	kind                            string // content type; application/sdp if empty
	err                             error  // of the gateway
	status                          int
	want                            string            // a part of the body
	header                          map[string]string // of the answer
	asked                           []string          // of the gateway
}

var retry = map[string]string{"Retry-After": "2"}

var calls = []call{
	{name: "play", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, status: 201, want: "v=0\r\n", asked: []string{"viewer plays wheel"},
		// The first 8 bytes of `printf 'v=0\r\n' | sha256sum`.
		header: map[string]string{"Content-Type": "application/sdp", "Location": "/whep/wheel/s%2F1%3F", "ETag": `"4cf57627095fbc48"`, "Cache-Control": "no-store"}},
	{name: "play with parameters", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, kind: "Application/SDP; charset=utf-8", status: 201, asked: []string{"viewer plays wheel"}},
	{name: "malformed", method: "POST", path: "/whep/wheel", token: "viewer", body: strings.Replace(chromium, "a=setup:actpass", "a=setup:passive", 1), status: 400,
		want: `"detail":"line 17: a=setup: \"passive\" is not accepted; allowed: actpass or active: the relay is the DTLS server","field":"a=setup","value":"passive","allowed":"actpass or active`},
	{name: "empty", method: "POST", path: "/whep/wheel", token: "viewer", status: 400, want: `"field":"m="`},
	{name: "refused by the gateway", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, status: 400, asked: []string{"viewer plays wheel"},
		err: fmt.Errorf("secret cause: %w", &sdp.FieldError{Field: "offer", Allowed: "another"}), want: `"detail":"offer: is missing or empty; allowed: another","field":"offer","allowed":"another"`},
	{name: "no token", method: "POST", path: "/whep/wheel", body: chromium, status: 401, header: map[string]string{"WWW-Authenticate": `Bearer realm="relay"`}},
	{name: "wrong token", method: "POST", path: "/whep/wheel", token: "x", body: chromium, status: 401},
	{name: "another scope", method: "POST", path: "/whep/wheel", token: "game", body: chromium, status: 403, want: "lacks the scope view"},
	{name: "another stream", method: "POST", path: "/whep/wheel", token: "guest", body: chromium, status: 403},
	{name: "no stream", method: "POST", path: "/whep/nowhere", token: "viewer", body: chromium, err: fmt.Errorf("secret cause: %w", ErrNoStream), status: 404,
		want: `"field":"stream","value":"nowhere"`, asked: []string{"viewer plays nowhere"}},
	{name: "no codec", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, status: 406, asked: []string{"viewer plays wheel"},
		err: fmt.Errorf("%w: the studio sends video H264, the viewer offers [VP8 AV1]", ErrNoCodec), want: `"detail":"no codec in common: the studio sends video H264, the viewer offers [VP8 AV1]"`},
	{name: "largest", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium + "a=" + strings.Repeat("x", 64<<10-len(chromium)-2), status: 201, asked: []string{"viewer plays wheel"}},
	{name: "too large", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium + "a=" + strings.Repeat("x", 64<<10-len(chromium)-1), status: 413, want: `"allowed":"at most 65536 bytes"`},
	{name: "1 MB", method: "POST", path: "/whep/wheel", token: "viewer", body: strings.Repeat("x", 1<<20), status: 413},
	{name: "another type", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, kind: "text/plain", status: 415, want: `"value":"text/plain","allowed":"application/sdp"`},
	{name: "no such type", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, kind: ";", status: 415},
	{name: "fails", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, err: errors.New("secret cause"), status: 500, asked: []string{"viewer plays wheel"}},
	{name: "busy", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, err: fmt.Errorf("%w: the relay is stopping", ErrBusy), status: 503,
		want: "try again soon: the relay is stopping", header: retry, asked: []string{"viewer plays wheel"}},
	{name: "late", method: "POST", path: "/whep/wheel", token: "viewer", body: chromium, err: context.DeadlineExceeded, status: 503, header: retry, asked: []string{"viewer plays wheel"}},

	{name: "stop", method: "DELETE", path: "/whep/wheel/s%2F1%3F", token: "viewer", status: 200, asked: []string{"viewer stops s/1? of wheel"}},
	{name: "stop without a token", method: "DELETE", path: "/whep/wheel/s1", status: 401},
	{name: "stop with another scope", method: "DELETE", path: "/whep/wheel/s1", token: "game", status: 403},
	{name: "stop another's", method: "DELETE", path: "/whep/wheel/s1", token: "viewer", err: fmt.Errorf("secret cause: %w", ErrNoSession), status: 404,
		want: "no such session", asked: []string{"viewer stops s1 of wheel"}},
	{name: "stop fails", method: "DELETE", path: "/whep/wheel/s1", token: "viewer", err: errors.New("secret cause"), status: 500, asked: []string{"viewer stops s1 of wheel"}},
	{name: "stop is late", method: "DELETE", path: "/whep/wheel/s1", token: "viewer", err: context.DeadlineExceeded, status: 503, header: retry, asked: []string{"viewer stops s1 of wheel"}},

	{name: "patch", method: "PATCH", path: "/whep/wheel/s1", token: "viewer", body: "a=candidate:x", kind: "application/trickle-ice-sdpfrag", status: 405,
		want: "make a new session", header: map[string]string{"Allow": "DELETE, OPTIONS"}},
	{name: "patch with another scope", method: "PATCH", path: "/whep/wheel/s1", token: "game", status: 403},
	{name: "patch without a token", method: "PATCH", path: "/whep/wheel/s1", status: 401},
	{name: "get", method: "GET", path: "/whep/wheel", status: 405, header: map[string]string{"Allow": "POST, OPTIONS"}},
	{name: "get a session", method: "GET", path: "/whep/wheel/s1", token: "viewer", status: 405, header: map[string]string{"Allow": "DELETE, OPTIONS"}},
	{name: "options", method: "OPTIONS", path: "/whep/wheel", status: 204, header: map[string]string{"Allow": "POST, OPTIONS", "Accept-Post": "application/sdp"}},
	{name: "options of a session", method: "OPTIONS", path: "/whep/wheel/s1", status: 204, header: map[string]string{"Allow": "DELETE, OPTIONS"}},
	{name: "no endpoint", method: "POST", path: "/whep/", token: "viewer", status: 404},
	{name: "below a session", method: "DELETE", path: "/whep/wheel/s1/x", token: "viewer", status: 404},
}

func (c call) request() *http.Request {
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.Header.Set("Content-Type", "application/sdp")
	if c.kind != "" {
		r.Header.Set("Content-Type", c.kind)
	}
	return r
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
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			d := &door{t: t, err: c.err}
			w := httptest.NewRecorder()
			Handler(d, people, Options{}).ServeHTTP(w, c.request())
			c.check(t, w)
			if diff := cmp.Diff(c.asked, d.asked); diff != "" {
				t.Errorf("asked of the gateway (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlayHandsOverTheOffer(t *testing.T) {
	d := &door{t: t}
	Handler(d, people, Options{}).ServeHTTP(httptest.NewRecorder(), calls[0].request())
	want, err := sdp.ReadOffer([]byte(chromium))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sdp.Offer{want}, d.offers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	r := httptest.NewRequest("POST", "/whep/wheel", failing{})
	r.Header.Set("Authorization", "Bearer viewer")
	r.Header.Set("Content-Type", "application/sdp")
	w := httptest.NewRecorder()
	Handler(&door{t: t}, people, Options{}).ServeHTTP(w, r)
	call{status: 400, want: "did not arrive whole"}.check(t, w)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("secret cause") }

func TestViewerThatHasGoneGetsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := httptest.NewRecorder()
	Handler(&door{t: t, err: context.Canceled}, people, Options{}).ServeHTTP(w, calls[0].request().WithContext(ctx))
	if w.Body.Len() > 0 {
		t.Errorf("got %s", w.Body)
	}
}

func TestJoinsAreLimited(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	d := &door{t: t}
	handler := Handler(d, people, Options{JoinRate: 0.25, JoinBurst: 2, Clock: func() time.Time { return now }})
	do := func(remote, token string, want call) {
		t.Helper()
		r := call{method: "POST", path: "/whep/wheel", token: token, body: chromium}.request()
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", len(d.asked))) // nobody's word for it
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		want.check(t, w)
	}
	do("192.0.2.1:1000", "viewer", call{status: 201})
	do("192.0.2.1:1001", "x", call{status: 401}) // counts for nothing
	do("192.0.2.1:1002", "viewer", call{status: 201})
	do("192.0.2.1:1003", "viewer", call{status: 429, want: "from this address", header: map[string]string{"Retry-After": "4"}})
	do("192.0.2.2:1000", "viewer", call{status: 201})
	now = now.Add(4 * time.Second)
	do("192.0.2.1:1004", "viewer", call{status: 201})
	if len(d.asked) != 4 {
		t.Errorf("%d sessions, want 4", len(d.asked))
	}
}

func TestCORS(t *testing.T) {
	const page = "https://casino.example"
	for _, tt := range []struct {
		origins []string
		want    string
	}{{nil, ""}, {[]string{page}, page}, {[]string{"*"}, "*"}, {[]string{"https://other.example"}, ""}} {
		handler := Handler(&door{t: t}, people, Options{Origins: tt.origins})
		preflight := httptest.NewRequest("OPTIONS", "/whep/wheel/s1", nil)
		preflight.Header.Set("Access-Control-Request-Method", "DELETE")
		preflight.Header.Set("Access-Control-Request-Headers", "authorization")
		for _, r := range []*http.Request{preflight, calls[0].request(), call{method: "POST", path: "/whep/wheel"}.request()} {
			r.Header.Set("Origin", page)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.want {
				t.Errorf("origins %v: %s %d: allowed %q, want %q", tt.origins, r.Method, w.Code, got, tt.want)
			}
			exposed := w.Header().Get("Access-Control-Expose-Headers")
			for _, name := range []string{"Location", "Etag", "Link"} {
				if r.Method == "POST" && strings.Contains(exposed, name) != (tt.want != "") {
					t.Errorf("origins %v: exposed %q", tt.origins, exposed)
				}
			}
		}
	}
}
