package transcript

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/framelock/relay/sync/marker"
)

// ErrKey means that a log is signed by a key that nobody here has.
var ErrKey = errors.New("the log is signed by another key")

// KeyNotice is the data of the notice event that announces a signer's successor. The
// relay publishes it, has the old key sign a checkpoint that covers it, and lets the
// new key sign from then on.
type KeyNotice struct {
	Notice   string `json:"notice"`             // "transcript_key"
	Key      string `json:"key"`                // note verifier key
	Previous string `json:"previous,omitempty"` // of the signer until then
}

const noticeOfKey = "transcript_key"

// NewKeyNotice announces next as the successor of previous.
func NewKeyNotice(next, previous *Signer) json.RawMessage {
	b, err := json.Marshal(KeyNotice{noticeOfKey, next.VerifierKey(), previous.VerifierKey()})
	if err != nil {
		panic(err) // a plain struct of ours
	}
	return b
}

// NewKey returns the key that an event announces. ok is false for all events but
// notices of a key.
func NewKey(e *marker.Event) (n KeyNotice, ok bool, err error) {
	if e.Kind != marker.Notice {
		return KeyNotice{}, false, nil
	}
	if json.Unmarshal(e.Data, &n) != nil || n.Notice != noticeOfKey {
		return KeyNotice{}, false, nil
	}
	for _, key := range []string{n.Key, n.Previous} {
		if key == "" && n.Key != "" {
			continue
		}
		if _, err := ParseKey(key); err != nil {
			return KeyNotice{}, false, fmt.Errorf("notice %d of a new key: %w", e.Seq, err)
		}
	}
	return n, true, nil
}

// Announcement is a key notice that a log has.
type Announcement struct {
	KeyNotice
	Index uint64 // of its event among the log's
}

// Handover is who signs a log.
type Handover struct {
	First string  // verifier key at the log's beginning
	Now   *Signer // who signs until Next does
	Next  *Signer // nil if nobody takes over
	// Covering is how many events the checkpoint has at least with which Now hands over
	// to Next; 0 while Next is not announced.
	Covering uint64
}

// HandOver returns who goes on signing a log, given its announcements, its newest
// checkpoint (empty if there is none), the key that is to sign and the one that may
// hand over to it, nil if there is none. The error is ErrKey.
func HandOver(log []Announcement, newest string, signer, previous *Signer) (Handover, error) {
	h := Handover{First: signer.VerifierKey(), Now: signer}
	if newest == "" && len(log) == 0 {
		return h, nil
	}
	size := uint64(0)
	if newest != "" {
		c, err := unsigned(newest)
		if err != nil {
			return h, err
		}
		size = c.Size
	}
	key := "" // in force
	var pending *Announcement
	for i, a := range log {
		if a.Index < size {
			key = a.Key
		} else {
			pending = &log[i]
		}
	}
	if key == "" && pending != nil {
		key = pending.Previous
	}
	if key == "" {
		key = whose(newest, signer, previous)
	}
	if h.First = key; len(log) > 0 && log[0].Previous != "" {
		h.First = log[0].Previous
	}
	has := func(s *Signer, key string) bool { return s != nil && s.VerifierKey() == key }
	switch {
	case pending == nil && has(signer, key):
		return h, nil
	case pending == nil && has(previous, key):
		h.Now, h.Next = previous, signer
		return h, nil
	case pending != nil && has(previous, key) && has(signer, pending.Key):
		h.Now, h.Next, h.Covering = previous, signer, pending.Index+1
		return h, nil
	case pending != nil:
		return h, fmt.Errorf("%w: it is being handed over from %s to %s, which takes both; name the first in transcript.previous_key_file and the second in transcript.key_file", ErrKey, key, pending.Key)
	case key == "":
		return h, fmt.Errorf("%w than %s; restore that key, or name it in transcript.previous_key_file, so that it hands over to the new one", ErrKey, signer.VerifierKey())
	}
	return h, fmt.Errorf("%w: by %s; restore that key, or name it in transcript.previous_key_file, so that it hands over to %s", ErrKey, key, signer.VerifierKey())
}

// whose returns the key of the signer that signed a checkpoint, empty if none did.
func whose(signed string, signers ...*Signer) string {
	for _, s := range signers {
		if s == nil {
			continue
		}
		if _, err := OpenCheckpoint([]byte(signed), s.Origin(), s.VerifierKey()); err == nil {
			return s.VerifierKey()
		}
	}
	return ""
}

// Announced notes that Next was announced in a log that has size events by then.
func (h *Handover) Announced(key string, size uint64) {
	if h.Next != nil && h.Next.VerifierKey() == key {
		h.Covering = size
	}
}

// Signed notes that Now has signed a checkpoint over so many events, and reports
// whether that has handed over to Next.
func (h *Handover) Signed(size uint64) bool {
	if h.Next == nil || h.Covering == 0 || size < h.Covering {
		return false
	}
	h.Now, h.Next, h.Covering = h.Next, nil, 0
	return true
}

// Succeed takes the proof of a key notice that the key in force has signed, from a
// viewer or relay that was there: for who has not seen the notice itself. It is no
// error if another key announced it.
func (f *Follower) Succeed(p EventProof) error {
	e, err := marker.DecodeEvent([]byte(p.Event))
	if err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	n, ok, err := NewKey(&e)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("handover: event %d announces no key", e.Seq)
	case n.Previous != f.key:
		return nil
	}
	if err := p.Verify(f.origin, f.key); err != nil {
		return fmt.Errorf("handover to %s: %w", n.Key, err)
	}
	f.key, f.keys = n.Key, nil
	return nil
}
