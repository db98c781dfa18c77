// Package load is both ends of a fan-out measurement: the studio that sends RTP to
// a server, and the viewers that count what the server sends them. Every packet
// says when it was sent and which it is, so that viewers who decrypt can tell what
// a server adds, loses or damages.
package load

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Stamp is what a packet says of itself.
type Stamp struct {
	Sent   time.Time // by the sender's clock, just before the system call
	Number uint64    // counts the stream's stamped packets from 0
}

// stampSize is the room that a stamp takes in a payload: time and number after
// the codec's own bytes, a checksum of everything at the end.
const stampSize = 8 + 8 + 4

// errDamaged: a payload is not what was sent.
var errDamaged = errors.New("the payload is not what was sent")

// put writes the stamp into a payload whose first skip bytes belong to the codec.
func (s Stamp) put(payload []byte, skip int) {
	binary.BigEndian.PutUint64(payload[skip:], uint64(s.Sent.UnixNano()))
	binary.BigEndian.PutUint64(payload[skip+8:], s.Number)
	end := len(payload) - 4
	binary.BigEndian.PutUint32(payload[end:], crc32.ChecksumIEEE(payload[:end]))
}

// readStamp returns the stamp of a payload that has arrived unharmed.
func readStamp(payload []byte, skip int) (Stamp, error) {
	if len(payload) < skip+stampSize {
		return Stamp{}, errDamaged
	}
	end := len(payload) - 4
	if binary.BigEndian.Uint32(payload[end:]) != crc32.ChecksumIEEE(payload[:end]) {
		return Stamp{}, errDamaged
	}
	return Stamp{
		Sent:   time.Unix(0, int64(binary.BigEndian.Uint64(payload[skip:]))),
		Number: binary.BigEndian.Uint64(payload[skip+8:]),
	}, nil
}
