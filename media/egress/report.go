package egress

import (
	"encoding/binary"
	"time"

	"github.com/framelock/relay/media/packet"
)

// reportSpacing is the time between two sender reports to a viewer.
const reportSpacing = time.Second

// CNAME ties a viewer's tracks together (RFC 3550, section 6.5.1).
const CNAME = "framelock"

// senderReports sends a viewer one compound packet for all its tracks. The RTP
// time is that of the instant of sending on the stream's one wall-clock map, so
// that players line up sound and picture.
func (s *Shard) senderReports(v *Viewer, a *audience, now time.Time) {
	for t := range v.tracks {
		out, clock := &v.tracks[t], a.clocks[t]
		if out.SSRC == 0 || clock.Rate == 0 {
			continue
		}
		b := putSenderReport(s.rtcp[:0], out, clock.at(now), packet.NTP(now))
		b = putSourceDescription(b, out.SSRC)
		if err := v.session.SendRTCP(s.queue, b); err != nil {
			s.set.Drops.Dropped(DropSend, 1)
		}
	}
}

// putSenderReport appends a sender report without blocks (RFC 3550, 6.4.1).
func putSenderReport(b []byte, out *output, ts, ntp uint64) []byte {
	b = append(b, 0x80, 200, 0, 6)
	b = binary.BigEndian.AppendUint32(b, out.SSRC)
	b = binary.BigEndian.AppendUint64(b, ntp)
	b = binary.BigEndian.AppendUint32(b, uint32(ts))
	b = binary.BigEndian.AppendUint32(b, out.packets)
	return binary.BigEndian.AppendUint32(b, out.octets)
}

// putSourceDescription appends a CNAME (RFC 3550, section 6.5).
func putSourceDescription(b []byte, ssrc uint32) []byte {
	const text = 2 + len(CNAME)
	words := 1 + (text+1+3)/4 // SSRC, then the item and its end, padded
	b = append(b, 0x81, 202, 0, byte(words))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = append(b, 1, byte(len(CNAME)))
	b = append(b, CNAME...)
	for range 4*(words-1) - text {
		b = append(b, 0)
	}
	return b
}
