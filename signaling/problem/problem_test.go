package problem

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWrite(t *testing.T) {
	for _, tt := range []struct {
		name    string
		write   func(http.ResponseWriter)
		status  int
		body    string
		headers map[string]string
	}{
		{
			"plain", func(w http.ResponseWriter) { Write(w, 404, `no stream "a"`) }, 404,
			`{"type":"about:blank","title":"Not Found","status":404,"detail":"no stream \"a\""}`, nil,
		},
		{
			"field", func(w http.ResponseWriter) { Write(w, 400, "no", Field("at.ts", "<x>", "an integer")) }, 400,
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"no","field":"at.ts","value":"<x>","allowed":"an integer"}`, nil,
		},
		{
			"long value", func(w http.ResponseWriter) { Write(w, 400, "no", Field("id", strings.Repeat("é", 65), "a name")) }, 400,
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"no","field":"id","value":"` + strings.Repeat("é", 64) + `…","allowed":"a name"}`, nil,
		},
		{
			"field without a value", func(w http.ResponseWriter) { Write(w, 400, "no", Field("at", "", "a frame")) }, 400,
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"no","field":"at","allowed":"a frame"}`, nil,
		},
		{
			"not UTF-8", func(w http.ResponseWriter) { Write(w, 400, "\xff") }, 400,
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"\ufffd"}`, nil,
		},
		{
			"retry", func(w http.ResponseWriter) { Write(w, 503, "busy", RetryAfter(1500*time.Millisecond)) }, 503,
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"busy"}`,
			map[string]string{"Retry-After": "2"},
		},
		{
			"retry at once", func(w http.ResponseWriter) { Write(w, 429, "busy", RetryAfter(0)) }, 429,
			`{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"busy"}`,
			map[string]string{"Retry-After": "1"},
		},
		{
			"internal", Internal, 500,
			`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the relay failed to answer; its log says why"}`, nil,
		},
		{
			"not found", func(w http.ResponseWriter) { NotFound(w, nil) }, 404,
			`{"type":"about:blank","title":"Not Found","status":404,"detail":"nothing is at this path; /openapi.yaml lists what is"}`, nil,
		},
		{
			"method", func(w http.ResponseWriter) {
				MethodNotAllowed("GET, HEAD")(w, httptest.NewRequest("PUT", "/", nil))
			}, 405,
			`{"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"this path does not have that method","field":"method","value":"PUT","allowed":"GET, HEAD"}`,
			map[string]string{"Allow": "GET, HEAD"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("ETag", `"of another body"`)
			tt.write(w)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if diff := cmp.Diff(tt.body+"\n", w.Body.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			want := map[string]string{
				"Content-Type": "application/problem+json", "Cache-Control": "no-store",
				"X-Content-Type-Options": "nosniff", "ETag": "", "Retry-After": "",
			}
			for k, v := range tt.headers {
				want[k] = v
			}
			for k, v := range want {
				if got := w.Header().Get(k); got != v {
					t.Errorf("%s: %q, want %q", k, got, v)
				}
			}
		})
	}
}
