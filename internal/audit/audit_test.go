package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const folder = "../../testdata/transcript"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVerify(t *testing.T) {
	key := strings.TrimSpace(string(read(t, "key.txt")))
	kept := Kept{Keys: []string{key}, Checkpoints: []string{filepath.Join(folder, "checkpoint.txt")}, Receipts: []string{filepath.Join(folder, "receipts.jsonl")}}
	for name, want := range map[string]bool{"wheel.ndjson": true, "forged.ndjson": false, "damaged.ndjson": false, "short.ndjson": false} {
		r, err := Verify(bytes.NewReader(read(t, name)), kept)
		if err != nil || r.OK() != want || want && (r.KeptCheckpoints != 1 || r.KeptReceipts != 5) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	for _, bad := range []Kept{{Checkpoints: []string{"nowhere"}}, {Receipts: []string{"nowhere"}}, {Receipts: []string{filepath.Join(folder, "key.txt")}}, {Keys: []string{"x"}}} {
		if _, err := Verify(bytes.NewReader(nil), bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// A proof out of an export that is not in order is not given away.
func TestProveRefusesWhatDoesNotHold(t *testing.T) {
	if _, err := ProveEvent(bytes.NewReader(read(t, "wheel.ndjson")), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := ProveEvent(bytes.NewReader(read(t, "damaged.ndjson")), 5); err == nil || !strings.Contains(err.Error(), "relay transcript verify") {
		t.Errorf("a damaged export: %v", err)
	}
	if _, err := ProveReceipts(bytes.NewReader(read(t, "wheel.ndjson")), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file, no error")
	}
}

func FuzzCheckProofs(f *testing.F) {
	key := strings.TrimSpace(string(read(f, "key-next.txt")))
	origin, _, _ := strings.Cut(key, "+")
	event, err := ProveEvent(bytes.NewReader(read(f, "wheel.ndjson")), 5)
	if err != nil {
		f.Fatal(err)
	}
	actions, err := ProveReceipts(bytes.NewReader(read(f, "wheel.ndjson")), filepath.Join(folder, "accepted.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	inLog := make(map[string]bool)
	for _, line := range bytes.Split(read(f, "wheel.ndjson"), []byte("\n")) {
		inLog[string(line)] = true
	}
	for _, v := range []any{event, actions[0]} {
		text, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		if lines, err := CheckProofs(bytes.NewReader(text), origin, key); err != nil || len(lines) != 1 {
			f.Fatalf("%q, %v", lines, err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := CheckProofs(bytes.NewReader(text), origin, key)
		if err != nil {
			return
		}
		for _, l := range lines {
			if !inLog[l] {
				t.Fatalf("%s proves %q, which is not in the log", text, l)
			}
		}
	})
}
