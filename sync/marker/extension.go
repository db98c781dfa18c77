package marker

import (
	"encoding/binary"
	"errors"
)

// URI names the header extension in a=extmap (RFC 8285).
const URI = "urn:framelock:rtp-hdrext:marker:1"

// The two sizes of the extension's value, in bytes.
const (
	ExtensionSize = 16
	HeartbeatSize = 8
)

// ErrExtension is returned for bytes that are not a marker header extension of
// version 1.
var ErrExtension = errors.New("not a marker header extension of version 1")

// Extension is the header extension that ties a packet to an event
// (docs/protocol.md, section 3). A Heartbeat has only an Epoch and a Seq.
type Extension struct {
	Kind   Kind
	Late   bool   // RefTS is older than the carrying frame
	Repeat bool   // not the first packet that carries this event
	More   bool   // other events refer to the same frame
	Void   bool   // takes an earlier event back or corrects it
	Epoch  uint16 // low 16 bits
	Seq    uint32 // low 32 bits; of a heartbeat, the newest
	RefTS  uint32 // low 32 bits of the frame's canonical timestamp
	Digest [4]byte
}

const (
	extVersion = 1 << 6
	flagLate   = 1 << 5
	flagRepeat = 1 << 4
	flagMore   = 1 << 3
	flagVoid   = 1 << 2
)

// Put writes the extension's value to dst and returns its size: HeartbeatSize or
// ExtensionSize. dst must be that long.
func (x Extension) Put(dst []byte) int {
	first := byte(extVersion)
	if x.Kind == Heartbeat {
		_ = dst[HeartbeatSize-1]
		x.head(dst, first)
		return HeartbeatSize
	}
	_ = dst[ExtensionSize-1]
	for _, f := range [...]struct {
		set  bool
		flag byte
	}{{x.Late, flagLate}, {x.Repeat, flagRepeat}, {x.More, flagMore}, {x.Void, flagVoid}} {
		if f.set {
			first |= f.flag
		}
	}
	x.head(dst, first)
	binary.BigEndian.PutUint32(dst[8:], x.RefTS)
	copy(dst[12:ExtensionSize], x.Digest[:])
	return ExtensionSize
}

func (x Extension) head(dst []byte, first byte) {
	dst[0], dst[1] = first, byte(x.Kind)
	binary.BigEndian.PutUint16(dst[2:], x.Epoch)
	binary.BigEndian.PutUint32(dst[4:], x.Seq)
}

// ParseExtension reads a value that Put wrote. Reserved bits are ignored and
// unknown kinds accepted, as later relays may use them. The error is ErrExtension.
func ParseExtension(b []byte) (Extension, error) {
	if len(b) < HeartbeatSize || b[0]>>6 != extVersion>>6 {
		return Extension{}, ErrExtension
	}
	x := Extension{
		Kind:  Kind(b[1]),
		Epoch: binary.BigEndian.Uint16(b[2:]),
		Seq:   binary.BigEndian.Uint32(b[4:]),
	}
	if x.Kind == Heartbeat {
		if len(b) != HeartbeatSize {
			return Extension{}, ErrExtension
		}
		return x, nil
	}
	if len(b) != ExtensionSize {
		return Extension{}, ErrExtension
	}
	x.Late, x.Repeat = b[0]&flagLate != 0, b[0]&flagRepeat != 0
	x.More, x.Void = b[0]&flagMore != 0, b[0]&flagVoid != 0
	x.RefTS = binary.BigEndian.Uint32(b[8:])
	x.Digest = [4]byte(b[12:])
	return x, nil
}
