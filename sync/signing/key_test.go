package signing

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "transcript.key")
	key, created, err := LoadKey(path, "relay.example.com")
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	again, created, err := LoadKey(path, "another.name")
	if err != nil || created || !again.Equal(key) {
		t.Fatalf("again: created %v, %v, the same key %v", created, err, again.Equal(key))
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// Package note reads the file as its own.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil || s.Name() != "relay.example.com" {
		t.Fatalf("%v, %v", s, err)
	}
	sig, err := s.Sign([]byte("x"))
	if err != nil || !ed25519.Verify(key.Public().(ed25519.PublicKey), []byte("x"), sig) {
		t.Errorf("another key signs: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	good := filepath.Join(t.TempDir(), "key")
	if _, _, err := LoadKey(good, "relay"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.SplitN(string(text), "+", 5)[4]
	for _, tt := range []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"others may read it", string(text), 0o640, "mode 0640"},
		{"others may write it", string(text), 0o602, "mode 0602"},
		{"empty", "", 0o600, "not a note signing key"},
		{"cut", string(text[:len(text)-5]), 0o600, "not a note signing key"},
		{"a verifier key", "relay+00000000+" + secret, 0o600, "not a note signing key"},
		{"two keys", string(text) + string(text), 0o600, "not a note signing key"},
		{"large", strings.Repeat("x", 5000), 0o600, "5000 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadKey(path, "relay")
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), strings.TrimSpace(secret)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, _, err := LoadKey(t.TempDir(), "relay"); err == nil {
		t.Error("a folder is taken for a key")
	}
	path := filepath.Join(t.TempDir(), "key")
	if _, _, err := LoadKey(path, "two words"); err == nil {
		t.Error("a name with a space is taken")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a key was written that cannot be read")
	}
}

func FuzzParseKey(f *testing.F) {
	text, _, err := note.GenerateKey(zeros{}, "relay")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("PRIVATE+KEY+a+00000000+AA")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseKey(text)
		if err == nil && len(key) != ed25519.PrivateKeySize {
			t.Fatalf("%q gives a key of %d bytes", text, len(key))
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
