package transcript

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// judged is an action that a kept receipt names.
type judged struct {
	line   int
	action window.Action
}

// sums are what a window.close states of a window's actions, made of the lines as
// they are.
type sums struct {
	accepted Tree
	rejected int
}

// applyWindow takes an event into the windows.
func (v *verifier) applyWindow(e *marker.Event) {
	wrong := func(err error) {
		v.found(CodeWindow, fmt.Sprintf("event %d, %s, cannot be here", e.Seq, e.Kind), "one that follows from the lines before it", err.Error())
	}
	err := v.book.Apply(e)
	var differs *window.CloseError
	switch {
	case errors.As(err, &differs):
		// The Book numbers actions by itself: where a line is missing or wrong its sums
		// are others from then on, and those of the lines themselves decide.
		want := differs.Want
		if s := v.sums[e.Window]; s != nil {
			want.Accepted, want.Rejected, want.Root = int(s.accepted.Size()), s.rejected, s.accepted.Root().String()
		}
		if want != differs.Stated {
			wrong(&window.CloseError{Stated: differs.Stated, Want: want})
		}
		again := *e
		if again.Data, err = json.Marshal(differs.Want); err == nil {
			err = v.book.Apply(&again)
		}
		if err != nil {
			wrong(err)
			return
		}
	case err != nil:
		wrong(err)
		return
	}
	switch e.Kind {
	case marker.WindowOpen:
		v.report.Windows++
		v.sums[e.Window] = &sums{}
	case marker.WindowClose, marker.Void:
		delete(v.sums, e.Window)
	}
}

// judge gives an action its verdict again, from the same facts.
func (v *verifier) judge(line []byte) {
	a, err := window.DecodeAction(line)
	if err != nil {
		v.found(CodeFormat, "the action cannot be read", "an action in canonical form", err.Error())
		return
	}
	v.action = a
	s := v.sums[a.Window]
	if a.Verdict == window.Accepted {
		v.report.Accepted++
		if s != nil {
			s.accepted.Append(LeafHash(line))
		}
	} else {
		v.report.Rejected++
		if s != nil {
			s.rejected++
		}
	}
	if _, wanted := v.actions[a.Order]; wanted {
		v.actions[a.Order] = &judged{v.report.Lines, *a}
	}
	if a.Order != v.order+1 {
		v.found(CodeOrder, "actions do not follow one another", fmt.Sprintf("order %d", v.order+1), fmt.Sprintf("order %d", a.Order))
	}
	v.order = a.Order
	again := *a
	again.Order = v.book.LastOrder() + 1
	err = v.book.Restore(&again)
	if err == nil {
		return
	}
	expected, recorded := "one that follows from the lines before it", err.Error()
	if differs := (*window.Mismatch)(nil); errors.As(err, &differs) && differs.Err == nil {
		expected, recorded = differs.Expected, differs.Recorded
	}
	v.found(CodeVerdict, fmt.Sprintf("action %d does not follow from its facts", a.Order), expected, recorded)
	v.book.Judge(&again) // to go on with what would have been
}

// payload checks the bytes of an action against what was committed to.
func (v *verifier) payload(line []byte, a *window.Action) {
	p, err := window.DecodePayload(line)
	if err != nil {
		v.found(CodeFormat, "the payload cannot be read", "a payload in canonical form", err.Error())
		return
	}
	if a == nil {
		v.found(CodePayload, "a payload stands alone", "its action on the line before", fmt.Sprintf("a payload of order %d", p.Order))
		return
	}
	v.report.Payloads++
	if err := p.Open(a); err != nil {
		v.found(CodePayload, fmt.Sprintf("the payload of action %d is not the one that was taken", a.Order),
			fmt.Sprintf("%d bytes with the commitment %s", a.Size, a.Commitment), err.Error())
	}
}

// verdict writes a verdict and its reason.
func verdict(verdict, reason string) string {
	if reason == "" {
		return verdict
	}
	return verdict + " (" + reason + ")"
}

// keptReceipts compares receipts with the actions that they are of.
func (v *verifier) keptReceipts() {
	for _, k := range v.kept.Receipts {
		if k.Order == 0 {
			v.report.add(Finding{Kept: k.Name, Code: CodeUnusable, What: "a refusal that was never judged leaves nothing in the log",
				Expected: "a receipt with an order", Found: verdict(k.Verdict, k.Reason)})
			continue
		}
		j := v.actions[k.Order]
		if j == nil {
			v.report.add(Finding{Kept: k.Name, Code: CodeLostAction, What: "the log lacks an action that a viewer has a receipt for",
				Expected: fmt.Sprintf("action %d: %s in window %s, %s", k.Order, k.ID, k.Window, verdict(k.Verdict, k.Reason)), Found: fmt.Sprintf("%d actions without it", v.report.Accepted+v.report.Rejected)})
			continue
		}
		if v.compareReceipt(k, j) {
			v.report.KeptReceipts++
		}
	}
}

func (v *verifier) compareReceipt(k KeptReceipt, j *judged) bool {
	a := &j.action
	agrees := true
	for _, f := range []struct{ name, receipt, action string }{
		{"window", k.Window, a.Window},
		{"id", k.ID, a.ID},
		{"verdict", verdict(k.Verdict, k.Reason), verdict(a.Verdict, a.Reason)},
		{"received_at", k.ReceivedAt.UTC().Format(time.RFC3339Nano), a.ReceivedAt.UTC().Format(time.RFC3339Nano)},
		{"seen", fmt.Sprint(k.Seen), fmt.Sprint(a.Seen)},
		{"commitment", k.Commitment, a.Commitment},
	} {
		if f.receipt != f.action {
			agrees = false
			v.report.add(Finding{Line: j.line, Kept: k.Name, Code: CodeReceipt, What: fmt.Sprintf("%s of action %d is not what its viewer was told", f.name, k.Order),
				Expected: f.receipt, Found: f.action})
		}
	}
	return agrees
}
