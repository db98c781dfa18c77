// Package audit checks the export of a stream's log with the files that an auditor
// has: keys, checkpoints and receipts that viewers kept. It works offline.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/framelock/relay/sync/transcript"
)

// Kept names the files of what was kept outside of the relay.
type Kept struct {
	Keys        []string // note verifier keys that are trusted
	Checkpoints []string // files of signed notes, or of JSON lines with a "note"
	Receipts    []string // files of receipts, a line each
	// Recording returns the hash of a frame of a track in a recording; nil compares none.
	Recording func(track string, ts uint64) (hash [32]byte, ok bool)
}

// evidence reads the files.
func (k Kept) evidence() (transcript.Evidence, error) {
	e := transcript.Evidence{Keys: k.Keys}
	if k.Recording != nil {
		e.FrameHashes = func(track string, ts uint64) (transcript.Hash, bool) {
			hash, ok := k.Recording(track, ts)
			return transcript.Hash(hash), ok
		}
	}
	for _, path := range k.Checkpoints {
		text, err := os.ReadFile(path)
		if err != nil {
			return e, err
		}
		kept, err := transcript.ParseCheckpoints(path, text)
		if err != nil {
			return e, err
		}
		e.Checkpoints = append(e.Checkpoints, kept...)
	}
	for _, path := range k.Receipts {
		kept, err := readReceipts(path)
		if err != nil {
			return e, err
		}
		e.Receipts = append(e.Receipts, kept...)
	}
	return e, nil
}

func readReceipts(path string) ([]transcript.KeptReceipt, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return transcript.ParseReceipts(path, text)
}

// Verify checks the export that r reads.
func Verify(r io.Reader, kept Kept) (transcript.Report, error) {
	e, err := kept.evidence()
	if err != nil {
		return transcript.Report{}, err
	}
	return transcript.Verify(r, e)
}

// ProveEvent proves the event with a seq from the export that r reads.
func ProveEvent(r io.Reader, seq uint64) (transcript.EventProof, error) {
	p, err := transcript.NewProver(r)
	if err != nil {
		return transcript.EventProof{}, err
	}
	proof, err := p.Event(seq)
	if err == nil {
		err = inOrder(proof.Verify(p.Origin(), p.Keys...))
	}
	return proof, err
}

// ProveReceipts proves the actions that the receipts of a file are of.
func ProveReceipts(r io.Reader, path string) ([]transcript.ActionProof, error) {
	kept, err := readReceipts(path)
	if err != nil {
		return nil, err
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("%s has no receipt", path)
	}
	p, err := transcript.NewProver(r)
	if err != nil {
		return nil, err
	}
	proofs := make([]transcript.ActionProof, len(kept))
	for i, k := range kept {
		if proofs[i], err = p.Receipt(k.Receipt); err == nil {
			err = inOrder(proofs[i].Verify(p.Origin(), p.Keys...))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
	}
	return proofs, nil
}

func inOrder(err error) error {
	if err != nil {
		return fmt.Errorf("the export is not in order, see relay transcript verify: %w", err)
	}
	return nil
}

// maxProofs bounds the proofs that are read, in bytes.
const maxProofs = 64 << 20

// CheckProofs checks proofs that ProveEvent or ProveReceipts made, one JSON object
// after another, and returns the lines that they prove. key is the verifier key of
// the log with that origin.
func CheckProofs(r io.Reader, origin, key string) (lines []string, err error) {
	dec := json.NewDecoder(io.LimitReader(r, maxProofs))
	for {
		var text json.RawMessage
		if err := dec.Decode(&text); errors.Is(err, io.EOF) && len(lines) > 0 {
			return lines, nil
		} else if err != nil {
			return nil, fmt.Errorf("not a proof: %w", err)
		}
		line, err := checkProof(text, origin, key)
		if err != nil {
			return nil, fmt.Errorf("proof %d: %w", len(lines)+1, err)
		}
		lines = append(lines, line)
	}
}

func checkProof(text []byte, origin, key string) (line string, err error) {
	var event transcript.EventProof
	var action transcript.ActionProof
	if err := errors.Join(json.Unmarshal(text, &event), json.Unmarshal(text, &action)); err != nil {
		return "", fmt.Errorf("not a proof: %w", err)
	}
	switch {
	case action.Action != "":
		return action.Action, action.Verify(origin, key)
	case event.Event != "":
		return event.Event, event.Verify(origin, key)
	}
	return "", errors.New(`not a proof: it has neither an "event" nor an "action"`)
}
