package transcript

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/framelock/relay/sync/marker"
)

// Checkpoint says which tree a log has at a size. Signed, as a note, it is what
// viewers keep (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string // of the log, see Origin
	Size   uint64 // leaves
	Root   Hash
}

// Origin returns the name under which a stream's log is signed:
// "<relay>/<stream>/<log id>". relay should be a name that is the operator's own,
// such as the host under which the log is served.
func Origin(relay, stream string, log marker.LogID) string {
	return relay + "/" + stream + "/" + log.String()
}

// ValidOrigin reports what is wrong with an origin, which is a key's name too: it
// must be UTF-8 without spaces and plus signs (C2SP signed-note).
func ValidOrigin(origin string) error {
	if origin == "" || len(origin) > 512 || !utf8.ValidString(origin) || strings.ContainsRune(origin, '+') ||
		strings.ContainsFunc(origin, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return fmt.Errorf("origin %q cannot name a log (allowed: 1 to 512 bytes of UTF-8 without spaces and +)", origin)
	}
	return nil
}

// Text returns the note's text, which is what is signed: origin, size and root in
// base64, a line each.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads a note's text, as Text gives it. Extension lines are not
// taken: this relay writes none, and nobody could check them.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("a checkpoint has 3 lines (origin, size, root), this has %d", strings.Count(text, "\n"))
	}
	c := Checkpoint{Origin: lines[0]}
	if err := ValidOrigin(c.Origin); err != nil {
		return Checkpoint{}, err
	}
	var err error
	if c.Size, err = strconv.ParseUint(lines[1], 10, 53); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint size %.40q is not a number of leaves (allowed: 0 to %d)", lines[1], uint64(MaxSize))
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return Checkpoint{}, fmt.Errorf("checkpoint root %.60q is not the base64 form of 32 bytes", lines[2])
	}
	c.Root = Hash(root)
	if c.Text() != text {
		return Checkpoint{}, fmt.Errorf("checkpoint %.80q is not in its canonical form %.80q", text, c.Text())
	}
	return c, nil
}

// Errors of OpenCheckpoint. What it returns wraps one of them, or says how the note
// is malformed.
var (
	// ErrUnknownKey means that no signature is by one of the given keys.
	ErrUnknownKey = errors.New("signed by none of the known keys")
	// ErrSignature means that a signature in the name of a known key is false.
	ErrSignature = errors.New("the signature is false")
	// ErrOrigin means that the checkpoint is another log's.
	ErrOrigin = errors.New("the checkpoint is of another log")
)

// Opened is a checkpoint whose signature was checked.
type Opened struct {
	Checkpoint
	Key string // the verifier key that it is signed with
	// Others is how many signatures are by keys that were not given: witnesses, for
	// instance. They were not checked.
	Others int
}

// OpenCheckpoint reads a signed checkpoint of the log with an origin. keys are the
// verifier keys to believe, in the note form <name>+<hash>+<base64>; their names
// are the origin. Signatures by other keys do no harm.
func OpenCheckpoint(signed []byte, origin string, keys ...string) (Opened, error) {
	var verifiers []note.Verifier
	named := make(map[uint32]string)
	for _, k := range keys {
		v, err := ParseKey(k)
		if err != nil {
			return Opened{}, err
		}
		if v.Name() != origin {
			return Opened{}, fmt.Errorf("key %s is for %s, not %s: %w", k, v.Name(), origin, ErrOrigin)
		}
		if named[v.KeyHash()] == "" {
			named[v.KeyHash()] = k
			verifiers = append(verifiers, v)
		}
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	var invalid *note.InvalidSignatureError
	var unverified *note.UnverifiedNoteError
	switch {
	case errors.As(err, &invalid):
		return Opened{}, fmt.Errorf("checkpoint with a signature in the name of %s: %w", invalid.Name, ErrSignature)
	case errors.As(err, &unverified):
		c, err := ParseCheckpoint(unverified.Note.Text)
		if err == nil && c.Origin != origin {
			return Opened{}, fmt.Errorf("checkpoint of %s, not of %s: %w", c.Origin, origin, ErrOrigin)
		}
		return Opened{}, fmt.Errorf("checkpoint: %w", errors.Join(ErrUnknownKey, err))
	case err != nil:
		return Opened{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Opened{}, err
	}
	if c.Origin != origin {
		return Opened{}, fmt.Errorf("checkpoint of %s, not of %s: %w", c.Origin, origin, ErrOrigin)
	}
	return Opened{Checkpoint: c, Key: named[n.Sigs[0].Hash], Others: len(n.UnverifiedSigs)}, nil
}

// canonical reports whether a note has just the form that a Signer gives it, to
// the byte, with one signature. Base64 leaves bits that say nothing, and readers of
// notes pass over signatures that they do not know; in an export neither is there.
func canonical(signed []byte) bool {
	text, signature, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok || bytes.Count(signature, []byte("\n")) != 1 || bytes.Contains(text, []byte("\n\n")) {
		return false
	}
	_, b64, ok := bytes.Cut(bytes.TrimSuffix(bytes.TrimPrefix(signature, []byte(signaturePrefix)), []byte("\n")), []byte(" "))
	if !ok {
		return false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(b64))
	return err == nil && base64.StdEncoding.EncodeToString(raw) == string(b64)
}

// signaturePrefix begins each line of a note's signature block: an em dash.
const signaturePrefix = "— "
