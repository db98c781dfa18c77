package transcript

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/framelock/relay/sync/marker"
)

func event(seq uint64, kind marker.Kind, data string) marker.Event {
	e := marker.Event{Log: testLog, Stream: "wheel", Track: "v0", Epoch: 1, Seq: seq, Kind: kind, ID: fmt.Sprintf("%v-%d", kind, seq)}
	if data != "" {
		e.Data = []byte(data)
	}
	return e
}

func encode(t interface{ Fatal(...any) }, e marker.Event) []byte {
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A follower has at any time the tree of all events that count, through
// checkpoints that lag behind and recoveries that void what none covers.
func TestFollowerKeepsWhatCounts(t *testing.T) {
	signer, err := NewSigner(testOrigin, testKey(0))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		f, err := Follow(testOrigin, Head{Key: signer.VerifierKey()}, 0)
		if err != nil {
			t.Fatal(err)
		}
		var all []leaf // the model: every leaf that counts
		seq, covered := uint64(0), 0
		root := func(n int) Hash {
			var tree Tree
			for _, l := range all[:n] {
				tree.Append(l.hash)
			}
			return tree.Root()
		}
		t.Repeat(map[string]func(*rapid.T){
			"event": func(t *rapid.T) {
				seq++
				b := encode(t, event(seq, marker.Marker, ""))
				e := event(seq, marker.Marker, "")
				if err := f.Event(&e, b); err != nil {
					t.Fatal(err)
				}
				all = append(all, leaf{seq, LeafHash(b)})
			},
			"recovered": func(t *rapid.T) {
				keep := rapid.IntRange(covered, len(all)).Draw(t, "keep")
				last := uint64(0)
				if keep > 0 {
					last = all[keep-1].seq
				}
				seq += rapid.Uint64Range(1, 5000).Draw(t, "skip")
				e := event(seq, marker.Recovered, fmt.Sprintf(`{"last_durable":%d}`, last))
				b := encode(t, e)
				if err := f.Event(&e, b); err != nil {
					t.Fatal(err)
				}
				all = append(all[:keep], leaf{seq, LeafHash(b)})
			},
			"taken back": func(t *rapid.T) {
				if covered == 0 {
					t.Skip("nothing is signed")
				}
				last := rapid.Uint64Range(0, all[covered-1].seq-1).Draw(t, "last")
				e := event(seq+1, marker.Recovered, fmt.Sprintf(`{"last_durable":%d}`, last))
				if err := f.Event(&e, encode(t, e)); !errors.Is(err, ErrTakenBack) {
					t.Fatal(err)
				}
			},
			"checkpoint": func(t *rapid.T) {
				n := rapid.IntRange(covered, len(all)).Draw(t, "size")
				signed, err := signer.Sign(uint64(n), root(n))
				if err != nil {
					t.Fatal(err)
				}
				if c, checked, err := f.Checkpoint(signed); err != nil || !checked || c.Size != uint64(n) {
					t.Fatal(c, checked, err)
				}
				covered = n
			},
			"": func(t *rapid.T) {
				tree := f.Tree()
				if tree.Root() != root(len(all)) || f.Size() != uint64(len(all)) || f.Seq() != seq {
					t.Fatalf("size %d, want %d; seq %d, want %d", f.Size(), len(all), f.Seq(), seq)
				}
			},
		})
	})
}

func TestFollowFromSnapshot(t *testing.T) {
	s := testSigner(t, testOrigin, 0)
	var tree Tree
	for i := range 5 {
		tree.Append(LeafHash([]byte{byte(i)}))
	}
	head := Head{Size: 5, Frontier: tree.Frontier(), Key: s.VerifierKey()}
	for _, tt := range []struct {
		name, note string
		want       error
	}{
		{"no checkpoint yet", "", nil},
		{"of all", sign(t, s, 5, tree.Root()), nil},
		{"of less, which cannot be checked", sign(t, s, 4, Hash{}), nil},
		{"another root", sign(t, s, 5, Hash{}), ErrRoot},
		{"of more", sign(t, s, 6, tree.Root()), ErrSize},
		{"another key", sign(t, testSigner(t, testOrigin, 1), 5, tree.Root()), ErrUnknownKey},
	} {
		head.Note = tt.note
		f, err := Follow(testOrigin, head, 9)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err != nil {
			continue
		}
		if _, checked, err := f.Checkpoint(sign(t, s, 3, Hash{})); checked || err != nil {
			t.Errorf("%s: a checkpoint from before: checked %v, %v", tt.name, checked, err)
		}
		// What the snapshot covers may be void after a crash; then a new one is needed.
		e := event(4097, marker.Recovered, `{"last_durable":8}`)
		if err := f.Event(&e, encode(t, e)); !errors.Is(err, ErrSeq) {
			t.Errorf("%s: a recovery from before: %v", tt.name, err)
		}
	}
	if _, err := Follow(testOrigin, Head{Size: 5}, 9); err == nil {
		t.Error("a head without its frontier is taken")
	}
}
