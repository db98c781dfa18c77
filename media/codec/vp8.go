package codec

import (
	"encoding/binary"
	"fmt"
)

var (
	errVP8Descriptor = fmt.Errorf("%w: VP8 payload descriptor is cut", ErrMalformed)
	errVP8Empty      = fmt.Errorf("%w: VP8 payload descriptor with nothing after it", ErrMalformed)
)

// VP8Descriptor is the payload descriptor that precedes the coded bytes in each
// VP8 packet (RFC 7741, section 4.2).
type VP8Descriptor struct {
	Size      int   // of the descriptor, in bytes
	Start     bool  // S: the packet begins a partition
	Partition uint8 // PID; the frame header is at the start of partition 0
	NonRef    bool  // N: no other frame needs this one

	HasPictureID bool
	Wide         bool // PictureID has 15 bits, not 7
	PictureID    uint16
	HasTL0       bool
	TL0PICIDX    uint8
	HasTID       bool
	TID          uint8 // temporal layer, 0 to 3
	LayerSync    bool  // Y

	pictureAt, tl0At int // offsets of the fields
}

// Bits of the first two descriptor bytes.
const (
	vp8X, vp8N, vp8S       = 0x80, 0x20, 0x10
	vp8I, vp8L, vp8T, vp8K = 0x80, 0x40, 0x20, 0x10
	vp8M                   = 0x80 // of PictureID
)

// ParseVP8 reads the descriptor of a VP8 payload, after which there is at least
// one coded byte. Errors wrap ErrMalformed.
func ParseVP8(payload []byte) (VP8Descriptor, error) {
	if len(payload) == 0 {
		return VP8Descriptor{}, errEmpty
	}
	first := payload[0]
	d := VP8Descriptor{Size: 1, Start: first&vp8S != 0, Partition: first & 0x07, NonRef: first&vp8N != 0}
	if first&vp8X != 0 {
		if err := d.parseExtension(payload); err != nil {
			return VP8Descriptor{}, err
		}
	}
	if d.Size == len(payload) {
		return VP8Descriptor{}, errVP8Empty
	}
	return d, nil
}

func (d *VP8Descriptor) parseExtension(payload []byte) error {
	if len(payload) < 2 {
		return errVP8Descriptor
	}
	has, at := payload[1], 2
	if has&vp8I != 0 {
		if at >= len(payload) {
			return errVP8Descriptor
		}
		d.HasPictureID, d.pictureAt = true, at
		d.PictureID = uint16(payload[at] & 0x7F)
		if d.Wide = payload[at]&vp8M != 0; d.Wide {
			if at+1 >= len(payload) {
				return errVP8Descriptor
			}
			d.PictureID = binary.BigEndian.Uint16(payload[at:]) & 0x7FFF
			at++
		}
		at++
	}
	if has&vp8L != 0 {
		if at >= len(payload) {
			return errVP8Descriptor
		}
		d.HasTL0, d.tl0At, d.TL0PICIDX = true, at, payload[at]
		at++
	}
	if has&(vp8T|vp8K) != 0 {
		if at >= len(payload) {
			return errVP8Descriptor
		}
		if d.HasTID = has&vp8T != 0; d.HasTID {
			d.TID, d.LayerSync = payload[at]>>6, payload[at]&0x20 != 0
		}
		at++
	}
	d.Size = at
	return nil
}
