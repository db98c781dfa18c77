package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/framelock/relay/sync/marker"
)

// Header is the first line of an export.
type Header struct {
	V          int          `json:"v"`    // 1
	Type       string       `json:"type"` // "transcript"
	Stream     string       `json:"stream"`
	Log        marker.LogID `json:"log"`
	Key        string       `json:"key"` // verifier key at the log's begin; its name is the origin
	ExportedAt time.Time    `json:"exported_at"`
}

// types of the lines of an export. Those between header and seal are the journal's,
// with payloads behind their actions.
const (
	typeHeader     = "transcript"
	typeEvent      = "event"
	typeAction     = "action"
	typePayload    = "payload"
	typeLease      = "lease"
	typeOwner      = "owner"
	typeCheckpoint = "checkpoint"
	typeSeal       = "seal"
)

// noteLine is a line that holds a signed note: a checkpoint or the seal.
type noteLine struct {
	V    int    `json:"v"`
	Type string `json:"type"`
	Note string `json:"note"`
}

// leaseLine claims seq numbers for good.
type leaseLine struct {
	Log    marker.LogID `json:"log"`
	SeqEnd uint64       `json:"seq_end"`
}

// ownerLine is written by whoever takes the stream.
type ownerLine struct {
	Owner string    `json:"owner"`
	Term  uint64    `json:"term"`
	At    time.Time `json:"at"`
}

// CheckpointLine returns the journal's line for a signed checkpoint.
func CheckpointLine(signed string) []byte { return encodeNote(typeCheckpoint, signed) }

func encodeNote(kind, signed string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)                  // a note's signatures and names have + and may have &
	_ = enc.Encode(noteLine{1, kind, signed}) // strings always encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// ErrLine means that a line is not one that an export may have.
var ErrLine = errors.New("not a line of an export")

// lineType returns the type of a line. Every line begins with version and type.
func lineType(line []byte) (string, error) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"v":1,"type":"`))
	kind, _, closed := bytes.Cut(rest[:min(len(rest), 32)], []byte(`"`))
	if !ok || !closed {
		return "", fmt.Errorf(`line %.60q does not begin with {"v":1,"type":"...": %w`, line, ErrLine)
	}
	return string(kind), nil
}

// sealOrigin is the origin under which an export is sealed, which no log has.
func sealOrigin(origin string) string { return origin + "/export" }

// SealSigner returns the signer of a log's exports. It is the log's key under
// another name, so that a seal cannot be taken for a checkpoint.
func SealSigner(s *Signer) (*Signer, error) { return NewSigner(sealOrigin(s.origin), s.key) }

// sealKey returns the verifier key of SealSigner, given the log's.
func sealKey(key string) (string, error) {
	name, public, err := splitKey(key)
	if err != nil {
		return "", err
	}
	return note.NewEd25519VerifierKey(sealOrigin(name), public)
}

// Exporter writes the export of a log: the header, the journal's lines and a seal
// over all of them, a line each. The seal is a signed note as a checkpoint is, with
// the number of lines before it and the Merkle root over them. Without it nothing
// would cover what is not an event or an accepted action.
type Exporter struct {
	w    io.Writer
	tree Tree
}

// NewExporter writes the header.
func NewExporter(w io.Writer, h Header) (*Exporter, error) {
	h.V, h.Type, h.ExportedAt = 1, typeHeader, h.ExportedAt.UTC()
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	x := &Exporter{w: w}
	return x, x.Line(line)
}

// Line writes a line of the journal, in the journal's order, or a payload, right
// behind its action. The newest checkpoint comes last.
func (x *Exporter) Line(line []byte) error {
	if bytes.IndexByte(line, '\n') >= 0 {
		return fmt.Errorf("export: line %d has a line end within it: %w", x.tree.Size()+1, ErrLine)
	}
	if len(line) > MaxLine {
		return fmt.Errorf("export: line %d has %d bytes (allowed: %d): %w", x.tree.Size()+1, len(line), MaxLine, ErrLine)
	}
	x.tree.Append(LeafHash(line))
	_, err := x.w.Write(append(bytes.Clone(line), '\n'))
	return err
}

// Close writes the seal. seal is the log's SealSigner.
func (x *Exporter) Close(seal *Signer) error {
	signed, err := seal.Sign(x.tree.Size(), x.tree.Root())
	if err != nil {
		return err
	}
	_, err = x.w.Write(append(encodeNote(typeSeal, signed), '\n'))
	return err
}

// MaxLine is the longest line of an export, in bytes.
const MaxLine = 64 << 10
