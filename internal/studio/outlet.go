package studio

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/pion/rtcp"
)

// headerSize is the size of an RTP header without CSRCs and extensions.
const headerSize = 12

// outlet sends one track. The goroutine of Run owns it.
type outlet struct {
	track     Track
	cname     string
	rtp, rtcp net.Conn
	stats     *counters

	seq             uint16
	packets, octets uint32 // as sender reports count them
	impair          Impair
	random          *rand.Rand
	held            []byte // a packet that is to leave after the next one
}

func newOutlet(t Track, c Config, rtpConn, rtcpConn net.Conn, stats *counters) *outlet {
	return &outlet{
		track: t, cname: c.CNAME, rtp: rtpConn, rtcp: rtcpConn, stats: stats, seq: t.Seq,
		impair: c.Impair, random: rand.New(rand.NewPCG(c.Impair.Seed, uint64(t.PayloadType))),
	}
}

// send sends the payloads as packets of one timestamp. The marker bit is set on
// the last one if mark is.
func (o *outlet) send(timestamp uint32, payloads [][]byte, mark bool) {
	for i, payload := range payloads {
		packet := make([]byte, headerSize, headerSize+len(payload))
		packet[0], packet[1] = 2<<6, o.track.PayloadType
		if mark && i == len(payloads)-1 {
			packet[1] |= 0x80
		}
		binary.BigEndian.PutUint16(packet[2:], o.seq)
		binary.BigEndian.PutUint32(packet[4:], timestamp)
		binary.BigEndian.PutUint32(packet[8:], o.track.SSRC)
		o.seq++
		o.packets++
		o.octets += uint32(len(payload))
		o.emit(append(packet, payload...))
	}
}

// emit sends a packet as well as the impairment lets it.
func (o *outlet) emit(packet []byte) {
	chance := func(p float64) bool { return p > 0 && o.random.Float64() < p }
	lost, twice, late := chance(o.impair.Loss), chance(o.impair.Duplicate), chance(o.impair.Reorder)
	before := o.held
	if o.held = nil; late && before == nil && !lost {
		o.held = packet
		o.stats.damaged()
		return
	}
	switch {
	case lost:
		o.stats.damaged()
	case twice:
		o.stats.damaged()
		o.write(o.rtp, packet)
		o.write(o.rtp, packet)
	default:
		o.write(o.rtp, packet)
	}
	if before != nil {
		o.write(o.rtp, before)
	}
}

// write sends a datagram. That nobody takes it is not the studio's concern; but
// a refusal is that of an earlier datagram, and this one has yet to be sent.
func (o *outlet) write(conn net.Conn, b []byte) {
	_, err := conn.Write(b)
	if errors.Is(err, syscall.ECONNREFUSED) {
		_, err = conn.Write(b)
	}
	o.stats.sent(len(b), err)
}

// report sends a sender report (RFC 3550, section 6.4.1) that pairs a capture
// time with its timestamp, and the CNAME.
func (o *outlet) report(captured time.Time, timestamp uint32) {
	o.control(&rtcp.SenderReport{
		SSRC: o.track.SSRC, NTPTime: ntpTime(captured), RTPTime: timestamp,
		PacketCount: o.packets, OctetCount: o.octets,
	}, o.describe())
}

// end sends what was held back and says goodbye, after an empty report as every
// compound packet needs one (RFC 3550, section 6.1).
func (o *outlet) end() {
	if o.held != nil {
		o.write(o.rtp, o.held)
		o.held = nil
	}
	o.control(&rtcp.ReceiverReport{SSRC: o.track.SSRC}, o.describe(), &rtcp.Goodbye{Sources: []uint32{o.track.SSRC}})
}

func (o *outlet) describe() rtcp.Packet {
	return &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
		Source: o.track.SSRC, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: o.cname}},
	}}}
}

func (o *outlet) control(packets ...rtcp.Packet) {
	b, err := rtcp.Marshal(packets)
	if err != nil {
		o.stats.sent(0, err)
		return
	}
	o.write(o.rtcp, b)
}

// ntpTime is a time as NTP counts it: seconds since 1900, 32.32 fixed point,
// rounded to nearest.
func ntpTime(t time.Time) uint64 {
	const from1900To1970 = 2208988800
	seconds := uint64(t.Unix() + from1900To1970)
	fraction := (uint64(t.Nanosecond())<<32 + 500_000_000) / 1_000_000_000
	return seconds<<32 + fraction
}
