package window

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/framelock/relay/sync/marker"
)

// Book holds all windows of one stream's log and gives every action its verdict. It
// knows only what Apply and Judge (live) or Apply and Restore (after a restart, or
// for an auditor) told it, in order, so that the same lines make the same Book.
//
// It remembers the windows that take actions, at most MaxOpen, the newest KeptClosed
// of the others, each with its accepted actions, and the newest KeptRejected
// rejected actions. A Book has one owner.
type Book struct {
	windows map[string]*room
	order   []*room // the same, in order of opening
	open    int     // how many of them take actions
	ended   []*room // the others, in order of ending
	kept    int     // accepted actions of those

	ids      map[subjectID]entry
	rejected []*Action // ring of the newest that ids knows
	oldest   int       // in rejected, once it is full
	gone     []*room   // forgotten windows whose ids are still to be removed

	last    uint64    // newest order
	newest  time.Time // newest time that a line has stated
	scratch []byte    // a leaf: 0 and the line

	anomalies Anomalies
}

// room is one window.
type room struct {
	Window   // Accepted and Root as info last computed them
	accepted []*Action
	tree     tree
	subjects map[string]int // accepted actions; nil when no more are taken
	proven   bool           // its window.close has been
	gone     bool           // forgotten
}

type subjectID struct{ subject, id string }

// entry is the action that has a subject's id.
type entry struct {
	action *Action
	room   *room // nil of a rejected action
	index  int   // among the room's accepted actions
}

// NewBook returns the Book of a log's beginning.
func NewBook() *Book {
	return &Book{windows: map[string]*room{}, ids: map[subjectID]entry{}}
}

// ClosingData is the data of a window.closing event.
type ClosingData struct {
	CloseTS uint64    `json:"close_ts"`
	Reason  string    `json:"reason"` // deadline, requested or no_frame
	At      time.Time `json:"at"`     // when the closing began: see Book.Time
}

// CloseData is the data of a window.close event.
type CloseData struct {
	CloseTS  uint64 `json:"close_ts"`
	Accepted int    `json:"accepted"`
	Rejected int    `json:"rejected"`
	Root     string `json:"root"`
}

// CloseData returns the data of the window.close event that the window would have now.
func (w Window) CloseData() CloseData { return CloseData{w.CloseTS, w.Accepted, w.Rejected, w.Root} }

// The reasons of a closing.
const (
	ClosingDeadline  = "deadline"  // the frame at closes_ts came
	ClosingRequested = "requested" // the game server closed it earlier
	ClosingNoFrame   = "no_frame"  // none came in time after closes_ts
)

// Time returns the time to record for what happens at now: now in UTC, or the newest
// time that a line has stated if the clock has gone back behind it. The At of a
// window.closing is one.
func (b *Book) Time(now time.Time) time.Time {
	now = now.Round(0).UTC()
	if now.Before(b.newest) {
		return b.newest
	}
	return now
}

// Anomalies returns the counters of what deceiving viewers would show.
func (b *Book) Anomalies() *Anomalies { return &b.anomalies }

// LastOrder returns the order of the newest action, 0 before the first.
func (b *Book) LastOrder() uint64 { return b.last }

// Check reports whether an event of the given kind for the named window would fit
// now: ErrExists, ErrUnknown, ErrNotClosed, ErrPhase or ErrTooMany if not. Kinds that
// no window is concerned with always fit, and so do outcome and void without a
// window.
func (b *Book) Check(kind marker.Kind, window string) error {
	r := b.windows[window]
	switch kind {
	case marker.WindowOpen:
		switch {
		case !marker.ValidName(window):
			return nameError("window", window)
		case r != nil:
			return fmt.Errorf("window %s: %w", window, ErrExists)
		case b.open >= MaxOpen:
			return fmt.Errorf("window %s: %w", window, ErrTooMany)
		}
		return nil
	case marker.WindowClosing, marker.WindowClose:
	case marker.Outcome, marker.Void:
		if window == "" {
			return nil
		}
	default:
		return nil
	}
	switch {
	case r == nil:
		return fmt.Errorf("window %s: %w", brief([]byte(window)), ErrUnknown)
	case kind == marker.Outcome && r.Phase < Closed:
		return fmt.Errorf("window %s is %s: %w", window, r.Phase, ErrNotClosed)
	case kind == marker.WindowClosing && r.Phase != Open,
		kind == marker.WindowClose && r.Phase != Closing,
		r.Phase == Voided:
		return fmt.Errorf("%s of window %s, which is %s: %w", kind, window, r.Phase, ErrPhase)
	}
	return nil
}

// Apply takes an event of the log, in order. Besides the errors of Check it refuses
// data that does not fit: rules out of range (*marker.FieldError), a close before
// the open, and a window.close whose frame, counts or root are not those of the
// lines before it. An event that is refused changes nothing.
func (b *Book) Apply(e *marker.Event) error {
	if err := b.Check(e.Kind, e.Window); err != nil {
		return err
	}
	r := b.windows[e.Window]
	switch e.Kind {
	case marker.WindowOpen:
		return b.applyOpen(e)
	case marker.WindowClosing:
		return b.applyClosing(r, e)
	case marker.WindowClose:
		return b.applyClose(r, e)
	case marker.Void:
		if e.Window != "" {
			b.end(r, Voided)
		}
	}
	return nil
}

func (b *Book) applyOpen(e *marker.Event) error {
	r := &room{Window: Window{Name: e.Window, OpenTS: e.TS}, subjects: map[string]int{}}
	if err := json.Unmarshal(e.Data, &r.Rules); err != nil {
		return fmt.Errorf("window.open of %s: %w", e.Window, err)
	}
	if r.Rules.ClosesTS != 0 && r.Rules.ClosesTS <= e.TS {
		return fmt.Errorf("window.open of %s at %d: %w", e.Window, e.TS,
			&marker.FieldError{Field: "closes_ts", Value: fmt.Sprint(r.Rules.ClosesTS), Allowed: allowedClosesTS})
	}
	b.windows[e.Window] = r
	b.order = append(b.order, r)
	b.open++
	return nil
}

func (b *Book) applyClosing(r *room, e *marker.Event) error {
	var c ClosingData
	if err := decodeData(e.Data, &c); err != nil {
		return fmt.Errorf("window.closing of %s: %w", e.Window, err)
	}
	switch c.Reason {
	case ClosingDeadline, ClosingRequested, ClosingNoFrame:
	default:
		return fmt.Errorf("window.closing of %s: %w", e.Window,
			&marker.FieldError{Field: "reason", Value: brief([]byte(c.Reason)), Allowed: "deadline, requested or no_frame"})
	}
	if c.CloseTS < r.OpenTS || c.CloseTS > maxInteger {
		return fmt.Errorf("window.closing of %s: %w", e.Window, &marker.FieldError{
			Field: "close_ts", Value: fmt.Sprint(c.CloseTS), Allowed: fmt.Sprintf("%d, where the window opened, to 9007199254740991", r.OpenTS),
		})
	}
	if c.At.Location() != time.UTC || c.At.Before(b.newest) {
		return fmt.Errorf("window.closing of %s: %w", e.Window, &marker.FieldError{
			Field: "at", Value: c.At.Format(time.RFC3339Nano), Allowed: "a time in UTC not before that of an earlier line, " + b.newest.Format(time.RFC3339Nano),
		})
	}
	r.Phase, r.CloseTS, r.ClosingAt, r.ClosingReason = Closing, c.CloseTS, c.At, c.Reason
	b.newest = r.ClosingAt
	return nil
}

func (b *Book) applyClose(r *room, e *marker.Event) error {
	var c CloseData
	if err := decodeData(e.Data, &c); err != nil {
		return fmt.Errorf("window.close of %s: %w", e.Window, err)
	}
	if want := r.info().CloseData(); c != want {
		return fmt.Errorf("window.close of %s: %w", e.Window, &CloseError{Stated: c, Want: want})
	}
	r.proven = true
	b.end(r, Closed)
	return nil
}

// decodeData reads the data of an event that the relay itself makes, in exactly the
// form that it writes: nothing that two readers could take for different things.
func decodeData(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	again, err := json.Marshal(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return &marker.FieldError{Field: "data", Value: brief(data), Allowed: "exactly the members and the form that the relay writes, such as " + string(again)}
	}
	return nil
}

// CloseError says that a window.close does not state what the lines before it make.
type CloseError struct{ Stated, Want CloseData }

func (e *CloseError) Error() string {
	return fmt.Sprintf("it states close_ts %d, %d accepted, %d rejected and root %s; the lines before it make %d, %d, %d and %s",
		e.Stated.CloseTS, e.Stated.Accepted, e.Stated.Rejected, brief([]byte(e.Stated.Root)),
		e.Want.CloseTS, e.Want.Accepted, e.Want.Rejected, e.Want.Root)
}

// end closes or voids a window for good and forgets the oldest that are too many.
func (b *Book) end(r *room, phase Phase) {
	if r.Phase < Closed {
		b.open--
		b.kept += len(r.accepted)
		b.ended = append(b.ended, r)
		r.subjects = nil
	}
	r.Phase = phase
	for len(b.ended) > KeptClosed || b.kept > MaxActions && len(b.ended) > 1 {
		b.forget(b.ended[0])
		b.ended = slices.Delete(b.ended, 0, 1)
	}
}

func (b *Book) forget(r *room) {
	r.gone = true
	b.kept -= len(r.accepted)
	delete(b.windows, r.Name)
	b.order = slices.DeleteFunc(b.order, func(o *room) bool { return o == r })
	if len(r.accepted) > 0 {
		b.gone = append(b.gone, r)
	}
}

// sweepStep is how many ids of forgotten windows one action has removed.
const sweepStep = 4

// sweep removes some ids of forgotten windows, few at a time so that forgetting a
// large window does not hold up the stream. lookup ignores those that are left.
func (b *Book) sweep() {
	for range sweepStep {
		if len(b.gone) == 0 {
			return
		}
		r := b.gone[0]
		last := len(r.accepted) - 1
		a := r.accepted[last]
		key := subjectID{a.Subject, a.ID}
		if b.ids[key].action == a {
			delete(b.ids, key)
		}
		r.accepted = r.accepted[:last]
		if last == 0 {
			b.gone = slices.Delete(b.gone, 0, 1)
		}
	}
}

// Forget drops the digest of an action whose data was erased, as it is dropped where
// the journal is read again: the same again is then another action of the same id.
func (b *Book) Forget(order uint64) {
	byOrder := func(a *Action, order uint64) int { return cmp.Compare(a.Order, order) }
	for _, r := range b.order {
		if i, ok := slices.BinarySearchFunc(r.accepted, order, byOrder); ok {
			r.accepted[i].Digest = [32]byte{}
			return
		}
	}
	for _, a := range b.rejected {
		if a.Order == order {
			a.Digest = [32]byte{}
			return
		}
	}
}

// lookup returns what has a subject's id.
func (b *Book) lookup(subject, id string) (entry, bool) {
	e, ok := b.ids[subjectID{subject, id}]
	return e, ok && (e.room == nil || !e.room.gone)
}

// info returns the window with its root, which is computed when something was
// accepted since the last time.
func (r *room) info() Window {
	if n := len(r.accepted); r.Root == "" || r.Accepted != n {
		root := r.tree.root()
		r.Accepted, r.Root = n, hex.EncodeToString(root[:])
	}
	return r.Window
}

// Window returns the named window.
func (b *Book) Window(name string) (Window, bool) {
	r := b.windows[name]
	if r == nil {
		return Window{}, false
	}
	return r.info(), true
}

// Windows returns every window that is known, in order of opening.
func (b *Book) Windows() []Window {
	all := make([]Window, 0, len(b.order))
	for _, r := range b.order {
		all = append(all, r.info())
	}
	return all
}

// Live returns the windows that take actions, open or closing, in order of opening.
func (b *Book) Live() []Window {
	live := make([]Window, 0, b.open)
	for _, r := range b.order {
		if r.Phase < Closed {
			live = append(live, r.info())
		}
	}
	return live
}

// Actions returns the accepted actions of a window, in order. The caller changes
// neither the slice nor the actions.
func (b *Book) Actions(window string) []*Action {
	r := b.windows[window]
	if r == nil {
		return nil
	}
	return slices.Clip(r.accepted)
}

// Find returns the action, accepted or rejected, that has a subject's id in a window,
// or nil. The caller does not change it.
func (b *Book) Find(subject, window, id string) *Action {
	if e, ok := b.lookup(subject, id); ok && e.action.Window == window {
		return e.action
	}
	return nil
}

// Prove returns the proof that an accepted action is in its window's root. There is
// one once the window's window.close has been.
func (b *Book) Prove(subject, window, id string) (Proof, bool) {
	e, ok := b.lookup(subject, id)
	if !ok || e.room == nil || e.action.Window != window || !e.room.proven {
		return Proof{}, false
	}
	w := e.room.info()
	p := Proof{Index: e.index, Size: w.Accepted, Root: w.Root, Hashes: []string{}}
	for _, h := range e.room.tree.path(e.index) {
		p.Hashes = append(p.Hashes, hex.EncodeToString(h[:]))
	}
	return p, true
}
