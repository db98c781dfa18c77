// Package problem writes the relay's HTTP errors: problem details for people and
// programs (RFC 9457).
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MediaType is the content type of an error.
const MediaType = "application/problem+json"

// details is the body of an error.
type details struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Field   string `json:"field,omitempty"`
	Value   string `json:"value,omitempty"`
	Allowed string `json:"allowed,omitempty"`

	retryAfter time.Duration
}

// Option adds something to an error.
type Option func(*details)

// Field names the part of the request that is wrong, the value that was there,
// empty if none was, and what may be there. A long value is shortened.
func Field(name, value, allowed string) Option {
	if len(value) > maxEcho {
		value = strings.ToValidUTF8(value[:maxEcho], "") + "…"
	}
	return func(d *details) { d.Field, d.Value, d.Allowed = name, value, allowed }
}

// maxEcho is how many bytes of a wrong value an error repeats.
const maxEcho = 128

// RetryAfter tells the caller how long to wait, in whole seconds rounded up, at
// least one.
func RetryAfter(wait time.Duration) Option {
	return func(d *details) { d.retryAfter = max(wait, time.Second) }
}

// Write answers with a status and a sentence that says what to do. It writes
// nothing else: whoever calls it keeps the inner causes for the log.
func Write(w http.ResponseWriter, status int, detail string, options ...Option) {
	d := details{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	for _, o := range options {
		o(&d)
	}
	var body strings.Builder
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // the content type and nosniff keep it from being a page
	if err := enc.Encode(d); err != nil {
		panic(err) // strings and a number
	}
	h := w.Header()
	h.Set("Content-Type", MediaType)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("ETag")
	h.Del("Last-Modified")
	if d.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((d.retryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body.String())) // the caller has gone if it fails
}

// Internal answers that the relay failed, without saying why.
func Internal(w http.ResponseWriter) {
	Write(w, http.StatusInternalServerError, "the relay failed to answer; its log says why")
}

// NotFound answers that nothing is at the path.
func NotFound(w http.ResponseWriter, _ *http.Request) {
	Write(w, http.StatusNotFound, "nothing is at this path; /openapi.yaml lists what is")
}

// MethodNotAllowed returns a handler that answers with the methods that a path
// has, as for an Allow header: "GET, HEAD".
func MethodNotAllowed(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		Write(w, http.StatusMethodNotAllowed, "this path does not have that method", Field("method", r.Method, allow))
	}
}
