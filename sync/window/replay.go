package window

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/framelock/relay/sync/marker"
)

// Replay reads a stream's journal from its beginning, gives every action its verdict
// again and compares it with the one recorded. After the last line Book is that of
// the relay that wrote them. Both a restart and an auditor go this way.
//
// The first error ends it: what follows a line that should not be there means
// nothing.
type Replay struct {
	book  *Book
	log   marker.LogID
	began bool   // log is known
	seq   uint64 // of the newest event
}

// NewReplay returns a Replay for the first line of a journal.
func NewReplay() *Replay { return &Replay{book: NewBook()} }

// Book returns the Book after the lines so far.
func (r *Replay) Book() *Book { return r.book }

// Line takes the next line, at the given position in the journal, and the payload
// that belongs to it, nil if there is none or it was erased. Lines that are neither
// events nor actions do not matter here. The error is a *Mismatch.
func (r *Replay) Line(position uint64, line, payload []byte) error {
	err := r.line(line, payload)
	if err == nil {
		return nil
	}
	m, ok := err.(*Mismatch)
	if !ok {
		m = &Mismatch{Err: err}
	}
	m.Position = position
	return m
}

func (r *Replay) line(line, payload []byte) error {
	kind, err := lineType(line)
	if err != nil {
		return err
	}
	switch kind {
	case "event":
		return r.event(line)
	case "action":
		return r.action(line, payload)
	}
	return nil
}

// lineType returns the type member of a line.
func lineType(line []byte) (string, error) {
	for _, known := range [...]string{"event", "action"} {
		if bytes.HasPrefix(line, []byte(`{"v":1,"type":"`+known+`",`)) {
			return known, nil
		}
	}
	var form struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(line, &form); err != nil {
		return "", fmt.Errorf("not a line of a journal: %w", err)
	}
	return form.Type, nil
}

func (r *Replay) event(line []byte) error {
	e, err := marker.DecodeEvent(line)
	if err != nil {
		return err
	}
	mismatch := Mismatch{Window: e.Window, ID: e.ID}
	switch {
	case !r.began:
		r.log, r.began = e.Log, true
	case e.Log != r.log:
		mismatch.Recorded, mismatch.Expected = "log "+e.Log.String(), "log "+r.log.String()
		return &mismatch
	case e.Seq <= r.seq:
		mismatch.Recorded, mismatch.Expected = fmt.Sprintf("seq %d", e.Seq), fmt.Sprintf("a seq after %d", r.seq)
		return &mismatch
	}
	r.seq = e.Seq
	if err := r.book.Apply(&e); err != nil {
		mismatch.Err = err
		return &mismatch
	}
	return nil
}

func (r *Replay) action(line, payload []byte) error {
	a, err := DecodeAction(line)
	if err != nil {
		return err
	}
	if payload != nil {
		p, err := DecodePayload(payload)
		if err == nil {
			err = p.Open(a)
		}
		if err != nil {
			return &Mismatch{Order: a.Order, Window: a.Window, ID: a.ID, Err: err}
		}
	}
	return r.book.Restore(a)
}
