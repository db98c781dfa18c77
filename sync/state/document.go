// Package state keeps a stream's current state: a JSON document that the patches
// of events change, each on the frame that its event is bound to. It answers what
// the document is on any frame of the last seconds, and makes the snapshot with
// which a viewer begins.
package state

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/framelock/relay/sync/marker"
)

// keptOutcomes is how many outcomes a Document remembers beyond its horizon.
const keptOutcomes = 32

var (
	// ErrGone is returned for a frame before the horizon: its state is not known
	// any more.
	ErrGone = errors.New("the state on this frame is not kept any more; ask for a frame of the last 10 s")
	// ErrOrder is returned for an event whose place in the order of seq is taken,
	// or has been folded already.
	ErrOrder = errors.New("the event's seq is taken or lies before what has been folded")
)

// LimitError says that a patch would make the document too large. It is a
// marker.ErrTooLarge.
type LimitError struct {
	Size, Limit int // bytes of JSON
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("too_large: the state would have %d bytes of JSON, and at most %d are allowed; remove members by patching them to null", e.Size, e.Limit)
}

// Is reports whether target is marker.ErrTooLarge.
func (e *LimitError) Is(target error) bool { return target == marker.ErrTooLarge }

// Entry is an event as the document needs it.
type Entry struct {
	Seq   uint64
	TS    uint64 // canonical timestamp of its frame
	Kind  marker.Kind
	Patch json.RawMessage // RFC 7396, a JSON object; nil for none
	Bytes []byte          // the event's JSON, kept for snapshots
}

// Document is the state of one stream. The state on a frame at ts is the fold, in
// order of seq, of the patches of all events with a timestamp of at most ts, in
// whatever order they came (docs/protocol.md, section 4). It begins as {}.
//
// A Document has one owner.
type Document struct {
	limit int

	base    any    // fold of what Advance has taken out of entries
	baseTS  uint64 // no frame before it can be asked for
	baseSeq uint64 // newest in base
	entries []entry
	tip     any // fold of base and all entries
	tipSize int // of tip, in bytes of JSON; an upper bound

	outcomes []entry // the newest that Advance has taken out, in order of seq
	shown    shown
}

type entry struct {
	Entry
	patch any // nil if there is none
}

// shown is the answer of At, good for timestamps from from to below until.
type shown struct {
	json        json.RawMessage
	from, until uint64
}

// NewDocument returns an empty document that may grow to limit bytes of JSON.
func NewDocument(limit int) *Document {
	empty := map[string]any{}
	return &Document{limit: limit, base: empty, tip: empty, tipSize: len("{}")}
}

// Apply takes one event. The same event again changes nothing. It returns a
// *LimitError if the fold of all events would grow too large, ErrOrder, or what is
// wrong with the patch; then the document is as it was.
func (d *Document) Apply(e Entry) error {
	at, found := slices.BinarySearchFunc(d.entries, e.Seq, func(x entry, seq uint64) int {
		return cmp.Compare(x.Seq, seq)
	})
	switch {
	case found && bytes.Equal(d.entries[at].Bytes, e.Bytes):
		return nil
	case found || e.Seq <= d.baseSeq:
		return fmt.Errorf("event %d: %w", e.Seq, ErrOrder)
	}
	patch, size, err := readPatch(e.Patch)
	if err != nil {
		return fmt.Errorf("event %d: %w", e.Seq, err)
	}
	if patch != nil {
		tip, tipSize, err := d.grow(at, patch, size)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		d.tip, d.tipSize = tip, tipSize
	}
	d.entries = slices.Insert(d.entries, at, entry{e, patch})
	d.shown = shown{}
	return nil
}

// CheckPatch reports whether Apply would accept a patch with the next seq, for
// refusing a request before it has one. It returns a *LimitError, or what is wrong
// with the patch.
func (d *Document) CheckPatch(patch json.RawMessage) error {
	p, size, err := readPatch(patch)
	if err != nil || p == nil {
		return err
	}
	_, _, err = d.grow(len(d.entries), p, size)
	return err
}

// readPatch returns a patch and its size in the document's own form.
func readPatch(patch json.RawMessage) (any, int, error) {
	if patch == nil {
		return nil, 0, nil
	}
	v, err := decodeTree(patch)
	if err != nil {
		return nil, 0, fmt.Errorf("patch: %w", err)
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, 0, errors.New("patch: must be a JSON object")
	}
	b, err := encode(v)
	return v, len(b), err
}

// grow returns the fold of everything with a patch at the given place among the
// entries, and its size.
func (d *Document) grow(at int, patch any, size int) (any, int, error) {
	tip := d.tip
	if at < len(d.entries) {
		tip = d.base
		for _, e := range d.entries[:at] {
			tip = fold(tip, e)
		}
	}
	tip = mergePatch(tip, patch)
	for _, e := range d.entries[at:] {
		tip = fold(tip, e)
	}
	// A patch adds at most its own size, so that most need no measuring. A bound
	// is only of use for a patch that comes last.
	bound := d.tipSize + size
	if at == len(d.entries) && bound <= d.limit {
		return tip, bound, nil
	}
	b, err := encode(tip)
	if err != nil {
		return nil, 0, err
	}
	if len(b) > d.limit {
		return nil, 0, &LimitError{Size: len(b), Limit: d.limit}
	}
	return tip, len(b), nil
}

func fold(state any, e entry) any {
	if e.patch == nil {
		return state
	}
	return mergePatch(state, e.patch)
}

// At returns the state on the frame at ts, as compact JSON that the caller must
// not change, or ErrGone.
func (d *Document) At(ts uint64) (json.RawMessage, error) {
	if ts < d.baseTS {
		return nil, ErrGone
	}
	if d.shown.json != nil && ts >= d.shown.from && ts < d.shown.until {
		return d.shown.json, nil
	}
	state, s := d.base, shown{from: d.baseTS, until: ^uint64(0)}
	for _, e := range d.entries {
		if e.TS > ts {
			s.until = min(s.until, e.TS)
			continue
		}
		s.from = max(s.from, e.TS)
		state = fold(state, e)
	}
	b, err := encode(state)
	if err != nil {
		return nil, err
	}
	s.json = b
	d.shown = s
	return b, nil
}

// Advance says that no frame before horizon will be asked for, nor any event with
// a seq before those that came already, so that the events with frames up to
// horizon need not be kept. One behind an event with a later frame stays, since
// the order of seq would be lost.
func (d *Document) Advance(horizon uint64) {
	n := 0
	for ; n < len(d.entries) && d.entries[n].TS <= horizon; n++ {
		e := d.entries[n]
		d.base, d.baseSeq = fold(d.base, e), e.Seq
		if e.Kind == marker.Outcome {
			d.outcomes = append(d.outcomes, e)
		}
	}
	if n == 0 {
		return
	}
	d.baseTS = max(d.baseTS, horizon)
	d.entries = slices.Delete(d.entries, 0, n)
	if over := len(d.outcomes) - keptOutcomes; over > 0 {
		d.outcomes = slices.Delete(d.outcomes, 0, over)
	}
	d.shown = shown{}
}

// Pending returns the JSON of the events that a client folds onto the state at
// ts: from the first one, in order of seq, whose frame comes after ts. A later one
// on an earlier frame is in the state already; it comes again, since it overrides
// what it follows (docs/decisions/0006).
func (d *Document) Pending(ts uint64) []json.RawMessage {
	var out []json.RawMessage
	for _, e := range d.entries {
		if e.TS > ts || len(out) > 0 {
			out = append(out, e.Bytes)
		}
	}
	return out
}

// Recent returns the JSON of the newest n outcomes, at most 32, on frames up to
// ts, oldest first.
func (d *Document) Recent(n int, ts uint64) []json.RawMessage {
	var out []json.RawMessage
	for _, list := range [][]entry{d.entries, d.outcomes} {
		for _, e := range slices.Backward(list) {
			if len(out) >= min(n, keptOutcomes) {
				break
			}
			if e.Kind == marker.Outcome && e.TS <= ts {
				out = append(out, e.Bytes)
			}
		}
	}
	slices.Reverse(out)
	return out
}
