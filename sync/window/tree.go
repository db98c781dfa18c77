package window

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
)

type hash = [sha256.Size]byte

// tree is the RFC 6962 (section 2.1) Merkle tree of the lines added so far. It keeps
// the hash of every full subtree: about 64 bytes for each line.
type tree struct {
	// levels[k][i] is the hash of the 2^k lines from line i·2^k on.
	levels [][]hash
}

// add appends a line. scratch is one byte of 0 and the line.
func (t *tree) add(scratch []byte) {
	h := hash(sha256.Sum256(scratch))
	for k := 0; ; k++ {
		if k == len(t.levels) {
			t.levels = append(t.levels, nil)
		}
		t.levels[k] = append(t.levels[k], h)
		n := len(t.levels[k])
		if n%2 == 1 {
			return
		}
		h = node(t.levels[k][n-2], h)
	}
}

func (t *tree) size() int {
	if len(t.levels) == 0 {
		return 0
	}
	return len(t.levels[0])
}

// root returns the hash of the whole tree.
func (t *tree) root() hash { return t.subtree(0, t.size()) }

// subtree returns the hash of lines low to high-1, where low is a multiple of the
// power of two that reaches high.
func (t *tree) subtree(low, high int) hash {
	switch n := high - low; {
	case n == 0:
		return sha256.Sum256(nil)
	case n&(n-1) == 0:
		k := bits.TrailingZeros(uint(n))
		return t.levels[k][low>>k]
	default:
		mid := low + split(n)
		return node(t.subtree(low, mid), t.subtree(mid, high))
	}
}

// path returns the siblings of line i on its way to the root, lowest first.
func (t *tree) path(i int) []hash {
	var up []hash
	for low, high := 0, t.size(); high-low > 1; {
		mid := low + split(high-low)
		if i < mid {
			up, high = append(up, t.subtree(mid, high)), mid
		} else {
			up, low = append(up, t.subtree(low, mid)), mid
		}
	}
	for a, b := 0, len(up)-1; a < b; a, b = a+1, b-1 {
		up[a], up[b] = up[b], up[a]
	}
	return up
}

// split returns the largest power of two below n, which is 2 or more.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// node returns the hash of an inner node.
func node(left, right hash) hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Proof shows that one accepted action is in the root that window.close states
// (RFC 6962, section 2.1.1).
type Proof struct {
	Index  int      `json:"index"` // among the window's accepted actions, from 0
	Size   int      `json:"size"`  // how many those are
	Root   string   `json:"root"`
	Hashes []string `json:"hashes"` // siblings, lowest first; hex
}

// ErrProof is returned for a proof that does not lead from the line to the root.
var ErrProof = errors.New("the proof does not lead from this line to this root")

// Verify checks the proof for the exact bytes of an action's line (RFC 9162, section
// 2.1.3.2). That Root is the one of the window's window.close is for the caller to
// compare.
func (p Proof) Verify(line []byte) error {
	if p.Index < 0 || p.Index >= p.Size {
		return fmt.Errorf("index %d of %d: %w", p.Index, p.Size, ErrProof)
	}
	at := sha256.Sum256(append([]byte{0}, line...))
	fn, sn := p.Index, p.Size-1
	for _, text := range p.Hashes {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != sha256.Size || sn == 0 {
			return fmt.Errorf("hash %q: %w", brief([]byte(text)), ErrProof)
		}
		if fn%2 == 1 || fn == sn {
			at = node(hash(b), at)
			for fn%2 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			at = node(at, hash(b))
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 || hex.EncodeToString(at[:]) != p.Root {
		return ErrProof
	}
	return nil
}
