// Package packet holds what every part of the media plane shares about one RTP
// packet: a reference-counted buffer, a view of its header, and the arithmetic
// of numbers that wrap.
package packet

import (
	"encoding/binary"
	"errors"
)

// Profiles of the RTP header extension (RFC 8285, sections 4.2 and 4.3). The
// low four bits of the two-byte profile are free for the application.
const (
	ProfileOneByte uint16 = 0xBEDE
	ProfileTwoByte uint16 = 0x1000
)

// ErrMalformed is returned for bytes that are not an RTP packet.
var ErrMalformed = errors.New("malformed RTP packet")

// Header is a view of an RTP header (RFC 3550, section 5.1) and of where the
// parts of the packet lie. It holds offsets, never the bytes themselves.
type Header struct {
	SSRC        uint32
	Timestamp   uint32
	Sequence    uint16
	Profile     uint16 // of the header extension; 0 if there is none
	PayloadType uint8
	Marker      bool

	extStart, extEnd         uint16
	payloadStart, payloadEnd uint16
}

// Parse reads the header of an RTP packet. It checks every length, so that the
// accessors of the result never fail on the same bytes.
func Parse(b []byte) (Header, error) {
	if len(b) < 12 || len(b) > 0xFFFF || b[0]>>6 != 2 {
		return Header{}, ErrMalformed
	}
	h := Header{
		SSRC:        binary.BigEndian.Uint32(b[8:]),
		Timestamp:   binary.BigEndian.Uint32(b[4:]),
		Sequence:    binary.BigEndian.Uint16(b[2:]),
		PayloadType: b[1] & 0x7F,
		Marker:      b[1]&0x80 != 0,
	}
	start, end := 12+4*int(b[0]&0x0F), len(b)
	if b[0]&0x10 != 0 {
		if start+4 > end {
			return Header{}, ErrMalformed
		}
		h.Profile = binary.BigEndian.Uint16(b[start:])
		h.extStart = uint16(start + 4)
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
		if start > end {
			return Header{}, ErrMalformed
		}
		h.extEnd = uint16(start)
	}
	if start > end {
		return Header{}, ErrMalformed
	}
	if b[0]&0x20 != 0 { // the last byte counts the padding, itself included
		if start == end || b[end-1] == 0 || start+int(b[end-1]) > end {
			return Header{}, ErrMalformed
		}
		end -= int(b[end-1])
	}
	h.payloadStart, h.payloadEnd = uint16(start), uint16(end)
	return h, nil
}

// Payload returns the payload of the packet that h was parsed from, without
// padding. It shares memory with b.
func (h Header) Payload(b []byte) []byte { return b[h.payloadStart:h.payloadEnd] }

// Extensions calls yield for each header extension element (RFC 8285) of the
// packet that h was parsed from, until yield returns false. Elements of unknown
// profiles and malformed tails are passed over.
func (h Header) Extensions(b []byte, yield func(id uint8, value []byte) bool) {
	ext := b[h.extStart:h.extEnd]
	switch {
	case h.Profile == ProfileOneByte:
		for len(ext) > 0 {
			if ext[0] == 0 { // padding
				ext = ext[1:]
				continue
			}
			id, n := ext[0]>>4, int(ext[0]&0x0F)+1
			if id == 0 || id == 15 || 1+n > len(ext) { // RFC 8285, section 4.2: what follows is not read
				return
			}
			if !yield(id, ext[1:1+n]) {
				return
			}
			ext = ext[1+n:]
		}
	case h.Profile&0xFFF0 == ProfileTwoByte:
		for len(ext) > 0 {
			if ext[0] == 0 {
				ext = ext[1:]
				continue
			}
			if len(ext) < 2 || 2+int(ext[1]) > len(ext) {
				return
			}
			if !yield(ext[0], ext[2:2+int(ext[1])]) {
				return
			}
			ext = ext[2+int(ext[1]):]
		}
	}
}

// AppendHeader appends a fixed RTP header without marker bit, extension or
// contributing sources.
func AppendHeader(b []byte, payloadType uint8, sequence uint16, timestamp, ssrc uint32) []byte {
	b = append(b, 0x80, payloadType&0x7F)
	b = binary.BigEndian.AppendUint16(b, sequence)
	b = binary.BigEndian.AppendUint32(b, timestamp)
	return binary.BigEndian.AppendUint32(b, ssrc)
}
