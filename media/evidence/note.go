package evidence

import (
	"encoding/binary"
	"encoding/json"
	"time"
)

// A note is an RTCP APP packet (RFC 3550, section 6.7) with the name "FLOK" and a
// JSON object for data, filled up with spaces. Any reader of RTCP passes over it.
const (
	noteName = "FLOK"
	noteHead = 12
	rtcpAPP  = 204
)

// Note is what a recording says of itself between its packets.
type Note struct {
	Type   string `json:"type"` // "track" or "gap"
	Stream string `json:"stream,omitempty"`
	Track  string `json:"track,omitempty"`

	// Of a track, before its first packet in a segment: what it is, the canonical
	// timestamp of that packet, of which packets have the low 32 bits, and when that
	// was captured.
	Codec      string    `json:"codec,omitempty"`
	TS         uint64    `json:"ts,omitempty"`
	CapturedAt time.Time `json:"capture_time,omitzero"`

	// Of a gap: packets that viewers may have got and the recording has not. What
	// never came to the relay is no gap: its sequence numbers are missing, as they
	// were for viewers.
	Reason  string `json:"reason,omitempty"`
	Packets int    `json:"packets,omitempty"`
}

// The types of notes.
const (
	NoteTrack = "track"
	NoteGap   = "gap"
)

func appendNote(b []byte, n Note) []byte {
	text, err := json.Marshal(n)
	if err != nil {
		return b // a Note has nothing that could not be encoded
	}
	for len(text)%4 != 0 {
		text = append(text, ' ')
	}
	b = append(b, 0x80, rtcpAPP)
	b = binary.BigEndian.AppendUint16(b, uint16((noteHead+len(text))/4-1))
	b = binary.BigEndian.AppendUint32(b, SSRCVideo)
	b = append(b, noteName...)
	return append(b, text...)
}

// ParseNote reads a note. It reports false for RTCP that is none.
func ParseNote(rtcp []byte) (n Note, ok bool) {
	if len(rtcp) < noteHead || rtcp[0] != 0x80 || rtcp[1] != rtcpAPP || string(rtcp[8:12]) != noteName {
		return Note{}, false
	}
	if err := json.Unmarshal(rtcp[noteHead:], &n); err != nil {
		return Note{}, false
	}
	return n, true
}
