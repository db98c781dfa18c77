package transcript

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// keeper is a relay that writes a journal: rounds with a window each, actions that
// are taken and refused, checkpoints that lag, crashes and a change of keys. It goes
// by its own clock and a seed.
type keeper struct {
	t      testing.TB
	rand   *rand.Rand
	signer *Signer
	now    time.Time
	lines  [][]byte

	seq, lease, ts uint64
	term           uint64
	tree, durable  Tree // of all events, and of those that the next checkpoint covers
	book           *window.Book
	receipts       []Receipt
	notes          []string // all checkpoints

	// What a dishonest keeper changes before it writes. cheat returns false for an
	// action that it drops.
	cheat  func(*window.Action) bool
	pocket func(name string, fair int) int
}

const block = 4096 // seq numbers of a lease

func newKeeper(t testing.TB, seed uint64, signer *Signer) *keeper {
	k := &keeper{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), signer: signer, book: window.NewBook(),
		now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC), ts: 160_000_000_000_000,
	}
	k.take()
	return k
}

// take is what a relay does when it takes the stream.
func (k *keeper) take() {
	k.term++
	k.line(fmt.Appendf(nil, `{"v":1,"type":"owner","owner":"relay-%d","term":%d,"at":%q}`, k.term, k.term, k.now.Format(time.RFC3339Nano)))
	k.leaseMore()
}

func (k *keeper) leaseMore() {
	k.lease += block
	k.writeLease(1)
	k.writeLease(2) // another epoch
}

func (k *keeper) writeLease(epoch int) {
	k.line(fmt.Appendf(nil, `{"v":1,"type":"lease","log":%q,"seq_end":%d,"epoch":%d,"ahead_ns":0}`, testLog.String(), k.lease, epoch))
}

func (k *keeper) line(b []byte) { k.lines = append(k.lines, b) }

func (k *keeper) pass(d time.Duration) {
	k.now = k.now.Add(d)
	k.ts += uint64(d.Nanoseconds() * 9 / 100_000)
}

func (k *keeper) event(kind marker.Kind, w string, data any) marker.Event {
	k.t.Helper()
	if k.seq == k.lease {
		k.leaseMore()
	}
	k.seq++
	e := marker.Event{
		Log: testLog, Stream: "wheel", Track: "v0", Epoch: 1, Seq: k.seq, Kind: kind, ID: fmt.Sprintf("e%d", k.seq),
		TS: k.ts, Frame: k.ts / 1500, CaptureTime: k.now, ErrorMS: 0.4, By: "relay", Window: w,
	}
	if data != nil {
		b, err := json.Marshal(data)
		if err != nil {
			k.t.Fatal(err)
		}
		e.Data = b
	}
	b := encode(k.t, e)
	if err := k.book.Apply(&e); err != nil {
		k.t.Fatal(err)
	}
	k.line(b)
	k.tree.Append(LeafHash(b))
	return e
}

// act sends an action and, where erase is false, keeps its payload.
func (k *keeper) act(w, subject, id string, seen uint64, erase bool) {
	data := fmt.Appendf(nil, `{"bet":%d,"text":"é"}`, k.rand.IntN(37))
	var salt [window.SaltSize]byte
	binary.BigEndian.PutUint64(salt[:], k.rand.Uint64())
	a := &window.Action{
		Window: w, ID: id, Subject: subject, Session: "s-" + subject, ReceivedAt: k.now, Seen: seen,
		Sent: []window.Span{{From: k.ts - 900_000, To: k.ts}}, Superseded: k.now.Add(-10 * time.Millisecond),
		RTTMS: float64(k.rand.IntN(80_000)) / 1000, Size: len(data), Commitment: window.Commitment(salt, data),
	}
	p := window.Payload{Salt: salt, Data: data}
	if k.cheat != nil && !k.cheat(a) {
		return
	}
	if k.book.Judge(a) != nil || a.Order == 0 {
		k.t.Fatalf("action %+v is no line", a)
	}
	p.Order = a.Order
	k.line(a.Encode())
	if !erase {
		k.line(p.Encode())
	}
	k.receipts = append(k.receipts, Receipt{
		Type: "receipt", V: 1, ID: a.ID, Window: a.Window, Verdict: a.Verdict, Reason: a.Reason, Order: a.Order,
		ReceivedAt: a.ReceivedAt, Salt: salt[:], Seen: a.Seen, Commitment: a.Commitment,
	})
}

// round is a window from open to outcome, with n viewers.
func (k *keeper) round(name string, n int) {
	opened := k.event(marker.WindowOpen, name, window.Rules{
		ClosesTS: k.ts + 900_000, Grace: 200 * time.Millisecond, MaxPerViewer: 1, MaxBytes: 64, MaxActions: n + 1, MaxAge: time.Second,
	})
	for i := range n {
		k.pass(time.Duration(1+k.rand.IntN(50)) * time.Millisecond)
		seen := k.ts - uint64(k.rand.IntN(3))
		if k.rand.IntN(8) == 0 {
			seen = opened.TS - 1
		}
		k.act(name, fmt.Sprintf("v%d", i%max(n-1, 1)), fmt.Sprintf("%s-%d", name, i), max(seen, 1), k.rand.IntN(3) == 0)
	}
	k.pass(100 * time.Millisecond)
	k.event(marker.WindowClosing, name, window.ClosingData{CloseTS: k.ts, Reason: window.ClosingRequested, At: k.now})
	seen := k.ts - 1
	k.pass(150 * time.Millisecond)
	k.act(name, "late", name+"-late", seen, false)
	k.pass(150 * time.Millisecond)
	k.act(name, "later", name+"-later", seen, false)
	w, _ := k.book.Window(name)
	k.event(marker.WindowClose, name, w.CloseData())
	k.pass(time.Second)
	pocket := k.rand.IntN(37)
	if k.pocket != nil {
		pocket = k.pocket(name, pocket)
	}
	o := k.event(marker.Outcome, name, map[string]any{"pocket": pocket})
	var h Hash
	binary.BigEndian.PutUint64(h[:], o.TS)
	k.event(marker.FrameHash, "", map[string]any{"of_seq": o.Seq, "alg": "sha-256", "hash": hex.EncodeToString(h[:])})
}

// checkpoint signs what is durable by now, and makes the rest so.
func (k *keeper) checkpoint() {
	if k.durable.Size() > 0 {
		signed := sign(k.t, k.signer, k.durable.Size(), k.durable.Root())
		k.notes = append(k.notes, signed)
		k.line(CheckpointLine(signed))
	}
	k.durable = k.tree.Clone()
}

// crash loses nothing that is in the journal, and some seq numbers.
func (k *keeper) crash() {
	last := k.seq
	k.seq = k.lease
	k.take()
	k.event(marker.Recovered, "", map[string]any{"last_durable": last})
}

// rotate hands over to another key.
func (k *keeper) rotate(next *Signer) {
	k.event(marker.Notice, "", NewKeyNotice(next, k.signer))
	k.durable = k.tree.Clone()
	k.checkpoint()
	k.signer = next
}

// write fills a journal with everything that there is.
func (k *keeper) write(rounds, viewers int, next *Signer) *keeper {
	for i := range rounds {
		k.event(marker.Marker, "", nil)
		k.round(fmt.Sprintf("w%d", i), viewers)
		k.checkpoint()
		if i%2 == 1 {
			k.crash()
		}
		if i == rounds/2 && next != nil {
			k.rotate(next)
		}
	}
	return k
}

// export returns the export of the journal as it is, sealed.
func (k *keeper) export(key string) []byte {
	k.t.Helper()
	newest := CheckpointLine(sign(k.t, k.signer, k.tree.Size(), k.tree.Root()))
	return seal(k.t, key, k.signer, append(slices.Clone(k.lines), newest))
}

// seal returns an export of any lines.
func seal(t testing.TB, key string, signer *Signer, lines [][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	x, err := NewExporter(&b, Header{Stream: "wheel", Log: testLog, Key: key, ExportedAt: time.Date(2026, 5, 6, 8, 0, 0, 0, time.UTC)})
	for _, l := range lines {
		if err == nil {
			err = x.Line(l)
		}
	}
	var s *Signer
	if err == nil {
		s, err = SealSigner(signer)
	}
	if err == nil {
		err = x.Close(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// resign signs all checkpoints among lines again, for the events that are there now.
func resign(t testing.TB, signer *Signer, lines [][]byte) [][]byte {
	t.Helper()
	var leaves []Hash
	var out [][]byte
	for _, l := range lines {
		switch kind, _ := lineType(l); kind {
		case typeEvent:
			leaves = append(leaves, LeafHash(l))
		case typeCheckpoint:
			var n noteLine
			if err := json.Unmarshal(l, &n); err != nil {
				t.Fatal(err)
			}
			c, err := unsigned(n.Note)
			if err != nil {
				t.Fatal(err)
			}
			var tree Tree
			for _, h := range leaves[:min(c.Size, uint64(len(leaves)))] {
				tree.Append(h)
			}
			l = CheckpointLine(sign(t, signer, tree.Size(), tree.Root()))
		}
		out = append(out, l)
	}
	return out
}

// recording has the frame hashes that keeper writes.
func recording(track string, ts uint64) (Hash, bool) {
	var h Hash
	binary.BigEndian.PutUint64(h[:], ts)
	return h, track == "v0"
}
