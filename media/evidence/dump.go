// Package evidence is the form in which a stream is kept as proof of what viewers
// were sent: segments of RTP packets in the rtpdump format, the frames in them, and
// Matroska files made of those without decoding anything.
//
// All of it is pure: it reads and writes bytes, and the files are others'.
package evidence

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The rtpdump format, as rtptools and Wireshark read it: a line of text, 16 bytes
// of head, then records. A record is its own length and the packet's (16 bits each,
// big endian), the milliseconds since the head's time (32 bits) and the packet; a
// packet's length of 0 says that it is RTCP.
const (
	magic      = "#!rtpplay1.0 0.0.0.0/0\n"
	headSize   = 16
	recordHead = 8
)

// maxRecord is the largest packet that a record holds, in bytes.
const maxRecord = 0xFFFF - recordHead

// ErrNotDump says that something is no rtpdump file.
var ErrNotDump = errors.New("not an rtpdump file (it does not begin with #!rtpplay1.0)")

// AppendHead appends the beginning of a file whose records count from start, which
// is kept to the microsecond.
func AppendHead(b []byte, start time.Time) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, uint32(start.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(start.Nanosecond()/1000))
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

// beginRecord appends the head of a record, whose packet follows.
func beginRecord(b []byte, offset time.Duration) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 0), uint32(max(offset, 0)/time.Millisecond))
}

// endRecord fills in the lengths of a record that is all of b.
func endRecord(b []byte, rtcp bool) []byte {
	binary.BigEndian.PutUint16(b, uint16(len(b)))
	if !rtcp {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-recordHead))
	}
	return b
}

// Record is one record of a file.
type Record struct {
	At     time.Time // when the packet came to the relay, to the millisecond
	RTCP   bool
	Packet []byte // valid until the next record is read
}

// Reader reads the records of a file.
type Reader struct {
	r     *bufio.Reader
	start time.Time
	buf   []byte
}

// NewReader reads a file's beginning.
func NewReader(r io.Reader) (*Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	line, err := b.ReadSlice('\n')
	if err != nil || len(line) < 12 || string(line[:12]) != magic[:12] {
		return nil, ErrNotDump
	}
	var head [headSize]byte
	if _, err := io.ReadFull(b, head[:]); err != nil {
		return nil, fmt.Errorf("%w: its head is cut", ErrNotDump)
	}
	seconds, micros := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
	return &Reader{r: b, start: time.Unix(int64(seconds), int64(micros)*1000).UTC()}, nil
}

// Next returns the next record. It returns io.EOF at the end, and also where the
// file was cut within a record: what came before it is whole.
func (r *Reader) Next() (Record, error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return Record{}, ended(err)
	}
	size, packet := int(binary.BigEndian.Uint16(head[:])), int(binary.BigEndian.Uint16(head[2:]))
	if size < recordHead || packet > size-recordHead {
		return Record{}, fmt.Errorf("rtpdump: a record of %d bytes says that it holds a packet of %d", size, packet)
	}
	size -= recordHead
	if cap(r.buf) < size {
		r.buf = make([]byte, maxRecord)
	}
	r.buf = r.buf[:size]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return Record{}, ended(err)
	}
	rec := Record{RTCP: packet == 0, Packet: r.buf}
	rec.At = r.start.Add(time.Duration(binary.BigEndian.Uint32(head[4:])) * time.Millisecond)
	if !rec.RTCP { // a packet may have been recorded in part only
		rec.Packet = r.buf[:packet]
	}
	return rec, nil
}

func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}
