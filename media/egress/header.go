package egress

import (
	"encoding/binary"

	"github.com/framelock/relay/media/packet"
)

// appendHeader appends the RTP header of a packet (RFC 3550, section 5.1), with its
// extensions in the one-byte form (RFC 8285, section 4.2).
func appendHeader(b []byte, o *Outgoing) []byte {
	start := len(b)
	b = packet.AppendHeader(b, o.PayloadType, o.Sequence, o.Timestamp, o.SSRC)
	if o.Marker {
		b[start+1] |= 0x80
	}
	block := len(b)
	for i := range o.Extensions {
		e := &o.Extensions[i]
		if e.ID == 0 {
			continue
		}
		if len(b) == block {
			b[start] |= 0x10
			b = append(b, byte(packet.ProfileOneByte>>8), byte(packet.ProfileOneByte&0xFF), 0, 0)
		}
		b = append(b, e.ID<<4|(e.Size-1))
		b = append(b, e.Value[:e.Size]...)
	}
	if len(b) == block {
		return b
	}
	for (len(b)-block)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[block+2:], uint16((len(b)-block)/4-1))
	return b
}
