package transcript

import (
	"errors"
	"testing"

	"github.com/framelock/relay/sync/marker"
)

func TestNewKey(t *testing.T) {
	next, previous := testSigner(t, testOrigin, 1), testSigner(t, testOrigin, 0)
	data := string(NewKeyNotice(next, previous))
	for _, tt := range []struct {
		name string
		e    marker.Event
		ok   bool
		err  bool
	}{
		{name: "a key", e: event(1, marker.Notice, data), ok: true},
		{name: "not a notice", e: event(1, marker.Marker, data)},
		{name: "another notice", e: event(1, marker.Notice, `{"notice":"hold"}`)},
		{name: "no data", e: event(1, marker.Notice, "")},
		{name: "not a key", e: event(1, marker.Notice, `{"notice":"transcript_key","key":"x"}`), err: true},
		{name: "no key", e: event(1, marker.Notice, `{"notice":"transcript_key"}`), err: true},
		{name: "after no key", e: event(1, marker.Notice, `{"notice":"transcript_key","key":"`+next.VerifierKey()+`","previous":"x"}`), err: true},
	} {
		got, ok, err := NewKey(&tt.e)
		if ok != tt.ok || (err != nil) != tt.err || ok && (got.Key != next.VerifierKey() || got.Previous != previous.VerifierKey()) {
			t.Errorf("%s: %+v, %v, %v", tt.name, got, ok, err)
		}
	}
}

// Whatever a log has come to when its relay ends, the next start signs with the one key
// that readers take, or with none.
func TestHandOver(t *testing.T) {
	a, b, c := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 1), testSigner(t, testOrigin, 2)
	note := func(s *Signer, size uint64) string { return sign(t, s, size, Hash{}) }
	says := func(previous, next *Signer, index uint64) Announcement {
		return Announcement{KeyNotice{noticeOfKey, next.VerifierKey(), previous.VerifierKey()}, index}
	}
	ab := says(a, b, 7)
	for _, tt := range []struct {
		name             string
		log              []Announcement
		note             string
		signer, previous *Signer
		first, now, next *Signer
		covering         uint64
	}{
		{name: "a new log", signer: b, previous: a, first: b, now: b},
		{name: "the same key", note: note(a, 5), signer: a, first: a, now: a},
		{name: "another key", note: note(a, 5), signer: b},
		{name: "another key after it", note: note(a, 5), signer: b, previous: a, first: a, now: a, next: b},
		{name: "announced", log: []Announcement{ab}, note: note(a, 7), signer: b, previous: a, first: a, now: a, next: b, covering: 8},
		{name: "announced before the first checkpoint", log: []Announcement{ab}, signer: b, previous: a, first: a, now: a, next: b, covering: 8},
		{name: "announced, and the old key is gone", log: []Announcement{ab}, note: note(a, 7), signer: b},
		{name: "announced, and the old key is back", log: []Announcement{ab}, note: note(a, 7), signer: a},
		{name: "announced, and a third key", log: []Announcement{ab}, note: note(a, 7), signer: c, previous: a},
		{name: "covered", log: []Announcement{ab}, note: note(a, 8), signer: b, previous: a, first: a, now: b},
		{name: "handed over", log: []Announcement{ab}, note: note(b, 9), signer: b, first: a, now: b},
		{name: "handed over, and the old key is back", log: []Announcement{ab}, note: note(b, 9), signer: a},
		{name: "handed over, and once more", log: []Announcement{ab}, note: note(b, 9), signer: c, previous: b, first: a, now: b, next: c},
		{name: "back to the first", log: []Announcement{ab}, note: note(b, 9), signer: a, previous: b, first: a, now: b, next: a},
		{name: "twice", log: []Announcement{ab, says(b, c, 20)}, note: note(c, 30), signer: c, first: a, now: c},
	} {
		h, err := HandOver(tt.log, tt.note, tt.signer, tt.previous)
		if tt.now == nil {
			if !errors.Is(err, ErrKey) {
				t.Errorf("%s: %v, want ErrKey", tt.name, err)
			}
			continue
		}
		if err != nil || h.Now != tt.now || h.Next != tt.next || h.Covering != tt.covering || h.First != tt.first.VerifierKey() {
			t.Errorf("%s: %+v, %v", tt.name, h, err)
		}
	}
}

// The old key signs up to the checkpoint that covers the notice, and not once more.
func TestHandoverStep(t *testing.T) {
	a, b := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 1)
	h := Handover{Now: a, Next: b}
	if h.Signed(9) || h.Now != a {
		t.Error("handed over without a notice")
	}
	h.Announced("another", 10)
	if h.Covering != 0 {
		t.Error("another key's notice counts")
	}
	h.Announced(b.VerifierKey(), 10)
	if h.Signed(9) || !h.Signed(10) || h.Now != b || h.Signed(11) {
		t.Errorf("%+v", h)
	}
}

// Who was away while a key took over is shown the proof of it, and takes no other.
func TestFollowerTakesASuccessor(t *testing.T) {
	a, b, stranger := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 1), testSigner(t, testOrigin, 2)
	handover := func(from, to, signer *Signer) EventProof {
		var hashes Hashes
		line := encode(t, event(1, marker.Notice, string(NewKeyNotice(to, from))))
		hashes.Append(LeafHash(line))
		p, err := hashes.Inclusion(0, 1)
		if err != nil {
			t.Fatal(err)
		}
		return EventProof{Event: string(line), Proof: p, Note: sign(t, signer, 1, LeafHash(line))}
	}
	f, err := Follow(testOrigin, Head{Key: a.VerifierKey()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Succeed(handover(a, stranger, stranger)); err == nil || f.Key() != a.VerifierKey() {
		t.Errorf("a stranger names itself: %v, key %s", err, f.Key())
	}
	if err := f.Succeed(handover(stranger, b, stranger)); err != nil || f.Key() != a.VerifierKey() {
		t.Errorf("a handover between others: %v, key %s", err, f.Key())
	}
	if err := f.Succeed(handover(a, b, a)); err != nil || f.Key() != b.VerifierKey() {
		t.Errorf("the successor: %v, key %s", err, f.Key())
	}
}
