package watch

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// event holds the fields of an event that the checks need (docs/protocol.md,
// section 4). Everything else in the message is covered by its hash.
type event struct {
	Type   string          `json:"type"`
	Log    string          `json:"log"`
	Seq    uint64          `json:"seq"`
	Kind   string          `json:"kind"`
	ID     string          `json:"id"`
	Track  string          `json:"track"`
	Epoch  uint32          `json:"epoch"`
	TS     uint64          `json:"ts"`
	LateMS float64         `json:"late_ms"`
	Data   json.RawMessage `json:"data"`
}

// silent kinds never fire and are not asked to ride on packets.
func (e *event) silent() bool { return e.Kind == "frame_hash" || e.Kind == "recovered" }

// leafHash is the RFC 6962 (section 2.1) hash of an event message.
func leafHash(message []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte{0}, message...))
}

// entry gathers what each path said of one event.
type entry struct {
	event    event
	message  []byte // the exact bytes; nil if no path has brought them yet
	reliable int    // copies on the ordered channel
	fast     int    // copies on the fast channel
	pending  bool   // listed in the snapshot as not yet shown
	marks    []carried
}

// carried is one packet that carried an event's header extension.
type carried struct {
	mark    mark
	frameTS uint32
}

// ledger is the record of a session's events by sequence number. It is pure.
type ledger struct {
	log      string
	expect   uint64 // next sequence number on the ordered channel; 0 before the snapshot
	cut      uint64 // sequence number of the snapshot
	stateAt  uint64
	newest   uint64
	entries  map[uint64]*entry
	parts    []string
	complete bool // a snapshot has been read
	first    bool // it came before every event

	reliable, silent, fast, snapshots, notices, clocks int
	gaps, doubles, equivocations, foreign              int
	frameHashes                                        []frameHash
	malformed                                          []string
}

// frameHash is a frame_hash event: the hash that the frame of OfSeq must have.
type frameHash struct {
	OfSeq uint64 `json:"of_seq"`
	Alg   string `json:"alg"`
	Hash  string `json:"hash"`
}

func newLedger() *ledger { return &ledger{entries: map[uint64]*entry{}, first: true} }

func (l *ledger) at(seq uint64) *entry {
	e := l.entries[seq]
	if e == nil {
		e = &entry{}
		l.entries[seq] = e
	}
	l.newest = max(l.newest, seq)
	return e
}

// receive takes an event message from a channel.
func (l *ledger) receive(message []byte, reliable bool) {
	var ev event
	if err := json.Unmarshal(message, &ev); err != nil {
		l.malform("event: %v", err)
		return
	}
	if l.log != "" && ev.Log != l.log {
		l.foreign++
		return
	}
	e := l.at(ev.Seq)
	if e.message != nil && !bytes.Equal(e.message, message) {
		l.equivocations++
		l.malform("two events with seq %d", ev.Seq)
		return
	}
	first := e.message == nil
	e.event, e.message = ev, message
	if reliable {
		l.order(&ev, e)
	} else {
		l.fast++
		e.fast++
	}
	if first && ev.Kind == "frame_hash" {
		var h frameHash
		if err := json.Unmarshal(ev.Data, &h); err != nil || h.Alg != "sha-256" {
			l.malform("frame_hash %d: %q", ev.Seq, ev.Data)
			return
		}
		l.frameHashes = append(l.frameHashes, h)
	}
}

// order checks that the ordered channel continues at seq + 1. Only a recovered
// event may jump: sequence numbers resume at the end of their lease.
func (l *ledger) order(ev *event, e *entry) {
	l.reliable++
	e.reliable++
	if ev.silent() && e.reliable == 1 {
		l.silent++
	}
	switch {
	case !l.complete:
		l.first = false
	case ev.Seq < l.expect:
		l.doubles++
		return
	case ev.Seq > l.expect && ev.Kind != "recovered":
		l.gaps++
	}
	l.expect = ev.Seq + 1
}

// snapshot is the first message of the ordered channel, once put together.
type snapshot struct {
	Type    string            `json:"type"`
	Log     string            `json:"log"`
	Seq     uint64            `json:"seq"`
	StateAt uint64            `json:"state_at"`
	Pending []json.RawMessage `json:"pending"`
	Clock   clock             `json:"clock"`
}

// part takes one part of a snapshot and returns the snapshot with the last one.
func (l *ledger) part(message []byte) *snapshot {
	var p struct {
		Part  int    `json:"part"`
		Parts int    `json:"parts"`
		Body  string `json:"body"`
	}
	if err := json.Unmarshal(message, &p); err != nil || p.Part != len(l.parts)+1 || p.Part > p.Parts {
		l.malform("snapshot part %d of %d after %d: %v", p.Part, p.Parts, len(l.parts), err)
		return nil
	}
	l.parts = append(l.parts, p.Body)
	if p.Part < p.Parts {
		return nil
	}
	var whole bytes.Buffer
	for _, body := range l.parts {
		whole.WriteString(body)
	}
	l.parts = nil
	var s snapshot
	if err := json.Unmarshal(whole.Bytes(), &s); err != nil || s.Type != "snapshot" {
		l.malform("snapshot: type %q: %v", s.Type, err)
		return nil
	}
	l.adopt(&s)
	return &s
}

func (l *ledger) adopt(s *snapshot) {
	l.snapshots++
	l.newest = max(l.newest, s.Seq)
	l.log, l.cut, l.stateAt, l.expect, l.complete = s.Log, s.Seq, s.StateAt, s.Seq+1, true
	for _, raw := range s.Pending {
		var ev event
		if err := json.Unmarshal(raw, &ev); err != nil {
			l.malform("pending event: %v", err)
			continue
		}
		// The bytes inside a snapshot are not promised to be the leaf: only the
		// fields are taken.
		e := l.at(ev.Seq)
		e.event, e.pending = ev, true
	}
}

// mark takes a header extension that rode on a packet of the frame at frameTS.
func (l *ledger) mark(m mark, frameTS uint32) {
	if m.heartbeat {
		return
	}
	seq := l.extend(m.seq)
	e := l.at(seq)
	e.marks = append(e.marks, carried{mark: m, frameTS: frameTS})
}

// extend turns the 32 bits of an extension into the nearest sequence number to
// the newest known.
func (l *ledger) extend(seq uint32) uint64 {
	return uint64(max(0, int64(l.newest)+int64(int32(seq-uint32(l.newest)))))
}

// malform keeps the first few malformed things, in words.
func (l *ledger) malform(format string, args ...any) {
	if len(l.malformed) < 10 {
		l.malformed = append(l.malformed, fmt.Sprintf(format, args...))
	}
}
