package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/tiles"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// past is what earlier runs left behind: what the lines of the journal come to.
type past struct {
	log     marker.LogID // 0 if there is none
	resumed bool         // an earlier run used the log
	next    uint64       // seq behind which this run begins
	lease   journal.Lease
	seq     uint64 // newest event's
	ts      uint64 // newest of an event
	doc     *state.Document
	book    *window.Book
	tree    transcript.Tree
	ids     *answers
	windows map[string]*marker.Event // newest event of each window
	ledger  *ledger

	signed     uint64 // how many events a checkpoint covers that was shown
	signedRoot transcript.Hash
	tiles      func(marker.LogID) (*tiles.Store, error) // nil if the log is not served
}

// begin notes which log it is.
func (p *past) begin(log marker.LogID) (err error) {
	if p.log != 0 && p.log != log {
		return fmt.Errorf("it is of log %s and of log %s", p.log, log)
	}
	if p.log == 0 && p.tiles != nil {
		p.ledger.store, err = p.tiles(log)
	}
	p.log = log
	return err
}

func newPast(stateLimit int) *past {
	return &past{
		doc: state.NewDocument(stateLimit), book: window.NewBook(), ids: newAnswers(),
		windows: map[string]*marker.Event{}, ledger: newLedger(),
	}
}

// line takes the next line of the journal, with what is left of its erasable part.
func (p *past) line(pos uint64, line, erasable []byte) error {
	var head struct {
		Type string `json:"type"`
	}
	var err error
	if window.IsAction(line) { // as most lines are
		head.Type = "action"
	} else {
		err = json.Unmarshal(line, &head)
	}
	switch {
	case err != nil:
	case head.Type == "event":
		err = p.event(line)
	case head.Type == "action":
		err = p.action(line, erasable)
	case head.Type == "lease":
		var l journal.Lease
		if l, err = journal.ParseLease(line); err == nil {
			p.resumed, p.lease = true, l
			err = p.begin(l.Log)
		}
	case head.Type == "checkpoint":
		var c struct {
			Note string `json:"note"`
		}
		if err = json.Unmarshal(line, &c); err == nil {
			err = p.ledger.checkpoint(c.Note)
		}
	}
	if err != nil {
		return fmt.Errorf("line %d of the journal: %w", pos, err)
	}
	p.ledger.lines = pos
	return nil
}

// foldEvery is after how many events the document is folded while the journal is
// read, so that reading takes a time in proportion.
const foldEvery = 512

func (p *past) event(line []byte) error {
	line = bytes.Clone(line)
	e, err := marker.DecodeEvent(line)
	if err != nil {
		return err
	}
	if e.Seq <= p.seq {
		return fmt.Errorf("seq %d comes after seq %d", e.Seq, p.seq)
	}
	if err := p.doc.Apply(state.Entry{Seq: e.Seq, TS: e.TS, Kind: e.Kind, Patch: e.Patch, Bytes: line}); err != nil {
		return err
	}
	if ofWindow(e.Kind, e.Window) {
		if err := p.book.Apply(&e); err != nil {
			return err
		}
		p.windows[e.Window] = &e
		if e.Kind == marker.WindowOpen {
			p.ids.forgetWindow(e.Window)
		}
		if e.Kind == marker.WindowClose || e.Kind == marker.Void || e.Kind == marker.Outcome {
			delete(p.windows, e.Window)
		}
	}
	p.seq, p.ts = e.Seq, max(p.ts, e.TS)
	p.tree.Append(transcript.LeafHash(line))
	if p.tree.Size() == p.signed {
		p.signedRoot = p.tree.Root()
	}
	if err := p.ledger.event(e.Kind, e.Window, e.Seq, line); err != nil {
		return err
	}
	p.ids.put(e.ID, answered{kind: e.Kind, window: e.Window, event: &e, resolved: marker.Resolved{
		ID: e.ID, Seq: e.Seq, Epoch: e.Epoch, TS: e.TS, Frame: e.Frame, CaptureTime: e.CaptureTime,
		ErrorMS: e.ErrorMS, LateMS: e.LateMS, Clock: "journal",
	}})
	if p.tree.Size()%foldEvery == 0 {
		p.doc.Advance(p.ts - min(p.ts, foldTicks))
	}
	return nil
}

func (p *past) action(line, erasable []byte) error {
	a, err := window.DecodeAction(line)
	if err != nil {
		return err
	}
	var payload window.Payload
	if erasable != nil {
		if payload, err = window.DecodePayload(erasable); err != nil {
			return err
		}
		if err := payload.Open(a); err != nil {
			return err
		}
	}
	if err := p.book.Restore(a); err != nil {
		return err
	}
	if erasable != nil { // the salt went with the payload, and with it the receipt
		p.ledger.action(a, payload.Salt)
	}
	return nil
}

// remember reads what earlier runs left in the journal, and checks that it is all
// that was signed.
func remember(ctx context.Context, c Config, sh Shell) (*past, *journal.Guard, error) {
	p := newPast(c.StateLimit)
	var guard *journal.Guard
	if t := sh.Transcript; t != nil {
		var err error
		if guard, err = journal.OpenGuard(filepath.Join(t.Dir, "signed"), c.Name); err != nil {
			return nil, nil, err
		}
		p.signed = guard.Size()
		p.tiles = func(log marker.LogID) (*tiles.Store, error) { return tiles.Open(t.Dir, c.Name, log) }
	}
	if sh.Journal != nil {
		if err := sh.Journal.Read(ctx, 1, p.line); err != nil {
			return nil, nil, err
		}
	}
	if p.log == 0 {
		if err := p.begin(journal.NewLog()); err != nil {
			return nil, nil, err
		}
	}
	if guard != nil {
		if err := guard.Check(p.log.String(), p.tree.Size(), p.signedRoot); err != nil {
			return nil, nil, err
		}
	}
	p.lease.Log = p.log
	p.next = max(p.lease.SeqEnd, p.seq)
	p.lease.SeqEnd = p.next
	return p, guard, nil
}

// forgetful is the journal of a stream that keeps none.
type forgetful struct{}

func (forgetful) Append(context.Context, [][]byte, [][]byte) (uint64, error) { return 0, nil }
