package stream

import (
	"encoding/json"
	"sync"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
)

// keys are the keys that sign a log: one, and the next while it takes over.
type keys struct {
	mu sync.Mutex
	transcript.Handover
}

// newKeys settles who signs a log, given what the journal has of it.
func newKeys(t *Transcript, log marker.LogID, l *ledger) (*keys, error) {
	signer, previous, err := t.Signers(log)
	if err != nil {
		return nil, err
	}
	announced := make([]transcript.Announcement, len(l.keys))
	for i, a := range l.keys {
		announced[i] = a.Announcement
	}
	h, err := transcript.HandOver(announced, l.note, signer, previous)
	return &keys{Handover: h}, err
}

// notice returns the data of the notice that is to be published, nil if there is none.
func (k *keys) notice() json.RawMessage {
	if k.Next == nil || k.Covering > 0 {
		return nil
	}
	return transcript.NewKeyNotice(k.Next, k.Now)
}

// now returns the log's first key and who signs.
func (k *keys) now() (first string, signer *transcript.Signer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.First, k.Now
}

// announced notes that a key was announced, in a log that has size events by then.
func (k *keys) announced(key string, size uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.Announced(key, size)
}

// signed notes that a checkpoint is on its way to the journal, and returns who signs
// the next one if that is somebody else.
func (k *keys) signed(size uint64) *transcript.Signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.Signed(size) {
		return nil
	}
	return k.Now
}

// announcement is a key notice of a log, with its proof once a checkpoint covers it.
type announcement struct {
	transcript.Announcement
	seq   uint64
	proof *transcript.EventProof
}

// announce notes the key that the newest event announces, if it does. l.mu is held.
func (l *ledger) announce(b []byte) error {
	e, err := marker.DecodeEvent(b)
	if err != nil {
		return err
	}
	n, ok, err := transcript.NewKey(&e)
	if ok {
		l.keys = append(l.keys, announcement{Announcement: transcript.Announcement{KeyNotice: n, Index: l.tree.Size() - 1}, seq: e.Seq})
	}
	return err
}

// prove makes the proofs of notices that the newest checkpoint covers. l.mu is held.
func (l *ledger) prove(size uint64) error {
	for i := range l.keys {
		a := &l.keys[i]
		if a.proof != nil || a.Index >= size {
			continue
		}
		proof, err := l.store.Proof(a.seq)
		if err != nil {
			return err
		}
		a.proof = &proof
	}
	return nil
}

// lastHandover returns the proof of the newest key, nil if there is none. l.mu is held.
func (l *ledger) lastHandover() *transcript.EventProof {
	for i := len(l.keys) - 1; i >= 0; i-- {
		if l.keys[i].proof != nil {
			return l.keys[i].proof
		}
	}
	return nil
}

// head returns where a viewer of a snapshot begins to check the log.
func (l *Loop) head() *transcript.Head {
	h := &transcript.Head{Size: l.core.tree.Size(), Frontier: l.core.tree.Frontier()}
	h.Key, _ = l.keys.now()
	g := l.ledger
	g.mu.Lock()
	defer g.mu.Unlock()
	h.Note = g.note
	for _, a := range g.keys {
		if a.proof != nil {
			h.Key, h.Handovers = a.Key, append(h.Handovers, *a.proof)
		}
	}
	if last := g.lastHandover(); last != nil && last.Note == g.note {
		h.Note = "" // is by the key before
	}
	return h
}

// keyAnnounced has the key that was just announced take over. The journal's writer
// calls it.
func (l *Loop) keyAnnounced() {
	g := l.ledger
	g.mu.Lock()
	if n := len(g.keys); n > 0 {
		l.keys.announced(g.keys[n-1].Key, g.keys[n-1].Index+1)
	}
	g.mu.Unlock()
	l.checkpoint()
}
