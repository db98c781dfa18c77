package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/framelock/relay/sync/window"
)

func TestProofVectors(t *testing.T) {
	v := readVectors(t)
	var hashes Hashes
	for _, l := range v.Leaves {
		hashes.Append(l.Leaf)
	}
	for _, p := range v.Inclusion {
		got, err := hashes.Inclusion(p.Index, p.Size)
		if err != nil || !slices.Equal(got.Hashes, p.Hashes) {
			t.Errorf("leaf %d of %d: %v, %v; want %v", p.Index, p.Size, got.Hashes, err, p.Hashes)
		}
		leaf, root := v.Leaves[p.Index].Leaf, v.Trees[p.Size].Root
		if err := got.Verify(leaf, root); err != nil {
			t.Error(err)
		}
		for i := range got.Hashes {
			wrong := Proof{p.Index, p.Size, slices.Clone(got.Hashes)}
			wrong.Hashes[i][3] ^= 4
			if err := wrong.Verify(leaf, root); !errors.Is(err, ErrProof) {
				t.Errorf("leaf %d of %d with hash %d changed: %v", p.Index, p.Size, i, err)
			}
		}
		for _, wrong := range []Proof{{p.Index, p.Size, append(slices.Clone(got.Hashes), Hash{})}, {p.Size, p.Size, got.Hashes}, {0, MaxSize + 1, got.Hashes}} {
			if err := wrong.Verify(leaf, root); !errors.Is(err, ErrProof) {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
	}
	for _, p := range v.Consistency {
		got, err := hashes.Consistency(p.From, p.To)
		if err != nil || !slices.Equal(got, p.Hashes) {
			t.Errorf("%d to %d: %v, %v; want %v", p.From, p.To, got, err, p.Hashes)
		}
		from, to := v.Trees[p.From].Root, v.Trees[p.To].Root
		if err := VerifyConsistency(p.From, from, p.To, to, got); err != nil {
			t.Error(err)
		}
		if err := VerifyConsistency(p.From, LeafHash(nil), p.To, to, got); !errors.Is(err, ErrProof) {
			t.Errorf("%d to %d from another root: %v", p.From, p.To, err)
		}
	}
	for _, p := range [][2]uint64{{0, 3}, {4, 3}, {3, 21}} {
		if got, err := hashes.Consistency(p[0], p[1]); err == nil {
			t.Errorf("%d to %d: %v", p[0], p[1], got)
		}
		if err := VerifyConsistency(p[0], Hash{}, p[1], Hash{}, nil); err == nil {
			t.Errorf("%d to %d is verified", p[0], p[1])
		}
	}
	if _, err := hashes.Inclusion(20, 20); err == nil {
		t.Error("a leaf beyond the tree is proved")
	}
}

func TestProver(t *testing.T) {
	signer := testSigner(t, testOrigin, 0)
	k := newKeeper(t, 1, signer).write(4, 5, nil)
	p, err := NewProver(bytes.NewReader(k.export(signer.VerifierKey())))
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 10; seq++ {
		proof, err := p.Event(seq)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.Verify(testOrigin, signer.VerifierKey()); err != nil {
			t.Errorf("event %d: %v", seq, err)
		}
		proof.Event += " "
		if err := proof.Verify(testOrigin, signer.VerifierKey()); !errors.Is(err, ErrProof) {
			t.Errorf("event %d, changed: %v", seq, err)
		}
	}
	if _, err := p.Event(4000); err == nil {
		t.Error("an event of the gap is proved")
	}
	proved := 0
	for _, r := range k.receipts {
		proof, err := p.Receipt(r)
		if r.Verdict == window.Rejected {
			if err == nil {
				t.Errorf("receipt %s of a rejected action is proved", r.ID)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		proved++
		text, err := json.Marshal(proof)
		if err != nil {
			t.Fatal(err)
		}
		var again ActionProof
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if err := again.Verify(testOrigin, signer.VerifierKey()); err != nil {
			t.Errorf("receipt %s: %v", r.ID, err)
		}
		other := again
		other.Close, err = p.Event(1)
		if err != nil || !errors.Is(other.Verify(testOrigin, signer.VerifierKey()), ErrProof) {
			t.Errorf("receipt %s with another event: %v", r.ID, other.Verify(testOrigin, signer.VerifierKey()))
		}
		r.Commitment = LeafHash(nil).String()
		if _, err := p.Receipt(r); err == nil {
			t.Errorf("receipt %s with another commitment is proved", r.ID)
		}
	}
	if proved < 10 {
		t.Errorf("%d receipts proved", proved)
	}
	if _, err := NewProver(bytes.NewReader(nil)); err == nil {
		t.Error("an empty export can prove")
	}
}

// A name is free again when its window is forgotten. Each action counts in the window
// that it was taken in.
func TestProverTellsWindowsOfOneNameApart(t *testing.T) {
	signer := testSigner(t, testOrigin, 0)
	k := newKeeper(t, 1, signer)
	k.round("w", 4)
	for i := range window.KeptClosed {
		k.round(fmt.Sprint("between", i), 1)
	}
	before := len(k.receipts)
	k.round("w", 4)
	p, err := NewProver(bytes.NewReader(k.export(signer.VerifierKey())))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range append(slices.Clone(k.receipts[:6]), k.receipts[before:]...) {
		if r.Verdict != window.Accepted || r.Window != "w" {
			continue
		}
		proof, err := p.Receipt(r)
		if err == nil {
			err = proof.Verify(testOrigin, signer.VerifierKey())
		}
		if err != nil {
			t.Errorf("receipt %d, of order %d: %v", i, r.Order, err)
		}
	}
}
