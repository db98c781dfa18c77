package evidence

import (
	"encoding/binary"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
)

// How the recording numbers its packets, which every viewer's session numbers in
// its own way: by the stream's slots, under these SSRCs ("FLv0", "FLa0").
const (
	SSRCVideo uint32 = 0x464C7630
	SSRCAudio uint32 = 0x464C6130
)

// Payload types and header extensions (RFC 8285, one-byte form) of a recording.
const (
	PayloadTypeVideo = 96
	PayloadTypeAudio = 111

	extMarker  = 1 // urn:framelock:rtp-hdrext:marker:1
	extCapture = 2 // abs-capture-time
)

// ssrcOf returns a track's SSRC in a recording.
func ssrcOf(t forward.Track) uint32 {
	if t == forward.Audio {
		return SSRCAudio
	}
	return SSRCVideo
}

func payloadTypeOf(t forward.Track) uint8 {
	if t == forward.Audio {
		return PayloadTypeAudio
	}
	return PayloadTypeVideo
}

// trackOf is the inverse of ssrcOf.
func trackOf(ssrc uint32) (forward.Track, bool) {
	switch ssrc {
	case SSRCVideo:
		return forward.Video, true
	case SSRCAudio:
		return forward.Audio, true
	}
	return 0, false
}

// appendPacket appends a packet as viewers get it: canonical timestamp, payload,
// marker bit, and the header extensions that name frames.
func appendPacket(b []byte, p *forward.Packet) []byte {
	start := len(b)
	b = packet.AppendHeader(b, payloadTypeOf(p.Track), uint16(p.Slot), uint32(p.TS), ssrcOf(p.Track))
	if p.Header.Marker {
		b[start+1] |= 0x80
	}
	if p.MarkerSize != 0 || p.Capture != 0 {
		b[start] |= 0x10
		block := len(b)
		b = append(b, byte(packet.ProfileOneByte>>8), byte(packet.ProfileOneByte&0xFF), 0, 0)
		if p.MarkerSize != 0 {
			b = append(b, extMarker<<4|(p.MarkerSize-1))
			b = append(b, p.Marker[:p.MarkerSize]...)
		}
		if p.Capture != 0 {
			b = append(b, extCapture<<4|7)
			b = binary.BigEndian.AppendUint64(b, p.Capture)
		}
		for (len(b)-block)%4 != 0 {
			b = append(b, 0)
		}
		binary.BigEndian.PutUint16(b[block+2:], uint16((len(b)-block)/4-1))
	}
	return append(b, p.Payload()...)
}

// Tracks are the codecs of a stream's tracks; 0 for one that it does not have.
type Tracks [forward.Tracks]codec.Codec

// Item is one packet on its way into a recording.
type Item struct {
	forward.Packet
	CapturedAt time.Time // of the packet's timestamp; zero if it is not known
	Lost       int       // packets before this one that the recorder had no room for
}
