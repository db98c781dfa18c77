//go:build linux

package livekit

import (
	"encoding/binary"
	"errors"
	"iter"
)

// The little of protocol buffers that LiveKit's signalling needs: messages whose
// fields are numbers, strings and messages.
const (
	wireNumber = 0
	wireBytes  = 2
)

var errWire = errors.New("not a message of LiveKit's signalling")

func appendNumber(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3|wireNumber), v)
}

func appendBytes[T string | []byte](b []byte, field int, v T) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|wireBytes)
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// value is one field of a message.
type value struct {
	field  int
	number uint64
	bytes  []byte
}

// fields goes through a message's fields.
func fields(b []byte) iter.Seq2[value, error] {
	return func(yield func(value, error) bool) {
		for len(b) > 0 {
			key, n := binary.Uvarint(b)
			if n <= 0 {
				yield(value{}, errWire)
				return
			}
			b = b[n:]
			v := value{field: int(key >> 3)}
			v.number, n = binary.Uvarint(b)
			if n <= 0 || key&7 != wireNumber && key&7 != wireBytes {
				yield(value{}, errWire)
				return
			}
			b = b[n:]
			if key&7 == wireBytes {
				if v.number > uint64(len(b)) {
					yield(value{}, errWire)
					return
				}
				v.bytes, b = b[:v.number], b[v.number:]
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}
