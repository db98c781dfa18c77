// Package transcript makes a stream's log one that nobody can change unnoticed,
// its keeper included. Every event's bytes are a leaf of a Merkle tree (RFC 6962,
// section 2.1); the relay signs the tree's root now and then (a checkpoint, C2SP
// tlog-checkpoint), and whoever kept one checkpoint can tell for ever whether a
// log that is shown later is the same.
//
// Relay and viewers keep a Tree, which holds no more than its frontier. A Signer
// signs its root, OpenCheckpoint reads what was signed. Verify checks the whole
// export of a log against itself and against what viewers kept, and Prove shows
// that one event is in it.
package transcript

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
)

// Hash is a SHA-256 hash of a leaf, a node or a tree. Its text form is 64
// hexadecimal digits.
type Hash [sha256.Size]byte

// String returns the text form.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Only lower-case digits are
// taken, so that every hash has one form.
func (h *Hash) UnmarshalText(b []byte) error {
	var v Hash
	if n, err := hex.Decode(v[:], b[:min(len(b), 2*len(v))]); err != nil || n != len(v) || v.String() != string(b) {
		return fmt.Errorf("hash %q is not 64 hexadecimal digits in lower case", b[:min(len(b), 2*len(v)+1)])
	}
	*h = v
	return nil
}

// LeafHash returns the hash of a leaf: SHA-256(0x00 || data).
func LeafHash(data []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(data)
	return Hash(h.Sum(nil))
}

// NodeHash returns the hash of a node with two children: SHA-256(0x01 || left ||
// right).
func NodeHash(left, right Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// MaxSize is the largest tree, in leaves: sizes stay below 2^53, as all integers
// of the protocol.
const MaxSize = 1<<53 - 1

// Tree is a Merkle tree that only grows. It keeps its frontier alone: the roots of
// the perfect trees that it is made of, at most 53, largest first. The zero value
// is the empty tree. It has one owner; Clone makes another.
type Tree struct {
	size     uint64
	frontier []Hash
}

// NewTree returns the tree with a size and a frontier, as Size and Frontier gave
// them. The frontier has as many hashes as the size has bits that are 1.
func NewTree(size uint64, frontier []Hash) (Tree, error) {
	if size > MaxSize {
		return Tree{}, fmt.Errorf("tree size %d is out of range (allowed: 0 to %d)", size, uint64(MaxSize))
	}
	if want := bits.OnesCount64(size); len(frontier) != want {
		return Tree{}, fmt.Errorf("the frontier of a tree of %d leaves has %d hashes (allowed: %d)", size, len(frontier), want)
	}
	return Tree{size, slices.Clone(frontier)}, nil
}

// Append adds a leaf by its hash.
func (t *Tree) Append(leaf Hash) {
	h := leaf
	// A perfect tree at the right end and its new neighbour of the same size become one.
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.frontier) - 1
		h = NodeHash(t.frontier[last], h)
		t.frontier = t.frontier[:last]
	}
	t.frontier = append(t.frontier, h)
	t.size++
}

// Size returns the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root returns the tree's hash; that of the empty tree is SHA-256 of nothing.
func (t *Tree) Root() Hash {
	last := len(t.frontier) - 1
	if last < 0 {
		return sha256.Sum256(nil)
	}
	h := t.frontier[last]
	for i := last - 1; i >= 0; i-- {
		h = NodeHash(t.frontier[i], h)
	}
	return h
}

// Frontier returns a copy of the frontier, largest perfect tree first. It is never
// nil, so that it is an array in JSON.
func (t *Tree) Frontier() []Hash { return append([]Hash{}, t.frontier...) }

// Clone returns a tree that grows on its own, for instance to keep the one that is
// durable beside the one that was sent.
func (t *Tree) Clone() Tree { return Tree{t.size, slices.Clone(t.frontier)} }
