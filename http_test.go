package relay

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/framelock/relay/web"
)

// The relay serves its pages and what they load, all under a policy without
// exceptions; the SDK's files to pages of other origins as well.
func TestPages(t *testing.T) {
	handler := pages(web.FS())
	for _, tt := range []struct {
		path, location, contentType string
		everybody                   bool
	}{
		{path: "/", contentType: "text/html"},
		{path: "/selftest?seconds=5", location: "selftest/?seconds=5"},
		{path: "/selftest/", contentType: "text/html"},
		{path: "/sdk/framelock.js", contentType: "text/javascript", everybody: true},
		{path: "/sdk/framelock-worker.js", contentType: "text/javascript", everybody: true},
		{path: "/sdk/selftest.css", contentType: "text/css", everybody: true},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
		h := w.Header()
		status := http.StatusOK
		if tt.location != "" {
			status = http.StatusMovedPermanently
		}
		if w.Code != status || h.Get("Location") != tt.location || !strings.HasPrefix(h.Get("Content-Type"), tt.contentType) {
			t.Errorf("%s: %d to %q, %q; want %d to %q, %q", tt.path, w.Code, h.Get("Location"), h.Get("Content-Type"), status, tt.location, tt.contentType)
		}
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "worker-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: content policy %q", tt.path, policy)
		}
		if got := h.Get("Access-Control-Allow-Origin") == "*"; got != tt.everybody {
			t.Errorf("%s: open to every origin %v, want %v", tt.path, got, tt.everybody)
		}
	}
}
