package stream

import (
	"context"
	"errors"
	"io"

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
	if l.signer == nil || l.sh.Journal == nil {
		return ErrUnsigned
	}
	seal, err := transcript.SealSigner(l.signer)
	if err != nil {
		return err
	}
	// Whatever refuses does so before the first byte.
	if err := l.Unready(); err != nil {
		return err
	}
	if err := l.signNow(ctx); err != nil {
		return err
	}
	x, err := transcript.NewExporter(w, transcript.Header{
		Stream: l.cfg.Name, Log: l.core.log, Key: l.signer.VerifierKey(), ExportedAt: l.sh.Now(),
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
		wait := make(waitEntry)
		if !l.writer.Put(&signEntry{l}) || !l.writer.Put(wait) {
			return marker.ErrInboxFull
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Keeps reports whether the stream has a journal.
func (l *Loop) Keeps() bool { return l.sh.Journal != nil }

// Follow calls f with every line of the journal from a position on, with what is
// left of its erasable part, as it becomes durable: until ctx ends, the stream is
// shut down or f fails; with toEnd, until the newest.
func (l *Loop) Follow(ctx context.Context, from uint64, toEnd bool, f func(pos uint64, line, payload []byte) error) error {
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
