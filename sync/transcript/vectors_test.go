package transcript

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/framelock/relay/sync/marker"
)

// vectors is testdata/vectors/transcript.json. Its hashes and signatures were made
// with another implementation of SHA-256 and Ed25519, and with RFC 6962's own
// recursive definitions of trees and proofs.
type vectors struct {
	Origin string
	Keys   []struct{ Verifier, Public, ID string }
	Leaves []struct {
		Message string
		Leaf    Hash
	}
	Trees []struct {
		Size     uint64
		Root     Hash
		Frontier []Hash
	}
	Inclusion []struct {
		Index, Size uint64
		Hashes      []Hash
	}
	Consistency []struct {
		From, To uint64
		Hashes   []Hash
	}
	Checkpoints []struct {
		Name, Key, Note string
		Size            uint64
		Root            Hash
	}
	Refused []struct{ Name, Key, Note string }
	Head    Head
	Session []struct {
		Message string
		Size    uint64
		Root    Hash
	}
	SessionRefused []struct {
		Name    string
		After   int
		Message string
	} `json:"session_refused"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/transcript.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTreeVectors(t *testing.T) {
	v := readVectors(t)
	var tree Tree
	for i, want := range v.Trees {
		if tree.Size() != want.Size || tree.Root() != want.Root {
			t.Fatalf("%d leaves: root %v, want %v of %d", tree.Size(), tree.Root(), want.Root, want.Size)
		}
		for k, h := range tree.Frontier() {
			if h != want.Frontier[k] {
				t.Errorf("%d leaves: frontier[%d] is %v, want %v", want.Size, k, h, want.Frontier[k])
			}
		}
		if i == len(v.Leaves) {
			break
		}
		h := LeafHash([]byte(v.Leaves[i].Message))
		if h != v.Leaves[i].Leaf {
			t.Errorf("leaf %d: %v, want %v", i, h, v.Leaves[i].Leaf)
		}
		tree.Append(h)
	}
	if len(v.Trees) != len(v.Leaves)+1 || len(v.Leaves) < 17 {
		t.Errorf("%d trees of %d leaves", len(v.Trees), len(v.Leaves))
	}
}

func TestCheckpointVectors(t *testing.T) {
	v := readVectors(t)
	for i, k := range v.Keys {
		public, err := hex.DecodeString(k.Public)
		if err != nil {
			t.Fatal(err)
		}
		text, err := note.NewEd25519VerifierKey(v.Origin, public)
		if s := testSigner(t, v.Origin, byte(i)); err != nil || text != k.Verifier || s.VerifierKey() != k.Verifier {
			t.Errorf("key %d: %s, %v; want %s", i, s.VerifierKey(), err, k.Verifier)
		}
	}
	for _, c := range v.Checkpoints {
		got, err := OpenCheckpoint([]byte(c.Note), v.Origin, c.Key)
		if err != nil || got.Size != c.Size || got.Root != c.Root {
			t.Errorf("%s: %+v, %v", c.Name, got, err)
		}
	}
	// Ed25519 gives one signature for one text.
	if got := sign(t, testSigner(t, v.Origin, 0), v.Checkpoints[0].Size, v.Checkpoints[0].Root); got != v.Checkpoints[0].Note {
		t.Errorf("signed %q, want %q", got, v.Checkpoints[0].Note)
	}
	for _, c := range v.Refused {
		if got, err := OpenCheckpoint([]byte(c.Note), v.Origin, c.Key); err == nil {
			t.Errorf("%s: opens as %+v", c.Name, got)
		}
	}
}

// take gives a follower one message of the events channel.
func take(f *Follower, message string) error {
	var n Notification
	if err := json.Unmarshal([]byte(message), &n); err != nil {
		return err
	}
	if n.Type == "checkpoint" {
		_, _, err := f.Checkpoint(n.Note)
		return err
	}
	e, err := marker.DecodeEvent([]byte(message))
	if err != nil {
		return err
	}
	return f.Event(&e, []byte(message))
}

func TestSessionVectors(t *testing.T) {
	v := readVectors(t)
	session := func(n int) *Follower {
		f, err := Follow(v.Origin, v.Head, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range v.Session[:n] {
			if err := take(f, m.Message); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if tree := f.Tree(); tree.Size() != m.Size || tree.Root() != m.Root || f.Size() != m.Size {
				t.Fatalf("message %d: %d leaves, root %v; want %d, %v", i, tree.Size(), tree.Root(), m.Size, m.Root)
			}
		}
		return f
	}
	if f := session(len(v.Session)); f.Key() != v.Keys[1].Verifier || f.Seq() != 4100 {
		t.Errorf("key %s, seq %d", f.Key(), f.Seq())
	}
	for _, r := range v.SessionRefused {
		f := session(r.After)
		before := f.Tree()
		err := take(f, r.Message)
		if err == nil {
			t.Errorf("%s: taken", r.Name)
		}
		if after := f.Tree(); after.Root() != before.Root() {
			t.Errorf("%s: the tree has changed", r.Name)
		}
		t.Logf("%s: %v", r.Name, err)
	}
}
