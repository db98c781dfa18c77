package signing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// WitnessOptions say who is told of checkpoints. A zero field means its default.
type WitnessOptions struct {
	// URLs get each checkpoint as the body of a POST, a signed note as text/plain. Any
	// 2xx answer will do.
	URLs []string
	// File gets each as a line of JSON: {"time":"...","note":"..."}.
	File string
	// Interval is the least time between two checkpoints of all logs to one witness,
	// which gets the newest then: 10 s.
	Interval time.Duration
	// Timeout bounds a POST: 5 s.
	Timeout time.Duration
	// Retry is the wait after a failure, doubled with each further one up to 64 times
	// that: 1 s.
	Retry time.Duration
	// Client makes the POSTs: a client of its own, without redirects.
	Client *http.Client
	// Logger is told of the first failure of a row, and of its end; nil discards that.
	Logger *slog.Logger
	// Observe is told of every attempt, err nil if it was good, by several goroutines;
	// it may be nil.
	Observe func(witness string, err error)
}

// Witnesses brings the newest checkpoint of each log to those outside that keep it,
// so that not even the holder of the key can rewrite what it covers. Whoever makes
// checkpoints never waits for them. Push may be called from anywhere.
type Witnesses struct {
	opts    WitnessOptions
	targets []*target

	mu     sync.Mutex
	newest map[string]string // by origin
}

// target is one witness. Its worker alone owns sent.
type target struct {
	name string
	send func(ctx context.Context, note string) error
	wake chan struct{} // capacity 1
	sent map[string]string
}

// NewWitnesses checks the options; it starts nothing.
func NewWitnesses(o WitnessOptions) (*Witnesses, error) {
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, error) {}
	}
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	w := &Witnesses{opts: o, newest: make(map[string]string)}
	add := func(name string, send func(context.Context, string) error) {
		w.targets = append(w.targets, &target{name, send, make(chan struct{}, 1), make(map[string]string)})
	}
	for _, text := range o.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return nil, fmt.Errorf("witness %q is no address (allowed: https://HOST/PATH or http://HOST/PATH, without a password)", text)
		}
		add(u.Redacted(), func(ctx context.Context, note string) error { return w.post(ctx, text, note) })
	}
	if o.File != "" {
		add(o.File, func(_ context.Context, note string) error { return appendNote(o.File, time.Now(), note) })
	}
	return w, nil
}

// Push makes a signed checkpoint the newest of its log. It never blocks.
func (w *Witnesses) Push(note string) {
	origin, _, _ := strings.Cut(note, "\n")
	w.mu.Lock()
	w.newest[origin] = note
	w.mu.Unlock()
	for _, t := range w.targets {
		select {
		case t.wake <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// lastTry bounds the attempt that is made when everything ends.
const lastTry = 2 * time.Second

// Run brings checkpoints to all witnesses until ctx ends, and then, once more and
// for at most 2 s, those that have not arrived.
func (w *Witnesses) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for _, t := range w.targets {
		workers.Go(func() { w.work(ctx, t) })
	}
	workers.Wait()
}

func (w *Witnesses) work(ctx context.Context, t *target) {
	failures := 0
	for ctx.Err() == nil {
		sent, err := w.deliver(ctx, t)
		switch {
		case ctx.Err() != nil:
			continue
		case err != nil:
			if failures == 0 {
				w.opts.Logger.Warn("a witness takes no checkpoints; trying on", "witness", t.name, "error", err)
			}
			pause(ctx, w.opts.Retry<<min(failures, 6))
			failures++
			continue
		case failures > 0:
			w.opts.Logger.Info("the witness takes checkpoints again", "witness", t.name, "failures", failures)
			failures = 0
		}
		if sent {
			pause(ctx, w.opts.Interval)
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTry)
	defer cancel()
	_, _ = w.deliver(last, t) // Observe has been told
}

// pause waits, at most until ctx ends.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// errRefused is wrapped by the error of a witness that has answered: it may still
// take the checkpoints of other logs.
var errRefused = errors.New("the witness refused the checkpoint")

// deliver sends what the witness has not got, up to the first time that it cannot be
// reached, and reports whether it took anything.
func (w *Witnesses) deliver(ctx context.Context, t *target) (sent bool, err error) {
	w.mu.Lock()
	newest := maps.Clone(w.newest)
	w.mu.Unlock()
	for _, origin := range slices.Sorted(maps.Keys(newest)) {
		note := newest[origin]
		if t.sent[origin] == note {
			continue
		}
		failed := t.send(ctx, note)
		w.opts.Observe(t.name, failed)
		if failed != nil {
			if err = errors.Join(err, fmt.Errorf("%s: %w", origin, failed)); !errors.Is(failed, errRefused) {
				return sent, err
			}
			continue
		}
		t.sent[origin], sent = note, true
	}
	return sent, err
}

func (w *Witnesses) post(ctx context.Context, target, note string) error {
	ctx, cancel := context.WithTimeout(ctx, w.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(note))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := w.opts.Client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4096) // so that the connection can be used again
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%w: it answered %s", errRefused, res.Status)
	}
	return nil
}

// appendNote adds a line to a witness file, durably.
func appendNote(path string, now time.Time, note string) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Time time.Time `json:"time"`
		Note string    `json:"note"`
	}{now.UTC(), note})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line.Bytes())
	return errors.Join(err, f.Sync(), f.Close())
}
