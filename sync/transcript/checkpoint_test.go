package transcript

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/framelock/relay/sync/marker"
)

const testLog = marker.LogID(0x9f3c0a77d2e41b05)

var testOrigin = Origin("relay.example.com", "wheel", testLog)

// testKey returns a key that is always the same.
func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+n)), ed25519.SeedSize)))
}

func testSigner(t testing.TB, origin string, n byte) *Signer {
	t.Helper()
	s, err := NewSigner(origin, testKey(n))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s *Signer, size uint64, root Hash) string {
	t.Helper()
	text, err := s.Sign(size, root)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A checkpoint is one for packages note and tlog too.
func TestCheckpointIsThatOfTlog(t *testing.T) {
	if want := "relay.example.com/wheel/9f3c0a77d2e41b05"; testOrigin != want {
		t.Fatalf("origin %s, want %s", testOrigin, want)
	}
	s := testSigner(t, testOrigin, 0)
	root := LeafHash([]byte("x"))
	signed := sign(t, s, 124, root)
	v, err := note.NewVerifier(s.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		t.Fatalf("%+v, %v", n, err)
	}
	want := testOrigin + "\n124\n" + tlog.Hash(root).String() + "\n"
	if n.Text != want {
		t.Errorf("text %q, want %q", n.Text, want)
	}
	got, err := OpenCheckpoint([]byte(signed), testOrigin, s.VerifierKey())
	if err != nil || got.Size != 124 || got.Root != root || got.Origin != testOrigin || got.Key != s.VerifierKey() || got.Others != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOpenCheckpoint(t *testing.T) {
	ours, other := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 1)
	foreign := testSigner(t, "relay.example.com/other/9f3c0a77d2e41b05", 0)
	root := LeafHash([]byte("x"))
	signed := sign(t, ours, 7, root)
	with := func(old, new string) string {
		if !strings.Contains(signed, old) {
			t.Fatalf("%q is not in the note", old)
		}
		return strings.Replace(signed, old, new, 1)
	}
	cosigned, err := note.Sign(&note.Note{Text: Checkpoint{testOrigin, 7, root}.Text()}, noteSigner{other}, noteSigner{ours})
	if err != nil {
		t.Fatal(err)
	}
	extended, err := note.Sign(&note.Note{Text: Checkpoint{testOrigin, 7, root}.Text() + "more\n"}, noteSigner{ours})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, note string
		keys       []string
		want       error // nil: it opens
		malformed  bool
	}{
		{name: "good", note: signed, keys: []string{ours.VerifierKey()}},
		{name: "one key of several, one twice", note: signed, keys: []string{other.VerifierKey(), ours.VerifierKey(), ours.VerifierKey()}},
		{name: "cosigned", note: string(cosigned), keys: []string{ours.VerifierKey()}},
		{name: "no key", note: signed, want: ErrUnknownKey},
		{name: "another key", note: signed, keys: []string{other.VerifierKey()}, want: ErrUnknownKey},
		{name: "another log's key", note: signed, keys: []string{foreign.VerifierKey()}, want: ErrOrigin},
		{name: "another log", note: sign(t, foreign, 7, root), keys: []string{ours.VerifierKey()}, want: ErrOrigin},
		{name: "size changed", note: with("\n7\n", "\n8\n"), keys: []string{ours.VerifierKey()}, want: ErrSignature},
		{name: "extension line", note: string(extended), keys: []string{ours.VerifierKey()}, malformed: true},
		{name: "no signature", note: signed[:strings.Index(signed, "— ")], keys: []string{ours.VerifierKey()}, malformed: true},
		{name: "empty", keys: []string{ours.VerifierKey()}, malformed: true},
		{name: "no key at all", note: signed, keys: []string{"x"}, malformed: true},
	} {
		got, err := OpenCheckpoint([]byte(tt.note), testOrigin, tt.keys...)
		switch {
		case tt.malformed:
			if err == nil {
				t.Errorf("%s: it opens", tt.name)
			}
		case !errors.Is(err, tt.want):
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		case err == nil && (got.Size != 7 || got.Root != root || got.Key != ours.VerifierKey()):
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestParseCheckpointRefuses(t *testing.T) {
	const root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, s := range []string{
		"", "a\n1\n" + root, "a\n1\n" + root + "\n\n", "a b\n1\n" + root + "\n", "a+b\n1\n" + root + "\n", "\n1\n" + root + "\n",
		"a\n01\n" + root + "\n", "a\n-1\n" + root + "\n", "a\n9007199254740992\n" + root + "\n", "a\n1\nAAAA\n",
		"a\n1\n" + strings.Replace(root, "A=", "B=", 1) + "\n", // bits that say nothing
	} {
		if c, err := ParseCheckpoint(s); err == nil {
			t.Errorf("%q is taken for %+v", s, c)
		}
	}
	if c, err := ParseCheckpoint("a\n9007199254740991\n" + root + "\n"); err != nil || c != (Checkpoint{Origin: "a", Size: MaxSize}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// faulty is a key whose keeper does not do what it should.
type faulty struct {
	crypto.Signer
	err error
}

func (f faulty) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, ed25519.SignatureSize), f.err
}

func TestSignerRefuses(t *testing.T) {
	if _, err := NewSigner("a b", testKey(0)); err == nil {
		t.Error("an origin with a space is taken")
	}
	if _, err := NewSigner(testOrigin, &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(1)}}); err == nil || !strings.Contains(err.Error(), "Ed25519") {
		t.Errorf("an RSA key: %v", err)
	}
	gone := errors.New("the token was pulled out")
	for _, want := range []error{gone, nil} {
		s, err := NewSigner(testOrigin, faulty{testKey(0), want})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = ErrSignature
		}
		if text, err := s.Sign(1, Hash{}); !errors.Is(err, want) {
			t.Errorf("%q, %v; want %v", text, err, want)
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	s := testSigner(f, testOrigin, 0)
	f.Add(sign(f, s, 7, LeafHash(nil)))
	f.Add("a\n1\nx\n\n— a AAAAAAAA\n")
	f.Fuzz(func(t *testing.T, signed string) {
		got, err := OpenCheckpoint([]byte(signed), testOrigin, s.VerifierKey())
		if err != nil {
			return
		}
		if c, err := ParseCheckpoint(got.Text()); err != nil || c != got.Checkpoint || !strings.HasPrefix(signed, got.Text()) {
			t.Fatalf("%q opens as %+v (%v)", signed, got, err)
		}
	})
}
