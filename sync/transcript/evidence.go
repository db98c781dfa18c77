package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Evidence is what an auditor has that the log's keeper has not.
type Evidence struct {
	// Keys are verifier keys that the auditor trusts, got from somewhere else than
	// the export. Without one the export's own key is taken.
	Keys []string
	// Checkpoints were kept by viewers or witnesses.
	Checkpoints []KeptCheckpoint
	// Receipts were kept by viewers.
	Receipts []KeptReceipt
	// FrameHashes returns the hash of the frame of a track with a timestamp, from a
	// recording; ok is false if that has no such frame. It may be nil.
	FrameHashes func(track string, ts uint64) (hash Hash, ok bool)
}

// KeptCheckpoint is a signed checkpoint with a name for the report, such as its
// file's.
type KeptCheckpoint struct{ Name, Note string }

// KeptReceipt is a receipt with a name for the report.
type KeptReceipt struct {
	Name string
	Receipt
}

// Receipt is what a viewer got for an action.
type Receipt struct {
	Type       string    `json:"type"` // "receipt"
	V          int       `json:"v"`
	ID         string    `json:"id"`
	Window     string    `json:"window"`
	Verdict    string    `json:"verdict"`
	Reason     string    `json:"reason,omitempty"`
	Order      uint64    `json:"order,omitempty"` // 0 where the action was refused before it was judged
	ReceivedAt time.Time `json:"received_at"`
	Salt       []byte    `json:"salt,omitempty"`
	Seen       uint64    `json:"seen"`
	Commitment string    `json:"commitment"`
}

// errEvidence begins what is wrong with kept evidence.
var errEvidence = errors.New("kept evidence")

// DecodeReceipt reads a receipt as viewers get it.
func DecodeReceipt(text []byte) (Receipt, error) {
	var r Receipt
	if err := json.Unmarshal(text, &r); err != nil {
		return Receipt{}, fmt.Errorf("%w: not a receipt: %w", errEvidence, err)
	}
	if r.Type != "receipt" || r.V < 1 || r.ID == "" || r.Verdict == "" {
		return Receipt{}, fmt.Errorf(`%w: %.80q is not a receipt (allowed: {"type":"receipt","v":1,"id":...,"verdict":...})`, errEvidence, text)
	}
	return r, nil
}

// ParseReceipts reads a file of receipts, a line each. Empty lines are passed over.
func ParseReceipts(name string, text []byte) ([]KeptReceipt, error) {
	var kept []KeptReceipt
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		r, err := DecodeReceipt(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		kept = append(kept, KeptReceipt{fmt.Sprintf("%s:%d", name, n), r})
	}
	return kept, nil
}

// ParseCheckpoints reads a file of signed checkpoints: one as a note, or JSON
// objects with a "note", a line each, as viewers get them and witness files have
// them.
func ParseCheckpoints(name string, text []byte) ([]KeptCheckpoint, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 {
		return nil, fmt.Errorf("%w: %s is empty", errEvidence, name)
	} else if trimmed[0] != '{' {
		return []KeptCheckpoint{{name, string(text)}}, nil
	}
	var kept []KeptCheckpoint
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var l noteLine
		if err := json.Unmarshal(line, &l); err != nil || l.Note == "" {
			return nil, fmt.Errorf(`%w: %s:%d: not a checkpoint (allowed: a signed note, or lines of JSON with a "note")`, errEvidence, name, n)
		}
		kept = append(kept, KeptCheckpoint{fmt.Sprintf("%s:%d", name, n), l.Note})
	}
	return kept, nil
}
