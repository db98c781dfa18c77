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

// Closes says when the relay closes a window by itself.
type Closes struct {
	AfterMS int64 `json:"after_ms"` // on the timeline, from the window's first frame on
}

// Accept bounds what a window takes. Zero is the relay's default.
type Accept struct {
	MaxPerViewer int `json:"max_per_viewer,omitempty"`
	MaxBytes     int `json:"max_bytes,omitempty"` // of an action's data
}

// OpenWindow opens a window on a stream and returns the frame that it begins with.
// Errors are those of Mark.
func (c *Client) OpenWindow(ctx context.Context, stream string, w Window) (Resolved, int, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return Resolved{}, 0, fmt.Errorf("window %q: %w", w.Window, err)
	}
	var r Resolved
	status, err := c.call(ctx, http.MethodPost, "/v1/streams/"+url.PathEscape(stream)+"/windows", body, &r)
	return r, status, err
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
