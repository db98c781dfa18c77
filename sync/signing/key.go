// Package signing performs what package transcript decides: it keeps the key that
// signs checkpoints, and brings checkpoints to witnesses.
package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// LoadKey reads the Ed25519 key in a file, in the form of a note signing key
// (PRIVATE+KEY+<name>+<hash>+<base64>). The file must belong to its owner alone:
// mode 0600 or less. If there is none, LoadKey makes a key under the given name and
// writes it; created says so, since a new key is news for whoever checks the log.
//
// The name in the file is for people. What the key signs bears the name of the log.
func LoadKey(path, name string) (key ed25519.PrivateKey, created bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key, err = createKey(path, name)
		return key, err == nil, err
	case err != nil:
		return nil, false, fmt.Errorf("transcript key: %w", err)
	case !info.Mode().IsRegular():
		return nil, false, fmt.Errorf("transcript key: %s is no file", path)
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return nil, false, fmt.Errorf("transcript key: %s has mode %#o, so others may read it (allowed: 0600); run chmod 600 on it, and make a new key if somebody could have", path, info.Mode().Perm())
	case info.Size() > 4096:
		return nil, false, fmt.Errorf("transcript key: %s has %d bytes (allowed: one note signing key, about 120 bytes)", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("transcript key: %w", err)
	}
	key, err = parseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, false, fmt.Errorf("transcript key: %s: %w", path, err)
	}
	return key, false, nil
}

// parseKey reads a note signing key. Its error repeats nothing of the key.
func parseKey(text string) (ed25519.PrivateKey, error) {
	bad := errors.New("not a note signing key of Ed25519 (allowed: PRIVATE+KEY+<name>+<hash>+<base64>); restore it from a backup, or remove it for a new one")
	if _, err := note.NewSigner(text); err != nil {
		return nil, bad
	}
	parts := strings.SplitN(text, "+", 5) // base64 may have a + too
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, bad
	}
	return ed25519.NewKeyFromSeed(raw[1:]), nil
}

// createKey makes a key and writes it, durably and only if there is no such file.
func createKey(path, name string) (ed25519.PrivateKey, error) {
	text, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("transcript key: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("transcript key for %q: a name has no spaces and no +: %w", name, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("transcript key: %w", err)
	}
	// A link of a whole file, so that a crash leaves no half of a key.
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("transcript key: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Link(tmp.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("transcript key: %w", err)
	}
	return key, nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
