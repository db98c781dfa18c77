package transcript

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/transcript again")

// TestFixture keeps testdata/transcript, on which the command line is tested, what
// this package writes and finds.
func TestFixture(t *testing.T) {
	signer, next := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 1)
	honest := newKeeper(t, 20, signer).write(3, 3, next)
	forged := newKeeper(t, 20, signer)
	forged.pocket = func(_ string, fair int) int { return 36 - fair }
	forged.write(3, 3, next)
	export := honest.export(signer.VerifierKey())
	damaged := bytes.Replace(export, []byte(`"pocket":`), []byte(`"pocket":1`), 1)
	var receipts, accepted strings.Builder
	for _, r := range honest.receipts[:5] {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		receipts.Write(append(b, '\n'))
		if r.Verdict == "accepted" {
			accepted.Write(append(b, '\n'))
		}
	}
	files := map[string]string{
		"wheel.ndjson":   string(export),
		"forged.ndjson":  string(forged.export(signer.VerifierKey())),
		"damaged.ndjson": string(damaged),
		"short.ndjson":   string(export[:len(export)/3]),
		"checkpoint.txt": honest.notes[1],
		"receipts.jsonl": receipts.String(),
		"accepted.jsonl": accepted.String(),
		"key.txt":        signer.VerifierKey() + "\n",
		"key-next.txt":   next.VerifierKey() + "\n",
	}
	dir := filepath.Join("..", "..", "testdata", "transcript")
	for name, content := range files {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%s is not what go test -run TestFixture -update would write (%v)", path, err)
		}
	}
	kept, err := ParseReceipts("receipts.jsonl", []byte(receipts.String()))
	if err != nil {
		t.Fatal(err)
	}
	e := Evidence{Keys: []string{signer.VerifierKey()}, Receipts: kept, Checkpoints: []KeptCheckpoint{{"checkpoint.txt", honest.notes[1]}}}
	for name, want := range map[string]string{"wheel.ndjson": "", "forged.ndjson": "fork", "damaged.ndjson": "root seal fork", "short.ndjson": "truncated shorter"} {
		if got := codes(verify(t, []byte(files[name]), e)); got != want {
			t.Errorf("%s: found %q, want %q", name, got, want)
		}
	}
}
