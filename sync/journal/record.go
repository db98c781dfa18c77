package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A record is one message of the stream in JetStream, in a framing of its own:
//
//	record  = version(1 byte, 1) kind(1 byte) writer(8 bytes) pos order content
//	content of lines    = lines payloads
//	content of replaced = through n (seq)*n at pos order lines payloads
//	lines    = n (length bytes)*n
//	payloads = n (index length bytes)*n
//
// Numbers are unsigned varints, as short as they can be (encoding/binary). A
// record has one encoding only, so that equal records are equal bytes: that is
// how a writer finds its own record after an answer was lost.

const (
	recordVersion = 1

	kindLines    = 'L'
	kindReplaced = 'R'
)

// batch is consecutive lines of the journal with the payloads that belong to them.
type batch struct {
	pos      uint64   // position of the last line
	order    uint64   // highest order of a payload that was ever stored up to pos, 0 if none
	lines    [][]byte // at least one
	payloads [][]byte // nil, or as long as lines; nil where there is none
}

func (b *batch) first() uint64 { return b.pos - uint64(len(b.lines)) + 1 }

func (b *batch) payload(i int) []byte {
	if b.payloads == nil {
		return nil
	}
	return b.payloads[i]
}

// record is one message: new lines, or old ones that replace what was there.
type record struct {
	writer uint64 // drawn anew by everyone who opens the journal
	batch         // of lines: the new lines; of replaced: only pos and order, of the journal's end

	replaced *replaced // nil in a record of new lines
}

// replaced is a batch that stands where other messages stood before.
type replaced struct {
	through uint64   // every record of lines up to this sequence is replaced; 0: none but seqs
	seqs    []uint64 // and these, ascending
	at      int64    // Unix time in nanoseconds at which the newest of them was stored
	batch   batch
}

var errFraming = errors.New("not a record of a journal")

func (r *record) encode() []byte {
	size := 64 + r.size()
	if r.replaced != nil {
		size += r.replaced.batch.size() + len(r.replaced.seqs)*binary.MaxVarintLen64
	}
	b := make([]byte, 0, size)
	if r.replaced == nil {
		b = r.appendHead(b, kindLines)
		return r.appendTo(b)
	}
	p := r.replaced
	b = r.appendHead(b, kindReplaced)
	b = binary.AppendUvarint(b, p.through)
	b = binary.AppendUvarint(b, uint64(len(p.seqs)))
	for _, seq := range p.seqs {
		b = binary.AppendUvarint(b, seq)
	}
	b = binary.AppendUvarint(b, uint64(p.at))
	b = binary.AppendUvarint(b, p.batch.pos)
	b = binary.AppendUvarint(b, p.batch.order)
	return p.batch.appendTo(b)
}

func (r *record) appendHead(b []byte, kind byte) []byte {
	b = append(b, recordVersion, kind)
	b = binary.BigEndian.AppendUint64(b, r.writer)
	b = binary.AppendUvarint(b, r.pos)
	return binary.AppendUvarint(b, r.order)
}

// size is about how many bytes appendTo adds, and never less.
func (b *batch) size() int {
	n := 2 * binary.MaxVarintLen64
	for i, line := range b.lines {
		n += len(line) + 5
		if p := b.payload(i); p != nil {
			n += len(p) + 10
		}
	}
	return n
}

func (b *batch) appendTo(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(b.lines)))
	for _, line := range b.lines {
		to = binary.AppendUvarint(to, uint64(len(line)))
		to = append(to, line...)
	}
	n := 0
	for i := range b.lines {
		if b.payload(i) != nil {
			n++
		}
	}
	to = binary.AppendUvarint(to, uint64(n))
	for i := range b.lines {
		if p := b.payload(i); p != nil {
			to = binary.AppendUvarint(to, uint64(i))
			to = binary.AppendUvarint(to, uint64(len(p)))
			to = append(to, p...)
		}
	}
	return to
}

// decodeRecord reads what encode wrote, and refuses everything else. The lines
// and payloads share the memory of b.
func decodeRecord(b []byte) (*record, error) {
	if len(b) < 10 || b[0] != recordVersion {
		return nil, fmt.Errorf("%w: it does not begin with version %d", errFraming, recordVersion)
	}
	kind := b[1]
	r := &record{writer: binary.BigEndian.Uint64(b[2:])}
	d := decoder{b: b[10:]}
	r.pos, r.order = d.uvarint(), d.uvarint()
	switch kind {
	case kindLines:
		d.batch(&r.batch)
	case kindReplaced:
		r.replaced = d.replaced()
		if !d.bad && r.replaced.batch.pos > r.pos {
			d.bad = true
		}
	default:
		return nil, fmt.Errorf("%w: kind %q", errFraming, kind)
	}
	if d.bad || len(d.b) != 0 {
		return nil, fmt.Errorf("%w: damaged at byte %d of %d", errFraming, len(b)-len(d.b), len(b))
	}
	return r, nil
}

// decoder takes one field after the other; bad sticks.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 || n > 1 && d.b[n-1] == 0 { // a last byte of zero is a longer form
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number of things that take at least one byte each.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.count()
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) replaced() *replaced {
	p := &replaced{through: d.uvarint()}
	n := d.count()
	var last uint64
	for i := 0; i < n && !d.bad; i++ {
		seq := d.uvarint()
		if seq <= last {
			d.bad = true
		}
		p.seqs, last = append(p.seqs, seq), seq
	}
	at := d.uvarint()
	if at > 1<<63-1 {
		d.bad = true
	}
	p.at = int64(at)
	p.batch.pos, p.batch.order = d.uvarint(), d.uvarint()
	d.batch(&p.batch)
	return p
}

// batch reads lines and payloads of a batch whose pos is known.
func (d *decoder) batch(to *batch) {
	n := d.count()
	if n == 0 || uint64(n) > to.pos {
		d.bad = true
		return
	}
	to.lines = make([][]byte, 0, min(n, 1024))
	for i := 0; i < n && !d.bad; i++ {
		to.lines = append(to.lines, d.bytes())
	}
	with := d.count()
	if with == 0 || d.bad {
		return
	}
	to.payloads = make([][]byte, n)
	last := -1
	for i := 0; i < with && !d.bad; i++ {
		at := d.uvarint()
		if at >= uint64(n) || int(at) <= last {
			d.bad = true
			return
		}
		last = int(at)
		to.payloads[last] = d.bytes()
	}
}
