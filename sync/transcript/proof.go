package transcript

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// Hashes are all hashes of a tree, from which proofs are made: 64 bytes for each
// leaf. The zero value is the empty tree. It has one owner.
type Hashes struct {
	size   int64
	stored []tlog.Hash // in the order of package tlog
}

// ReadHashes implements tlog.HashReader.
func (h *Hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(h.stored)) {
			return nil, fmt.Errorf("hash %d of a tree of %d leaves", x, h.size)
		}
		out[i] = h.stored[x]
	}
	return out, nil
}

// Append adds a leaf by its hash.
func (h *Hashes) Append(leaf Hash) {
	added, err := tlog.StoredHashesForRecordHash(h.size, tlog.Hash(leaf), h)
	if err != nil { // every hash that it asks for is there
		panic(err)
	}
	h.stored = append(h.stored, added...)
	h.size++
}

// Size returns the number of leaves.
func (h *Hashes) Size() uint64 { return uint64(h.size) }

// Inclusion returns the proof that a leaf is in the tree at a size.
func (h *Hashes) Inclusion(index, size uint64) (Proof, error) {
	if index >= size || size > h.Size() {
		return Proof{}, fmt.Errorf("there is no proof of leaf %d in a tree of %d (allowed: a leaf below the size, a size up to %d)", index, size, h.size)
	}
	return Prove(index, size, h)
}

// Prove makes the proof that a leaf is in a tree of a size from hashes kept
// elsewhere, such as tiles.
func Prove(index, size uint64, hashes tlog.HashReader) (Proof, error) {
	path, err := tlog.ProveRecord(int64(size), int64(index), hashes)
	if err != nil {
		return Proof{}, err
	}
	return Proof{index, size, fromTlog(path)}, nil
}

// Consistency returns the proof that the tree of one size is the begin of that of
// another (RFC 6962, section 2.1.2).
func (h *Hashes) Consistency(from, to uint64) ([]Hash, error) {
	if from == 0 || from > to || to > h.Size() {
		return nil, fmt.Errorf("there is no proof from %d leaves to %d (allowed: 1 to %d, in order)", from, to, h.size)
	}
	path, err := tlog.ProveTree(int64(to), int64(from), h)
	return fromTlog(path), err
}

// VerifyConsistency checks a proof of Consistency between two roots.
func VerifyConsistency(from uint64, fromRoot Hash, to uint64, toRoot Hash, hashes []Hash) error {
	if from == 0 || from > to || to > MaxSize {
		return fmt.Errorf("consistency from %d leaves to %d: %w", from, to, ErrProof)
	}
	if err := tlog.CheckTree(toTlog(hashes), int64(to), tlog.Hash(toRoot), int64(from), tlog.Hash(fromRoot)); err != nil {
		return fmt.Errorf("consistency from %d leaves to %d: %w", from, to, ErrProof)
	}
	return nil
}

// ErrProof means that a proof does not show what it should.
var ErrProof = errors.New("the proof does not lead to this root")

// Proof shows that a leaf is in a tree (RFC 6962, section 2.1.1).
type Proof struct {
	Index  uint64 `json:"index"`  // of the leaf, from 0
	Size   uint64 `json:"size"`   // of the tree
	Hashes []Hash `json:"hashes"` // siblings, lowest first
}

// Verify checks the proof for a leaf's hash and the tree's root.
func (p Proof) Verify(leaf, root Hash) error {
	if p.Index >= p.Size || p.Size > MaxSize {
		return fmt.Errorf("leaf %d of %d: %w", p.Index, p.Size, ErrProof)
	}
	if err := tlog.CheckRecord(toTlog(p.Hashes), int64(p.Size), tlog.Hash(root), int64(p.Index), tlog.Hash(leaf)); err != nil {
		return fmt.Errorf("leaf %d of %d: %w", p.Index, p.Size, ErrProof)
	}
	return nil
}

func fromTlog(path []tlog.Hash) []Hash {
	hashes := make([]Hash, len(path))
	for i, h := range path {
		hashes[i] = Hash(h)
	}
	return hashes
}

func toTlog(hashes []Hash) []tlog.Hash {
	path := make([]tlog.Hash, len(hashes))
	for i, h := range hashes {
		path[i] = tlog.Hash(h)
	}
	return path
}

// EventProof shows to anybody who has the log's key that an event is in it.
type EventProof struct {
	Event string `json:"event"` // its exact bytes, which are JSON
	Proof
	Note string `json:"note"` // the signed checkpoint that the proof leads to
}

// Verify checks the proof with the log's origin and verifier keys.
func (p EventProof) Verify(origin string, keys ...string) error {
	c, err := OpenCheckpoint([]byte(p.Note), origin, keys...)
	if err != nil {
		return err
	}
	if c.Size != p.Size {
		return fmt.Errorf("the proof is for %d events, its checkpoint for %d: %w", p.Size, c.Size, ErrProof)
	}
	return p.Proof.Verify(LeafHash([]byte(p.Event)), c.Root)
}

// ActionProof shows that an accepted action counts: its line is in the root that
// its window's window.close states, and that event is in the log.
type ActionProof struct {
	Action string       `json:"action"` // its exact line
	Window window.Proof `json:"window"`
	Close  EventProof   `json:"close"`
}

// Verify checks the proof with the log's origin and verifier keys.
func (p ActionProof) Verify(origin string, keys ...string) error {
	if err := p.Close.Verify(origin, keys...); err != nil {
		return err
	}
	e, err := marker.DecodeEvent([]byte(p.Close.Event))
	if err != nil {
		return err
	}
	a, err := window.DecodeAction([]byte(p.Action))
	if err != nil {
		return err
	}
	var sums window.CloseData
	if err := json.Unmarshal(e.Data, &sums); err != nil || e.Kind != marker.WindowClose || e.Window != a.Window || a.Verdict != window.Accepted || sums.Root != p.Window.Root || sums.Accepted != p.Window.Size {
		return fmt.Errorf("event %d is not the window.close that counts the accepted action %d: %w", e.Seq, a.Order, ErrProof)
	}
	return p.Window.Verify([]byte(p.Action))
}

// Prover holds what of an export proofs are made of. It does not check the export;
// Verify does.
type Prover struct {
	Header Header
	// Keys are the verifier keys that the export names, in order.
	Keys       []string
	hashes     Hashes
	events     []proverEvent
	windows    map[string][]*provenWindow // those of a name, which can be used again, in order
	note       string                     // the newest checkpoint
	checkpoint Checkpoint
}

// provenWindow is a window with its accepted actions.
type provenWindow struct {
	lines []string
	close uint64 // seq of window.close; 0 if there is none
}

type proverEvent struct {
	seq  uint64
	line string
}

// NewProver reads an export. It takes about as much memory as the export has bytes.
func NewProver(r io.Reader) (*Prover, error) {
	p := &Prover{windows: make(map[string][]*provenWindow)}
	in := bufio.NewScanner(r)
	in.Buffer(nil, MaxLine+1)
	n := 0
	for in.Scan() {
		n++
		if err := p.line(in.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	if p.note == "" {
		return nil, errors.New("the export has no checkpoint, so nothing in it can be proved")
	}
	return p, nil
}

func (p *Prover) line(line []byte) error {
	kind, err := lineType(line)
	if err != nil {
		return err
	}
	switch kind {
	case typeHeader:
		if err := json.Unmarshal(line, &p.Header); err != nil {
			return err
		}
		p.Keys = append(p.Keys, p.Header.Key)
	case typeEvent:
		e, err := marker.DecodeEvent(line)
		if err != nil {
			return err
		}
		p.hashes.Append(LeafHash(line))
		p.events = append(p.events, proverEvent{e.Seq, string(line)})
		switch w := p.newest(e.Window); {
		case e.Kind == marker.WindowOpen:
			p.windows[e.Window] = append(p.windows[e.Window], &provenWindow{})
		case e.Kind == marker.WindowClose && w != nil:
			w.close = e.Seq
		}
		if n, ok, err := NewKey(&e); err == nil && ok {
			p.Keys = append(p.Keys, n.Key)
		}
	case typeAction:
		a, err := window.DecodeAction(line)
		if err != nil {
			return err
		}
		if w := p.newest(a.Window); w != nil && a.Verdict == window.Accepted {
			w.lines = append(w.lines, string(line))
		}
	case typeCheckpoint:
		var l noteLine
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		c, err := unsigned(l.Note)
		if err != nil {
			return err
		}
		p.note, p.checkpoint = l.Note, c
	}
	return nil
}

// newest returns the newest window of a name, nil if there is none.
func (p *Prover) newest(name string) *provenWindow {
	if all := p.windows[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// Origin returns the log's origin, which is the name of its first key.
func (p *Prover) Origin() string {
	origin, _, _ := strings.Cut(p.Header.Key, "+")
	return origin
}

// Event proves the event with a seq.
func (p *Prover) Event(seq uint64) (EventProof, error) {
	for i, e := range p.events {
		if e.seq != seq {
			continue
		}
		if uint64(i) >= p.checkpoint.Size {
			return EventProof{}, fmt.Errorf("event %d is not covered by the newest checkpoint, which is of the first %d events; export again later", seq, p.checkpoint.Size)
		}
		proof, err := p.hashes.Inclusion(uint64(i), p.checkpoint.Size)
		return EventProof{e.line, proof, p.note}, err
	}
	return EventProof{}, fmt.Errorf("the export has no event with seq %d", seq)
}

// Receipt proves the accepted action that a receipt is of.
func (p *Prover) Receipt(r Receipt) (ActionProof, error) {
	if r.Verdict != window.Accepted {
		return ActionProof{}, fmt.Errorf("action %s was %s; only accepted actions are in a window's root", r.ID, verdict(r.Verdict, r.Reason))
	}
	w, index := p.find(r)
	if w == nil {
		return ActionProof{}, fmt.Errorf("window %s has no accepted action with order %d", r.Window, r.Order)
	}
	if w.close == 0 {
		return ActionProof{}, fmt.Errorf("window %s has no window.close in the export", r.Window)
	}
	a, err := window.DecodeAction([]byte(w.lines[index]))
	if err != nil {
		return ActionProof{}, err
	}
	if a.ID != r.ID || a.Commitment != r.Commitment {
		return ActionProof{}, fmt.Errorf("action %d is %s with the commitment %s, not the receipt's %s with %s", r.Order, a.ID, a.Commitment, r.ID, r.Commitment)
	}
	var hashes Hashes
	var tree Tree
	for _, l := range w.lines {
		hashes.Append(LeafHash([]byte(l)))
		tree.Append(LeafHash([]byte(l)))
	}
	within, err := hashes.Inclusion(uint64(index), hashes.Size())
	if err != nil {
		return ActionProof{}, err
	}
	proof := ActionProof{Action: w.lines[index], Window: window.Proof{Index: index, Size: len(w.lines), Root: tree.Root().String()}}
	for _, h := range within.Hashes {
		proof.Window.Hashes = append(proof.Window.Hashes, h.String())
	}
	proof.Close, err = p.Event(w.close)
	return proof, err
}

// find returns the window in which a receipt's action was accepted, and where.
func (p *Prover) find(r Receipt) (*provenWindow, int) {
	order := fmt.Appendf(nil, `"order":%d,`, r.Order)
	for _, w := range p.windows[r.Window] {
		for i, l := range w.lines {
			if bytes.Contains([]byte(l), order) {
				return w, i
			}
		}
	}
	return nil, 0
}
