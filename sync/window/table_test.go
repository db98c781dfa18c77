package window

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/sync/marker"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// ms is a time that many milliseconds after noon.
func ms(n int) time.Time { return noon.Add(time.Duration(n) * time.Millisecond) }

// table is a stream for scripts: a frame every 20 ms, 1,800 units, the one at time
// 0 being 1,000,000.
type table struct {
	t    *testing.T
	book *Book
	seq  uint64
}

const frameTS = 1_000_000

func newTable(t *testing.T) *table { return &table{t: t, book: NewBook()} }

// frame is the timestamp of frame n.
func frame(n int) uint64 { return uint64(frameTS + 1800*n) }

var usual = Rules{Grace: 200 * time.Millisecond, MaxPerViewer: 2, MaxBytes: 100, MaxActions: 4, MaxAge: time.Second}

func (s *table) event(kind marker.Kind, window string, ts uint64, data any) error {
	s.t.Helper()
	b, err := json.Marshal(data)
	if err != nil {
		s.t.Fatal(err)
	}
	s.seq++
	return s.book.Apply(&marker.Event{Kind: kind, Window: window, TS: ts, Seq: s.seq, Data: b})
}

func (s *table) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *table) open(window string, n int, r Rules) {
	s.t.Helper()
	s.must(s.event(marker.WindowOpen, window, frame(n), r))
}

func (s *table) closing(window string, n, at int) {
	s.t.Helper()
	s.must(s.event(marker.WindowClosing, window, frame(n), ClosingData{frame(n), ClosingRequested, ms(at)}))
}

func (s *table) close(window string, n int) {
	s.t.Helper()
	w, _ := s.book.Window(window)
	s.must(s.event(marker.WindowClose, window, frame(n), w.CloseData()))
}

func (s *table) void(window string) {
	s.t.Helper()
	s.must(s.event(marker.Void, window, frame(0), nil))
}

// action is one that is fine in a window open on frames 0 to 9: seen is frame 5, the
// newest one sent, 10 ms after it left.
func action(id string) Action {
	return Action{
		Window: "w", ID: id, Subject: "s1", Session: "n1", ReceivedAt: ms(110),
		Seen: frame(5), Sent: []Span{{frame(0), frame(5)}}, RTTMS: 20, Size: 10,
		Commitment: Commitment([16]byte{1}, []byte(id)), Digest: sha256.Sum256([]byte(id)),
	}
}

func (s *table) judge(a Action) string {
	s.t.Helper()
	before := s.book.LastOrder()
	if earlier := s.book.Judge(&a); earlier != nil {
		return fmt.Sprintf("repeat of %d", earlier.Order)
	}
	if a.Reason == ReasonMalformed {
		if a.Order != 0 || s.book.LastOrder() != before {
			s.t.Errorf("a malformed action has order %d", a.Order)
		}
	} else if a.Order != before+1 {
		s.t.Errorf("order %d after %d", a.Order, before)
	}
	if (a.Verdict == Accepted) != (a.Reason == "") {
		s.t.Errorf("verdict %q, reason %q", a.Verdict, a.Reason)
	}
	return a.Reason
}

// Each row changes an action that would be accepted.
func TestVerdicts(t *testing.T) {
	open := func(s *table) { s.open("w", 0, usual) }
	closing := func(s *table) { open(s); s.closing("w", 6, 130) }
	at := func(n int) func(*Action) { return func(a *Action) { a.ReceivedAt = ms(n) } }
	server := func(a *Action) { a.Session, a.Seen, a.Sent = "", 0, nil }
	tests := []struct {
		name   string
		before func(*table)
		change func(*Action)
		want   string
	}{
		{"accepted", open, func(*Action) {}, ""},
		{"a server's", open, server, ""},
		{"no window", func(*table) {}, func(*Action) {}, "window_unknown"},
		{"another window", open, func(a *Action) { a.Window = "v" }, "window_unknown"},
		{"voided while open", func(s *table) { open(s); s.void("w") }, func(*Action) {}, "window_void"},
		{"voided while closing", func(s *table) { closing(s); s.void("w") }, func(*Action) {}, "window_void"},
		{"voided after the close", func(s *table) { closing(s); s.close("w", 7); s.void("w") }, func(*Action) {}, "window_void"},
		{"closed", func(s *table) { closing(s); s.close("w", 7) }, func(*Action) {}, "window_closed"},
		{"at the closing", closing, at(130), ""},
		{"clock behind the closing", closing, at(50), ""},
		{"last of the grace", closing, func(a *Action) { a.ReceivedAt = ms(330).Add(-1) }, ""},
		{"end of the grace", closing, at(330), "window_closed"},
		{"end of the grace, after the close frame", closing, func(a *Action) { a.ReceivedAt = ms(330); a.Seen = frame(7) }, "window_closed"},
		{"no grace", func(s *table) { r := usual; r.Grace = 0; s.open("w", 0, r); s.closing("w", 6, 130) }, at(130), "window_closed"},
		{"a server's in the grace", closing, server, "window_closed"},
		{"largest", open, func(a *Action) { a.Size = 100 }, ""},
		{"too large", open, func(a *Action) { a.Size = 101 }, "too_large"},
		{"a server's too large", open, func(a *Action) { server(a); a.Size = 101 }, "too_large"},
		{"no frame", open, func(a *Action) { a.Seen = 0 }, "seen_missing"},
		{"open frame", open, func(a *Action) { a.Seen = frame(0); a.Superseded = ms(20) }, ""},
		{"before the open frame", open, func(a *Action) { a.Seen = frame(0) - 1; a.Sent[0].From = frame(-1); a.Superseded = ms(20) }, "seen_before_open"},
		{"nothing of the window sent yet", open, func(a *Action) { a.Seen = frame(-1); a.Sent = []Span{{frame(-5), frame(-1)}} }, "window_not_open"},
		{"nothing sent and before the open frame", open, func(a *Action) { a.Seen = frame(-1); a.Sent = nil }, "window_not_open"},
		{"last before the close frame", closing, func(a *Action) { a.Seen = frame(6) - 1; a.Sent[0].To = frame(6) - 1 }, ""},
		{"close frame", closing, func(a *Action) { a.Seen = frame(6); a.Sent[0].To = frame(6) }, "seen_after_close"},
		{"close frame before the closing", open, func(a *Action) { a.Seen = frame(6); a.Sent[0].To = frame(6) }, ""},
		{"at the deadline", func(s *table) { r := usual; r.ClosesTS = frame(5); s.open("w", 0, r) }, func(*Action) {}, "seen_after_close"},
		{"before the deadline", func(s *table) { r := usual; r.ClosesTS = frame(5) + 1; s.open("w", 0, r) }, func(*Action) {}, ""},
		{"at the deadline, closed on a later frame", func(s *table) {
			r := usual
			r.ClosesTS = frame(5)
			s.open("w", 0, r)
			s.closing("w", 6, 110)
		}, func(*Action) {}, "seen_after_close"},
		{"later than any sent", open, func(a *Action) { a.Seen = frame(5) + 1 }, "seen_future"},
		{"nothing sent", open, func(a *Action) { a.Sent = nil }, "seen_not_sent"},
		{"in a hole", open, func(a *Action) { a.Sent = []Span{{frame(0), frame(4)}, {frame(6), frame(7)}}; a.Superseded = ms(115) }, "seen_not_sent"},
		{"in the older span", open, func(a *Action) { a.Sent = []Span{{frame(0), frame(5)}, {frame(7), frame(8)}}; a.Superseded = ms(100) }, ""},
		{"before every span", open, func(a *Action) { a.Sent = []Span{{frame(6), frame(7)}}; a.Superseded = ms(100) }, "seen_not_sent"},
		{"oldest allowed", open, func(a *Action) { a.Superseded = ms(0); a.ReceivedAt = ms(1020) }, ""},
		{"too old", open, func(a *Action) { a.Superseded = ms(0); a.ReceivedAt = ms(1020).Add(1) }, "seen_too_old"},
		{"oldest with the whole credit", open, func(a *Action) { a.Superseded = ms(0); a.ReceivedAt = ms(1500); a.RTTMS = 9000 }, ""},
		{"beyond the credit", open, func(a *Action) { a.Superseded = ms(0); a.ReceivedAt = ms(1501); a.RTTMS = 9000 }, "seen_too_old"},
		{"credit to the microsecond", open, func(a *Action) {
			a.Superseded = ms(0)
			a.ReceivedAt = ms(1000).Add(20123 * time.Microsecond)
			a.RTTMS = 20.1226
		}, ""},
		{"superseded, but when?", open, func(a *Action) { a.Seen = frame(4) }, "seen_too_old"},
		{"superseded after it came", open, func(a *Action) { a.Superseded = ms(500) }, ""},
		{"nine spans, the oldest is dropped", open, func(a *Action) {
			a.Sent = nil
			for i := range 9 {
				a.Sent = append(a.Sent, Span{frame(2 * i), frame(2 * i)})
			}
			a.Seen, a.Superseded = frame(0), ms(100)
		}, "seen_not_sent"},
		{"no data", open, func(a *Action) { a.Size = 0 }, "malformed"},
		{"a server's with a frame", open, func(a *Action) { a.Session = "" }, "malformed"},
		{"a bad id", open, func(a *Action) { a.ID = `x","verdict":"accepted` }, "malformed"},
		{"a bad window", open, func(a *Action) { a.Window = "" }, "malformed"},
		{"no subject", open, func(a *Action) { a.Subject = "" }, "malformed"},
		{"a bad session", open, func(a *Action) { a.Session = "é" }, "malformed"},
		{"no commitment", open, func(a *Action) { a.Commitment = "" }, "malformed"},
		{"a commitment in upper case", open, func(a *Action) { a.Commitment = "A" + a.Commitment[1:] }, "malformed"},
		{"a frame beyond JSON", open, func(a *Action) { a.Seen = 1 << 53 }, "malformed"},
		{"spans out of order", open, func(a *Action) { a.Sent = []Span{{5, 6}, {6, 7}} }, "malformed"},
		{"a span upside down", open, func(a *Action) { a.Sent = []Span{{6, 5}} }, "malformed"},
		{"before 1970", open, func(a *Action) { a.ReceivedAt = time.Time{} }, "malformed"},
		{"limit", func(s *table) { open(s); s.judge(action("a")); s.judge(action("b")) }, func(a *Action) { a.ID = "c" }, "limit_per_viewer"},
		{"another's limit", func(s *table) { open(s); s.judge(action("a")); s.judge(action("b")) }, func(a *Action) { a.ID, a.Subject = "c", "s2" }, ""},
		{"full", func(s *table) {
			open(s)
			for i := range 4 {
				a := action("a")
				a.Subject = fmt.Sprint("x", i)
				s.judge(a)
			}
		}, func(*Action) {}, "window_full"},
		{"the same again", func(s *table) { open(s); s.judge(action("a")) }, func(*Action) {}, "repeat of 1"},
		{"the same again after the close", func(s *table) { closing(s); s.judge(action("a")); s.close("w", 6) }, at(9000), "repeat of 1"},
		{"the same again after a rejection", func(s *table) { s.judge(action("a")); open(s) }, func(*Action) {}, "repeat of 1"},
		{"id of another subject", func(s *table) { open(s); s.judge(action("a")) }, func(a *Action) { a.Subject = "s2" }, ""},
		{"id with other data", func(s *table) { open(s); s.judge(action("a")) }, func(a *Action) { a.Digest[0]++ }, "id_reused"},
		{"id with another frame", func(s *table) { open(s); s.judge(action("a")) }, func(a *Action) { a.Seen-- }, "id_reused"},
		{"id in another window", func(s *table) { open(s); s.open("v", 0, usual); s.judge(action("a")) }, func(a *Action) { a.Window = "v" }, "id_reused"},
		{"id of an erased payload", func(s *table) { open(s); a := action("a"); a.Digest = [32]byte{}; s.judge(a) }, func(a *Action) { a.Digest = [32]byte{} }, "id_reused"},
		{"the same again after its id was reused", func(s *table) {
			open(s)
			s.judge(action("a"))
			b := action("a")
			b.Digest[0]++
			s.judge(b)
		}, func(*Action) {}, "repeat of 1"},
	}
	reasons := map[string]bool{ReasonOverloaded: true, ReasonJournalUnavailable: true, ReasonNotOwner: true}
	for _, tt := range tests {
		reasons[tt.want] = true
		t.Run(tt.name, func(t *testing.T) {
			s := newTable(t)
			tt.before(s)
			a := action("a")
			tt.change(&a)
			if got := s.judge(a); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for reason := range adjudicated {
		if !reasons[reason] {
			t.Errorf("no row for %s", reason)
		}
	}
}

func TestCheckAndApply(t *testing.T) {
	kinds := []marker.Kind{marker.WindowOpen, marker.WindowClosing, marker.WindowClose, marker.Outcome, marker.Void, marker.Marker, marker.Recovered}
	tests := []struct {
		name   string
		before func(*table)
		want   [7]error // of kinds
	}{
		{"unknown", func(*table) {}, [7]error{nil, ErrUnknown, ErrUnknown, ErrUnknown, ErrUnknown}},
		{"open", func(s *table) { s.open("w", 0, usual) }, [7]error{ErrExists, nil, ErrPhase, ErrNotClosed, nil}},
		{"closing", func(s *table) { s.open("w", 0, usual); s.closing("w", 1, 0) }, [7]error{ErrExists, ErrPhase, nil, ErrNotClosed, nil}},
		{"closed", func(s *table) { s.open("w", 0, usual); s.closing("w", 1, 0); s.close("w", 1) }, [7]error{ErrExists, ErrPhase, ErrPhase, nil, nil}},
		{"void", func(s *table) { s.open("w", 0, usual); s.void("w") }, [7]error{ErrExists, ErrPhase, ErrPhase, ErrPhase, ErrPhase}},
		{"void after the close", func(s *table) { s.open("w", 0, usual); s.closing("w", 1, 0); s.close("w", 1); s.void("w") }, [7]error{ErrExists, ErrPhase, ErrPhase, ErrPhase, ErrPhase}},
		{"too many", func(s *table) {
			for i := range MaxOpen {
				s.open(fmt.Sprint("x", i), 0, usual)
			}
		}, [7]error{ErrTooMany, ErrUnknown, ErrUnknown, ErrUnknown, ErrUnknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newTable(t)
			tt.before(s)
			for i, kind := range kinds {
				err := s.book.Check(kind, "w")
				if !errors.Is(err, tt.want[i]) || (err == nil) != (tt.want[i] == nil) {
					t.Errorf("%s: %v, want %v", kind, err, tt.want[i])
				}
				if err == nil {
					continue
				}
				if applied := s.book.Apply(&marker.Event{Kind: kind, Window: "w"}); applied == nil || applied.Error() != err.Error() {
					t.Errorf("%s: Check says %v, Apply %v", kind, err, applied)
				}
			}
			for _, kind := range []marker.Kind{marker.Outcome, marker.Void} {
				if err := s.book.Check(kind, ""); err != nil {
					t.Errorf("%s without a window: %v", kind, err)
				}
			}
		})
	}
	if fe := (*marker.FieldError)(nil); !errors.As(NewBook().Check(marker.WindowOpen, "no name"), &fe) || fe.Field != "window" {
		t.Errorf("a window with a bad name: %v", fe)
	}
}

func TestApplyRefusesData(t *testing.T) {
	s := newTable(t)
	s.open("w", 5, usual)
	s.open("c", 5, usual)
	a := action("a")
	a.Sent, a.Seen, a.Window = []Span{{frame(5), frame(6)}}, frame(6), "c"
	if got := s.judge(a); got != "" {
		t.Fatal(got)
	}
	s.closing("c", 7, 200)
	good, _ := s.book.Window("c")
	tests := []struct {
		name, window string
		kind         marker.Kind
		data         string
	}{
		{"rules", "n", marker.WindowOpen, `{}`},
		{"no rules", "n", marker.WindowOpen, ``},
		{"null for rules", "n", marker.WindowOpen, `null`},
		{"a deadline that is not after the open frame", "n", marker.WindowOpen, `{"closes_ts":1009000,"grace_ms":0,"max_per_viewer":1,"max_bytes":1,"max_actions":1,"max_age_ms":1}`},
		{"no data", "w", marker.WindowClosing, ``},
		{"reason", "w", marker.WindowClosing, `{"close_ts":1010800,"reason":"x","at":"2030-01-01T12:00:00.2Z"}`},
		{"before the open frame", "w", marker.WindowClosing, `{"close_ts":1008999,"reason":"requested","at":"2030-01-01T12:00:00.2Z"}`},
		{"back-dated", "w", marker.WindowClosing, `{"close_ts":1010800,"reason":"requested","at":"2030-01-01T12:00:00.199999999Z"}`},
		{"not UTC", "w", marker.WindowClosing, `{"close_ts":1010800,"reason":"requested","at":"2030-01-01T14:00:00.2+02:00"}`},
		{"twice", "w", marker.WindowClosing, `{"close_ts":1010800,"close_ts":1010800,"reason":"requested","at":"2030-01-01T12:00:00.2Z"}`},
		{"another member", "w", marker.WindowClosing, `{"close_ts":1010800,"reason":"requested","at":"2030-01-01T12:00:00.2Z","x":1}`},
		{"close_ts", "c", marker.WindowClose, fmt.Sprintf(`{"close_ts":1012601,"accepted":1,"rejected":0,"root":"%s"}`, good.Root)},
		{"accepted", "c", marker.WindowClose, fmt.Sprintf(`{"close_ts":1012600,"accepted":2,"rejected":0,"root":"%s"}`, good.Root)},
		{"rejected", "c", marker.WindowClose, fmt.Sprintf(`{"close_ts":1012600,"accepted":1,"rejected":1,"root":"%s"}`, good.Root)},
		{"root", "c", marker.WindowClose, `{"close_ts":1012600,"accepted":1,"rejected":0,"root":"00"}`},
	}
	for _, tt := range tests {
		if err := s.book.Apply(&marker.Event{Kind: tt.kind, Window: tt.window, TS: frame(5), Data: []byte(tt.data)}); err == nil {
			t.Errorf("%s is accepted", tt.name)
		}
	}
	if w, _ := s.book.Window("w"); w.Phase != Open {
		t.Errorf("a refused event made the window %s", w.Phase)
	}
	if w, _ := s.book.Window("c"); w != good {
		t.Errorf("a refused event left %+v, was %+v", w, good)
	}
	s.must(s.book.Apply(&marker.Event{Kind: marker.WindowClosing, Window: "w", Data: []byte(`{"close_ts":1010800,"reason":"no_frame","at":"2030-01-01T12:00:00.2Z"}`)}))
	s.must(s.book.Apply(&marker.Event{Kind: marker.WindowClose, Window: "c", Data: fmt.Appendf(nil, `{"close_ts":1012600,"accepted":1,"rejected":0,"root":"%s"}`, good.Root)}))
}

// What a Book remembers is bounded, and what is forgotten is as if it had never been.
func TestMemory(t *testing.T) {
	s := newTable(t)
	for i := range KeptClosed + 1 {
		w := fmt.Sprint("w", i)
		s.open(w, 0, usual)
		a := action(fmt.Sprint("a", i))
		a.Window = w
		if got := s.judge(a); got != "" {
			t.Fatal(got)
		}
		s.closing(w, 6, 110)
		s.close(w, 6)
	}
	if n := len(s.book.Windows()); n != KeptClosed {
		t.Errorf("%d windows are kept", n)
	}
	old := action("a0")
	old.Window = "w0"
	if got := s.judge(old); got != ReasonWindowUnknown {
		t.Errorf("an action for a forgotten window: %s", got)
	}
	s.open("w0", 0, usual) // the name is free again
	old.ID = "fresh"
	if got := s.judge(old); got != "" {
		t.Errorf("a window of a forgotten name: %s", got)
	}
	if s.book.Find("s1", "w1", "a1") == nil || s.book.Find("s1", "w0", "a1") != nil || s.book.Find("s2", "w1", "a1") != nil {
		t.Error("Find finds the wrong actions")
	}
}

func TestMemoryOfRejected(t *testing.T) {
	s := newTable(t)
	for i := range KeptRejected + 1 {
		s.judge(action(fmt.Sprint("a", i)))
	}
	if n := len(s.book.ids); n != KeptRejected {
		t.Errorf("%d rejected actions are kept", n)
	}
	if got := s.judge(action("a1")); got != "repeat of 2" {
		t.Errorf("the oldest kept: %s", got)
	}
	if got := s.judge(action("a0")); got != ReasonWindowUnknown {
		t.Errorf("a forgotten one: %s", got)
	}
}

// Large windows are forgotten earlier, and their ids bit by bit.
func TestMemoryOfLargeWindows(t *testing.T) {
	const large = MaxActions/2 + 1
	s := newTable(t)
	fill := func(w string) {
		r := usual
		r.MaxActions, r.MaxPerViewer = MaxActions, MaxPerViewer
		s.open(w, 0, r)
		a := action("")
		a.Window = w
		for i := range large {
			a.ID, a.Subject = fmt.Sprint(w, i), fmt.Sprint("s", i%1000)
			c := a
			s.book.Judge(&c)
			if c.Verdict != Accepted {
				t.Fatal(c.Reason)
			}
		}
	}
	fill("w0")
	s.closing("w0", 6, 110)
	s.close("w0", 6)
	fill("w1")
	s.closing("w1", 6, 110)
	s.close("w1", 6)
	if _, ok := s.book.Window("w0"); ok || len(s.book.Windows()) != 1 {
		t.Error("the older of two large windows is still known")
	}
	a := action("w00")
	a.Window, a.Subject = "w0", "s0"
	if got := s.judge(a); got != ReasonWindowUnknown {
		t.Errorf("an id of a forgotten window: %s", got)
	}
	for i := range large {
		s.judge(action(fmt.Sprint("x", i)))
	}
	if n := len(s.book.ids); n > large+KeptRejected || len(s.book.gone) != 0 {
		t.Errorf("%d ids are kept, %d windows are not cleared", n, len(s.book.gone))
	}
}

func TestLists(t *testing.T) {
	s := newTable(t)
	s.open("a", 0, usual)
	s.open("b", 0, usual)
	s.open("c", 0, usual)
	s.open("d", 0, usual)
	s.closing("b", 6, 110)
	s.closing("c", 6, 110)
	s.close("c", 6)
	s.void("d")
	describe := func(list []Window) string {
		var parts []string
		for _, w := range list {
			text, err := w.Phase.MarshalText()
			if err != nil || w.Root == "" || w.OpenTS != frame(0) || w.Rules != usual {
				t.Errorf("%+v, %v", w, err)
			}
			parts = append(parts, w.Name+" "+string(text))
		}
		return strings.Join(parts, ", ")
	}
	if got, want := describe(s.book.Windows()), "a open, b closing, c closed, d void"; got != want {
		t.Errorf("windows: %s, want %s", got, want)
	}
	if got, want := describe(s.book.Live()), "a open, b closing"; got != want {
		t.Errorf("live: %s, want %s", got, want)
	}
	if s.book.Actions("x") != nil {
		t.Error("an unknown window has actions")
	}
	// The root is that of what has been accepted by now.
	empty, _ := s.book.Window("a")
	a := action("1")
	a.Window = "a"
	s.judge(a)
	one, _ := s.book.Window("a")
	var ref reference
	ref.add(t, s.book.Actions("a")[0].Encode())
	if one.Root == empty.Root || one.Root != ref.root(t) || one.Accepted != 1 {
		t.Errorf("%+v, want root %s", one, ref.root(t))
	}
}

func TestRevealInGrace(t *testing.T) {
	w := Window{CloseTS: 1000, Rules: Rules{Grace: 2 * time.Millisecond}}
	for ts, want := range map[uint64]bool{0: false, 999: false, 1000: true, 1179: true, 1180: false, 1 << 52: false} {
		if got := w.RevealInGrace(ts); got != want {
			t.Errorf("at %d: %v", ts, got)
		}
	}
	if (Window{Rules: w.Rules}).RevealInGrace(0) {
		t.Error("a window that is still open")
	}
	if (Window{CloseTS: 1000}).RevealInGrace(1000) {
		t.Error("no grace")
	}
}
