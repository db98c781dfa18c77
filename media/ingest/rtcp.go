package ingest

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/rtcp"

	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

func (l *Listener) readRTCP(sink Sink) {
	in := [1]udp.Datagram{{Buffer: l.pool.Get()}}
	defer in[0].Buffer.Release()
	for {
		n, err := l.rtcp.ReadBatch(in[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n == 0 {
			l.malformed.Add(1)
			continue
		}
		l.reportsIn(in[0].Buffer.Data, in[0].From, l.now(), sink)
	}
}

// reportsIn hands on what the relay uses of a compound RTCP packet.
func (l *Listener) reportsIn(b []byte, from netip.AddrPort, at time.Time, sink Sink) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		l.malformed.Add(1)
		return
	}
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			sink.SenderReport(SenderReport{
				Track: l.track, From: from, SSRC: p.SSRC, NTP: packet.FromNTP(p.NTPTime), RTP: p.RTPTime, At: at,
			})
		case *rtcp.Goodbye:
			for _, ssrc := range p.Sources {
				sink.SenderReport(SenderReport{Track: l.track, From: from, SSRC: ssrc, At: at, Bye: true})
			}
		}
	}
}
