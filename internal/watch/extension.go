package watch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// mark is one marker header extension as docs/protocol.md, section 3, lays it
// out: 16 bytes, or 8 for a heartbeat.
type mark struct {
	late, repeat, more, void bool
	kind                     uint8
	epoch                    uint16
	seq                      uint32
	refTS                    uint32
	digest                   [4]byte
	heartbeat                bool
}

var errMark = errors.New("marker extension")

func parseMark(b []byte) (mark, error) {
	if len(b) != 8 && len(b) != 16 {
		return mark{}, fmt.Errorf("%w: %d bytes, want 8 or 16", errMark, len(b))
	}
	flags := b[0]
	if flags>>6 != 1 {
		return mark{}, fmt.Errorf("%w: version %d, want 1", errMark, flags>>6)
	}
	m := mark{
		late: flags&0x20 != 0, repeat: flags&0x10 != 0, more: flags&0x08 != 0, void: flags&0x04 != 0,
		kind: b[1], epoch: binary.BigEndian.Uint16(b[2:]), seq: binary.BigEndian.Uint32(b[4:]),
	}
	m.heartbeat = m.kind == 0
	if m.heartbeat != (len(b) == 8) {
		return mark{}, fmt.Errorf("%w: kind %d in %d bytes", errMark, m.kind, len(b))
	}
	if !m.heartbeat {
		m.refTS = binary.BigEndian.Uint32(b[8:])
		m.digest = [4]byte(b[12:16])
	}
	return m, nil
}

// kindName gives the JSON name of an extension's kind, "" if there is none.
func kindName(kind uint8) string {
	names := [...]string{
		"heartbeat", "marker", "state", "window.open", "window.closing", "window.close",
		"outcome", "void", "frame_hash", "recovered", "notice",
	}
	if int(kind) < len(names) {
		return names[kind]
	}
	return ""
}

// extIDs are the negotiated header extension ids of one track; 0 = not negotiated.
type extIDs struct{ marker, playoutDelay, absCapture uint8 }

func extensionIDs(params []webrtc.RTPHeaderExtensionParameter) extIDs {
	var ids extIDs
	for _, p := range params {
		switch p.URI {
		case uriMarker:
			ids.marker = uint8(p.ID)
		case uriPlayoutDelay:
			ids.playoutDelay = uint8(p.ID)
		case uriAbsCaptureTime:
			ids.absCapture = uint8(p.ID)
		}
	}
	return ids
}

// packet is one RTP packet with the extensions that matter here already read.
type packet struct {
	kind          webrtc.RTPCodecType
	codec         string // MIME type
	ssrc          uint32
	seq           uint16
	ts            uint32
	last          bool // the RTP marker bit
	payload       []byte
	at            time.Time
	retransmitted bool // came by RTX
	whole         *rtp.Packet

	mark       *mark
	markErr    error
	playout    *rtp.PlayoutDelayExtension
	absCapture uint64 // NTP, Q32.32; 0 if absent
}

func viewPacket(p *rtp.Packet, ids extIDs, at time.Time) *packet {
	v := &packet{ssrc: p.SSRC, seq: p.SequenceNumber, ts: p.Timestamp, last: p.Marker, payload: p.Payload, at: at, whole: p}
	if b := extension(p, ids.marker); b != nil {
		if m, err := parseMark(b); err != nil {
			v.markErr = err
		} else {
			v.mark = &m
		}
	}
	if b := extension(p, ids.playoutDelay); b != nil {
		var d rtp.PlayoutDelayExtension
		if d.Unmarshal(b) == nil {
			v.playout = &d
		}
	}
	if b := extension(p, ids.absCapture); len(b) >= 8 {
		v.absCapture = binary.BigEndian.Uint64(b)
	}
	return v
}

func extension(p *rtp.Packet, id uint8) []byte {
	if id == 0 {
		return nil
	}
	return p.GetExtension(id)
}

// ntpTime converts a 64-bit NTP timestamp (RFC 5905) of the current era.
func ntpTime(ntp uint64) time.Time {
	const ntpToUnix = 2208988800
	seconds := int64(ntp>>32) - ntpToUnix
	nanos := int64((ntp & 0xffffffff) * 1e9 >> 32)
	return time.Unix(seconds, nanos).UTC()
}
