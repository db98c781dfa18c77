package ingest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// Types of RTCP packets that the relay reads (RFC 3550, section 12.1). A studio
// may send any other; they are passed over without a look inside.
const (
	typeSenderReport = 200
	typeGoodbye      = 203
)

func (l *Listener) readRTCP(sink Sink) error {
	in := [1]udp.Datagram{{Buffer: l.pool.Get()}}
	defer in[0].Buffer.Release()
	for {
		n, err := read(l.rtcp, in[:])
		switch {
		case err != nil:
			return fmt.Errorf("RTCP: %w", err)
		case n > 0 && len(in[0].Buffer.Data) == 0:
			l.oversize.Add(1)
		case n > 0:
			l.reportsIn(in[0].Buffer.Data, in[0].From, l.now(), sink)
		}
	}
}

// reportsIn hands on what the relay uses of a compound RTCP packet: all of it or,
// if any part is malformed, nothing.
func (l *Listener) reportsIn(b []byte, from netip.AddrPort, at time.Time, sink Sink) {
	if !wellFormed(b) {
		l.malformed.Add(1)
		return
	}
	for ; len(b) > 0; b = b[sizeRTCP(b):] {
		switch b[1] {
		case typeSenderReport:
			sink.SenderReport(SenderReport{
				Track: l.track, From: from, At: at, SSRC: binary.BigEndian.Uint32(b[4:]),
				NTP: packet.FromNTP(binary.BigEndian.Uint64(b[8:])), RTP: binary.BigEndian.Uint32(b[16:]),
			})
		case typeGoodbye:
			for i := range countRTCP(b) {
				sink.SenderReport(SenderReport{
					Track: l.track, From: from, At: at, SSRC: binary.BigEndian.Uint32(b[4+4*i:]), Bye: true,
				})
			}
		}
	}
}

// wellFormed reports whether b is a sequence of RTCP packets, each long enough for
// what the relay reads of it.
func wellFormed(b []byte) bool {
	for rest := b; len(rest) > 0; rest = rest[sizeRTCP(rest):] {
		if len(rest) < 4 || rest[0]>>6 != 2 || sizeRTCP(rest) > len(rest) {
			return false
		}
		least := 0
		switch rest[1] {
		case typeSenderReport: // sender information and report blocks
			least = 28 + 24*countRTCP(rest)
		case typeGoodbye:
			least = 4 + 4*countRTCP(rest)
		}
		if sizeRTCP(rest) < least {
			return false
		}
	}
	return len(b) > 0
}

// sizeRTCP returns the size in bytes that the first packet in b claims to have.
func sizeRTCP(b []byte) int { return 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1) }

// countRTCP returns how many blocks or sources the first packet in b has.
func countRTCP(b []byte) int { return int(b[0] & 0x1F) }
