package stream

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// table is a Core under test with a studio, and what came out of it in order.
type table struct {
	t     testing.TB
	core  *Core
	pool  *packet.Pool
	now   time.Time
	out   []output
	lease []journal.Lease
	keys  int // keyframe requests
	asked int // likewise, of the encoder that is not on
	moved []string
	drops map[string]int
	feed  feed
	lines [][]byte // of the journal
	seals []string // windows that wait until their actions are durable
}

// output is one thing that a Core decided.
type output struct {
	packet  *forward.Packet // a copy; its payload is in payload
	payload []byte
	message *egress.Message
	gop     bool
}

// feed is the studio's side: what it put on the wire.
type feed struct {
	from    netip.AddrPort
	ssrc    uint32
	seq     uint16
	ts      uint32
	frames  int
	start   time.Time // capture time of its frame 0
	startTS uint32
	sent    [][]byte // payloads
}

// interval is the distance of two frames of the feed: 30 fps.
const (
	interval = time.Second / 30
	ticks    = 3000
)

var epochStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newTable(t testing.TB, change ...func(*Config)) *table {
	t.Helper()
	c := Config{
		Name: "wheel", Video: &Input{Codec: codec.H264, PayloadType: 96}, History: 10 * time.Second,
		Reorder: 20 * time.Millisecond, Silence: 2 * time.Second, MaxPayload: 1232, StateLimit: 64 << 10, JoinBurst: true,
	}
	for _, f := range change {
		f(&c)
	}
	tb := &table{t: t, pool: packet.NewPool(64), now: epochStart, drops: map[string]int{}}
	tb.core = NewCore(c, journal.Lease{Log: 0x9f3c0a77d2e41b05, SeqEnd: journal.SeqBlock}, newPast(c.StateLimit), tb.pool, tb)
	tb.restartStudio(0xfffffe00, 65530)
	return tb
}

// restartStudio is a studio process that starts now.
func (tb *table) restartStudio(ts uint32, seq uint16) {
	port := uint16(4000 + len(tb.feed.sent)%1000)
	tb.feed = feed{
		from: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port), ssrc: tb.feed.ssrc + 7, seq: seq, ts: ts,
		start: tb.now, startTS: ts, sent: tb.feed.sent,
	}
}

// frame sends one frame of n packets at its capture time, and the next frame's
// time comes.
func (tb *table) frame(key bool, n int) {
	for i := range n {
		tb.packet(tb.nal(key, i), i == n-1)
	}
	tb.feed.frames++
	tb.feed.ts += ticks
	tb.advance(tb.feed.start.Add(time.Duration(tb.feed.frames) * interval).Sub(tb.now))
}

// nal is a whole slice as one NAL unit; its content is unique.
func (tb *table) nal(key bool, i int) []byte {
	head := byte(0x41)
	if key {
		head = 0x65
	}
	b := []byte{head, byte(i)}
	return binary.BigEndian.AppendUint64(b, uint64(len(tb.feed.sent)))
}

func (tb *table) packet(payload []byte, last bool) {
	tb.feed.sent = append(tb.feed.sent, payload)
	tb.raw(tb.feed.seq, tb.feed.ts, payload, last)
	tb.feed.seq++
}

func (tb *table) raw(seq uint16, ts uint32, payload []byte, last bool) {
	b := tb.pool.Get()
	b.Data = packet.AppendHeader(b.Memory()[:0], 96, seq, ts, tb.feed.ssrc)
	if last {
		b.Data[1] |= 0x80
	}
	b.Data = append(b.Data, payload...)
	h, err := packet.Parse(b.Data)
	if err != nil {
		tb.t.Fatal(err)
	}
	tb.core.Media(forward.Video, tb.feed.from, forward.Arrival{Buffer: b, Header: h, At: tb.now})
}

// report is a sender report of the studio, true to its own clock.
func (tb *table) report() {
	elapsed := tb.now.Sub(tb.feed.start)
	tb.core.SenderReport(ingest.SenderReport{
		From: tb.feed.from, SSRC: tb.feed.ssrc, NTP: tb.now, At: tb.now,
		RTP: tb.feed.startTS + uint32(elapsed.Seconds()*90000+.5),
	})
}

// advance lets time pass in steps, as a loop would.
func (tb *table) advance(d time.Duration) {
	end := tb.now.Add(d)
	for tb.now.Before(end) {
		next := tb.core.Next(tb.now)
		if !next.After(tb.now) {
			next = tb.now.Add(time.Millisecond)
		}
		if next.After(end) {
			next = end
		}
		tb.now = next
		tb.core.Tick(tb.now, tb.now)
	}
}

// mark sends a request; the returned channel has room for the answer.
func (tb *table) mark(r marker.Request) chan Answer {
	tb.t.Helper()
	if err := r.Validate(); err != nil {
		tb.t.Fatal(err)
	}
	c := make(chan Answer, 1)
	tb.core.Mark(r, c, tb.now)
	return c
}

func answered1(t *testing.T, c chan Answer) Answer {
	t.Helper()
	select {
	case a := <-c:
		return a
	default:
		t.Fatal("no answer yet")
		return Answer{}
	}
}

// events returns every event told, decoded.
func (tb *table) events() (list []marker.Event) {
	for _, o := range tb.out {
		if o.message != nil && o.message.Repeat {
			e, err := marker.DecodeEvent(o.message.Bytes)
			if err != nil {
				tb.t.Fatal(err)
			}
			list = append(list, e)
		}
	}
	return list
}

// packets returns every packet forwarded.
func (tb *table) packets() (list []output) {
	for _, o := range tb.out {
		if o.packet != nil {
			list = append(list, o)
		}
	}
	return list
}

func (tb *table) Forward(p *forward.Packet) {
	c := *p
	tb.out = append(tb.out, output{packet: &c, payload: append([]byte(nil), p.Payload()...)})
}
func (tb *table) GOPBegins()              { tb.out = append(tb.out, output{gop: true}) }
func (tb *table) Tell(m egress.Message)   { tb.out = append(tb.out, output{message: &m}) }
func (tb *table) RequestKeyframe()        { tb.keys++ }
func (tb *table) RequestStandbyKeyframe() { tb.asked++ }
func (tb *table) Switched(e forward.Encoder, reason string) {
	tb.moved = append(tb.moved, e.String()+" "+reason)
}
func (tb *table) Lease(l journal.Lease)     { tb.lease = append(tb.lease, l) }
func (tb *table) Drop(reason string, n int) { tb.drops[reason] += n }
func (tb *table) Answer(tickets []Ticket, a Answer) {
	for _, t := range tickets {
		t <- a
	}
}

func (tb *table) Log(_ *marker.Event, b []byte) { tb.lines = append(tb.lines, b) }
func (tb *table) Catch()                        {}
func (tb *table) Seal(name string)              { tb.seals = append(tb.seals, name) }
func (tb *table) Repeat(earlier *window.Action, reply func([]byte)) {
	reply(receiptOf(earlier, [window.SaltSize]byte{}))
}

func (tb *table) Judged(a *act) {
	tb.lines = append(tb.lines, a.Encode())
	a.reply(receiptOf(&a.Action, [window.SaltSize]byte{}))
}
