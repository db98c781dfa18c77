package croupier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/framelock/relay/sync/marker"
)

// Mark is a request to bind an event to a frame, in the form of the relay's HTTP
// interface (docs/protocol.md, section 7).
type Mark struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind"`
	At        At              `json:"at"`
	Data      json.RawMessage `json:"data,omitempty"`
	Patch     json.RawMessage `json:"patch,omitempty"`
	Window    string          `json:"window,omitempty"`
	TimeoutMS int64           `json:"timeout_ms,omitempty"`
}

// At names a frame in exactly one way.
type At struct {
	Track       string      `json:"track,omitempty"`
	Next        bool        `json:"next,omitempty"`
	TS          uint64      `json:"ts,omitempty"`
	Source      *SourceTime `json:"source,omitempty"`
	CaptureTime *time.Time  `json:"capture_time,omitempty"`
	Timecode    string      `json:"timecode,omitempty"`
	SEITime     *time.Time  `json:"sei_time,omitempty"`
}

// SourceTime names a frame by what the studio put on the wire.
type SourceTime = marker.SourceTime

// Resolved is the relay's answer: which frame an event was bound to.
type Resolved = marker.Resolved

// Client calls the HTTP interface of a relay.
type Client struct {
	URL   string // http(s)://HOST[:PORT]
	Token string // bearer token; none is sent if empty
	HTTP  *http.Client
}

// Problem is an error that the relay explained (RFC 9457).
type Problem struct {
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Field   string `json:"field,omitempty"`
	Value   any    `json:"value,omitempty"`
	Allowed any    `json:"allowed,omitempty"`
	// RetryAfter is how long the relay asked to wait; 0 if it did not say.
	RetryAfter time.Duration `json:"-"`
}

// Error implements error.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the relay answered %d %s", p.Status, http.StatusText(p.Status))
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	} else if p.Title != "" && p.Title != http.StatusText(p.Status) {
		fmt.Fprintf(&b, ": %s", p.Title)
	}
	// A detail that names the field already says the rest too.
	if p.Field != "" && !strings.Contains(p.Detail, p.Field) {
		fmt.Fprintf(&b, "; field %s", p.Field)
		if p.Value != nil && p.Value != "" {
			fmt.Fprintf(&b, " was %v", p.Value)
		}
		if p.Allowed != nil && p.Allowed != "" {
			fmt.Fprintf(&b, ", allowed: %v", p.Allowed)
		}
	}
	switch p.Status {
	case http.StatusUnauthorized:
		b.WriteString(" (give a token with --token-file)")
	case http.StatusForbidden:
		b.WriteString(" (the token lacks the scope or the stream)")
	}
	return b.String()
}

// Mark publishes an event on a stream and returns the frame that it was bound
// to, and the HTTP status: 201, or 200 if the same id was published before. An
// error is a *Problem if the relay answered.
func (c *Client) Mark(ctx context.Context, stream string, m Mark) (Resolved, int, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return Resolved{}, 0, fmt.Errorf("mark %q: %w", m.ID, err)
	}
	var r Resolved
	status, err := c.call(ctx, http.MethodPost, "/v1/streams/"+url.PathEscape(stream)+"/markers", body, &r)
	return r, status, err
}

// Get reads a JSON document.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	_, err := c.call(ctx, http.MethodGet, path, nil, into)
	return err
}

// Download reads a document of any size and type into w. How long it takes is bounded
// by ctx, and by the HTTP client's own timeout if that has one.
func (c *Client) Download(ctx context.Context, path string, w io.Writer) error {
	res, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("the relay's answer broke off: %w", err)
		}
		return problem(res, answer)
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("the relay's answer broke off: %w", err)
	}
	return nil
}

// Post sends a JSON document and reads the answer.
func (c *Client) Post(ctx context.Context, path string, body, into any) error {
	_, err := c.post(ctx, path, body, into)
	return err
}

func (c *Client) post(ctx context.Context, path string, body, into any) (status int, err error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	return c.call(ctx, http.MethodPost, path, b, into)
}

// maxAnswer bounds the answers that are read, in bytes.
const maxAnswer = 8 << 20

// do makes a call; the caller closes the answer's body.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--url %q: %w", c.URL, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer from the relay: %w", err)
	}
	return res, nil
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) (int, error) {
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return res.StatusCode, fmt.Errorf("the relay's answer broke off: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode, problem(res, answer)
	}
	if into == nil {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return res.StatusCode, fmt.Errorf("%s%s did not answer as a relay would: %w", c.URL, path, err)
	}
	return res.StatusCode, nil
}

// problem reads an error answer; one that is not problem+json still says its status.
func problem(res *http.Response, answer []byte) *Problem {
	p := &Problem{}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		if json.Unmarshal(answer, p) != nil {
			p = &Problem{}
		}
	}
	p.Status = res.StatusCode
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}

// retriable reports whether the same request may succeed later: there was no
// answer, or it was 429 or 5xx.
func retriable(err error) bool {
	var p *Problem
	if !errors.As(err, &p) {
		return !errors.Is(err, context.Canceled)
	}
	return p.Status == http.StatusTooManyRequests || p.Status >= 500
}
