//go:build linux

package windows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// purse is what people hold in their hands: the receipt for each action, by its id,
// which is nobody else's. Any goroutine may add to it.
type purse struct {
	t *testing.T

	mu       sync.Mutex
	receipts map[string][]byte
	refused  map[string]int // refusals outside adjudication, by reason
}

func newPurse(t *testing.T) *purse {
	return &purse{t: t, receipts: map[string][]byte{}, refused: map[string]int{}}
}

// add takes a receipt, and compares it with the one that is there. It returns the
// verdict, or the reason of a refusal.
func (p *purse) add(b []byte) string {
	r, err := transcript.DecodeReceipt(b)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Order == 0 {
		p.refused[r.Reason]++
		return r.Reason
	}
	if before, ok := p.receipts[r.ID]; ok && !bytes.Equal(before, b) {
		p.t.Errorf("action %s: receipt %s, before %s", r.ID, b, before)
	}
	p.receipts[r.ID] = b
	return r.Verdict
}

func (p *purse) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.receipts)
}

func (p *purse) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.receipts))
}

// kept are the receipts, as evidence.
func (p *purse) kept() (e transcript.Evidence) {
	for id, b := range p.receipts {
		r, err := transcript.DecodeReceipt(b)
		if err != nil {
			p.t.Error(err)
			continue
		}
		e.Receipts = append(e.Receipts, transcript.KeptReceipt{Name: id, Receipt: r})
	}
	return e
}

// history is what an export says happened.
type history struct {
	accepted, rejected map[string]*window.Action // by id
	closing            map[string]relay.Event    // by window
	closed             map[string]window.CloseData
	recovered          int
}

// audit has an auditor check a transcript with all receipts, and reads it without the
// auditor's help: every receipt is in it, every action has one effect, nothing was
// accepted after the close, orders and times go forward.
func (p *purse) audit(text []byte) history {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.kept()
	report, err := transcript.Verify(bytes.NewReader(text), kept)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range report.Findings {
		p.t.Errorf("transcript: %v", f)
	}
	if report.KeptReceipts != len(kept.Receipts) {
		p.t.Errorf("%d receipts are in the transcript, of %d", report.KeptReceipts, len(kept.Receipts))
	}
	h := p.read(text)
	for id, b := range p.receipts {
		r, _ := transcript.DecodeReceipt(b)
		a := h.accepted[id]
		if r.Verdict == window.Rejected {
			a = h.rejected[id]
		}
		if a == nil || a.Order != r.Order || !a.ReceivedAt.Equal(r.ReceivedAt) || a.Commitment != r.Commitment {
			p.t.Errorf("receipt %s, and in the transcript %+v", b, a)
		}
	}
	return h
}

// read goes through an export.
func (p *purse) read(text []byte) history {
	p.t.Helper()
	h := history{
		accepted: map[string]*window.Action{}, rejected: map[string]*window.Action{},
		closing: map[string]relay.Event{}, closed: map[string]window.CloseData{},
	}
	var order, seq uint64
	var at time.Time
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		switch {
		case bytes.HasPrefix(line, []byte(`{"v":1,"type":"event"`)):
			e, err := marker.DecodeEvent(line)
			if err != nil {
				p.t.Fatal(err)
			}
			if e.Seq <= seq {
				p.t.Errorf("seq %d comes after %d", e.Seq, seq)
			}
			seq = e.Seq
			h.event(p.t, e)
		case bytes.HasPrefix(line, []byte(`{"v":1,"type":"action"`)):
			a, err := window.DecodeAction(line)
			if err != nil {
				p.t.Fatal(err)
			}
			if a.Order != order+1 || a.ReceivedAt.Before(at) {
				p.t.Errorf("action %d of %v comes after action %d of %v", a.Order, a.ReceivedAt, order, at)
			}
			order, at = a.Order, a.ReceivedAt
			h.action(p.t, a)
		}
	}
	return h
}

func (h *history) event(t *testing.T, e relay.Event) {
	switch e.Kind {
	case marker.WindowClosing:
		h.closing[e.Window] = e
	case marker.Recovered:
		h.recovered++
	case marker.WindowClose:
		var d window.CloseData
		if err := json.Unmarshal(e.Data, &d); err != nil {
			t.Error(err)
		}
		h.closed[e.Window] = d
	}
}

func (h *history) action(t *testing.T, a *window.Action) {
	if a.Verdict == window.Rejected {
		h.rejected[a.ID] = a
		return
	}
	if h.accepted[a.ID] != nil {
		t.Errorf("action %s was accepted twice: %d and %d", a.ID, h.accepted[a.ID].Order, a.Order)
	}
	h.accepted[a.ID] = a
	if _, closed := h.closed[a.Window]; closed {
		t.Errorf("action %s was accepted after %s was closed", a.ID, a.Window)
	}
	if _, closing := h.closing[a.Window]; closing && a.Session == "" {
		t.Errorf("action %s of a server was accepted after the close frame of %s", a.ID, a.Window)
	}
}

// one checks that every action was accepted once, and is counted in its window.
func (h *history) one(t *testing.T, name string, ids int) {
	t.Helper()
	n := 0
	for a := range maps.Values(h.accepted) {
		if a.Window == name {
			n++
		}
	}
	if c := h.closed[name]; n != ids || c.Accepted != ids {
		t.Errorf("%s took %d actions and its record says %d, want %d", name, n, c.Accepted, ids)
	}
}

// refusedFor returns how many actions were refused for a reason.
func (p *purse) refusedFor(reason string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[reason]
}

// refusals says how many actions were refused, by reason.
func (p *purse) refusals() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.refused)
}
