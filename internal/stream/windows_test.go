package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// open opens a window on the next frame.
func (tb *table) open(r marker.OpenRequest) chan Answer {
	tb.t.Helper()
	r.At = marker.At{Next: true}
	if err := r.Validate(); err != nil {
		tb.t.Fatal(err)
	}
	c := make(chan Answer, 1)
	tb.core.OpenWindow(r, c, tb.now)
	return c
}

// viewerActs is an action of a viewer that was sent every frame so far.
func (tb *table) viewerActs(id, name string, seen uint64) (r struct{ Verdict, Reason string }) {
	tb.t.Helper()
	a := newAct(marker.ActRequest{ID: id, Window: name, Seen: seen, Data: json.RawMessage(`17`)}, "anna", "s1", func(b []byte) {
		if err := json.Unmarshal(b, &r); err != nil {
			tb.t.Fatal(err)
		}
	})
	a.Sent, a.ReceivedAt = []window.Span{{From: tb.core.frames.Newest().TS - 1e6, To: tb.core.sent}}, tb.now
	tb.core.Act(a)
	if r.Verdict == "" {
		tb.t.Fatal("no receipt")
	}
	return r
}

func (tb *table) kinds() (list []string) {
	for _, e := range tb.events() {
		if e.Kind != marker.FrameHash {
			list = append(list, e.Kind.String())
		}
	}
	return list
}

func TestWindowClosesOnTheFrameOfItsDeadline(t *testing.T) {
	for _, hold := range []time.Duration{0, 100 * time.Millisecond} {
		t.Run(fmt.Sprint("hold ", hold), func(t *testing.T) {
			tb := newTable(t, func(c *Config) { c.Hold = hold })
			tb.frame(true, 2)
			answer := tb.open(marker.OpenRequest{Window: "w", ClosesAfter: time.Second, Grace: 200 * time.Millisecond})
			tb.frame(false, 2)
			opened := answered1(t, answer).Resolved.TS
			closes := opened + 90000 // one second on, which is a frame of 30 fps
			for tb.core.sent < opened {
				tb.frame(false, 2)
			}
			if got := tb.viewerActs("1", "w", opened); got.Verdict != "accepted" {
				t.Fatalf("on the open frame: %+v", got)
			}
			if a := answered1(t, tb.mark(marker.Request{ID: "o", Kind: marker.Outcome, Window: "w", At: marker.At{TS: opened}})); !errors.Is(a.Err, window.ErrNotClosed) {
				t.Fatalf("an outcome while the window is open: %v", a.Err)
			}
			for tb.core.sent < closes {
				if slices.Contains(tb.kinds(), "window.closing") {
					t.Fatalf("closing while viewers see %d, %d before the deadline", tb.core.sent, closes-tb.core.sent)
				}
				tb.frame(false, 2)
			}
			closing := slices.IndexFunc(tb.events(), func(e marker.Event) bool { return e.Kind == marker.WindowClosing })
			if closing < 0 || tb.events()[closing].TS != closes || tb.events()[closing].LateMS != 0 {
				t.Fatalf("the close frame is %d: %+v", closes, tb.events())
			}
			// Within the grace it counts what the viewer saw.
			if got := tb.viewerActs("2", "w", closes-3000); got.Verdict != "accepted" {
				t.Errorf("in the grace, on the frame before: %+v", got)
			}
			if got := tb.viewerActs("3", "w", closes); got.Reason != window.ReasonSeenAfterClose {
				t.Errorf("on the close frame: %+v", got)
			}
			tb.advance(250 * time.Millisecond)
			if got := tb.viewerActs("4", "w", closes-3000); got.Reason != window.ReasonWindowClosed {
				t.Errorf("after the grace: %+v", got)
			}
			if got := tb.viewerActs("1", "w", opened); got.Verdict != "accepted" {
				t.Errorf("the first again: %+v", got)
			}
			if got, want := tb.core.Info(tb.now, 0).Actions, (window.AnomalyTotals{Accepted: 2, InGrace: 1}); got != want {
				t.Errorf("counted %+v, want %+v", got, want)
			}
			if !slices.Equal(tb.seals, []string{"w"}) {
				t.Fatalf("seals %v", tb.seals)
			}
			if slices.Contains(tb.kinds(), "window.close") {
				t.Fatal("closed before its actions were durable")
			}
			tb.core.Sealed("w", tb.now)
			if got := tb.kinds(); !slices.Equal(got, []string{"window.open", "window.closing", "window.close"}) {
				t.Fatalf("%v", got)
			}
			if a := answered1(t, tb.mark(marker.Request{ID: "o", Kind: marker.Outcome, Window: "w", At: marker.At{TS: tb.core.sent}})); a.Err != nil {
				t.Errorf("an outcome after the close: %v", a.Err)
			}
			replay(t, tb.lines)
		})
	}
}

// replay has an auditor go through the journal.
func replay(t *testing.T, lines [][]byte) {
	t.Helper()
	r := window.NewReplay()
	for i, line := range lines {
		if err := r.Line(uint64(i+1), line, nil); err != nil {
			t.Errorf("replay: %v", err)
		}
	}
}

func TestWindowClosesWithoutAFrame(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	tb.open(marker.OpenRequest{Window: "w", ClosesAfter: 300 * time.Millisecond})
	tb.frame(false, 2)
	last, opened := tb.core.sent, tb.now.Add(-interval)
	tb.advance(opened.Add(790 * time.Millisecond).Sub(tb.now))
	if slices.Contains(tb.kinds(), "window.closing") {
		t.Fatal("closed before its patience was over")
	}
	tb.advance(20 * time.Millisecond)
	e := tb.events()
	e = slices.DeleteFunc(e, func(e marker.Event) bool { return e.Kind == marker.FrameHash })
	var d window.ClosingData
	if got := e[len(e)-1]; got.Kind != marker.WindowClosing || json.Unmarshal(got.Data, &d) != nil || d.CloseTS != last+1 || d.Reason != "no_frame" {
		t.Fatalf("%s %s, want close_ts %d", got.Kind, got.Data, last+1)
	}
	tb.core.Sealed("w", tb.now)
	replay(t, tb.lines)
}

func TestWindowIsClosedEarlyOrVoided(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	tb.open(marker.OpenRequest{Window: "w"})
	tb.open(marker.OpenRequest{Window: "x", ClosesAfter: time.Hour})
	tb.frame(false, 2)
	close := func(name string, kind marker.Kind, at marker.At) chan Answer {
		c := make(chan Answer, 1)
		tb.core.CloseWindow(marker.CloseRequest{Window: name, At: at}, kind, c, tb.now)
		return c
	}
	if a := answered1(t, close("w", marker.WindowClosing, marker.At{TS: tb.core.sent})); !errors.Is(a.Err, marker.ErrUnresolvable) {
		t.Errorf("on a frame that has left: %v", a.Err)
	}
	if a := answered1(t, close("nope", marker.WindowClosing, marker.At{Next: true})); !errors.Is(a.Err, window.ErrUnknown) {
		t.Errorf("one that is not there: %v", a.Err)
	}
	next := tb.core.sent + ticks
	c := close("w", marker.WindowClosing, marker.At{Next: true})
	tb.frame(false, 2)
	if a := answered1(t, c); a.Err != nil || a.Resolved.TS != next {
		t.Fatalf("%+v, want ts %d", a, next)
	}
	c = close("x", marker.Void, marker.At{Next: true})
	tb.frame(false, 2)
	if a := answered1(t, c); a.Err != nil {
		t.Fatal(a.Err)
	}
	if got := tb.viewerActs("1", "x", tb.core.sent); got.Reason != window.ReasonWindowVoid {
		t.Errorf("%+v", got)
	}
	// A feed that stands still closes after its last frame.
	tb.open(marker.OpenRequest{Window: "y"})
	tb.frame(false, 2)
	tb.advance(time.Second)
	if a := answered1(t, close("y", marker.WindowClosing, marker.At{Next: true})); a.Err != nil {
		t.Fatalf("while paused: %v", a.Err)
	}
	if w, _ := tb.core.book.Window("y"); w.CloseTS != tb.core.sent+1 {
		t.Errorf("closed at %d, want %d", w.CloseTS, tb.core.sent+1)
	}
	replay(t, tb.lines)
}

// The grace counts from the close frame on, however long before the close was asked for.
func TestGraceOfAWindowThatIsClosedOnALaterFrame(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	tb.open(marker.OpenRequest{Window: "w", Grace: 500 * time.Millisecond})
	tb.frame(false, 2)
	closes := tb.core.sent + 30*ticks
	c := make(chan Answer, 1)
	tb.core.CloseWindow(marker.CloseRequest{Window: "w", At: marker.At{TS: closes}}, marker.WindowClosing, c, tb.now)
	for tb.core.sent < closes {
		tb.frame(false, 2)
	}
	if a := answered1(t, c); a.Err != nil || a.Resolved.TS != closes {
		t.Fatalf("%+v, want ts %d", a, closes)
	}
	w, _ := tb.core.book.Window("w")
	if ago := tb.now.Sub(w.ClosingAt); ago < 0 || ago > 2*interval {
		t.Errorf("the closing began %v before its frame left", ago)
	}
	if got := tb.viewerActs("1", "w", closes-ticks); got.Verdict != "accepted" {
		t.Errorf("in the grace, on the frame before: %+v", got)
	}
	replay(t, tb.lines)
}

// The name of a window that is forgotten is free, as if it had never been: what opens
// and closes the new one is no repeat of what the old one was asked.
func TestNameOfAForgottenWindowIsFree(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	round := func(name string) (opened, closed Answer) {
		tb.t.Helper()
		c := tb.open(marker.OpenRequest{Window: name})
		tb.frame(false, 2)
		opened = answered1(t, c)
		c = make(chan Answer, 1)
		tb.core.CloseWindow(marker.CloseRequest{Window: name, At: marker.At{Next: true}}, marker.WindowClosing, c, tb.now)
		tb.frame(false, 2)
		closed = answered1(t, c)
		tb.core.Sealed(name, tb.now)
		return opened, closed
	}
	first, _ := round("w")
	if again := answered1(t, tb.open(marker.OpenRequest{Window: "w"})); !again.Replayed || again.Resolved.Seq != first.Resolved.Seq {
		t.Fatalf("the same again: %+v", again)
	}
	for i := range window.KeptClosed {
		round(fmt.Sprint("between", i))
	}
	opened, closed := round("w")
	if opened.Err != nil || opened.Replayed || closed.Err != nil || closed.Replayed {
		t.Fatalf("opened %+v, closed %+v", opened, closed)
	}
	if w, _ := tb.core.book.Window("w"); w.Phase != window.Closed || w.OpenTS != opened.Resolved.TS || w.CloseTS != closed.Resolved.TS {
		t.Errorf("%+v", w)
	}
	replay(t, tb.lines)
}

// A restart goes on where the journal ends: with the windows, the verdicts, the
// state and the ids that were used.
func TestRestartRemembers(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	tb.open(marker.OpenRequest{Window: "w", ClosesAfter: time.Second})
	until := tb.now.Add(time.Hour + 123456789)
	tb.open(marker.OpenRequest{Window: "x", ClosesAt: until})
	tb.frame(false, 2)
	if got := tb.viewerActs("1", "w", tb.core.sent); got.Verdict != "accepted" {
		t.Fatal(got)
	}
	tb.mark(marker.Request{ID: "s", Kind: marker.State, Patch: json.RawMessage(`{"round": 3}`), At: marker.At{TS: tb.core.sent}})
	before, err := tb.core.Snapshot(tb.now)
	if err != nil {
		t.Fatal(err)
	}
	lease := journal.Lease{Log: tb.core.log, SeqEnd: journal.SeqBlock}
	p := newPast(tb.core.cfg.StateLimit)
	for i, line := range append([][]byte{lease.Line()}, tb.lines...) {
		if err := p.line(uint64(i+1), line, nil); err != nil {
			t.Fatal(err)
		}
	}
	p.next = lease.SeqEnd
	lease.SeqEnd += journal.SeqBlock
	sent := tb.core.sent
	tb.core = NewCore(tb.core.cfg, lease, p, tb.pool, tb)
	if tree := tb.core.tree.Root(); tb.core.tree.Size() != uint64(len(tb.lines)-1) || tree == p.ledger.tree.Root() != true {
		t.Errorf("%d leaves of %d events", tb.core.tree.Size(), len(tb.lines)-1)
	}
	a := tb.mark(marker.Request{ID: "s", Kind: marker.State, Patch: json.RawMessage(`{"round":3}`), At: marker.At{Next: true}})
	if a := answered1(t, a); a.Err != nil || !a.Replayed {
		t.Errorf("the same id and content again: %+v", a)
	}
	a = tb.mark(marker.Request{ID: "s", Kind: marker.State, Patch: json.RawMessage(`{"round":4}`), At: marker.At{Next: true}})
	if a := answered1(t, a); !errors.Is(a.Err, marker.ErrConflict) {
		t.Errorf("the same id for something else: %+v", a)
	}
	if a := answered1(t, tb.open(marker.OpenRequest{Window: "w", ClosesAfter: time.Second})); a.Err != nil || !a.Replayed {
		t.Errorf("the same window again: %+v", a)
	}
	if a := answered1(t, tb.open(marker.OpenRequest{Window: "x", ClosesAt: until})); a.Err != nil || !a.Replayed {
		t.Errorf("the same window again, by capture time: %+v", a)
	}
	if a := answered1(t, tb.open(marker.OpenRequest{Window: "w", ClosesAfter: 2 * time.Second})); !errors.Is(a.Err, marker.ErrConflict) {
		t.Errorf("the same window with other rules: %+v", a)
	}
	tb.advance(1600 * time.Millisecond) // no studio comes: the deadline stands
	tb.core.Sealed("w", tb.now)
	w, ok := tb.core.book.Window("w")
	if !ok || w.Phase != window.Closed || w.CloseTS != sent+1 || w.Accepted != 1 {
		t.Errorf("%+v", w)
	}
	tb.restartStudio(77, 5)
	tb.frame(true, 2)
	after, err := tb.core.Snapshot(tb.now)
	if err != nil || !bytes.Equal(after.State, before.State) || string(after.State) != `{"round":3}` {
		t.Errorf("state %s, want %s (%v)", after.State, before.State, err)
	}
	replay(t, tb.lines)
}
