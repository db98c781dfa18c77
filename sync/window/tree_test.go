package window

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// reference is a tree kept by golang.org/x/mod/sumdb/tlog.
type reference struct {
	hashes []tlog.Hash
	n      int64
}

func (r *reference) add(t interface{ Fatal(...any) }, line []byte) {
	stored, err := tlog.StoredHashes(r.n, line, r)
	if err != nil {
		t.Fatal(err)
	}
	r.hashes = append(r.hashes, stored...)
	r.n++
}

func (r *reference) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, r.hashes[i])
	}
	return out, nil
}

func (r *reference) root(t interface{ Fatal(...any) }) string {
	h, err := tlog.TreeHash(r.n, r)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h[:])
}

func lineNumber(i int) []byte { return fmt.Appendf(nil, "line %d", i) }

// proofOf returns the proof as a Book makes it.
func proofOf(tr *tree, i int) Proof {
	root := tr.root()
	p := Proof{Index: i, Size: tr.size(), Root: hex.EncodeToString(root[:])}
	for _, h := range tr.path(i) {
		p.Hashes = append(p.Hashes, hex.EncodeToString(h[:]))
	}
	return p
}

func TestTree(t *testing.T) {
	var tr tree
	var ref reference
	// The root of no lines is SHA-256 of nothing (RFC 6962, section 2.1).
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if root := tr.root(); hex.EncodeToString(root[:]) != empty {
		t.Errorf("the root of no lines is %x", root)
	}
	for n := 1; n <= 130; n++ {
		line := lineNumber(n - 1)
		tr.add(append([]byte{0}, line...))
		ref.add(t, line)
		if root := tr.root(); hex.EncodeToString(root[:]) != ref.root(t) {
			t.Fatalf("the root of %d lines is %x, want %s", n, root, ref.root(t))
		}
		for i := range n {
			p := proofOf(&tr, i)
			want, err := tlog.ProveRecord(int64(n), int64(i), &ref)
			if err != nil {
				t.Fatal(err)
			}
			if len(want) != len(p.Hashes) {
				t.Fatalf("proof %d of %d has %d hashes, want %d", i, n, len(p.Hashes), len(want))
			}
			for k, h := range want {
				if hex.EncodeToString(h[:]) != p.Hashes[k] {
					t.Fatalf("proof %d of %d: hash %d is %s, want %s", i, n, k, p.Hashes[k], h)
				}
			}
			if err := p.Verify(lineNumber(i)); err != nil {
				t.Fatalf("proof %d of %d: %v", i, n, err)
			}
		}
	}
}

// Nothing but the proof itself is taken for it.
func TestProofVerify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "size")
		i := rapid.IntRange(0, n-1).Draw(t, "index")
		var tr tree
		for k := range n {
			tr.add(append([]byte{0}, lineNumber(k)...))
		}
		p := proofOf(&tr, i)
		line := lineNumber(i)
		switch kind := rapid.IntRange(0, 6).Draw(t, "change"); {
		case kind == 0:
			p.Index = rapid.IntRange(-1, n).Filter(func(v int) bool { return v != i }).Draw(t, "other index")
		case kind == 1:
			line = lineNumber(n)
		case kind == 2:
			p.Root = hex.EncodeToString(make([]byte, 32))
		case kind == 3 && len(p.Hashes) > 0:
			p.Hashes = p.Hashes[1:]
		case kind == 4:
			p.Hashes = append(slices.Clone(p.Hashes), p.Root)
		case kind == 5 && len(p.Hashes) > 0:
			p.Hashes = slices.Clone(p.Hashes)
			p.Hashes[rapid.IntRange(0, len(p.Hashes)-1).Draw(t, "hash")] = p.Root
		default:
			p.Hashes = append(slices.Clone(p.Hashes), "zz")
		}
		if err := p.Verify(line); !errors.Is(err, ErrProof) {
			t.Fatalf("a changed proof gives %v", err)
		}
	})
}

// FuzzProofVerify looks for input on which Verify does not end well.
func FuzzProofVerify(f *testing.F) {
	f.Add(1, 3, "00", "00", []byte("line"))
	f.Fuzz(func(t *testing.T, index, size int, first, second string, line []byte) {
		if err := (Proof{Index: index, Size: size, Hashes: []string{first, second}}).Verify(line); err == nil {
			t.Error("a proof of an empty root is taken")
		}
	})
}
