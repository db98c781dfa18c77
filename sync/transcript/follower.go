package transcript

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/framelock/relay/sync/marker"
)

// Errors of a Follower: the log that was shown is not the log that was signed, or
// its rules are broken. Each is a reason to alarm, and what it wraps says more.
var (
	// ErrRoot means that a signed root is not that of the events that came.
	ErrRoot = errors.New("the events are not those that were signed")
	// ErrSize means that a checkpoint covers events that never came, or fewer than one
	// before it.
	ErrSize = errors.New("the checkpoint's size is out of order")
	// ErrSeq means that an event's seq is not the one that follows.
	ErrSeq = errors.New("the event's seq is out of order")
	// ErrTakenBack means that a recovery voids events that a checkpoint covers.
	ErrTakenBack = errors.New("events that were signed are taken back")
)

// Follower is the tree of somebody who gets a stream's events one by one, and the
// key that may sign it. It keeps the frontier, and the leaves that no checkpoint
// covers yet. It has one owner.
type Follower struct {
	origin  string
	key     string
	seq     uint64
	covered Tree      // at the newest checkpoint, or the snapshot's
	last    uint64    // seq of its last event
	tail    []leaf    // since then
	keys    []nextKey // announced and not in force
	signed  bool      // a checkpoint was checked against the tree
}

type leaf struct {
	seq  uint64
	hash Hash
}

// nextKey takes over once the key before it has signed the event that names it.
type nextKey struct {
	key   string
	index uint64 // of the event
}

// Follow begins with a snapshot's head, which covers the events up to seq. The zero
// Head with a key begins at the start of a log. The head's note is checked for its
// signature, and for its root where it covers all of the head.
func Follow(origin string, h Head, seq uint64) (*Follower, error) {
	tree, err := NewTree(h.Size, h.Frontier)
	if err != nil {
		return nil, err
	}
	f := &Follower{origin: origin, key: h.Key, seq: seq, covered: tree, last: seq}
	if h.Note == "" {
		return f, nil
	}
	c, err := OpenCheckpoint([]byte(h.Note), origin, h.Key)
	switch {
	case err != nil:
		return nil, err
	case c.Size > h.Size:
		return nil, fmt.Errorf("the snapshot's head has %d events, its checkpoint %d: %w", h.Size, c.Size, ErrSize)
	case c.Size == h.Size && c.Root != tree.Root():
		return nil, fmt.Errorf("the snapshot's head of %d events has the root %v, its checkpoint %v: %w", h.Size, tree.Root(), c.Root, ErrRoot)
	}
	return f, nil
}

// Key returns the verifier key that may sign now.
func (f *Follower) Key() string { return f.key }

// Tree returns a copy of the tree of all events that came.
func (f *Follower) Tree() Tree {
	t := f.covered.Clone()
	for _, l := range f.tail {
		t.Append(l.hash)
	}
	return t
}

// Size returns the number of events, those before the snapshot included.
func (f *Follower) Size() uint64 { return f.covered.Size() + uint64(len(f.tail)) }

// Seq returns the seq of the last event.
func (f *Follower) Seq() uint64 { return f.seq }

// Event adds an event, given decoded and as its exact bytes. Seq numbers follow one
// another without a gap, but for a recovered event, which voids those after the last
// that was durable. After an error nothing has changed.
func (f *Follower) Event(e *marker.Event, bytes []byte) error {
	keep := len(f.tail)
	switch {
	case e.Kind == marker.Recovered:
		last, err := LastDurable(e)
		if err != nil {
			return err
		}
		for keep > 0 && f.tail[keep-1].seq > last {
			keep--
		}
		at := f.last
		if keep > 0 {
			at = f.tail[keep-1].seq
		}
		if last < at && f.signed {
			return fmt.Errorf("seq %d goes on after %d, and a checkpoint covers %d: %w", e.Seq, last, at, ErrTakenBack)
		}
		if last != at || e.Seq <= f.seq {
			return fmt.Errorf("seq %d, which goes on after %d, follows %d and %d: %w", e.Seq, last, at, f.seq, ErrSeq)
		}
	case e.Seq != f.seq+1:
		return fmt.Errorf("seq %d follows %d: %w", e.Seq, f.seq, ErrSeq)
	}
	next, announced, err := NewKey(e)
	if err != nil {
		return err
	}
	f.tail = append(f.tail[:keep], leaf{e.Seq, LeafHash(bytes)})
	for len(f.keys) > 0 && f.keys[len(f.keys)-1].index >= f.Size()-1 {
		f.keys = f.keys[:len(f.keys)-1] // its event is void
	}
	if announced {
		f.keys = append(f.keys, nextKey{next.Key, f.Size() - 1})
	}
	f.seq = e.Seq
	return nil
}

// Checkpoint takes a signed checkpoint and compares it with the events that came.
// checked is false for one that covers less than the snapshot did: nothing but its
// signature can be checked. After an error nothing has changed.
func (f *Follower) Checkpoint(signed string) (c Opened, checked bool, err error) {
	c, err = OpenCheckpoint([]byte(signed), f.origin, f.key)
	if err != nil {
		return c, false, err
	}
	if c.Size < f.covered.Size() && !f.signed {
		return c, false, nil
	}
	if c.Size < f.covered.Size() || c.Size > f.Size() {
		return c, false, fmt.Errorf("checkpoint of %d events after one of %d, when %d had come: %w", c.Size, f.covered.Size(), f.Size(), ErrSize)
	}
	tree := f.covered.Clone()
	n := c.Size - f.covered.Size()
	for _, l := range f.tail[:n] {
		tree.Append(l.hash)
	}
	if root := tree.Root(); root != c.Root {
		return c, false, fmt.Errorf("the root of %d events is %v, signed is %v: %w", c.Size, root, c.Root, ErrRoot)
	}
	if n > 0 {
		f.last = f.tail[n-1].seq
	}
	f.covered, f.signed = tree, true
	f.tail = append(f.tail[:0], f.tail[n:]...)
	for len(f.keys) > 0 && f.keys[0].index < c.Size {
		f.key = f.keys[0].key
		f.keys = f.keys[1:]
	}
	return c, true, nil
}

// LastDurable returns what a recovered event says: the seq of the last event before
// it that counts.
func LastDurable(e *marker.Event) (uint64, error) {
	var data struct {
		LastDurable *uint64 `json:"last_durable"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil || data.LastDurable == nil {
		return 0, fmt.Errorf(`recovered event %d has the data %.80s (allowed: {"last_durable":SEQ}): %w`, e.Seq, e.Data, ErrSeq)
	}
	return *data.LastDurable, nil
}
