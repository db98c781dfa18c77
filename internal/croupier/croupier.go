// Package croupier is a game server that plays by a script: it reads what a
// studio says about the frames it sends, and publishes rounds, phases and
// outcomes over the relay's HTTP interface, as a real game server does.
//
// It knows no more than a game server can: the studio's own frame numbers,
// timestamps and capture times. Nothing that it sends was learned from the relay,
// so whether its events come out on their frames tests the whole way between.
package croupier

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Config says what to play, and where.
type Config struct {
	// Log is a studio's log as it grows: a Tail, or a pipe. It is closed when the
	// croupier ends, which must make a waiting Read return.
	Log    io.ReadCloser
	Client *Client
	Stream string
	// Script, if it has a loop, lets outcomes be named Lead before their frame.
	// Without it they are named when the log shows them.
	Script Script
	// Lead is how far ahead of the studio events are named: 0 to 5 s.
	Lead time.Duration
	// Fresh, if set, passes over frames that were captured longer ago, as in a log
	// that had begun long before.
	Fresh time.Duration
	// Rate is the number of additional test markers a second; each holds the bar
	// number of the frame that it is meant for: {"frame": 48213}.
	Rate float64
	// Count ends the croupier after that many events; 0 means no end.
	Count int
	// Out takes one Record a line, as JSON, for each event; nothing is written if nil.
	Out io.Writer
	// Logger takes what goes wrong; nothing is logged if nil.
	Logger *slog.Logger
}

// Record is what was published and what the relay answered.
type Record struct {
	ID          string      `json:"id"`
	Kind        string      `json:"kind"`
	By          string      `json:"by"`    // capture_time or source
	Frame       uint64      `json:"frame"` // the studio's count of the frame that was meant
	Bar         uint64      `json:"bar"`   // the number in that frame's picture
	CaptureTime *time.Time  `json:"capture_time,omitempty"`
	Source      *SourceTime `json:"source,omitempty"`
	Predicted   bool        `json:"predicted,omitempty"` // an outcome named before its frame
	SentAt      time.Time   `json:"sent_at"`
	TookMS      float64     `json:"took_ms"` // until the answer, retries included
	Attempts    int         `json:"attempts"`
	Status      int         `json:"status,omitempty"` // of the last answer
	Answer      *Resolved   `json:"answer,omitempty"`
	Error       string      `json:"error,omitempty"`
}

const (
	maxLead = 5 * time.Second
	// maxUnanswered bounds the requests in flight: a named frame may take
	// seconds to come.
	maxUnanswered = 256
)

// Run plays until the log or the context ends, or Count events are out. It waits
// for the answers, and for everything that it started. The context's end is no error.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Lead < 0 || cfg.Lead > maxLead {
		return fmt.Errorf("croupier: lead %v is out of range (allowed: 0s to %v)", cfg.Lead, maxLead)
	}
	if cfg.Rate < 0 || cfg.Rate > 1000 {
		return fmt.Errorf("croupier: rate %v is out of range (allowed: 0 to 1000)", cfg.Rate)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	table := &table{Config: cfg, failures: make(chan event, maxUnanswered), slots: make(chan struct{}, maxUnanswered)}
	lines, stop, ended := make(chan line), make(chan struct{}), make(chan error, 1)
	go func() { ended <- readLog(cfg.Log, lines, stop) }()
	err, readerEnded := table.play(ctx, lines, ended)
	close(stop)
	closeErr := cfg.Log.Close()
	if !readerEnded {
		<-ended
	}
	table.inFlight.Wait()
	return errors.Join(err, closeErr, table.outError())
}

// table is a croupier at work. Its goroutines are one for each unanswered event;
// what they share is behind the mutex.
type table struct {
	Config
	inFlight sync.WaitGroup
	slots    chan struct{} // one for each request in flight
	failures chan event    // early outcomes and windows that were not accepted

	mu     sync.Mutex // guards Out
	outErr error
}

// play feeds the game with the log's lines.
func (t *table) play(ctx context.Context, lines <-chan line, ended <-chan error) (err error, readerEnded bool) {
	g := newGame(t.Script, 0, t.Rate)
	published := 0
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case err := <-ended:
			return err, true
		case e := <-t.failures:
			g.failed(e)
		case l := <-lines:
			if l.Studio != nil {
				g.start(*l.Studio)
				g.lead = g.frames(t.Lead)
				continue
			}
			if t.Fresh > 0 && time.Since(l.CaptureTime) > t.Fresh {
				continue
			}
			for _, e := range g.frame(l.Frame) {
				t.publish(ctx, e)
				if published++; published == t.Count {
					return nil, false
				}
			}
		}
	}
}

// publish sends an event without waiting for the answer.
func (t *table) publish(ctx context.Context, e event) {
	r := Record{
		ID: e.ID, Kind: e.Kind, By: "capture_time", Frame: e.Frame, Bar: e.Bar,
		CaptureTime: e.At.CaptureTime, Source: e.At.Source, Predicted: e.Predicted, SentAt: time.Now().UTC(),
	}
	if e.At.Source != nil {
		r.By = "source"
	}
	select {
	case t.slots <- struct{}{}:
	default:
		r.Error = fmt.Sprintf("not sent: %d requests wait for an answer", maxUnanswered)
		t.record(r)
		return
	}
	t.inFlight.Go(func() {
		defer func() { <-t.slots }()
		t.send(ctx, e, &r)
		r.TookMS = float64(time.Since(r.SentAt)) / float64(time.Millisecond)
		t.record(r)
		if r.Error != "" && (e.Predicted || e.Kind == windowOpen) {
			select {
			case t.failures <- e:
			default: // the game has ended
			}
		}
	})
}

// Retries of one event: the first wait, doubled each time.
const (
	maxAttempts = 6
	firstWait   = 50 * time.Millisecond
)

// send publishes an event, again with the same id where that may help.
func (t *table) send(ctx context.Context, e event, r *Record) {
	wait := firstWait
	for {
		r.Attempts++
		answer, status, err := t.ask(ctx, e)
		r.Status = status
		if err == nil {
			r.Answer, r.Error = &answer, ""
			r.ID = cmp.Or(answer.ID, r.ID) // the relay names the event that opens a window
			return
		}
		r.Error = err.Error()
		if !retriable(err) || r.Attempts == maxAttempts || ctx.Err() != nil {
			return
		}
		pause := wait
		if p := (*Problem)(nil); errors.As(err, &p) {
			pause = max(pause, min(p.RetryAfter, maxLead))
		}
		wait *= 2
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// ask makes the one request that an event takes, or what its window asks for.
func (t *table) ask(ctx context.Context, e event) (Resolved, int, error) {
	switch {
	case e.Kind == windowOpen:
		opened, status, err := t.Client.OpenWindow(ctx, t.Stream, Window{
			Window: e.ID, At: e.At, Closes: &Closes{AfterMS: e.Open.Milliseconds()},
			Accept: Accept{MaxPerViewer: chips, MaxBytes: chipBytes},
		})
		return opened.Resolved, status, err
	case e.Window != "":
		return t.markClosed(ctx, e.Mark)
	}
	return t.Client.Mark(ctx, t.Stream, e.Mark)
}

// record writes and logs what came of an event.
func (t *table) record(r Record) {
	if r.Error != "" {
		t.Logger.Warn("event was not published", "id", r.ID, "frame", r.Frame, "attempts", r.Attempts, "error", r.Error)
	}
	if t.Out == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.outErr == nil {
		t.outErr = json.NewEncoder(t.Out).Encode(r)
	}
}

func (t *table) outError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.outErr != nil {
		return fmt.Errorf("croupier: writing what was published: %w", t.outErr)
	}
	return nil
}
