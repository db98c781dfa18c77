package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/tiles"
	"github.com/framelock/relay/sync/transcript"
)

// Tiles returns the log as it is served; nil if it is not.
func (l *Loop) Tiles() *tiles.Store { return l.ledger.store }

// ErrUnsigned is returned for an export of a log that nobody signs.
var ErrUnsigned = errors.New("this relay signs no transcript; set state.dir")

// Export writes the whole transcript, sealed, with the data of actions where it is
// wanted and still there. It returns ErrUnsigned, marker.ErrNotOwner, ErrUnavailable or
// ErrInboxFull with nothing written.
func (l *Loop) Export(ctx context.Context, w io.Writer, payloads bool) error {
	if l.keys == nil || l.sh.Journal == nil {
		return ErrUnsigned
	}
	// Whatever refuses does so before the first byte.
	if err := l.Unready(); err != nil {
		return err
	}
	if err := l.signNow(ctx); err != nil {
		return err
	}
	first, signer := l.keys.now()
	seal, err := transcript.SealSigner(signer)
	if err != nil {
		return err
	}
	x, err := transcript.NewExporter(w, transcript.Header{
		Stream: l.cfg.Name, Log: l.core.log, Key: first, ExportedAt: l.sh.Now(),
	})
	if err != nil {
		return err
	}
	err = l.Follow(ctx, 1, true, func(_ uint64, line, payload []byte) error {
		if err := x.Line(line); err != nil || payload == nil || !payloads {
			return err
		}
		return x.Line(payload)
	})
	if err != nil {
		return err
	}
	return x.Close(seal)
}

// signNow has a checkpoint cover what is durable, and waits for it.
func (l *Loop) signNow(ctx context.Context) error {
	// The checkpoint is a line of its own, behind what it covers.
	for range 2 {
		if !l.writer.Put(&signEntry{l}) {
			return marker.ErrInboxFull
		}
		if err := l.settled(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until everything that was decided is durable, or will not be.
func (l *Loop) settled(ctx context.Context) error {
	wait := make(waitEntry)
	if !l.writer.Put(wait) {
		return marker.ErrInboxFull
	}
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Keeps reports whether the stream has a journal.
func (l *Loop) Keeps() bool { return l.sh.Journal != nil }

// Follow calls f with every line of the journal from a position on, with what is
// left of its erasable part, as it becomes durable: until ctx ends, the stream is
// shut down or f fails; with toEnd, until the newest. ErrNotYet says that the line
// before from is not there: whoever has it has it of another journal.
func (l *Loop) Follow(ctx context.Context, from uint64, toEnd bool, f func(pos uint64, line, payload []byte) error) error {
	if newest := l.sh.Journal.Last(); from > newest+1 {
		return fmt.Errorf("position %d: %w (the newest is %d)", from-1, ErrNotYet, newest)
	}
	for {
		newest, grown := l.ledger.newest()
		if from <= newest {
			err := l.sh.Journal.Read(ctx, from, func(pos uint64, line, payload []byte) error {
				from = pos + 1
				return f(pos, line, payload)
			})
			if err != nil {
				return err
			}
		}
		if toEnd {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.done:
			return nil
		}
	}
}

// Erase removes the data of actions for good, by their orders; the log stays as valid
// as it was, and their receipts, which have the salt, are forgotten. It waits for the disk.
func (l *Loop) Erase(ctx context.Context, orders []uint64) error {
	if l.sh.Journal == nil {
		return ErrUnsigned
	}
	newest, err := ask(ctx, l, func() (uint64, error) { return l.core.book.LastOrder(), nil })
	if err != nil {
		return err
	}
	if most := slices.Max(orders); most > newest {
		return &marker.FieldError{Field: "orders", Value: strconv.FormatUint(most, 10), Allowed: fmt.Sprintf("orders of actions, at most %d", newest)}
	}
	if err := l.settled(ctx); err != nil { // what is not in the journal yet cannot be erased there
		return err
	}
	switch err := l.sh.Journal.Erase(ctx, orders...); {
	case errors.Is(err, journal.ErrFenced):
		return marker.ErrNotOwner
	case errors.Is(err, journal.ErrUnavailable):
		return marker.ErrUnavailable
	case err != nil:
		return err
	}
	_, err = ask(ctx, l, func() (struct{}, error) {
		for _, order := range orders {
			l.core.book.Forget(order)
		}
		return struct{}{}, nil
	})
	l.ledger.forget(orders)
	return err
}

// forgetSpacing is the time between two looks for data that has been kept long
// enough.
const forgetSpacing = time.Hour

// Forget removes the data of actions that is older than keep, now and then, until
// ctx ends.
func (l *Loop) Forget(ctx context.Context, keep time.Duration) error {
	for wait := time.NewTimer(0); ; wait.Reset(forgetSpacing) {
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		if err := l.sh.Journal.EraseBefore(ctx, l.sh.Now().Add(-keep)); err != nil && ctx.Err() == nil {
			l.sh.Logger.Error("old data of actions is not erased yet", "stream", l.cfg.Name, "error", err)
		}
	}
}
