package stream

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
)

// generator is an encoder that writes down every frame that it sends.
type generator struct {
	tb      *table
	origin  forward.Origin
	from    netip.AddrPort
	codec   codec.Codec
	ssrc    uint32
	seq     uint16
	ts      uint32
	picture uint16 // VP8: number of the next
	since   time.Time
	sinceTS uint32 // timestamp of what is captured at since
	size    int    // bytes of a payload; 0 = few
	shots   []shot
	deliver func(sent) // what becomes of a packet on its way; nil: it arrives
	heardNo uint16
}

// shot is a frame in the generator's log.
type shot struct {
	ssrc, ts uint32
	captured time.Time
	key      bool
	payloads []string // as they were sent
}

// sent is a packet on its way.
type sent struct {
	track forward.Track
	bytes []byte
	at    forward.Origin
}

func (tb *table) generator(e forward.Encoder, ssrc, ts uint32, seq uint16) *generator {
	return &generator{
		tb: tb, origin: forward.Origin{Encoder: e}, from: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 6000+uint16(ssrc)),
		ssrc: ssrc, ts: ts, seq: seq, since: tb.now, sinceTS: ts, picture: uint16(ssrc * 999), heardNo: uint16(ssrc),
	}
}

// shoot sends a frame of n packets, captured now.
func (g *generator) shoot(key bool, n int) { g.shootAs(g.ts, key, n) }

// shootAs sends a frame with a timestamp of its own.
func (g *generator) shootAs(ts uint32, key bool, n int) {
	s := shot{ssrc: g.ssrc, ts: ts, captured: g.tb.now, key: key}
	g.shots = append(g.shots, s)
	f := &g.shots[len(g.shots)-1]
	for i := range n {
		payload := g.payload(key, i)
		f.payloads = append(f.payloads, string(payload[g.head():]))
		b := packet.AppendHeader(nil, 96, g.seq, ts, g.ssrc)
		if i == n-1 {
			b[1] |= 0x80
		}
		g.seq++
		g.send(sent{forward.Video, append(b, payload...), g.origin})
	}
	g.picture++
	g.ts += ticks
}

// head is how much of a payload the relay may change: VP8's descriptor.
func (g *generator) head() int {
	if g.codec == codec.VP8 {
		return 4
	}
	return 0
}

func (g *generator) payload(key bool, i int) []byte {
	var b []byte
	switch {
	case g.codec == codec.VP8:
		descriptor, frame := byte(0x80), byte(0x01) // bit 0 of the frame: not a keyframe (RFC 6386, section 9.1)
		if i == 0 {
			descriptor |= 0x10
		}
		if key && i == 0 {
			frame = 0
		}
		b = binary.BigEndian.AppendUint16([]byte{descriptor, 0x80}, 0x8000|g.picture&0x7FFF)
		b = append(b, frame)
	case key:
		b = []byte{0x65}
	default:
		b = []byte{0x41}
	}
	b = binary.BigEndian.AppendUint32(append(b, byte(i)), g.ssrc)
	b = binary.BigEndian.AppendUint64(b, uint64(len(g.shots)))
	for len(b) < g.size {
		b = append(b, byte(len(b)))
	}
	return b
}

func (g *generator) send(p sent) {
	if g.deliver != nil {
		g.deliver(p)
		return
	}
	g.arrive(p)
}

// arrive brings a packet to the relay.
func (g *generator) arrive(p sent) {
	b := g.tb.pool.Get()
	b.Data = append(b.Memory()[:0], p.bytes...)
	h, err := packet.Parse(b.Data)
	if err != nil {
		g.tb.t.Fatal(err)
	}
	g.tb.core.Media(p.track, g.from, forward.Arrival{Buffer: b, Header: h, At: g.tb.now, Origin: p.at})
}

// jump moves the timestamps.
func (g *generator) jump(ticks int32) {
	g.ts += uint32(ticks)
	g.sinceTS += uint32(ticks)
}

// report sends a sender report for the video.
func (g *generator) report() {
	g.tb.core.SenderReport(ingest.SenderReport{
		Origin: g.origin, From: g.from, SSRC: g.ssrc, NTP: g.tb.now, At: g.tb.now,
		RTP: g.sinceTS + uint32(g.tb.now.Sub(g.since).Seconds()*90000+.5),
	})
}
