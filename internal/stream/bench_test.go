package stream

import (
	"testing"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
)

// BenchmarkPacket is the way of one packet from ingest to the viewers' batch: a
// frame of 7 packets of 1,100 bytes at a time, as a studio sends it. With marks,
// every tenth frame has an event.
func BenchmarkPacket(b *testing.B) {
	for _, marked := range []bool{false, true} {
		name := "plain"
		if marked {
			name = "marked"
		}
		b.Run(name, func(b *testing.B) { benchmarkPacket(b, marked) })
	}
}

func benchmarkPacket(b *testing.B, marked bool) {
	tb := newTable(b)
	core := NewCore(tb.core.cfg, journal.Lease{Log: 1, SeqEnd: 1 << 62}, newPast(1), tb.pool, &silent{})
	tb.core = core
	payload := append([]byte{0x65}, make([]byte, 1100)...)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		i := n % 7
		if i == 0 && marked && n%70 == 0 {
			core.carrier.Add(marker.Carried{RefTS: core.sent + ticks, Kind: marker.Outcome, Seq: uint64(n)})
		}
		p := tb.pool.Get()
		p.Data = append(p.Memory()[:0], 0x80, 96, byte(tb.feed.seq>>8), byte(tb.feed.seq),
			byte(tb.feed.ts>>24), byte(tb.feed.ts>>16), byte(tb.feed.ts>>8), byte(tb.feed.ts), 0, 0, 0, 7)
		if i == 6 {
			p.Data[1] |= 0x80
		}
		p.Data = append(p.Data, payload...)
		h, _ := parse(p.Data)
		core.Media(forward.Video, tb.feed.from, forward.Arrival{Buffer: p, Header: h, At: tb.now})
		tb.feed.seq++
		if i == 6 {
			payload[0] = 0x41
			tb.feed.ts += ticks
			tb.now = tb.now.Add(interval)
		}
	}
}
