package transcript

import (
	"encoding/json"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// reference is a log as package tlog keeps it: all hashes.
type reference []tlog.Hash

func (r reference) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = r[x]
	}
	return out, nil
}

func (r *reference) add(t testing.TB, n int64, data []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(n, data, *r)
	if err != nil {
		t.Fatal(err)
	}
	*r = append(*r, hashes...)
}

func (r reference) root(t testing.TB, n int64) Hash {
	t.Helper()
	h, err := tlog.TreeHash(n, r)
	if err != nil {
		t.Fatal(err)
	}
	return Hash(h)
}

// At every size root and frontier are those of package tlog, and a tree that goes
// on from a frontier is the tree itself.
func TestTreeIsThatOfTlog(t *testing.T) {
	var tree Tree
	var ref reference
	for n := range int64(600) {
		if got, want := tree.Root(), ref.root(t, n); got != want {
			t.Fatalf("%d leaves: root %v, want %v", n, got, want)
		}
		again, err := NewTree(tree.Size(), tree.Frontier())
		if err != nil || again.Root() != tree.Root() {
			t.Fatalf("%d leaves: again %v, %v", n, again.Root(), err)
		}
		data := fmt.Appendf(nil, "event %d", n)
		kept := tree.Clone()
		tree.Append(LeafHash(data))
		if kept.Size() != uint64(n) || kept.Root() != ref.root(t, n) {
			t.Fatalf("%d leaves: the clone grew along", n)
		}
		ref.add(t, n, data)
	}
}

func TestTreeFromAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "size")
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		var whole, first Tree
		for i := range n {
			whole.Append(LeafHash([]byte{byte(i), byte(i >> 8)}))
			if i < cut {
				first.Append(LeafHash([]byte{byte(i), byte(i >> 8)}))
			}
		}
		text, err := json.Marshal(first.Frontier())
		if err != nil {
			t.Fatal(err)
		}
		var frontier []Hash
		if err := json.Unmarshal(text, &frontier); err != nil {
			t.Fatal(err)
		}
		rest, err := NewTree(first.Size(), frontier)
		if err != nil {
			t.Fatal(err)
		}
		for i := cut; i < n; i++ {
			rest.Append(LeafHash([]byte{byte(i), byte(i >> 8)}))
		}
		if rest.Root() != whole.Root() || rest.Size() != whole.Size() {
			t.Fatalf("%d leaves from %d on: %v, want %v", n, cut, rest.Root(), whole.Root())
		}
	})
}

func TestNewTreeRefuses(t *testing.T) {
	for _, tt := range []struct {
		size   uint64
		hashes int
	}{{0, 1}, {1, 0}, {3, 1}, {4, 2}, {MaxSize, 52}, {MaxSize + 1, 1}} {
		if _, err := NewTree(tt.size, make([]Hash, tt.hashes)); err == nil {
			t.Errorf("size %d with %d hashes is taken", tt.size, tt.hashes)
		}
	}
	if _, err := NewTree(MaxSize, make([]Hash, 53)); err != nil {
		t.Error(err)
	}
}

func TestHashTextRefuses(t *testing.T) {
	good := LeafHash(nil).String()
	for _, s := range []string{"", good[1:], good + "0", "G" + good[1:], "6E" + good[2:], " " + good} {
		var h Hash
		if err := h.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is taken for a hash", s)
		}
	}
	var h Hash
	if err := h.UnmarshalText([]byte(good)); err != nil || h != LeafHash(nil) {
		t.Errorf("%v, %v", h, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	var t Tree
	leaf := LeafHash(nil)
	for b.Loop() {
		t.Append(leaf)
	}
}
