package relay

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
)

// rotated are relays that follow one another on one journal, with keys of their own.
type rotated struct {
	t     *testing.T
	dir   string
	first string // verifier key
}

func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func (o *rotated) config(key, previous byte) func(*Config) {
	return func(c *Config) {
		c.State.Dir, c.Transcript.Key = o.dir, testKey(key)
		if previous > 0 {
			c.Transcript.PreviousKey = testKey(previous)
		}
	}
}

// key returns the verifier key by which the newest checkpoint of a relay is signed.
func (o *rotated) key(r *running, candidates ...byte) byte {
	o.t.Helper()
	snapshot, err := r.wheel.Snapshot(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	origin := transcript.Origin("framelock.local", "wheel", snapshot.Log)
	res, err := http.Get(r.base + "/v1/streams/wheel/log/checkpoint")
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	note, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, n := range candidates {
		s, err := transcript.NewSigner(origin, testKey(n))
		if err != nil {
			o.t.Fatal(err)
		}
		if o.first == "" {
			o.first = s.VerifierKey()
		}
		if _, err := transcript.OpenCheckpoint(note, origin, s.VerifierKey()); err == nil {
			return n
		}
	}
	return 0
}

// signedBy waits until a relay signs with a key. Each event is a reason to sign.
func (o *rotated) signedBy(r *running, want byte) {
	o.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for n := 0; ; n++ {
		if _, err := r.wheel.Mark(o.t.Context(), Marker{ID: "at-" + time.Now().Format("150405.000000000"), At: Next()}); err != nil {
			o.t.Fatal(err)
		}
		if o.key(r, 1, 2, 3) == want {
			return
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("not signed by key %d", want)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// A log is handed over from key to key and proves it all with the first one alone,
// whenever the relay ended in between.
func TestKeysTakeOver(t *testing.T) {
	o := &rotated{t: t, dir: t.TempDir()}
	run := func(key, previous byte, f func(r *running)) {
		t.Helper()
		r := start(t, o.config(key, previous))
		defer r.stop()
		f(r)
	}
	var head transcript.Head
	run(1, 0, func(r *running) {
		r.film()
		o.signedBy(r, 1)
		s, err := r.wheel.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		head = *s.LogHead
	})
	if _, err := newRelay(o.config(2, 0)); !errors.Is(err, transcript.ErrKey) || !strings.Contains(err.Error(), "previous_key_file") {
		t.Errorf("another key without the one before: %v", err)
	}
	run(2, 1, func(*running) {}) // ends before there is a frame to announce it on

	// Ends when the notice is durable, and nothing more.
	server, err := journal.Start(journal.Options{Dir: filepath.Join(o.dir, "journal")})
	if err != nil {
		t.Fatal(err)
	}
	o.announce(server)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := newRelay(o.config(2, 0)); !errors.Is(err, transcript.ErrKey) {
		t.Errorf("a handover without the key before: %v", err)
	}
	run(2, 1, func(r *running) {
		r.film()
		o.signedBy(r, 2)
		r.verified(transcript.Evidence{Keys: []string{o.first}})
	})
	run(2, 0, func(r *running) {
		r.film()
		o.signedBy(r, 2)
	})
	run(3, 2, func(r *running) {
		r.film()
		o.signedBy(r, 3)
		r.verified(transcript.Evidence{Keys: []string{o.first}})

		// Who has seen the first relay alone is led to the key that signs now.
		s, err := r.wheel.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		origin := transcript.Origin("framelock.local", "wheel", s.Log)
		f, err := transcript.Follow(origin, transcript.Head{Size: s.LogHead.Size, Frontier: s.LogHead.Frontier, Key: head.Key}, s.Seq)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.LogHead.Handovers {
			if err := f.Succeed(p); err != nil {
				t.Error(err)
			}
		}
		if len(s.LogHead.Handovers) != 2 || f.Key() != s.LogHead.Key || f.Key() == head.Key {
			t.Errorf("%d handovers lead from %s to %s, the snapshot has %s", len(s.LogHead.Handovers), head.Key, f.Key(), s.LogHead.Key)
		}
	})
	if _, err := newRelay(o.config(1, 0)); !errors.Is(err, transcript.ErrKey) {
		t.Errorf("the first key again: %v", err)
	}
}

// newRelay starts a relay that is expected to refuse.
func newRelay(change func(*Config)) (*Relay, error) {
	cfg := DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", ""
	s, v := DefaultStream(), DefaultVideo()
	v.Codec, v.Listen = "h264", "127.0.0.1:0"
	s.RTP.Video = &v
	cfg.Streams["wheel"] = s
	change(&cfg)
	r, err := New(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r, r.Run(ctx)
}

// announce appends the notice of key 2 to the journal, as the relay that wants it does.
func (o *rotated) announce(server *journal.Server) {
	t := o.t
	t.Helper()
	j, err := server.Open(t.Context(), "wheel", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var last marker.Event
	var lease journal.Lease
	err = j.Read(t.Context(), 1, func(_ uint64, line, _ []byte) error {
		if bytes.Contains(line, []byte(`"type":"event"`)) {
			last, err = marker.DecodeEvent(bytes.Clone(line))
			return err
		}
		if bytes.Contains(line, []byte(`"type":"lease"`)) {
			lease, err = journal.ParseLease(line)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	origin := transcript.Origin("framelock.local", "wheel", last.Log)
	signer := func(n byte) *transcript.Signer {
		s, err := transcript.NewSigner(origin, testKey(n))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	recovered := last
	recovered.Kind, recovered.ID, recovered.Seq, recovered.Data = marker.Recovered, "recovered-x", lease.SeqEnd+1, []byte(`{"last_durable":`+strconv.FormatUint(last.Seq, 10)+`}`)
	notice := recovered
	notice.Kind, notice.ID, notice.Seq, notice.Data = marker.Notice, "key-x", recovered.Seq+1, transcript.NewKeyNotice(signer(2), signer(1))
	lease.SeqEnd += journal.SeqBlock
	lines := [][]byte{lease.Line()}
	for _, e := range []marker.Event{recovered, notice} {
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, b)
	}
	if _, err := j.Append(t.Context(), lines, make([][]byte, len(lines))); err != nil {
		t.Fatal(err)
	}
}
