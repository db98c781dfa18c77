package stream

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// A window may stay open while many others come and go.
func TestLedgerKeepsReceiptsOfAnOpenWindow(t *testing.T) {
	l := newLedger()
	event := func(kind marker.Kind, name string) {
		if err := l.event(kind, name, l.seq+1, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	event(marker.WindowOpen, "long")
	l.action(&window.Action{Window: "long", Order: 1, Verdict: window.Accepted}, [window.SaltSize]byte{})
	for i := range 3 * window.KeptClosed {
		name := fmt.Sprint("w", i)
		event(marker.WindowOpen, name)
		l.action(&window.Action{Window: name, Order: uint64(i + 2), Verdict: window.Accepted}, [window.SaltSize]byte{})
		event(marker.WindowClose, name)
	}
	event(marker.Void, "w190") // once more does not end it again
	if l.receipt("long", 1) == nil {
		t.Error("the receipt of a window that is still open is gone")
	}
	for i := range 3 * window.KeptClosed {
		order, want := uint64(i+2), i >= 2*window.KeptClosed
		if got := l.receipt(fmt.Sprint("w", i), order) != nil; got != want {
			t.Errorf("receipt %d of a closed window is kept: %t, want %t", order, got, want)
		}
	}
	if len(l.receipts) != window.KeptClosed+1 || l.kept != window.KeptClosed {
		t.Errorf("%d windows with %d receipts of closed ones", len(l.receipts), l.kept)
	}
}

// What is refused costs who sends it nothing, so it must not cost the relay memory.
func TestLedgerBoundsRejectedActions(t *testing.T) {
	for _, reason := range []string{window.ReasonWindowClosed, window.ReasonLimitPerViewer, window.ReasonIDReused, window.ReasonWindowUnknown} {
		l := newLedger()
		if err := l.event(marker.WindowOpen, "w", 1, []byte("w")); err != nil {
			t.Fatal(err)
		}
		const most = 2 * window.KeptRejected
		for i := range uint64(most) {
			l.action(&window.Action{Window: "w", Order: i + 1, Verdict: window.Rejected, Reason: reason}, [window.SaltSize]byte{})
		}
		if n := len(l.receipts["w"]) + len(l.rejected); n > window.KeptRejected {
			t.Errorf("%s: %d receipts are kept of %d", reason, n, most)
		}
		if kept := l.receipt("w", most) != nil; kept != (reason != window.ReasonIDReused) {
			t.Errorf("%s: the newest is kept: %t", reason, kept)
		}
	}
}

// awayOnce is a key kept elsewhere that cannot be reached the first time.
type awayOnce struct {
	ed25519.PrivateKey
	asked *int
}

func (k awayOnce) Sign(r io.Reader, message []byte, o crypto.SignerOpts) ([]byte, error) {
	if *k.asked++; *k.asked == 1 {
		return nil, errors.New("the key is away")
	}
	return k.PrivateKey.Sign(r, message, o)
}

// A checkpoint that could not be signed is not forgotten, even if no event follows.
func TestCheckpointIsTriedAgain(t *testing.T) {
	key := awayOnce{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), new(int)}
	signer, err := transcript.NewSigner("relay.example.com/wheel/1", key)
	if err != nil {
		t.Fatal(err)
	}
	l := &Loop{
		sh: Shell{Logger: slog.New(slog.DiscardHandler)}, ledger: newLedger(), keys: &keys{Handover: transcript.Handover{Now: signer}},
		writer: journal.NewWriter(forgetful{}, journal.WriterOptions{}),
	}
	if err := l.ledger.event(marker.Marker, "", 1, []byte("e")); err != nil {
		t.Fatal(err)
	}
	for try, want := range []int{0, 1, 1} {
		l.checkpoint()
		if got := l.writer.Backlog(); got != want {
			t.Errorf("try %d: %d checkpoints, want %d", try+1, got, want)
		}
	}
}

// The loop asks for leases while another relay has the stream and viewers have filled
// the queue of wishes: it must not wait for itself.
func TestLeaseThatIsRefusedDoesNotHoldTheLoopUp(t *testing.T) {
	l := &Loop{
		sh: Shell{Logger: slog.New(slog.DiscardHandler)}, wishes: make(chan func(), 1), done: make(chan struct{}),
		writer: journal.NewWriter(forgetful{}, journal.WriterOptions{}),
	}
	l.writer.Close()
	l.wishes <- func() {}
	returned := make(chan struct{})
	go func() { l.Lease(journal.Lease{}); close(returned) }()
	select {
	case <-returned:
	case <-time.After(5 * time.Second):
		t.Error("the loop waits for itself")
		<-l.wishes
		<-returned
	}
}

// What comes while the loop ends gets its answer, and is not queued where nobody looks.
func TestActionAtTheEndIsAnswered(t *testing.T) {
	l := &Loop{
		sh: Shell{Now: time.Now, Metrics: &world{}}, acts: make(chan *act, 64), done: make(chan struct{}),
		writer: journal.NewWriter(forgetful{}, journal.WriterOptions{}),
	}
	close(l.done)
	answers := 0
	for range cap(l.acts) {
		l.Submit(marker.ActRequest{ID: "a", Window: "w"}, "anna", func([]byte) { answers++ })
	}
	if answers != cap(l.acts) {
		t.Errorf("%d of %d actions were answered", answers, cap(l.acts))
	}
}

// The book keeps an action, and with it everything that it holds: not what a viewer
// sent, which is to be erased on the disk alone, nor who waits for the receipt.
func TestAnActionOnTheDiskHoldsNothingElse(t *testing.T) {
	for _, err := range []error{nil, errors.New("the disk is gone")} {
		l := &Loop{sh: Shell{Metrics: &world{}}, ledger: newLedger()}
		a := newAct(marker.ActRequest{ID: "a", Window: "w", Data: []byte(`{"bet":17}`)}, "anna", "", func([]byte) {})
		e := &actionEntry{l: l, act: a}
		e.Encode()
		e.Durable(1, err)
		if a.data != nil || a.reply != nil || a.salt != [window.SaltSize]byte{} {
			t.Errorf("after %v: data %q, salt %x, somebody waits: %v", err, a.data, a.salt, a.reply != nil)
		}
	}
}

// A receipt has the salt, which is erased with what a viewer sent. There is none after
// a restart, rather than one that the viewer never got.
func TestNoReceiptWithoutItsSalt(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2)
	tb.open(marker.OpenRequest{Window: "w"})
	tb.frame(false, 2)
	for _, id := range []string{"1", "2"} {
		if got := tb.viewerActs(id, "w", tb.core.sent); got.Verdict != "accepted" {
			t.Fatal(got)
		}
	}
	p := newPast(tb.core.cfg.StateLimit)
	for i, line := range tb.lines {
		var erasable []byte
		if a, err := window.DecodeAction(line); err == nil && a.Order == 2 {
			salt := [window.SaltSize]byte{7}
			again := *a
			again.Commitment = window.Commitment(salt, []byte(`17`))
			line, erasable = again.Encode(), window.Payload{Order: 2, Salt: salt, Data: []byte(`17`)}.Encode()
		}
		if err := p.line(uint64(i+1), line, erasable); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.ledger.receipt("w", 1); got != nil {
		t.Errorf("of an erased action: %s", got)
	}
	if p.ledger.receipt("w", 2) == nil {
		t.Error("the receipt of the other is gone")
	}
}
