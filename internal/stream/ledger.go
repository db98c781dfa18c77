package stream

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/tiles"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// ledger is what a stream has that is durable: the tree of its events, what its
// windows took, and the receipts for it. The journal's writer writes it, in the
// order of the lines; whoever asks for a proof reads it.
type ledger struct {
	mu       sync.Mutex
	tree     transcript.Tree
	seq      uint64                       // of the newest event
	receipts map[string]map[uint64][]byte // of accepted actions, by window and order
	ended    []string                     // of the windows, those that take no actions, in order of ending
	kept     int                          // receipts of those
	rejected map[uint64][]byte            // receipts of rejected actions, by order
	ring     []uint64                     // their orders
	next     int                          // of ring to be forgotten
	signed   uint64                       // size of the tree of the newest checkpoint
	note     string                       // that checkpoint
	keys     []announcement               // of the log's signers, in order
	newKey   *transcript.EventProof       // of the key whose first checkpoint is the newest; nil if that is not its first
	lines    uint64                       // position of the newest line
	grown    chan struct{}                // closed with the next line; nil if nobody waits for it
	store    *tiles.Store                 // of the log as it is served; nil if it is not
}

func newLedger() *ledger {
	return &ledger{
		receipts: map[string]map[uint64][]byte{}, rejected: map[uint64][]byte{}, ring: make([]uint64, window.KeptRejected),
	}
}

// event notes an event that is durable. The error is that of serving it.
func (l *ledger) event(kind marker.Kind, name string, seq uint64, b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tree.Append(transcript.LeafHash(b))
	l.seq = seq
	switch {
	case kind == marker.WindowOpen:
		l.receipts[name] = map[uint64][]byte{}
	case kind == marker.WindowClose, kind == marker.Void && name != "":
		l.end(name)
	case kind == marker.Notice:
		if err := l.announce(b); err != nil {
			return err
		}
	}
	if l.store == nil {
		return nil
	}
	return l.store.Append(seq, b)
}

// end notes that a window takes no more actions. The ledger forgets as window.Book
// does, so that there is a receipt for every action that is known there, and no more.
func (l *ledger) end(name string) {
	if slices.Contains(l.ended, name) {
		return // voided after its close
	}
	l.ended = append(l.ended, name)
	l.kept += len(l.receipts[name])
	for len(l.ended) > window.KeptClosed || l.kept > window.MaxActions && len(l.ended) > 1 {
		l.kept -= len(l.receipts[l.ended[0]])
		delete(l.receipts, l.ended[0])
		l.ended = slices.Delete(l.ended, 0, 1)
	}
}

// checkpoint notes a checkpoint that is durable.
func (l *ledger) checkpoint(note string) error {
	text, _, _ := strings.Cut(note, "\n\n")
	c, err := transcript.ParseCheckpoint(text + "\n")
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newKey = nil
	if last := l.lastHandover(); last != nil && last.Note == l.note {
		l.newKey = last
	}
	l.note, l.signed = note, max(l.signed, c.Size)
	if l.store == nil {
		return nil
	}
	if err := l.store.SetCheckpoint(c, note); err != nil {
		return err
	}
	return l.prove(c.Size)
}

// action notes an action that is durable and returns its receipt.
func (l *ledger) action(a *window.Action, salt [window.SaltSize]byte) []byte {
	receipt := receiptOf(a, salt)
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.receipts[a.Window]
	switch {
	case a.Reason == window.ReasonIDReused:
		return receipt // nobody can ask for it again: its id is another action's
	case a.Verdict == window.Rejected || of == nil:
		of = l.rejected
		delete(of, l.ring[l.next])
		l.ring[l.next] = a.Order
		l.next = (l.next + 1) % len(l.ring)
	}
	of[a.Order] = receipt
	return receipt
}

// receipt returns that of an action; nil if it is not durable or not kept.
func (l *ledger) receipt(name string, order uint64) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if receipt := l.receipts[name][order]; receipt != nil {
		return receipt
	}
	return l.rejected[order]
}

// forget drops the receipts of actions whose data was erased: with the salt in them,
// what was erased could be guessed.
func (l *ledger) forget(orders []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, order := range orders {
		for name, of := range l.receipts {
			if _, ok := of[order]; ok {
				delete(of, order)
				if slices.Contains(l.ended, name) {
					l.kept--
				}
			}
		}
		delete(l.rejected, order)
	}
}

// newest returns the position of the newest line, and what is closed when there is
// one after it.
func (l *ledger) newest() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grown == nil {
		l.grown = make(chan struct{})
	}
	return l.lines, l.grown
}

// receiptOf returns the receipt for an action: always the same bytes. No value needs
// an escape: names are checked, the rest is the relay's.
func receiptOf(a *window.Action, salt [window.SaltSize]byte) []byte {
	b := make([]byte, 0, 384)
	b = append(append(b, `{"type":"receipt","v":1,"id":"`...), a.ID...)
	b = append(append(b, `","window":"`...), a.Window...)
	b = append(append(b, `","verdict":"`...), a.Verdict...)
	if a.Reason != "" {
		b = append(append(b, `","reason":"`...), a.Reason...)
	}
	b = strconv.AppendUint(append(b, `","order":`...), a.Order, 10)
	b = a.ReceivedAt.AppendFormat(append(b, `,"received_at":"`...), time.RFC3339Nano)
	b = strconv.AppendUint(append(b, `","seen":`...), a.Seen, 10)
	b = base64.StdEncoding.AppendEncode(append(b, `,"salt":"`...), salt[:])
	b = append(append(b, `","commitment":"`...), a.Commitment...)
	return append(b, `"}`...)
}

// refusal returns what a viewer gets for an action that was not judged.
func refusal(id, name, reason string) []byte {
	b, err := json.Marshal(struct {
		Type    string `json:"type"`
		V       int    `json:"v"`
		ID      string `json:"id"`
		Window  string `json:"window"`
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
	}{"receipt", marker.Version, id, name, window.Rejected, reason})
	if err != nil {
		panic(err) // a plain struct of ours
	}
	return b
}

// The things that wait for the journal, in the order in which they were decided.
// Encode and Durable are called by the journal's writer.

// eventEntry is an event.
type eventEntry struct {
	l     *Loop
	kind  marker.Kind
	name  string // of its window
	seq   uint64
	bytes []byte
}

func (e *eventEntry) Encode() (line, erasable []byte) { return e.bytes, nil }

func (e *eventEntry) Durable(pos uint64, err error) {
	if err != nil {
		return
	}
	if err := e.l.ledger.event(e.kind, e.name, e.seq, e.bytes); err != nil {
		e.l.sh.Logger.Error("event not served", "stream", e.l.cfg.Name, "seq", e.seq, "error", err)
	}
	e.l.announce("event", pos, e.bytes)
	e.l.ledger.at(pos)
	switch {
	case e.kind == marker.Notice && e.l.keys != nil:
		e.l.keyAnnounced()
	case e.kind == marker.WindowClose:
		e.l.checkpoint()
	}
}

// answerEntry is the answer for an event, which waits until that is durable.
type answerEntry struct {
	tickets []Ticket
	answer  Answer
}

func (e *answerEntry) Encode() (line, erasable []byte) { return nil, nil }

func (e *answerEntry) Durable(_ uint64, err error) {
	if err != nil {
		e.answer = Answer{Err: lost(err)}
	}
	for _, t := range e.tickets {
		t <- e.answer // has room for its one answer
	}
}

// actionEntry is an action with its verdict.
type actionEntry struct {
	l    *Loop
	act  *act
	line []byte
}

func (e *actionEntry) Encode() (line, erasable []byte) {
	a := e.act
	e.line = a.Encode()
	return e.line, window.Payload{Order: a.Order, Salt: a.salt, Data: a.data}.Encode()
}

func (e *actionEntry) Durable(pos uint64, err error) {
	a := e.act
	defer a.settle()
	if err != nil {
		a.reply(refusal(a.ID, a.Window, refusalReason(lost(err))))
		return
	}
	receipt := e.l.ledger.action(&a.Action, a.salt)
	if a.Verdict == window.Accepted {
		e.l.announce("action", pos, e.line)
	}
	e.l.ledger.at(pos)
	e.l.sh.Metrics.Acted(a.Verdict, a.Reason)
	a.reply(receipt)
}

// announce tells the platform of a line that is durable.
func (l *Loop) announce(kind string, pos uint64, line []byte) {
	if l.sh.Journal != nil {
		l.sh.Journal.Announce(kind, pos, line)
	}
}

// repeatEntry is an action that was judged before.
type repeatEntry struct {
	l       *Loop
	earlier *window.Action
	reply   func([]byte)
}

func (e *repeatEntry) Encode() (line, erasable []byte) { return nil, nil }

func (e *repeatEntry) Durable(_ uint64, err error) {
	a := e.earlier
	if r := e.l.ledger.receipt(a.Window, a.Order); r != nil {
		e.reply(r)
		return
	}
	reason := window.ReasonWindowUnknown // so long ago that it is not kept
	if err != nil {
		reason = refusalReason(lost(err))
	}
	e.reply(refusal(a.ID, a.Window, reason))
}

// sealEntry waits until everything that a window took is durable.
type sealEntry struct {
	l    *Loop
	name string
}

func (e *sealEntry) Encode() (line, erasable []byte) { return nil, nil }

func (e *sealEntry) Durable(_ uint64, err error) {
	if err == nil {
		e.l.wish(func() { e.l.core.Sealed(e.name, e.l.sh.Now()) })
	}
}

// leaseEntry is a lease.
type leaseEntry struct {
	l     *Loop
	lease journal.Lease
}

func (e *leaseEntry) Encode() (line, erasable []byte) { return e.lease.Line(), nil }

func (e *leaseEntry) Durable(_ uint64, err error) {
	told := func() { e.l.core.Leased(e.lease, err) }
	if err != nil {
		e.l.try(told) // put may say so on the loop itself, which cannot wait for itself
		return
	}
	e.l.wish(told)
}

// waitEntry says when everything before it is durable.
type waitEntry chan struct{}

func (e waitEntry) Encode() (line, erasable []byte) { return nil, nil }
func (e waitEntry) Durable(uint64, error)           { close(e) }

// signEntry has the tree signed as it is, if it has grown.
type signEntry struct{ l *Loop }

func (e *signEntry) Encode() (line, erasable []byte) { return nil, nil }

func (e *signEntry) Durable(_ uint64, err error) {
	if err == nil {
		e.l.checkpoint()
	}
}

// noteEntry is a checkpoint that viewers are told of when it is durable.
type noteEntry struct {
	l         *Loop
	size, seq uint64
	root      transcript.Hash
	note      string
}

func (e *noteEntry) Encode() (line, erasable []byte) { return transcript.CheckpointLine(e.note), nil }

func (e *noteEntry) Durable(pos uint64, err error) {
	if err != nil {
		return
	}
	l := e.l
	// What is shown must never be forgotten, so that is on the disk first.
	if err := errors.Join(l.guard.Advance(l.core.log.String(), e.size, e.root), l.ledger.checkpoint(e.note)); err != nil {
		l.sh.Logger.Error("checkpoint not shown", "stream", l.cfg.Name, "error", err)
		return
	}
	l.ledger.at(pos)
	l.sh.Transcript.Witness(e.note)
	l.ledger.mu.Lock()
	newKey := l.ledger.newKey
	l.ledger.mu.Unlock()
	b, err := json.Marshal(transcript.Notification{
		Type: "checkpoint", Size: e.size, Seq: e.seq, Note: e.note, Handover: newKey,
	})
	if err != nil {
		panic(err) // a plain struct of ours
	}
	l.wish(func() { l.Tell(egress.Message{Bytes: b, Channel: egress.Events}) })
}

// checkpoint signs the tree of what is durable, if it has grown since it was
// signed last.
func (l *Loop) checkpoint() {
	g := l.ledger
	g.mu.Lock()
	size, root, seq, due := g.tree.Size(), g.tree.Root(), g.seq, l.keys != nil && g.tree.Size() > g.signed
	before := g.signed
	g.signed = size
	g.mu.Unlock()
	if !due {
		return
	}
	_, signer := l.keys.now()
	note, err := signer.Sign(size, root)
	if err != nil {
		l.sh.Logger.Error("checkpoint not signed; tried again soon", "stream", l.cfg.Name, "error", err)
	}
	if err != nil || !l.writer.Put(&noteEntry{l, size, seq, root, note}) {
		g.mu.Lock()
		g.signed = before // the next try is due, though nothing may have come by then
		g.mu.Unlock()
		return
	}
	if next := l.keys.signed(size); next != nil {
		l.sh.Logger.Info("another key signs the log from now on; the one before is needed no more", "stream", l.cfg.Name, "key", next.VerifierKey())
	}
}

// at notes how far the journal has come, and wakes who follows it.
func (l *ledger) at(pos uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = pos
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
}

func lost(err error) error {
	if errors.Is(err, journal.ErrFenced) {
		return marker.ErrNotOwner
	}
	return marker.ErrUnavailable
}

// refusalReason is how a receipt says why an action was not judged.
func refusalReason(err error) string {
	switch {
	case errors.Is(err, marker.ErrNotOwner):
		return window.ReasonNotOwner
	case errors.Is(err, marker.ErrInboxFull):
		return window.ReasonOverloaded
	}
	return window.ReasonJournalUnavailable
}
