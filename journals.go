package relay

import (
	"cmp"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/framelock/relay/internal/stream"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/signing"
	"github.com/framelock/relay/sync/transcript"
)

// journalOpening is how long a stream's journal may take to open.
const journalOpening = 30 * time.Second

// openJournals takes the journal of every stream; nil if the relay keeps nothing.
func (r *Relay) openJournals(ctx context.Context) (*journal.Server, map[string]*journal.Journal, error) {
	c := r.cfg.State
	if c.Dir == "" && c.Journal.URL == "" {
		return nil, nil, nil
	}
	o := journal.Options{
		URL: c.Journal.URL, CredentialsFile: c.Journal.CredentialsFile, Replicas: c.Journal.Replicas, Logger: r.log,
	}
	if o.URL == "" {
		o.Dir = filepath.Join(c.Dir, "journal")
	}
	if c.Dir != "" {
		o.People = r.people.name()
	} else {
		r.log.Warn("state.journal.url is set and state.dir is not: pseudonyms are made anew at each start, and an action that is sent again after one counts again")
	}
	server, err := journal.Start(o)
	if err != nil {
		return nil, nil, err
	}
	journals := map[string]*journal.Journal{}
	ctx, cancel := context.WithTimeout(ctx, journalOpening)
	defer cancel()
	for _, name := range r.names {
		if journals[name], err = server.Open(ctx, name, r.now()); err != nil {
			return nil, nil, errors.Join(err, server.Close())
		}
	}
	return server, journals, nil
}

// transcripts returns what says how a stream's log is signed, nil if nothing is
// kept, and who else is told of checkpoints.
func (r *Relay) transcripts() (func(stream string) *stream.Transcript, *signing.Witnesses, error) {
	c := r.cfg.Transcript
	witnesses, err := signing.NewWitnesses(signing.WitnessOptions{URLs: c.Witness.URLs, File: c.Witness.File, Logger: r.log})
	if err != nil {
		return nil, nil, err
	}
	if r.cfg.State.Dir == "" {
		return func(string) *stream.Transcript { return nil }, witnesses, nil
	}
	key, previous, err := r.transcriptKeys()
	if err != nil {
		return nil, nil, err
	}
	return func(name string) *stream.Transcript {
		return &stream.Transcript{
			Dir: r.cfg.State.Dir, Witness: witnesses.Push,
			Signers: func(log marker.LogID) (signer, before *transcript.Signer, err error) {
				origin := transcript.Origin(c.Origin, name, log)
				if signer, err = transcript.NewSigner(origin, key); err == nil && previous != nil {
					before, err = transcript.NewSigner(origin, previous)
				}
				return signer, before, err
			},
		}
	}, witnesses, nil
}

// transcriptKeys returns the key that signs, which is made if it is not there, and the
// one that may hand over to it, nil if there is none.
func (r *Relay) transcriptKeys() (key, previous crypto.Signer, err error) {
	c := r.cfg.Transcript
	if key, previous = c.Key, c.PreviousKey; key == nil {
		file := cmp.Or(c.KeyFile, filepath.Join(r.cfg.State.Dir, "transcript.key"))
		made, created, err := signing.LoadKey(file, c.Origin)
		if err != nil {
			return nil, nil, err
		}
		if created {
			r.log.Info("a key was made that signs transcripts; keep a copy of it in a safe place", "file", file)
		}
		key = made
	}
	if previous == nil && c.PreviousKeyFile != "" {
		if previous, _, err = signing.LoadKey(c.PreviousKeyFile, c.Origin); err != nil {
			return nil, nil, err
		}
	}
	return key, previous, nil
}

// pseudonyms gives people and sessions names that say nothing of them. The same
// one has the same name as long as the key is kept.
type pseudonyms struct {
	keyed sync.Pool // of HMACs with the key
}

// loadPseudonyms reads the key, which is made if it is not there. Without a folder
// it lasts as long as the process.
func loadPseudonyms(dir string) (*pseudonyms, error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	if dir == "" {
		return newPseudonyms(key[:]), nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state.dir: %w", err)
	}
	name := filepath.Join(dir, "pseudonym.key")
	switch b, err := os.ReadFile(name); {
	case errors.Is(err, fs.ErrNotExist):
		if err := writeSecret(name, key[:]); err != nil {
			return nil, fmt.Errorf("state.dir: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("state.dir: %w", err)
	case len(b) != len(key):
		return nil, fmt.Errorf("state.dir: %s has %d bytes and needs %d; restore it from a backup: the journal knows people by what is made with it", name, len(b), len(key))
	default:
		if info, err := os.Stat(name); err != nil {
			return nil, fmt.Errorf("state.dir: %w", err)
		} else if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			return nil, fmt.Errorf("state.dir: %s has mode %#o, and who reads it can tell whose actions are whose (allowed: 0600); run chmod 600 on it", name, info.Mode().Perm())
		}
		copy(key[:], b)
	}
	return newPseudonyms(key[:]), nil
}

// writeSecret makes a file that its owner alone may read, durably: the journal knows
// people by what is made with it.
func writeSecret(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func newPseudonyms(key []byte) *pseudonyms {
	return &pseudonyms{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// name names the key, so that relays can tell whether they have the same.
func (p *pseudonyms) name() string { return p.of("key")[:8] }

// of returns the pseudonym of somebody, given what they are and who.
func (p *pseudonyms) of(parts ...string) string {
	var room [128]byte
	b := room[:0]
	for _, s := range parts {
		b = append(append(strconv.AppendInt(b, int64(len(s)), 10), ':'), s...)
	}
	h := p.keyed.Get().(hash.Hash)
	defer p.keyed.Put(h)
	h.Reset()
	_, _ = h.Write(b) // never fails
	var sum [sha256.Size]byte
	return base64.RawURLEncoding.EncodeToString(h.Sum(sum[:0])[:16])
}
