package window

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/framelock/relay/sync/marker"
)

// line is one record of the simulated journal.
type line struct {
	text    []byte
	payload []byte
	entryOf
}

// relay is a simulated stream loop with its disk. What it decides goes to lines at
// once; only the first durable of them outlive a crash.
type relay struct {
	t       *rapid.T
	book    *Book
	lines   []line
	durable int

	seq      uint64
	epoch    uint32
	now      time.Time // of the wall clock, which may go back
	frame    int       // newest frame that left
	names    int       // windows named so far
	ids      int
	sent     []Action // requests so far, for repeats and reuse
	repeated int
}

const simulatedLog = 0x9f3c0a77d2e41b05

func (r *relay) pick(label string, low, high int) int {
	return rapid.IntRange(low, high).Draw(r.t, label)
}

// put appends an event, after the Book has taken it.
func (r *relay) put(kind marker.Kind, window string, ts uint64, data any) {
	r.seq++
	e := marker.Event{
		Log: simulatedLog, Stream: "wheel", Track: "v0", Epoch: r.epoch, Seq: r.seq, Kind: kind,
		ID: fmt.Sprint("e", r.seq), TS: ts, CaptureTime: r.now, Window: window,
	}
	if data != nil {
		b, err := json.Marshal(data)
		if err != nil {
			r.t.Fatal(err)
		}
		e.Data = b
	}
	if err := r.book.Apply(&e); err != nil {
		r.t.Fatalf("%s: %v", kind, err)
	}
	text, err := e.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	r.lines = append(r.lines, line{text: text, entryOf: entryOf{event: &e}})
}

func (r *relay) open(*rapid.T) {
	rules := Rules{
		Grace:        time.Duration(r.pick("grace", 0, 4)) * 50 * time.Millisecond,
		MaxPerViewer: r.pick("per viewer", 1, 3), MaxBytes: 20, MaxActions: r.pick("actions", 1, 8),
		MaxAge: time.Duration(r.pick("age", 0, 3)) * 40 * time.Millisecond,
	}
	if r.pick("timed", 0, 1) == 1 {
		rules.ClosesTS = frame(r.frame + r.pick("after", 1, 10))
	}
	if r.book.open == MaxOpen {
		return
	}
	r.names++
	r.put(marker.WindowOpen, fmt.Sprint("w", r.names), frame(r.frame), rules)
}

// window picks a name: mostly one of the newest that there are.
func (r *relay) window() string {
	if n := len(r.book.order); n > 0 && r.pick("known", 0, 9) > 0 {
		return r.book.order[max(0, n-1-r.pick("before the newest", 0, 2))].Name
	}
	return fmt.Sprint("w", r.pick("window", max(1, r.names-3), r.names+1))
}

// advance moves a window to its next phase.
func (r *relay) advance(*rapid.T) {
	name := r.window()
	w, ok := r.book.Window(name)
	if !ok {
		return
	}
	switch w.Phase {
	case Open:
		ts := frame(r.frame)
		if r.pick("no frame", 0, 3) == 0 {
			ts++
		}
		if ts < w.OpenTS {
			ts = w.OpenTS // after a restart the frames begin again
		}
		r.put(marker.WindowClosing, name, ts, ClosingData{ts, ClosingRequested, r.book.Time(r.now)})
	case Closing:
		r.put(marker.WindowClose, name, frame(r.frame), w.CloseData())
	case Closed:
		r.put(marker.Outcome, name, frame(r.frame), 17)
	}
}

func (r *relay) void(*rapid.T) {
	name := r.window()
	if r.book.Check(marker.Void, name) == nil && r.pick("void", 0, 4) == 0 {
		r.put(marker.Void, name, frame(r.frame), nil)
	}
}

func (r *relay) time(*rapid.T) {
	r.frame += r.pick("frames", 0, 4)
	r.now = r.now.Add(time.Duration(r.pick("ms", -30, 120)) * time.Millisecond)
}

func (r *relay) newEpoch(*rapid.T) {
	r.epoch++
	r.frame += r.pick("jump", 1, 1000)
}

// fresh makes an action as a viewer or a server would, honest or not.
func (r *relay) fresh() Action {
	r.ids++
	data := fmt.Appendf(nil, `{"n":%d}`, r.ids)
	a := Action{
		Window: r.window(), ID: fmt.Sprint("a", r.ids), Subject: fmt.Sprint("s", r.pick("subject", 1, 3)),
		ReceivedAt: r.now.Add(time.Duration(r.pick("reordered by", -20, 20)) * time.Millisecond),
		RTTMS:      float64(r.pick("rtt", 0, 7)) * 100.0005, Size: len(data), Digest: sha256.Sum256(data),
	}
	if r.pick("large", 0, 15) == 15 {
		data = fmt.Appendf(nil, `{"n":%d,"x":"xxxxxxxxxxxxxx"}`, r.ids)
		a.Size, a.Digest = len(data), sha256.Sum256(data)
	}
	a.Commitment = Commitment([SaltSize]byte{byte(r.ids)}, data)
	if r.pick("server", 0, 7) == 7 {
		return a
	}
	a.Session = "n" + a.Subject
	ago := max(-1, r.pick("frames ago", -2, 6))
	if r.pick("honest", 0, 2) > 0 {
		ago = r.pick("frames behind", 0, 1)
	}
	a.Seen = frame(r.frame - ago)
	from := r.frame - 8
	for range r.pick("spans", 0, 3) {
		to := min(from+r.pick("span", 0, 5), r.frame)
		a.Sent = append(a.Sent, Span{frame(from), frame(to)})
		if from = to + 2; from > r.frame {
			break
		}
	}
	if r.pick("sent all", 0, 5) > 0 {
		a.Sent = []Span{{frame(r.frame - 8), frame(r.frame)}}
	}
	if ago > 0 && r.pick("superseded", 0, 9) > 0 {
		a.Superseded = r.now.Add(-time.Duration(r.pick("ago", -2, 30)) * 20 * time.Millisecond)
	}
	return a
}

func (r *relay) act(*rapid.T) {
	a := r.fresh()
	if len(r.sent) > 0 && r.pick("again", 0, 4) == 0 {
		a = r.sent[r.pick("which", 0, len(r.sent)-1)]
		switch r.pick("changed", 0, 5) {
		case 0:
			a.Seen++
			if a.Session == "" {
				a.Seen = 0
			}
		case 1:
			a.Window = r.window()
		case 2:
			data := []byte(`"other"`)
			a.Size, a.Digest, a.Commitment = len(data), sha256.Sum256(data), Commitment([SaltSize]byte{}, data)
		}
	} else {
		r.sent = append(r.sent, a)
	}
	a.Sent = slices.Clone(a.Sent)
	history := make([]entryOf, len(r.lines))
	for i, l := range r.lines {
		history[i] = l.entryOf
	}
	order := r.book.LastOrder()
	if earlier := r.book.Judge(&a); earlier != nil {
		if earlier.Subject != a.Subject || earlier.ID != a.ID || earlier.Window != a.Window || earlier.Digest != a.Digest || earlier.Seen != a.Seen {
			r.t.Fatalf("%+v repeats %+v", a, earlier)
		}
		r.repeated++
		return
	}
	if want := oracle(history, &a); a.Reason != want || (a.Verdict == Accepted) != (want == "") {
		r.t.Fatalf("%s\ngets %q, want %q", a.Encode(), a.Reason, want)
	}
	if a.Order != order+1 {
		r.t.Fatalf("order %d after %d", a.Order, order)
	}
	r.lines = append(r.lines, line{text: a.Encode(), payload: r.payload(&a), entryOf: entryOf{action: &a}})
}

// payload finds the salt and data of a simulated action again.
func (r *relay) payload(a *Action) []byte {
	for _, c := range [][2]any{{byte(0), `"other"`}} {
		if p := (Payload{Order: a.Order, Data: []byte(c[1].(string))}); Commitment(p.Salt, p.Data) == a.Commitment {
			return p.Encode()
		}
	}
	var n int
	fmt.Sscanf(a.ID, "a%d", &n)
	for _, data := range []string{fmt.Sprintf(`{"n":%d}`, n), fmt.Sprintf(`{"n":%d,"x":"xxxxxxxxxxxxxx"}`, n)} {
		if p := (Payload{Order: a.Order, Salt: [SaltSize]byte{byte(n)}, Data: []byte(data)}); Commitment(p.Salt, p.Data) == a.Commitment {
			return p.Encode()
		}
	}
	r.t.Fatalf("no payload of %+v", a)
	return nil
}

// flush lets the disk take some of the lines that wait for it.
func (r *relay) flush(*rapid.T) {
	r.durable += r.pick("records", 0, len(r.lines)-r.durable)
}

// erase drops the payload of an action.
func (r *relay) erase(*rapid.T) {
	if r.durable > 0 {
		r.lines[r.pick("erased", 0, r.durable-1)].payload = nil
	}
}

// crash loses what is not durable. The next relay reads the rest, goes on with seq
// at the end of the lease and says so.
func (r *relay) crash(*rapid.T) {
	lost := r.seq
	r.lines = r.lines[:r.durable]
	r.seq = 0
	for _, l := range r.lines {
		if l.event != nil {
			r.seq = l.event.Seq
		}
	}
	last := r.seq
	r.book = r.replay().Book()
	r.seq = lost + uint64(r.pick("gap", 1, 5000))
	r.epoch++
	r.now = r.now.Add(time.Duration(r.pick("down", -1000, 3000)) * time.Millisecond)
	r.put(marker.Recovered, "", frame(r.frame), map[string]uint64{"last_durable": last})
}

// replay reads all lines from the beginning and fails if any does not fit.
func (r *relay) replay() *Replay {
	replay := NewReplay()
	for i, l := range r.lines {
		if err := replay.Line(uint64(i+1), l.text, l.payload); err != nil {
			r.t.Fatalf("%v\n%s", err, l.text)
		}
	}
	return replay
}

// check compares the Book with the one that the lines make, and with the lines.
func (r *relay) check(*rapid.T) {
	accepted, rejected := map[string]int{}, map[string]int{}
	for _, l := range r.lines {
		if l.action != nil && l.action.Verdict == Accepted {
			accepted[l.action.Window]++
		} else if l.action != nil {
			rejected[l.action.Window]++
		}
	}
	for _, w := range r.book.Windows() {
		if w.Accepted != accepted[w.Name] || w.Rejected > rejected[w.Name] {
			r.t.Fatalf("window %s has %d and %d, and the lines %d and %d", w.Name, w.Accepted, w.Rejected, accepted[w.Name], rejected[w.Name])
		}
	}
}

// simulate plays a random history.
func simulate(t *rapid.T) *relay {
	r := &relay{t: t, book: NewBook(), now: noon, frame: 100}
	r.open(t)
	t.Repeat(map[string]func(*rapid.T){
		"open": r.open, "advance": r.advance, "advance more": r.advance, "void": r.void, "time": r.time, "epoch": r.newEpoch,
		"act": r.act, "act too": r.act, "act again": r.act, "act more": r.act, "act on": r.act,
		"flush": r.flush, "flush more": r.flush, "erase": r.erase, "crash": r.crash, "": r.check,
	})
	return r
}

// TestReplayHistories plays random histories, with windows side by side, reordered
// and repeated actions, crashes, slow disks and new epochs. Every verdict is that of
// the oracle, and the lines give the same verdicts, windows and roots again.
func TestReplayHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := simulate(t)
		again := r.replay().Book()
		if a, b := r.book.Windows(), again.Windows(); !slices.Equal(a, b) {
			t.Fatalf("windows %+v\nreplayed %+v", a, b)
		}
		for _, w := range again.Windows() {
			var ref reference
			for i, a := range r.book.Actions(w.Name) {
				ref.add(t, a.Encode())
				if b := again.Actions(w.Name)[i]; string(a.Encode()) != string(b.Encode()) {
					t.Fatalf("%s\nreplayed %s", a.Encode(), b.Encode())
				}
			}
			if want := ref.root(t); w.Root != want {
				t.Fatalf("window %s has root %s, want %s", w.Name, w.Root, want)
			}
			r.checkProofs(again, w, &ref)
		}
	})
}

func (r *relay) checkProofs(b *Book, w Window, ref *reference) {
	for i, a := range b.Actions(w.Name) {
		p, ok := b.Prove(a.Subject, w.Name, a.ID)
		if ok != (w.Phase == Closed || w.Phase == Voided && b.windows[w.Name].proven) {
			r.t.Fatalf("window %s is %s: a proof %v", w.Name, w.Phase, ok)
		}
		if !ok {
			continue
		}
		if p.Index != i || p.Size != int(ref.n) || p.Root != w.Root || p.Verify(a.Encode()) != nil {
			r.t.Fatalf("proof %+v of action %d, root %s", p, i, w.Root)
		}
	}
}

// TestReplayFindsChanges changes one line of a random history that ends with the
// window.close of every window: any change that could matter is found.
func TestReplayFindsChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := simulate(t)
		for _, w := range r.book.Windows() {
			if w.Phase == Open {
				r.put(marker.WindowClosing, w.Name, frame(r.frame), ClosingData{max(w.OpenTS, frame(r.frame)), ClosingRequested, r.book.Time(r.now)})
			}
			if w, _ = r.book.Window(w.Name); w.Phase == Closing {
				r.put(marker.WindowClose, w.Name, frame(r.frame), w.CloseData())
			}
		}
		i := rapid.IntRange(0, len(r.lines)-1).Draw(t, "line")
		l := r.lines[i]
		lines := slices.Clone(r.lines)
		switch how := rapid.IntRange(0, 3).Draw(t, "how"); {
		case how == 0 && l.action != nil: // left out
			lines = slices.Delete(lines, i, i+1)
			if !slices.ContainsFunc(lines[i:], func(later line) bool {
				return later.action != nil ||
					l.action.Verdict == Accepted && later.event.Kind == marker.WindowClose && later.event.Window == l.action.Window
			}) {
				t.Skip("nothing after it depends on it")
			}
		case how == 1: // twice
			lines = slices.Insert(lines, i, l)
		case how == 2 && i+1 < len(lines) && (l.event == nil) == (lines[i+1].event == nil): // swapped
			lines[i], lines[i+1] = lines[i+1], lines[i]
		case l.action != nil: // another verdict
			a := *l.action
			if a.Verdict == Accepted {
				a.Verdict, a.Reason = Rejected, ReasonWindowFull
			} else {
				a.Verdict, a.Reason = Accepted, ""
			}
			lines[i].text = a.Encode()
		default:
			t.Skip("no such change of this line")
		}
		replay := NewReplay()
		for i, l := range lines {
			if err := replay.Line(uint64(i+1), l.text, l.payload); err != nil {
				if m := (*Mismatch)(nil); !errors.As(err, &m) || m.Position != uint64(i+1) {
					t.Fatalf("error %v at line %d", err, i+1)
				}
				return
			}
		}
		t.Fatalf("a change of line %d is not found: %s", i+1, l.text)
	})
}

// story is a transcript of two actions in one window and one too late, for tests
// that change it.
func story(t *testing.T) []string {
	s := newTable(t)
	var lines []string
	put := func(kind marker.Kind, window string, ts uint64, data any) {
		t.Helper()
		b, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		s.seq++
		e := marker.Event{Log: 5, Stream: "wheel", Track: "v0", Seq: s.seq, Kind: kind, ID: fmt.Sprint("e", s.seq), TS: ts, Window: window, Data: b}
		s.must(s.book.Apply(&e))
		text, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	judge := func(a Action, want string) {
		t.Helper()
		if s.book.Judge(&a); a.Reason != want {
			t.Fatalf("got %s, want %s", a.Reason, want)
		}
		lines = append(lines, string(a.Encode()))
	}
	put(marker.WindowOpen, "w", frame(0), usual)
	judge(action("a"), "")
	put(marker.WindowClosing, "w", frame(6), ClosingData{frame(6), ClosingRequested, ms(130)})
	b := action("b")
	b.ReceivedAt, b.Superseded, b.Sent[0].To = ms(200), ms(120), frame(7)
	judge(b, "")
	c := action("c")
	c.Subject, c.ReceivedAt = "s2", ms(400)
	judge(c, ReasonWindowClosed)
	w, _ := s.book.Window("w")
	put(marker.WindowClose, "w", frame(20), w.CloseData())
	put(marker.Outcome, "w", frame(21), 17)
	return lines
}

func TestReplayMismatches(t *testing.T) {
	good := story(t)
	const open, first, closing, second, late, closed, outcome = 0, 1, 2, 3, 4, 5, 6
	edit := func(i int, old, changed string) func([]string) []string {
		return func(lines []string) []string {
			if !strings.Contains(lines[i], old) {
				t.Fatalf("no %s in %s", old, lines[i])
			}
			lines[i] = strings.Replace(lines[i], old, changed, 1)
			return lines
		}
	}
	swap := func(i, j int) func([]string) []string {
		return func(lines []string) []string { lines[i], lines[j] = lines[j], lines[i]; return lines }
	}
	tests := []struct {
		name   string
		change func([]string) []string
		want   []string
	}{
		{"nothing", func(l []string) []string { return l }, nil},
		{"accepted made rejected", edit(second, `"accepted"`, `"rejected","reason":"window_closed"`), []string{"journal line 4", "action 2", "id b", "window w", "recorded rejected (window_closed), expected accepted"}},
		{"rejected made accepted", edit(late, `"rejected","reason":"window_closed"`, `"accepted"`), []string{"journal line 5", "action 3", "recorded accepted, expected rejected (window_closed)"}},
		{"another reason", edit(late, `"window_closed"`, `"window_full"`), []string{"action 3", "recorded rejected (window_full), expected rejected (window_closed)"}},
		{"an unknown reason", edit(late, `"window_closed"`, `"bad_luck"`), []string{"journal line 5", "bad_luck"}},
		{"order missing", func(l []string) []string { return slices.Delete(l, second, second+1) }, []string{"journal line 4", "recorded order 3, expected order 2"}},
		{"order twice", func(l []string) []string { return slices.Insert(l, second, l[second]) }, []string{"journal line 5", "recorded order 2, expected order 3"}},
		{"another order", edit(second, `"order":2`, `"order":4`), []string{"journal line 4", "recorded order 4, expected order 2"}},
		{"first order", edit(first, `"order":1`, `"order":2`), []string{"recorded order 2, expected order 1"}},
		{"back-dated", edit(second, `12:00:00.2Z`, `12:00:00.125Z`), []string{"journal line 4", "received_at 2030-01-01T12:00:00.125Z", "no time before 2030-01-01T12:00:00.13Z"}},
		{"received before the one before", edit(late, `12:00:00.4Z`, `12:00:00.199Z`), []string{"no time before 2030-01-01T12:00:00.2Z"}},
		{"moved after the grace", edit(second, `12:00:00.2Z`, `12:00:00.33Z`), []string{"recorded accepted, expected rejected (window_closed)"}},
		{"superseded long ago", edit(second, `"superseded":"2030-01-01T12:00:00.12Z"`, `"superseded":"2030-01-01T11:59:59.179Z"`), []string{"expected rejected (seen_too_old)"}},
		{"superseded after it came", edit(second, `"superseded":"2030-01-01T12:00:00.12Z"`, `"superseded":"2030-01-01T12:00:00.21Z"`), []string{"superseded"}},
		{"superseded left out", edit(second, `,"superseded":"2030-01-01T12:00:00.12Z"`, ``), []string{"expected rejected (seen_too_old)"}},
		{"sent after all", edit(second, `[[1000000,`, `[[1000001,`), []string{"journal line 6", "window.close of w", "root"}},
		{"another subject", edit(first, `"subject":"s1"`, `"subject":"s3"`), []string{"journal line 6", "root"}},
		{"another commitment", edit(first, `"commitment":"`, `"commitment":"0`), []string{"commitment"}},
		{"the same id twice", edit(second, `"id":"b"`, `"id":"a"`), []string{"recorded accepted, expected rejected (id_reused)"}},
		{"an id reused that was not", edit(late, `"window_closed"`, `"id_reused"`), []string{"recorded rejected (id_reused), expected rejected (window_closed)"}},
		{"a session made a server", edit(first, `"session":"n1"`, `"session":""`), []string{"an action without a session has none"}},
		{"spaces", edit(first, `"order":1`, `"order": 1`), []string{"canonical"}},
		{"an action after the close", swap(late, closed), []string{"journal line 5", "window.close of w", "states close_ts 1010800, 2 accepted, 1 rejected", "make 1010800, 2, 0"}},
		{"an accepted action after the close", func(l []string) []string {
			l[second], l[late], l[closed] = l[late], l[closed], l[second]
			return l
		}, []string{"journal line 4", "order 3"}},
		{"count", edit(closed, `"accepted":2`, `"accepted":1`), []string{"journal line 6", "states close_ts 1010800, 1 accepted", "make 1010800, 2"}},
		{"rejected count", edit(closed, `"rejected":1`, `"rejected":0`), []string{"journal line 6", "0 rejected"}},
		{"root", edit(closed, `"root":"`, `"root":"0`), []string{"journal line 6", "root"}},
		{"close_ts", edit(closed, `"close_ts":1010800`, `"close_ts":1010801`), []string{"journal line 6", "close_ts 1010801"}},
		{"outcome before the close", func(l []string) []string {
			l[closed], l[outcome] = strings.Replace(l[outcome], `"seq":4`, `"seq":3`, 1), strings.Replace(l[closed], `"seq":3`, `"seq":4`, 1)
			return l
		}, []string{"journal line 6", "window_not_closed"}},
		{"events out of order", swap(closed, outcome), []string{"journal line 6", "window_not_closed"}},
		{"an event twice", func(l []string) []string { return append(l, l[outcome]) }, []string{"journal line 8", "recorded seq 4, expected a seq after 4"}},
		{"no closing", func(l []string) []string { return slices.Delete(l, closing, closing+1) }, []string{"journal line 4", "recorded rejected (window_closed), expected accepted"}},
		{"closed before the closing", swap(closing, closed), []string{"journal line 3", "window_phase"}},
		{"opened twice", func(l []string) []string {
			return slices.Insert(l, closing, strings.Replace(l[open], `"seq":1`, `"seq":2`, 1))
		}, []string{"journal line 3", "window_exists"}},
		{"no open", func(l []string) []string { return l[1:] }, []string{"journal line 1", "recorded accepted, expected rejected (window_unknown)"}},
		{"rules changed", edit(open, `"max_per_viewer":2`, `"max_per_viewer":1`), []string{"journal line 4", "expected rejected (limit_per_viewer)"}},
		{"a longer grace", edit(open, `"grace_ms":200`, `"grace_ms":300`), []string{"journal line 5", "recorded rejected (window_closed), expected accepted"}},
		{"closed earlier", edit(closing, `"close_ts":1010800`, `"close_ts":1009000`), []string{"journal line 4", "expected rejected (seen_after_close)"}},
		{"closing back-dated", edit(closing, `12:00:00.13Z`, `12:00:00.1Z`), []string{"journal line 3", `at: "2030-01-01T12:00:00.1Z" is not accepted`}},
		{"another log", edit(outcome, `"log":"0000000000000005"`, `"log":"0000000000000006"`), []string{"journal line 7", "recorded log 0000000000000006, expected log 0000000000000005"}},
		{"not JSON", func(l []string) []string { return append(l, "x") }, []string{"journal line 8", "not a line of a journal"}},
		{"other lines", func(l []string) []string {
			return slices.Insert(l, 2, `{"v":1,"type":"owner","owner":"relay-2","term":2,"at":"2030-01-01T12:00:00Z"}`, `{"v":1,"type":"lease","log":"0000000000000005","seq_end":4096,"epoch":0,"ahead_ns":0}`, `{"type":"later"}`)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			replay := NewReplay()
			var err error
			for i, line := range tt.change(slices.Clone(good)) {
				if err = replay.Line(uint64(i+1), []byte(line), nil); err != nil {
					break
				}
			}
			if tt.want == nil {
				if w, _ := replay.Book().Window("w"); err != nil || w.Phase != Closed || w.Accepted != 2 || w.InGrace != 1 || w.Rejected != 1 {
					t.Errorf("%v, %+v", err, w)
				}
				return
			}
			if m := (*Mismatch)(nil); !errors.As(err, &m) {
				t.Fatalf("error %v", err)
			}
			for _, sentinel := range []error{ErrNotClosed, ErrPhase, ErrExists} {
				word, _, _ := strings.Cut(sentinel.Error(), ":")
				if errors.Is(err, sentinel) != slices.Contains(tt.want, word) {
					t.Errorf("is %s: %v", word, err)
				}
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
		})
	}
}

// A line that repeats an earlier action should not be there, which only its payload
// can show.
func TestReplayPayloads(t *testing.T) {
	data := []byte(`"x"`)
	s := newTable(t)
	var lines, payloads [][]byte
	for i, id := range []string{"a", "b"} {
		a := action(id)
		salt := [SaltSize]byte{byte(i)}
		a.Size, a.Commitment, a.Digest = len(data), Commitment(salt, data), sha256.Sum256(data)
		s.book.Judge(&a)
		if id == "b" {
			a.ID, a.Reason = "a", ReasonIDReused
		}
		lines, payloads = append(lines, a.Encode()), append(payloads, Payload{a.Order, salt, data}.Encode())
	}
	for name, tt := range map[string]struct {
		payloads [2][]byte
		want     string
	}{
		"erased":       {[2][]byte{}, ""},
		"one erased":   {[2][]byte{nil, payloads[1]}, ""},
		"both":         {[2][]byte{payloads[0], payloads[1]}, "journal line 2: action 2 (id a) of window w: recorded rejected (id_reused), expected no line, for it repeats action 1"},
		"another's":    {[2][]byte{payloads[1], nil}, "journal line 1: action 1 (id a) of window w: the payload is that of action 2"},
		"no payload":   {[2][]byte{[]byte(`{}`), nil}, "journal line 1: action 1 (id a) of window w: payload line"},
		"changed data": {[2][]byte{[]byte(strings.Replace(string(payloads[0]), `"x"`, `"y"`, 1)), nil}, "do not make the commitment"},
	} {
		t.Run(name, func(t *testing.T) {
			replay := NewReplay()
			err := replay.Line(1, lines[0], tt.payloads[0])
			if err == nil {
				err = replay.Line(2, lines[1], tt.payloads[1])
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// FuzzReplay feeds two lines after an open window.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(viewerLine), []byte(serverLine))
	f.Add([]byte(`{"v":1,"type":"owner","owner":"r","term":1,"at":"2030-01-01T12:00:00Z"}`), []byte(`{}`))
	f.Add([]byte(`{"v":1,"type":"event","log":"0000000000000005","seq":2,"kind":"void","window":"w57"}`), []byte(`{"v":1,"type":"event","log":"0000000000000005","seq":3,"kind":"outcome","window":"w57"}`))
	open := []byte(`{"v":1,"type":"event","log":"0000000000000005","seq":1,"kind":"window.open","ts":160000004300000,"window":"w57","data":` + strings.Replace(rulesText, "160000004339000", "0", 1) + `}`)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		replay := NewReplay()
		if err := replay.Line(1, open, nil); err != nil {
			t.Fatal(err)
		}
		for i, b := range [][]byte{first, second} {
			if err := replay.Line(uint64(i+2), b, nil); err != nil {
				if m := (*Mismatch)(nil); !errors.As(err, &m) || m.Error() == "" {
					t.Fatalf("error %v", err)
				}
				return
			}
		}
	})
}
