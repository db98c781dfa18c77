package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/window"
)

// Mark binds an event to a frame and waits for the answer: until the event is
// durable. replayed is true if the same request was answered before.
func (l *Loop) Mark(ctx context.Context, r marker.Request) (_ marker.Resolved, replayed bool, err error) {
	if err := r.Validate(); err != nil {
		return marker.Resolved{}, false, err
	}
	a, err := l.call(ctx, func(c *Core, t Ticket, now time.Time) { c.Mark(r, t, now) })
	return a.Resolved, a.Replayed, err
}

// OpenWindow opens a window and waits for the answer; closes is the timestamp that
// it closes at, 0 if it is closed by hand.
func (l *Loop) OpenWindow(ctx context.Context, r marker.OpenRequest) (_ marker.Resolved, closes uint64, replayed bool, err error) {
	if err := r.Validate(); err != nil {
		return marker.Resolved{}, 0, false, err
	}
	a, err := l.call(ctx, func(c *Core, t Ticket, now time.Time) { c.OpenWindow(r, t, now) })
	return a.Resolved, r.Deadline(a.Resolved.TS, a.Resolved.CaptureTime), a.Replayed, err
}

// CloseWindow closes a window early, or voids it (marker.Void), and waits for the
// answer.
func (l *Loop) CloseWindow(ctx context.Context, r marker.CloseRequest, kind marker.Kind) (_ marker.Resolved, replayed bool, err error) {
	if err := r.Validate(); err != nil {
		return marker.Resolved{}, false, err
	}
	a, err := l.call(ctx, func(c *Core, t Ticket, now time.Time) { c.CloseWindow(r, kind, t, now) })
	return a.Resolved, a.Replayed, err
}

// Windows describes the windows that are known, in order of opening.
func (l *Loop) Windows(ctx context.Context) ([]state.Window, error) {
	return ask(ctx, l, func() ([]state.Window, error) { return l.core.windowList(l.sh.Now()), nil })
}

// Receipted is an action that has its verdict for good.
type Receipted struct {
	Receipt json.RawMessage `json:"receipt"` // the bytes that the viewer got
	Action  json.RawMessage `json:"action"`  // the line that the verdict stands on, and the leaf of an accepted one
	Proof   *window.Proof   `json:"proof"`   // of an accepted one, once its window is closed
}

// Receipt returns what a subject got for an action; nil if there is none.
func (l *Loop) Receipt(ctx context.Context, name, subject, id string) (*Receipted, error) {
	return ask(ctx, l, func() (*Receipted, error) {
		a := l.core.book.Find(subject, name, id)
		if a == nil {
			return nil, nil
		}
		receipt := l.ledger.receipt(name, a.Order)
		if receipt == nil {
			return nil, nil
		}
		r := &Receipted{Receipt: receipt, Action: a.Encode()}
		if proof, ok := l.core.book.Prove(subject, name, id); ok {
			r.Proof = &proof
		}
		return r, nil
	})
}

// call asks the core for an event and waits for the answer.
func (l *Loop) call(ctx context.Context, f func(*Core, Ticket, time.Time)) (Answer, error) {
	if err := l.refusing(); err != nil {
		return Answer{}, err
	}
	call := markCall{f, make(chan Answer, 1)}
	select {
	case l.marks <- call:
	case <-l.done:
		return Answer{}, marker.ErrClosed
	default:
		return Answer{}, marker.ErrInboxFull
	}
	select {
	case a := <-call.ticket:
		return a, a.Err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	case <-l.done:
		return Answer{}, marker.ErrClosed
	}
}

// refusing says why nothing new is taken, if so.
func (l *Loop) refusing() error {
	switch {
	case l.fenced.Load():
		return marker.ErrNotOwner
	case l.writer.Backlog() > backlogFull:
		return marker.ErrInboxFull
	case l.writer.Health().Err != nil:
		return marker.ErrUnavailable // why is for operators: Unready
	}
	return nil
}

// Unready says why the stream takes no events and actions, nil if it does.
func (l *Loop) Unready() error {
	if l.fenced.Load() {
		return marker.ErrNotOwner
	}
	if h := l.writer.Health(); h.Err != nil {
		return fmt.Errorf("%w: %w", marker.ErrUnavailable, h.Err)
	}
	return nil
}

// Snapshot returns the state at the newest frame sent.
func (l *Loop) Snapshot(ctx context.Context) (state.Snapshot, error) {
	return ask(ctx, l, func() (state.Snapshot, error) { return l.snapshot(l.sh.Now()) })
}

// Info describes the stream as it is now.
func (l *Loop) Info(ctx context.Context) (Info, error) {
	return ask(ctx, l, func() (Info, error) {
		i := l.core.Info(l.sh.Now(), int(l.viewers.Load()))
		i.Backlog = l.writer.Backlog()
		if err := l.Unready(); err != nil {
			i.NotReady = err.Error()
			i.Health = append(i.Health, notReady(err, l.writer.Health().Since))
		}
		return i, nil
	})
}

// Newest asks Subscribe for events to come, and none that are kept.
const Newest = math.MaxUint64

// Subscribe returns the bytes of every event after seq: first those that are kept,
// then each as it comes. A seq of 0 is for all that are kept, Newest for none of
// them. ErrTooOld says that some are kept no more. The channel is closed when ctx
// ends, when the stream is shut down, and when the reader falls too far behind.
func (l *Loop) Subscribe(ctx context.Context, after uint64) (<-chan []byte, error) {
	return ask(ctx, l, func() (<-chan []byte, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err() // nobody would read
		}
		events, err := l.tail.subscribe(after)
		if err == nil {
			context.AfterFunc(ctx, func() { l.wish(func() { l.tail.unsubscribe(events) }) })
		}
		return events, err
	})
}

// ask runs f on the loop and waits for its answer.
func ask[T any](ctx context.Context, l *Loop, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ready := make(chan result, 1)
	var none T
	select {
	case l.wishes <- func() { v, err := f(); ready <- result{v, err} }:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-l.done:
		return none, marker.ErrClosed
	}
	select {
	case r := <-ready:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-l.done:
		return none, marker.ErrClosed
	}
}
