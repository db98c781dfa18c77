package transcript

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func verify(t testing.TB, export []byte, kept Evidence) Report {
	t.Helper()
	r, err := Verify(bytes.NewReader(export), kept)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// evidence is everything that viewers could have kept of a journal.
func (k *keeper) evidence(keys ...string) Evidence {
	e := Evidence{Keys: keys, FrameHashes: recording}
	for i, n := range k.notes {
		e.Checkpoints = append(e.Checkpoints, KeptCheckpoint{fmt.Sprintf("note %d", i), n})
	}
	for i, r := range k.receipts {
		e.Receipts = append(e.Receipts, KeptReceipt{fmt.Sprintf("receipt %d", i), r})
	}
	return e
}

func TestVerify(t *testing.T) {
	old, next := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 1)
	k := newKeeper(t, 1, old).write(10, 5, next)
	export := k.export(old.VerifierKey())
	r := verify(t, export, k.evidence(old.VerifierKey(), next.VerifierKey()))
	for _, f := range r.Findings {
		t.Error(f)
	}
	w := Report{
		Stream: "wheel", Log: testLog, Keys: []string{old.VerifierKey(), next.VerifierKey()}, Trusted: true,
		Lines: bytes.Count(export, []byte("\n")), Events: k.tree.Size(), Root: k.tree.Root(), Seq: k.seq, Covered: k.tree.Size(),
		Checkpoints: len(k.notes) + 1, Recovered: 5, Windows: 10, Accepted: r.Accepted, Rejected: 70 - r.Accepted, Payloads: r.Payloads,
		FrameHashes: 10, FramesChecked: 10, KeptCheckpoints: len(k.notes), KeptReceipts: 70, Findings: []Finding{},
	}
	if diff := cmp.Diff(w, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Accepted < 30 || r.Rejected < 15 || r.Payloads < 30 || r.Payloads == 70 {
		t.Errorf("%d accepted, %d rejected, %d payloads: the journal has not something of everything", r.Accepted, r.Rejected, r.Payloads)
	}
	if r := verify(t, export, Evidence{}); !r.OK() || r.Trusted {
		t.Errorf("without a key: trusted %v, %v", r.Trusted, r.Findings)
	}
	if _, err := Verify(bytes.NewReader(export), Evidence{Keys: []string{"x"}}); err == nil {
		t.Error("a key that is none is taken")
	}
}

// mutate changes an export in one way.
func mutate(r *rand.Rand, export []byte) (string, []byte) {
	lines := bytes.SplitAfter(export, []byte("\n"))
	lines = lines[:len(lines)-1]
	out := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	i := r.IntN(len(lines))
	switch r.IntN(9) {
	case 0:
		at := r.IntN(len(export))
		b := bytes.Clone(export)
		b[at] ^= 1 << r.IntN(8)
		return fmt.Sprintf("flip a bit of byte %d", at), b
	case 1:
		return fmt.Sprintf("drop line %d", i+1), out(out(lines[:i]...), out(lines[i+1:]...))
	case 2:
		j := r.IntN(len(lines))
		swapped := append([][]byte{}, lines...)
		swapped[i], swapped[j] = lines[j], lines[i]
		return fmt.Sprintf("swap lines %d and %d", i+1, j+1), out(swapped...)
	case 3:
		j := r.IntN(len(lines) + 1)
		return fmt.Sprintf("copy line %d behind line %d", i+1, j), out(out(lines[:j]...), lines[i], out(lines[j:]...))
	case 4:
		n := r.IntN(len(export))
		return fmt.Sprintf("truncate to %d bytes", n), export[:n]
	case 5:
		return fmt.Sprintf("truncate to %d lines", i), out(lines[:i]...)
	case 6:
		at := r.IntN(len(export) + 1)
		b := byte(r.IntN(256))
		return fmt.Sprintf("insert %#x at byte %d", b, at), out(export[:at], []byte{b}, export[at:])
	case 7:
		at := r.IntN(len(export))
		return fmt.Sprintf("remove byte %d", at), out(export[:at], export[at+1:])
	default:
		at := r.IntN(len(export))
		b := bytes.Clone(export)
		b[at] = byte(r.IntN(256))
		return fmt.Sprintf("byte %d becomes %#x", at, b[at]), b
	}
}

// Whatever is done to an export by somebody without the key is found, wherever it
// is done: no byte of an export is free.
func TestEveryMutationIsFound(t *testing.T) {
	signer := testSigner(t, testOrigin, 0)
	k := newKeeper(t, 2, signer).write(2, 2, testSigner(t, testOrigin, 1))
	export := k.export(signer.VerifierKey())
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	const seed = 20261122
	t.Logf("%d mutations of %d bytes in %d lines, seed %d", n, len(export), bytes.Count(export, []byte("\n")), seed)
	for i := range n {
		what, changed := mutate(rand.New(rand.NewPCG(seed, uint64(i))), export)
		if bytes.Equal(changed, export) {
			continue
		}
		if r := verify(t, changed, Evidence{}); r.OK() {
			t.Errorf("mutation %d of seed %d, %s: not found", i, seed, what)
		}
	}
}

// Every single bit of the last lines, which no hash behind them covers.
func TestEveryBitOfTheSealCounts(t *testing.T) {
	signer := testSigner(t, testOrigin, 0)
	export := newKeeper(t, 3, signer).write(1, 1, nil).export(signer.VerifierKey())
	from := bytes.LastIndex(export[:len(export)-1], []byte("\n"))
	for at := from; at < len(export); at++ {
		for bit := range 8 {
			b := bytes.Clone(export)
			b[at] ^= 1 << bit
			if r := verify(t, b, Evidence{}); r.OK() {
				t.Errorf("bit %d of byte %d (%q): not found", bit, at, export[at])
			}
		}
	}
}

// codes returns the kinds of findings, each once.
func codes(r Report) string {
	var list []string
	for _, f := range r.Findings {
		if f.What == "" || f.Expected == "" || f.Found == "" || f.Line == 0 && f.Kept == "" && f.Code != CodeTruncated && f.Code != CodeKey {
			list = append(list, "incomplete: "+f.String())
		}
		if s := string(f.Code); !strings.Contains(strings.Join(list, " "), s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, " ")
}
