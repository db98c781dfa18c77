package window

import (
	"fmt"
	"math"
	"time"
)

// MaxRTTCredit bounds what a session's round trip adds to MaxAge: reports of it come
// from the viewer.
const MaxRTTCredit = 500 * time.Millisecond

// Judge gives an action the next order and its verdict, and remembers it. Every fact
// is there: all fields but V, Type, Order, Verdict and Reason, which Judge fills in.
// It also brings the facts into the form in which they are recorded: times in UTC,
// ReceivedAt not before an earlier line's time, Superseded not after ReceivedAt, the
// newest MaxSpans of Sent, RTTMS to a microsecond. From then on the action is not
// changed.
//
// If the subject's id is that of an earlier action with the same window, Seen and
// Digest, the call is a repeat: Judge returns that action, whose receipt goes out
// again, and leaves a without an order. Any other action of that id is rejected as
// ReasonIDReused and is not remembered under it.
//
// An action that no line can hold, for a name or number out of range, is rejected as
// ReasonMalformed. Its Order is 0, and there is no line of it.
func (b *Book) Judge(a *Action) (earlier *Action) {
	b.sweep()
	b.normalise(a)
	if a.check() != nil {
		a.Verdict, a.Reason = Rejected, ReasonMalformed
		return nil
	}
	e, used := b.lookup(a.Subject, a.ID)
	if used && sameRequest(e.action, a) {
		return e.action
	}
	r := b.windows[a.Window]
	a.Order = b.last + 1
	a.Reason = ReasonIDReused
	if !used {
		a.Reason = r.reason(a)
	}
	a.Verdict = Accepted
	if a.Reason != "" {
		a.Verdict = Rejected
	}
	b.register(a, r)
	return nil
}

// normalise brings the facts into the form in which a line holds them.
func (b *Book) normalise(a *Action) {
	a.V, a.Type, a.Order = 1, "action", 0
	a.ReceivedAt = b.Time(a.ReceivedAt)
	a.RTTMS = boundRTT(a.RTTMS)
	if extra := len(a.Sent) - MaxSpans; extra > 0 {
		a.Sent = a.Sent[extra:]
	}
	if a.Superseded.IsZero() {
		return
	}
	a.Superseded = a.Superseded.Round(0).UTC()
	if a.Superseded.After(a.ReceivedAt) {
		a.Superseded = a.ReceivedAt
	}
}

// sameRequest reports whether a repeats what the earlier action asked.
func sameRequest(earlier, a *Action) bool {
	return earlier.Window == a.Window && earlier.Seen == a.Seen &&
		earlier.Digest == a.Digest && a.Digest != [32]byte{}
}

// reason returns why an action is rejected, "" if it is accepted. r is nil if the
// window is not known.
func (r *room) reason(a *Action) string {
	switch {
	case r == nil:
		return ReasonWindowUnknown
	case r.Phase == Voided:
		return ReasonWindowVoid
	case r.Phase == Closed, r.Phase == Closing && !r.inGrace(a):
		return ReasonWindowClosed
	case a.Size > r.Rules.MaxBytes:
		return ReasonTooLarge
	}
	if a.Session != "" {
		if reason := r.seenReason(a); reason != "" {
			return reason
		}
	}
	switch {
	case r.subjects[a.Subject] >= r.Rules.MaxPerViewer:
		return ReasonLimitPerViewer
	case len(r.accepted) >= r.Rules.MaxActions:
		return ReasonWindowFull
	}
	return ""
}

// inGrace reports whether an action has come in time after the closing. Those of
// servers end with it.
func (r *room) inGrace(a *Action) bool {
	return a.Session != "" && a.ReceivedAt.Sub(r.ClosingAt) < r.Rules.Grace
}

// seenReason returns what is wrong with the frame of a viewer's action.
func (r *room) seenReason(a *Action) string {
	newest := uint64(0)
	if n := len(a.Sent); n > 0 {
		newest = a.Sent[n-1].To
	}
	switch {
	case a.Seen == 0:
		return ReasonSeenMissing
	case a.Seen < r.OpenTS && newest < r.OpenTS:
		return ReasonWindowNotOpen
	case a.Seen < r.OpenTS:
		return ReasonSeenBeforeOpen
	case a.Seen >= r.closesBefore():
		return ReasonSeenAfterClose
	case newest != 0 && a.Seen > newest:
		return ReasonSeenFuture
	case !a.wasSent():
		return ReasonSeenNotSent
	case a.tooOld(newest, r.Rules.MaxAge):
		return ReasonSeenTooOld
	}
	return ""
}

// closesBefore returns the first timestamp on which no action is taken, as far as it
// is known: that of the close frame, and never later than the deadline.
func (r *room) closesBefore() uint64 {
	ts := uint64(math.MaxUint64)
	if r.Phase == Closing {
		ts = r.CloseTS
	}
	if r.Rules.ClosesTS != 0 {
		ts = min(ts, r.Rules.ClosesTS)
	}
	return ts
}

// wasSent reports whether Seen lies in a Sent span.
func (a *Action) wasSent() bool {
	for i := len(a.Sent) - 1; i >= 0; i-- {
		if s := a.Sent[i]; s.From <= a.Seen {
			return a.Seen <= s.To
		}
	}
	return false
}

// tooOld reports whether the frame after Seen left longer ago than the rules and the
// round trip allow, or, though later ones were sent, at a time that nobody knows.
func (a *Action) tooOld(newest uint64, maxAge time.Duration) bool {
	if a.Superseded.IsZero() {
		return a.Seen < newest
	}
	credit := min(time.Duration(math.Round(a.RTTMS*1e3))*time.Microsecond, MaxRTTCredit)
	return a.ReceivedAt.Sub(a.Superseded) > maxAge+credit
}

// register takes an adjudicated action into the Book. r is its window, if known.
func (b *Book) register(a *Action, r *room) {
	b.last, b.newest = a.Order, a.ReceivedAt
	if a.Verdict == Rejected {
		if r != nil && r.Phase < Closed {
			r.Rejected++
		}
		if a.Reason != ReasonIDReused {
			b.rememberRejected(a)
		}
		return
	}
	b.ids[subjectID{a.Subject, a.ID}] = entry{action: a, room: r, index: len(r.accepted)}
	r.accepted = append(r.accepted, a)
	r.subjects[a.Subject]++
	b.scratch = a.append(append(b.scratch[:0], 0))
	r.tree.add(b.scratch)
	if r.Phase == Closing {
		r.InGrace++
	}
	if a.Session != "" {
		b.anomalies.add(a, r.Phase == Closing)
	}
}

// rememberRejected makes room for one rejected action among the newest.
func (b *Book) rememberRejected(a *Action) {
	if len(b.rejected) < KeptRejected {
		b.rejected = append(b.rejected, a)
	} else {
		old := b.rejected[b.oldest]
		delete(b.ids, subjectID{old.Subject, old.ID})
		b.rejected[b.oldest] = a
		b.oldest = (b.oldest + 1) % KeptRejected
	}
	b.ids[subjectID{a.Subject, a.ID}] = entry{action: a}
}

// Mismatch says that a line does not follow from the lines before it.
type Mismatch struct {
	Position uint64 // of the line in the journal, from 1; 0 if the caller knows it
	Order    uint64 // of the action; 0 if the line is none
	Window   string // "" if the line names none
	ID       string // of the action or the event
	Recorded string // what the line says
	Expected string // what follows from the lines before it
	Err      error  // why an event does not fit; nil otherwise
}

func (m *Mismatch) Error() string {
	what := "line"
	if m.Position != 0 {
		what = fmt.Sprintf("journal line %d", m.Position)
	}
	if m.Order != 0 {
		what += fmt.Sprintf(": action %d", m.Order)
	}
	if m.ID != "" {
		what += fmt.Sprintf(" (id %s)", m.ID)
	}
	if m.Window != "" {
		what += fmt.Sprintf(" of window %s", m.Window)
	}
	if m.Err != nil {
		return what + ": " + m.Err.Error()
	}
	return fmt.Sprintf("%s: recorded %s, expected %s", what, m.Recorded, m.Expected)
}

// Unwrap returns why an event does not fit.
func (m *Mismatch) Unwrap() error { return m.Err }

// Restore takes an action that was adjudicated before, with its Digest if its payload
// is still there. The error, a *Mismatch, says what about its order, its time or its
// verdict does not follow from what the Book knows; the action is then not taken.
func (b *Book) Restore(a *Action) error {
	b.sweep()
	mismatch := func(recorded, expected string) error {
		return &Mismatch{Order: a.Order, Window: a.Window, ID: a.ID, Recorded: recorded, Expected: expected}
	}
	if err := a.checkLine(); err != nil {
		return &Mismatch{Order: a.Order, Window: a.Window, ID: a.ID, Err: err}
	}
	if a.Order != b.last+1 {
		return mismatch(fmt.Sprintf("order %d", a.Order), fmt.Sprintf("order %d", b.last+1))
	}
	if a.ReceivedAt.Before(b.newest) {
		return mismatch("received_at "+a.ReceivedAt.Format(time.RFC3339Nano), "no time before "+b.newest.Format(time.RFC3339Nano))
	}
	r, reason := b.windows[a.Window], ReasonIDReused
	e, used := b.lookup(a.Subject, a.ID)
	switch {
	case used && sameRequest(e.action, a):
		return mismatch(a.verdict(), fmt.Sprintf("no line, for it repeats action %d", e.action.Order))
	case !used:
		reason = r.reason(a)
	}
	if reason != a.Reason {
		return mismatch(a.verdict(), verdictOf(reason))
	}
	b.register(a, r)
	return nil
}

func (a *Action) verdict() string { return verdictOf(a.Reason) }

// verdictOf writes a verdict and its reason for people.
func verdictOf(reason string) string {
	if reason == "" {
		return Accepted
	}
	return Rejected + " (" + reason + ")"
}
