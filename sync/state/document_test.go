package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/framelock/relay/sync/marker"
)

// stateVectors is the form of testdata/vectors/state.json. Its first merges are
// those of RFC 7396, appendix A.
type stateVectors struct {
	Merge []struct{ Target, Patch, Result json.RawMessage }
	Fold  []struct {
		Name   string
		Events []struct {
			Seq, TS uint64
			Patch   json.RawMessage
		}
		At []struct {
			TS    uint64
			State json.RawMessage
		}
	}
}

func vectors(t *testing.T) (v stateVectors) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/state.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Merge) < 15 || len(v.Fold) < 3 {
		t.Fatal("vectors are missing")
	}
	return v
}

func tree(t testing.TB, b []byte) any {
	t.Helper()
	v, err := decodeTree(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func TestMergeVectors(t *testing.T) {
	for _, v := range vectors(t).Merge {
		target := tree(t, v.Target)
		got := mergePatch(target, tree(t, v.Patch))
		if diff := cmp.Diff(tree(t, v.Result), got); diff != "" {
			t.Errorf("%s with %s:\n%s", v.Target, v.Patch, diff)
		}
		if diff := cmp.Diff(tree(t, v.Target), target); diff != "" {
			t.Errorf("%s with %s changes the target:\n%s", v.Target, v.Patch, diff)
		}
	}
}

func TestFoldVectors(t *testing.T) {
	for _, v := range vectors(t).Fold {
		for _, backward := range []bool{false, true} {
			d := NewDocument(1000)
			events := slices.Clone(v.Events)
			if backward {
				slices.Reverse(events)
			}
			for _, e := range events {
				if err := d.Apply(Entry{Seq: e.Seq, TS: e.TS, Kind: marker.State, Patch: e.Patch}); err != nil {
					t.Fatal(err)
				}
			}
			for _, at := range v.At {
				got, err := d.At(at.TS)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tree(t, at.State), tree(t, got)); diff != "" {
					t.Errorf("%s, backward %v, at %d:\n%s", v.Name, backward, at.TS, diff)
				}
			}
		}
	}
}

func TestDocumentLimit(t *testing.T) {
	d := NewDocument(40)
	apply := func(seq uint64, patch string) error {
		p := json.RawMessage(patch)
		checked := d.CheckPatch(p)
		err := d.Apply(Entry{Seq: seq, TS: seq, Kind: marker.State, Patch: p})
		if (checked == nil) != (err == nil) {
			t.Errorf("%s: CheckPatch says %v, Apply %v", patch, checked, err)
		}
		return err
	}
	for i, patch := range []string{
		`{"a":"0123456789"}`,                 // 18 bytes
		`{"a":"abcdefghij"}`,                 // still 18
		`{"b":"0123456789"}`,                 // 35
		`{"c":12}`,                           // would be 42
		`{"b":null,"c":[1,2,3,4,5,6,7,8,9]}`, // would be 42
		`{"a":null,"c":[1,2,3,4,5,6]}`,       // 36, without a
	} {
		err := apply(uint64(i+1), patch)
		var tooLarge *LimitError
		switch wantErr := i == 3 || i == 4; {
		case wantErr && (!errors.As(err, &tooLarge) || !errors.Is(err, marker.ErrTooLarge) || *tooLarge != LimitError{Size: 42, Limit: 40}):
			t.Errorf("%s: %v, want a LimitError", patch, err)
		case !wantErr && err != nil:
			t.Errorf("%s: %v", patch, err)
		}
	}
	got, err := d.At(100)
	if want := `{"b":"0123456789","c":[1,2,3,4,5,6]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestDocumentRefuses(t *testing.T) {
	d := NewDocument(1000)
	for _, p := range []string{`{`, `[]`, `null`, `1`, `{} {}`, ``} {
		if err := d.Apply(Entry{Seq: 1, TS: 1, Patch: json.RawMessage(p)}); err == nil {
			t.Errorf("patch %q is accepted", p)
		}
		if err := d.CheckPatch(json.RawMessage(p)); err == nil {
			t.Errorf("patch %q passes the check", p)
		}
	}
	if err := d.CheckPatch(nil); err != nil {
		t.Errorf("no patch: %v", err)
	}
	event := Entry{Seq: 5, TS: 50, Patch: json.RawMessage(`{"a":1}`), Bytes: []byte("x")}
	if err := d.Apply(event); err != nil {
		t.Fatal(err)
	}
	if err := d.Apply(event); err != nil {
		t.Errorf("the same event again: %v", err)
	}
	event.Bytes = []byte("y")
	if err := d.Apply(event); !errors.Is(err, ErrOrder) {
		t.Errorf("another event with the same seq: %v", err)
	}
	d.Advance(60)
	if err := d.Apply(Entry{Seq: 4, TS: 70}); !errors.Is(err, ErrOrder) {
		t.Errorf("an event before what is folded: %v", err)
	}
	if _, err := d.At(59); !errors.Is(err, ErrGone) {
		t.Errorf("a frame before the horizon: %v", err)
	}
	if got, err := d.At(60); err != nil || string(got) != `{"a":1}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestDocumentKeepsTextAsItIs(t *testing.T) {
	d := NewDocument(1000)
	const patch = `{"n":12345678901234567890,"f":1.50,"s":"<&> é 😀"}`
	if err := d.Apply(Entry{Seq: 1, TS: 1, Patch: json.RawMessage(patch)}); err != nil {
		t.Fatal(err)
	}
	if got, _ := d.At(1); string(got) != `{"f":1.50,"n":12345678901234567890,"s":"<&> é 😀"}` {
		t.Errorf("got %s", got)
	}
}

func texts(list []json.RawMessage) string {
	var out []string
	for _, b := range list {
		out = append(out, string(b))
	}
	return strings.Join(out, " ")
}

func TestPendingAndRecent(t *testing.T) {
	d := NewDocument(1000)
	for seq := uint64(1); seq <= 50; seq++ {
		kind := marker.Marker
		if seq%2 == 0 {
			kind = marker.Outcome
		}
		if err := d.Apply(Entry{Seq: seq, TS: seq * 10, Kind: kind, Bytes: fmt.Append(nil, seq)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, horizon := range []uint64{0, 455, 460, 479} {
		d.Advance(horizon)
		if got, want := texts(d.Pending(480)), "49 50"; got != want {
			t.Errorf("horizon %d: pending %q, want %q", horizon, got, want)
		}
		if got, want := texts(d.Recent(3, 480)), "44 46 48"; got != want {
			t.Errorf("horizon %d: recent %q, want %q", horizon, got, want)
		}
		if got, want := texts(d.Recent(3, 489)), "44 46 48"; got != want {
			t.Errorf("horizon %d: recent %q, want %q", horizon, got, want)
		}
	}
	if got := d.Pending(500); got != nil {
		t.Errorf("pending at the end: %q", texts(got))
	}
	if got := len(d.Recent(1000, 1000)); got != 25 {
		t.Errorf("%d outcomes in all, want 25", got)
	}
	for seq := uint64(51); seq <= 200; seq++ {
		if err := d.Apply(Entry{Seq: seq, TS: seq * 10, Kind: marker.Outcome, Bytes: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		d.Advance(seq * 10)
	}
	if len(d.entries) != 0 || len(d.outcomes) != keptOutcomes {
		t.Errorf("%d entries and %d outcomes are kept", len(d.entries), len(d.outcomes))
	}
}

// genPatch draws a small patch. Objects within arrays have no null members: there
// the library that serves as the model departs from RFC 7396.
func genPatch(t *rapid.T) json.RawMessage {
	var object func(depth int, nulls bool) map[string]any
	value := func(depth int, nulls bool) any {
		switch rapid.IntRange(0, 5).Draw(t, "value") {
		case 0:
			if nulls {
				return nil
			}
			return "x"
		case 1:
			if depth > 0 {
				return object(depth-1, nulls)
			}
			return true
		case 2:
			return []any{rapid.IntRange(0, 9).Draw(t, "n"), object(0, false)}
		case 3:
			return rapid.StringMatching(`[a-z<"]{0,4}`).Draw(t, "s")
		}
		return rapid.IntRange(0, 99).Draw(t, "n")
	}
	object = func(depth int, nulls bool) map[string]any {
		m := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			m[rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")] = value(depth, nulls)
		}
		return m
	}
	b, err := json.Marshal(object(2, true))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDocumentModel compares a document with the plain words of the protocol: sort
// by seq, take those with ts up to t, merge one after the other.
func TestDocumentModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Entry
		for seq := range rapid.IntRange(1, 12).Draw(t, "events") {
			e := Entry{
				Seq: uint64(seq + 1), TS: uint64(rapid.IntRange(max(0, seq*10-40), seq*10+20).Draw(t, "ts")),
				Kind: rapid.SampledFrom([]marker.Kind{marker.Marker, marker.Outcome}).Draw(t, "kind"), Bytes: fmt.Append(nil, seq+1),
			}
			if rapid.IntRange(0, 4).Draw(t, "patched") > 0 {
				e.Patch = genPatch(t)
			}
			all = append(all, e)
		}
		d := NewDocument(1 << 20)
		inOrder := rapid.Bool().Draw(t, "in order")
		arriving := all
		if !inOrder {
			arriving = rapid.Permutation(all).Draw(t, "arrival")
		}
		horizon := uint64(0)
		for n, e := range arriving {
			if err := d.Apply(e); err != nil {
				t.Fatal(err)
			}
			// Only a document that gets events in order may forget as it goes.
			if inOrder && rapid.Bool().Draw(t, "advance") {
				horizon = max(horizon, uint64(rapid.IntRange(0, max(0, n*10-20)).Draw(t, "horizon")))
				d.Advance(horizon)
			}
			checkModel(t, d, arriving[:n+1], horizon)
		}
	})
}

func checkModel(t *rapid.T, d *Document, arrived []Entry, horizon uint64) {
	sorted := slices.Clone(arrived)
	slices.SortFunc(sorted, func(a, b Entry) int { return int(a.Seq) - int(b.Seq) })
	for range 3 {
		ts := uint64(rapid.IntRange(int(horizon), 200).Draw(t, "asked"))
		want, pending, recent := []byte("{}"), []string{}, []string{}
		for _, e := range sorted {
			if e.TS > ts || len(pending) > 0 {
				pending = append(pending, string(e.Bytes))
			}
			if e.TS > ts {
				continue
			}
			if e.Kind == marker.Outcome {
				recent = append(recent, string(e.Bytes))
			}
			if e.Patch != nil {
				var err error
				if want, err = jsonpatch.MergePatch(want, e.Patch); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err := d.At(ts)
		if err != nil || !jsonpatch.Equal(want, got) {
			t.Fatalf("at %d: got %s, %v; want %s", ts, got, err, want)
		}
		recent = recent[max(0, len(recent)-3):]
		if got := texts(d.Pending(ts)); got != strings.Join(pending, " ") {
			t.Fatalf("at %d: pending %s, want %s", ts, got, pending)
		}
		if got := texts(d.Recent(3, ts)); got != strings.Join(recent, " ") {
			t.Fatalf("at %d: recent %s, want %s", ts, got, recent)
		}
	}
}

// A client that joins folds what is pending onto the state that it was given, and
// must at every later frame have what everybody else has.
func TestJoiningGivesTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Entry
		for seq := range rapid.IntRange(1, 8).Draw(t, "events") {
			all = append(all, Entry{
				Seq: uint64(seq + 1), TS: uint64(rapid.IntRange(1, 9).Draw(t, "ts")), Kind: marker.State, Patch: genPatch(t),
			})
			all[seq].Bytes = fmt.Append(nil, seq+1)
		}
		d := NewDocument(1 << 20)
		for _, e := range all {
			if err := d.Apply(e); err != nil {
				t.Fatal(err)
			}
		}
		cut := uint64(rapid.IntRange(0, 9).Draw(t, "cut"))
		base, err := d.At(cut)
		if err != nil {
			t.Fatal(err)
		}
		pending := d.Pending(cut)
		for ts := cut; ts <= 10; ts++ {
			got := []byte(base)
			for _, seq := range pending {
				n := 0
				if _, err := fmt.Sscan(string(seq), &n); err != nil {
					t.Fatal(err)
				}
				if e := all[n-1]; e.TS <= ts {
					if got, err = jsonpatch.MergePatch(got, e.Patch); err != nil {
						t.Fatal(err)
					}
				}
			}
			if want, err := d.At(ts); err != nil || !jsonpatch.Equal(want, got) {
				t.Fatalf("cut %d: at %d a joining client has %s, others %s (%v)", cut, ts, got, want, err)
			}
		}
	})
}

// The size that Apply goes by is never below the real one.
func TestDocumentSizeIsABound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDocument(1 << 20)
		for seq := range rapid.IntRange(1, 8).Draw(t, "events") {
			p := genPatch(t)
			if err := d.Apply(Entry{Seq: uint64(seq + 1), TS: 1, Patch: p}); err != nil {
				t.Fatal(err)
			}
			if b, err := d.At(1); err != nil || len(b) > d.tipSize {
				t.Fatalf("%d bytes, bound %d, %v", len(b), d.tipSize, err)
			}
		}
	})
}

func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,null]}}`), []byte(`{"a":{"b":null,"c":"\u2028"}}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d := NewDocument(4096)
		for i, p := range [][]byte{first, second} {
			checked := d.CheckPatch(p)
			err := d.Apply(Entry{Seq: uint64(i + 1), TS: uint64(i + 1), Patch: p})
			if p != nil && (checked == nil) != (err == nil) {
				t.Fatalf("%q: CheckPatch says %v, Apply %v", p, checked, err)
			}
			got, err := d.At(uint64(i + 1))
			if err != nil || len(got) > 4096 || len(got) > d.tipSize || !json.Valid(got) {
				t.Fatalf("%q: %v", got, err)
			}
		}
	})
}
