package transcript

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Signer signs the checkpoints of one log.
type Signer struct {
	origin   string
	key      crypto.Signer
	verifier note.Verifier
	text     string // of the verifier
}

// NewSigner returns the signer of the log with an origin. The key is Ed25519 and
// may be kept elsewhere: of key only Public and Sign are used, with the message
// itself and crypto.Hash(0). One key may sign many logs, and is known under another
// verifier key for each.
func NewSigner(origin string, key crypto.Signer) (*Signer, error) {
	if err := ValidOrigin(origin); err != nil {
		return nil, err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the transcript's key is %T (allowed: Ed25519)", key.Public())
	}
	text, err := note.NewEd25519VerifierKey(origin, public)
	if err != nil {
		return nil, fmt.Errorf("the transcript's key: %w", err)
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("the transcript's key: %w", err)
	}
	return &Signer{origin, key, verifier, text}, nil
}

// VerifierKey returns the note verifier key, <origin>+<hash>+<base64>, that viewers
// and auditors check with.
func (s *Signer) VerifierKey() string { return s.text }

// Origin returns the log's origin.
func (s *Signer) Origin() string { return s.origin }

// Sign returns the signed checkpoint of a tree. It checks the signature, since a key
// that is kept elsewhere may fail in more ways than an error. It blocks for as long
// as the key does.
func (s *Signer) Sign(size uint64, root Hash) (string, error) {
	c := Checkpoint{Origin: s.origin, Size: size, Root: root}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, noteSigner{s})
	if err != nil {
		return "", fmt.Errorf("sign the checkpoint of %s at %d leaves: %w", s.origin, size, err)
	}
	return string(signed), nil
}

// noteSigner is a Signer as package note wants it.
type noteSigner struct{ *Signer }

func (s noteSigner) Name() string    { return s.origin }
func (s noteSigner) KeyHash() uint32 { return s.verifier.KeyHash() }

func (s noteSigner) Sign(text []byte) ([]byte, error) {
	sig, err := s.key.Sign(nil, text, crypto.Hash(0))
	if err != nil {
		return nil, err
	}
	if !s.verifier.Verify(text, sig) {
		return nil, fmt.Errorf("the key made a signature that is not its own: %w", ErrSignature)
	}
	return sig, nil
}

// ParseKey reads a note verifier key of an Ed25519 key. Each key has one form.
func ParseKey(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(text)
	if err == nil {
		_, _, err = splitKey(text)
	}
	if err != nil {
		return nil, fmt.Errorf("key %.200q is not a note verifier key (allowed: <origin>+<hash>+<base64 of an Ed25519 key>): %w", text, err)
	}
	return v, nil
}

// splitKey returns the name and the public key of a verifier key.
func splitKey(text string) (string, ed25519.PublicKey, error) {
	name, rest, _ := strings.Cut(text, "+")
	_, b64, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return "", nil, fmt.Errorf("%q holds no Ed25519 key", b64)
	}
	switch again, err := note.NewEd25519VerifierKey(name, raw[1:]); {
	case err != nil:
		return "", nil, err
	case again != text:
		return "", nil, fmt.Errorf("its canonical form is %q", again)
	}
	return name, raw[1:], nil
}

// Head is the part of a snapshot that begins a viewer's tree: it covers every event
// up to the snapshot's seq.
type Head struct {
	Size     uint64 `json:"size"`
	Frontier []Hash `json:"frontier"`
	Key      string `json:"key,omitempty"`  // verifier key of the signer
	Note     string `json:"note,omitempty"` // the newest checkpoint of that key; it may cover less
	// Handovers prove the notices of all keys after the log's first, oldest first, each
	// signed by the key before.
	Handovers []EventProof `json:"handovers,omitempty"`
}

// Notification tells viewers of a checkpoint, on the events channel.
type Notification struct {
	Type string `json:"type"` // "checkpoint"
	Size uint64 `json:"size"`
	Seq  uint64 `json:"seq"` // of the last event that it covers
	Note string `json:"note"`
	// Handover proves the notice of the key that signed Note, if its predecessor signed
	// the checkpoint before.
	Handover *EventProof `json:"handover,omitempty"`
}
