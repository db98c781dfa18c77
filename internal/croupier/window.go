package croupier

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Window is a request to open a window for viewers' actions (docs/protocol.md,
// section 7).
type Window struct {
	Window    string  `json:"window"`
	At        At      `json:"at"`
	Closes    *Closes `json:"closes"` // nil: it is closed by hand
	GraceMS   int64   `json:"grace_ms,omitempty"`
	Accept    Accept  `json:"accept"`
	TimeoutMS int64   `json:"timeout_ms,omitempty"`
}

// Closes says when the relay closes a window by itself: one of the two.
type Closes struct {
	AfterMS     int64      `json:"after_ms,omitempty"` // on the timeline, from the window's first frame on
	CaptureTime *time.Time `json:"capture_time,omitempty"`
}

// Accept bounds what a window takes. Zero is the relay's default.
type Accept struct {
	MaxPerViewer int   `json:"max_per_viewer,omitempty"`
	MaxBytes     int   `json:"max_bytes,omitempty"` // of an action's data
	MaxActions   int   `json:"max_actions,omitempty"`
	MaxAgeMS     int64 `json:"max_age_ms,omitempty"` // of the frame that was seen, after the next has left
}

// Opened is the relay's answer for a window that is open: the frame that it begins
// with, and where it ends.
type Opened struct {
	Resolved
	Window   string `json:"window"`
	ClosesTS uint64 `json:"closes_ts"` // canonical timestamp; 0 if it is closed by hand
}

// windowsPath is the path of a stream's windows, or of what is below them.
func windowsPath(stream string, below ...string) string {
	path := "/v1/streams/" + url.PathEscape(stream) + "/windows"
	for _, b := range below {
		path += "/" + url.PathEscape(b)
	}
	return path
}

// OpenWindow opens a window on a stream. Status and errors are those of Mark.
func (c *Client) OpenWindow(ctx context.Context, stream string, w Window) (Opened, int, error) {
	var r Opened
	status, err := c.post(ctx, windowsPath(stream), w, &r)
	return r, status, err
}

// CloseWindow closes a window before its time, on a frame that has not left. Status
// and errors are those of Mark.
func (c *Client) CloseWindow(ctx context.Context, stream, window string, at At) (Resolved, int, error) {
	return c.endWindow(ctx, windowsPath(stream, window, "close"), at)
}

// VoidWindow voids a window: nothing in it counts. Status and errors are those of
// Mark.
func (c *Client) VoidWindow(ctx context.Context, stream, window string, at At) (Resolved, int, error) {
	return c.endWindow(ctx, windowsPath(stream, window, "void"), at)
}

func (c *Client) endWindow(ctx context.Context, path string, at At) (r Resolved, status int, err error) {
	status, err = c.post(ctx, path, struct {
		At At `json:"at"`
	}{at}, &r)
	return r, status, err
}

// Windows returns the windows of a stream that are known: a JSON document.
func (c *Client) Windows(ctx context.Context, stream string) (list json.RawMessage, err error) {
	err = c.Get(ctx, windowsPath(stream), &list)
	return list, err
}

// Action is what a server does in a window.
type Action struct {
	ID      string          `json:"id"` // the same again gets the same receipt
	Data    json.RawMessage `json:"data,omitempty"`
	Subject string          `json:"subject,omitempty"` // the user for whom it acts; empty is the token's own
}

// Act acts in a window and returns the receipt, as the relay wrote it.
func (c *Client) Act(ctx context.Context, stream, window string, a Action) (receipt json.RawMessage, err error) {
	err = c.Post(ctx, windowsPath(stream, window, "actions"), a, &receipt)
	return receipt, err
}

// Receipt returns the receipt of an action of the token's own, or for a subject that is
// not "", the line that its verdict stands on, and the proof that it counts once the
// window is closed: a JSON document.
func (c *Client) Receipt(ctx context.Context, stream, window, id, subject string) (receipt json.RawMessage, err error) {
	path := windowsPath(stream, window, "receipts", id)
	if subject != "" {
		path += "?subject=" + url.QueryEscape(subject)
	}
	err = c.Get(ctx, path, &receipt)
	return receipt, err
}

// Sequenced is what a follower of a stream's events needs of one.
type Sequenced struct {
	Seq    uint64 `json:"seq"`
	Kind   string `json:"kind"`
	Window string `json:"window"`
}

// Events follows a stream's events from now on, as long as see returns true. It
// calls began once the relay has answered, so that what happens after that is seen;
// if that returns false there is nothing to follow.
func (c *Client) Events(ctx context.Context, stream string, began func() bool, see func(Sequenced) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // lets go of the answer's body
	res, err := c.do(ctx, http.MethodGet, "/v1/streams/"+url.PathEscape(stream)+"/events", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return problem(res, nil)
	}
	if !began() {
		return nil
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue
		}
		var e Sequenced
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("an event of %s: %w", stream, err)
		}
		if !see(e) {
			return nil
		}
	}
	return errors.Join(errors.New("the relay's events ended"), lines.Err())
}

// notClosed reports whether an outcome was refused because its window still takes
// actions.
func notClosed(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == http.StatusConflict && strings.Contains(p.Detail, "window_not_closed")
}

// closeTimeout bounds the wait for a window's close.
const closeTimeout = 5 * time.Second

// markClosed publishes an outcome once its window is closed. It follows the
// events before it tries again, so the close cannot pass unseen in between.
func (t *table) markClosed(ctx context.Context, m Mark) (answer Resolved, status int, err error) {
	answer, status, err = t.Client.Mark(ctx, t.Stream, m)
	if !notClosed(err) {
		return answer, status, err
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	followed := t.Client.Events(ctx, t.Stream,
		func() bool {
			answer, status, err = t.Client.Mark(ctx, t.Stream, m)
			return notClosed(err)
		},
		func(e Sequenced) bool {
			return e.Window != m.Window || (e.Kind != "window.close" && e.Kind != "void")
		})
	if followed != nil || !notClosed(err) {
		return answer, status, errors.Join(err, followed)
	}
	return t.Client.Mark(ctx, t.Stream, m)
}
