package transcript

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// Verify reads the export of a log and checks it against itself and against what
// was kept elsewhere. Whatever is wrong is a finding of the report; the error says
// that the export could not be read or that a given key is none. It goes through the
// export once, and holds what the windows need and 32 bytes for each event that no
// checkpoint covers yet.
func Verify(r io.Reader, kept Evidence) (Report, error) {
	for _, k := range kept.Keys {
		if _, err := ParseKey(k); err != nil {
			return Report{}, err
		}
	}
	v := newVerifier(kept)
	in := bufio.NewReaderSize(r, MaxLine+1)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == nil:
			v.line(line[:len(line)-1])
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			v.report.Lines++
			v.found(CodeFormat, "a line is too long to go on", fmt.Sprintf("at most %d bytes", MaxLine), "more")
		case !errors.Is(err, io.EOF):
			return v.report, fmt.Errorf("read the export: %w", err)
		case len(line) > 0:
			v.report.Lines++
			v.found(CodeTruncated, "the last line is incomplete", "a line end", fmt.Sprintf("%d bytes without one", len(line)))
		}
		v.end()
		return v.report, nil
	}
}

// verifier goes through an export line by line.
type verifier struct {
	kept   Evidence
	report Report

	origin string
	key    string    // in force; "" if the header had none
	next   []nextKey // announced and not in force
	named  []string  // that were in force, in order
	file   Tree      // over the export's lines
	sealed bool

	tree    Tree   // over events
	covered uint64 // size of the newest checkpoint
	root    Hash   // of that many events
	roots   []Hash // roots[i] is that of covered+1+i events
	forked  bool   // a checkpoint's root was wrong before; all later ones are too
	first   int    // line of the first event that no good checkpoint covers

	lease, leaseBefore uint64 // seq_end of the newest lease, and of the one before
	term               uint64

	book   *window.Book
	sums   map[string]*sums // of the windows that take actions
	order  uint64           // of the newest action
	action *window.Action   // of the line before, if that was one

	atSizes map[uint64]Hash    // roots at the sizes of kept checkpoints
	keptAt  map[uint64]bool    // those sizes
	actions map[uint64]*judged // those that kept receipts name, by order
}

func newVerifier(kept Evidence) *verifier {
	v := &verifier{
		kept: kept, report: Report{Keys: []string{}, Findings: []Finding{}}, book: window.NewBook(), sums: make(map[string]*sums),
		atSizes: make(map[uint64]Hash), keptAt: make(map[uint64]bool), actions: make(map[uint64]*judged),
	}
	for _, k := range kept.Checkpoints {
		if c, err := unsigned(k.Note); err == nil {
			v.keptAt[c.Size] = true
		}
	}
	for _, r := range kept.Receipts {
		v.actions[r.Order] = nil
	}
	v.root = v.tree.Root()
	v.noteRoot()
	return v
}

// noteRoot remembers the root if a kept checkpoint is of this size.
func (v *verifier) noteRoot() {
	if v.keptAt[v.tree.Size()] {
		v.atSizes[v.tree.Size()] = v.tree.Root()
	}
}

func (v *verifier) found(code Code, what, expected, found string) {
	v.report.add(Finding{Line: v.report.Lines, Code: code, What: what, Expected: expected, Found: found})
}

func (v *verifier) line(line []byte) {
	v.report.Lines++
	if v.sealed {
		v.found(CodeFormat, "a line behind the seal", "nothing", fmt.Sprintf("%.60q", line))
		return
	}
	kind, err := lineType(line)
	if kind == typeSeal {
		v.seal(line)
		return
	}
	v.file.Append(LeafHash(line))
	if err != nil {
		v.found(CodeFormat, "not a line of an export", `{"v":1,"type":"...`, fmt.Sprintf("%.60q", line))
		return
	}
	if (kind == typeHeader) != (v.report.Lines == 1) {
		v.found(CodeFormat, "the header is the first line and no other", "type "+typeHeader+" on line 1 alone", "type "+kind)
	}
	action := v.action
	v.action = nil
	switch kind {
	case typeHeader:
		v.header(line)
	case typeEvent:
		v.event(line)
	case typeAction:
		v.judge(line)
	case typePayload:
		v.payload(line, action)
	case typeLease:
		v.takeLease(line)
	case typeOwner:
		v.owner(line)
	case typeCheckpoint:
		v.checkpoint(line)
	default:
		v.found(CodeFormat, "a line of an unknown type", "event, action, payload, lease, owner, checkpoint or seal", kind)
	}
}

// decode reads a line, or reports that it cannot be read.
func (v *verifier) decode(line []byte, into any) bool {
	if err := json.Unmarshal(line, into); err != nil {
		v.found(CodeFormat, "the line cannot be read", "its JSON form", err.Error())
		return false
	}
	return true
}

func (v *verifier) header(line []byte) {
	var h Header
	if v.report.Lines != 1 || !v.decode(line, &h) {
		return
	}
	v.report.Stream, v.report.Log = h.Stream, h.Log
	key, err := ParseKey(h.Key)
	if err != nil {
		v.found(CodeKey, "the header's key cannot be read", "a note verifier key", err.Error())
		return
	}
	v.key, v.origin, v.named = h.Key, key.Name(), []string{h.Key}
	if want := "/" + h.Stream + "/" + h.Log.String(); !strings.HasSuffix(v.origin, want) {
		v.found(CodeIdentity, "the header's key is not this log's", "a name that ends in "+want, v.origin)
	}
}

func (v *verifier) event(line []byte) {
	e, err := marker.DecodeEvent(line)
	if err != nil {
		v.found(CodeFormat, "the event cannot be read", "an event", err.Error())
	}
	// A leaf is a leaf, whatever is in it.
	v.tree.Append(LeafHash(line))
	v.roots = append(v.roots, v.tree.Root())
	v.noteRoot()
	v.report.Events++
	if v.first == 0 {
		v.first = v.report.Lines
	}
	if err != nil {
		return
	}
	if e.Log != v.report.Log || e.Stream != v.report.Stream {
		v.found(CodeIdentity, fmt.Sprintf("event %d is of another log", e.Seq),
			v.report.Stream+"/"+v.report.Log.String(), e.Stream+"/"+e.Log.String())
	}
	v.sequence(&e)
	if n, ok, err := NewKey(&e); err != nil {
		v.found(CodeKey, fmt.Sprintf("event %d announces a key that is none", e.Seq), "a note verifier key", err.Error())
	} else if ok {
		v.next = append(v.next, nextKey{n.Key, v.tree.Size() - 1})
	}
	if e.Kind == marker.FrameHash {
		v.frameHash(&e)
	}
	v.applyWindow(&e)
}

// sequence checks the event's seq: one more than the last, or for a recovered event
// the first that no lease before the crash covered.
func (v *verifier) sequence(e *marker.Event) {
	defer func() { v.report.Seq = e.Seq }()
	last := v.report.Seq
	if e.Seq > v.lease {
		v.found(CodeLease, fmt.Sprintf("event %d was not leased", e.Seq), fmt.Sprintf("a seq up to %d", v.lease), fmt.Sprint(e.Seq))
	}
	if e.Kind != marker.Recovered {
		if e.Seq != last+1 {
			v.found(CodeSeq, "events do not follow one another", fmt.Sprintf("seq %d", last+1), fmt.Sprintf("seq %d", e.Seq))
		}
		return
	}
	v.report.Recovered++
	if durable, err := LastDurable(e); err != nil || durable != last {
		v.found(CodeSeq, "a recovery does not go on after the last event", fmt.Sprintf(`{"last_durable":%d}`, last), fmt.Sprintf("%.80s", e.Data))
	}
	if want := v.leaseBefore + 1; e.Seq != want {
		v.found(CodeSeq, "a recovery does not begin behind the lease before it", fmt.Sprintf("seq %d", want), fmt.Sprintf("seq %d", e.Seq))
	}
}

func (v *verifier) takeLease(line []byte) {
	var l leaseLine
	if !v.decode(line, &l) {
		return
	}
	if l.Log != v.report.Log {
		v.found(CodeIdentity, "a lease is of another log", v.report.Log.String(), l.Log.String())
	}
	// A relay that is shut down gives back what it has not used.
	if l.SeqEnd < v.report.Seq {
		v.found(CodeLease, "a lease ends before the newest event", fmt.Sprintf("seq_end %d or more", v.report.Seq), fmt.Sprintf("seq_end %d", l.SeqEnd))
	}
	v.lease = l.SeqEnd
}

func (v *verifier) owner(line []byte) {
	var o ownerLine
	if !v.decode(line, &o) {
		return
	}
	v.leaseBefore = v.lease // which the owner before had
	if o.Term <= v.term || o.Owner == "" || o.At.IsZero() {
		v.found(CodeOwner, "an owner took the stream out of turn", fmt.Sprintf("an owner, a time and a term above %d", v.term), fmt.Sprintf("%.80s", line))
	}
	v.term = o.Term
}

// frameHash checks a frame hash against the recording.
func (v *verifier) frameHash(e *marker.Event) {
	var h struct {
		OfSeq uint64 `json:"of_seq"`
		Alg   string `json:"alg"`
		Hash  Hash   `json:"hash"`
	}
	v.report.FrameHashes++
	if err := json.Unmarshal(e.Data, &h); err != nil || h.Alg != "sha-256" || h.OfSeq == 0 || h.OfSeq >= e.Seq {
		v.found(CodeFrameHash, fmt.Sprintf("event %d is no hash of an earlier event's frame", e.Seq),
			`{"of_seq":SEQ,"alg":"sha-256","hash":"..."}`, fmt.Sprintf("%.120s", e.Data))
		return
	}
	if v.kept.FrameHashes == nil {
		return
	}
	switch hash, ok := v.kept.FrameHashes(e.Track, e.TS); {
	case !ok:
	case hash == h.Hash:
		v.report.FramesChecked++
	default:
		v.found(CodeFrameHash, fmt.Sprintf("the recording's frame %d of %s is another", e.TS, e.Track), h.Hash.String(), hash.String())
	}
}

func (v *verifier) seal(line []byte) {
	v.sealed = true
	if v.key == "" {
		return // the header's finding says it
	}
	n, root := v.file.Size(), v.file.Root()
	expected := fmt.Sprintf("a seal over %d lines with the root %v", n, root)
	var l noteLine
	if !v.decode(line, &l) {
		return
	}
	if !bytes.Equal(line, encodeNote(typeSeal, l.Note)) || !canonical([]byte(l.Note)) {
		v.found(CodeSeal, "the seal's bytes were changed", "their canonical form", fmt.Sprintf("%.80q", line))
		return
	}
	key, err := sealKey(v.key)
	if err != nil {
		v.found(CodeSeal, "the key cannot seal", expected, err.Error())
		return
	}
	c, err := OpenCheckpoint([]byte(l.Note), sealOrigin(v.origin), key)
	if err != nil {
		v.found(CodeSeal, "the seal is not by the log's key", expected, err.Error())
		return
	}
	v.signed(v.key)
	if c.Size != n || c.Root != root {
		v.found(CodeSeal, "lines were changed, added or taken away since the export", fmt.Sprintf("%d lines with the root %v", c.Size, c.Root),
			fmt.Sprintf("%d lines with the root %v", n, root))
	}
}
