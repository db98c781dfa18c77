package stream

import (
	"net/netip"
	"testing"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
)

// goodbye has a generator say goodbye.
func (tb *table) goodbye(g *generator) {
	tb.core.SenderReport(ingest.SenderReport{From: g.from, SSRC: g.ssrc, At: tb.now, Bye: true})
}

// Two encoders send at the same time, then the older one says goodbye: what the newer
// one sent meanwhile is of a time that has been shown and heard, and is not sent again.
func TestNewcomerBesideTheOther(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Audio = &Input{Codec: codec.Opus, PayloadType: 111} })
	sounds := 0
	sound := func(g *generator) {
		b := packet.AppendHeader(nil, 111, uint16(sounds), uint32(sounds*960)+7777*g.ssrc, g.ssrc+100)
		g.send(sent{forward.Audio, append(b, 0xF8, byte(sounds)), g.origin})
	}
	run := func(gs ...*generator) {
		for range 50 {
			for _, g := range gs {
				sound(g)
				if sounds%2 == 0 {
					g.shoot(sounds%10 == 0, 2)
					g.ts += 3600 - ticks
				}
			}
			sounds++
			tb.advance(20 * time.Millisecond)
		}
	}
	on := tb.generator(forward.Primary, 11, 1000, 5)
	run(on)
	for i := range uint32(3) {
		was := on
		on = tb.generator(forward.Primary, 20+i, 99, 7)
		run(was, on)
		before := len(tb.out)
		shown := map[forward.Track]time.Time{}
		for _, o := range tb.packets() {
			if a := o.packet.Arrival; a.After(shown[o.packet.Track]) {
				shown[o.packet.Track] = a
			}
		}
		for track, ssrc := range []uint32{was.ssrc, was.ssrc + 100} {
			tb.core.SenderReport(ingest.SenderReport{Track: forward.Track(track), From: was.from, SSRC: ssrc, At: tb.now, Bye: true})
		}
		run(on)
		for _, o := range tb.out[before:] {
			if o.packet != nil && !o.packet.Arrival.After(shown[o.packet.Track]) {
				t.Fatalf("swap %d: a packet of %v that came at %v was sent after one that came at %v", i, o.packet.Track, o.packet.Arrival, shown[o.packet.Track])
			}
		}
		for _, track := range tb.core.tracks {
			if ahead := track.line.Ahead(tb.now); ahead > 0 {
				t.Errorf("swap %d: the line of %v is %v ahead of the clock", i, track.id, ahead)
			}
		}
	}
}

// newcomerCase is a source that begins while another one is heard.
type newcomerCase struct {
	*table
	was, on *generator
	before  int
}

func newNewcomerCase(t *testing.T, change ...func(*Config)) *newcomerCase {
	c := &newcomerCase{table: newTable(t, change...)}
	c.was = c.generator(forward.Primary, 11, 1000, 5)
	for i := range 30 {
		c.was.shoot(i == 0, 3)
		c.advance(interval)
	}
	c.on = c.generator(forward.Primary, 12, 99, 7)
	c.before = len(c.packets())
	return c
}

func (c *newcomerCase) check(t *testing.T, want int) {
	t.Helper()
	got := c.packets()[c.before:]
	if len(got) != want {
		t.Errorf("%d of %d packets were sent; dropped: %v", len(got), want, c.drops)
	}
	for i := 1; i < len(got); i++ {
		if got[i].packet.Slot < got[i-1].packet.Slot {
			t.Errorf("packet %d went out of order", i)
		}
	}
}

// What comes out of order meanwhile goes out in order.
func TestNewcomerOutOfOrder(t *testing.T) {
	for _, late := range []int{0, 2} {
		c := newNewcomerCase(t)
		var held *sent
		n := 0
		c.on.deliver = func(p sent) {
			if n++; n == late+1 {
				held = &p
				return
			}
			c.on.arrive(p)
			if held != nil {
				c.on.arrive(*held)
				held = nil
			}
		}
		for i := range 3 {
			c.on.shoot(i == 0, 5)
			c.advance(interval)
		}
		c.goodbye(c.was)
		for range 10 {
			c.on.shoot(false, 5)
			c.advance(interval)
		}
		c.check(t, 65)
		burst := c.core.Burst()
		if len(burst) != 65 {
			t.Errorf("who joins gets %d packets, want 65", len(burst))
		}
		releaseAll(burst)
	}
}

// Two paths that end at two addresses bring the beginning as one does.
func TestNewcomerByTwoAddresses(t *testing.T) {
	tb := newTable(t, twoPaths)
	both := func(g *generator) {
		first := g.from
		g.deliver = func(s sent) {
			for path, from := range []netip.AddrPort{first, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.77"), first.Port())} {
				copied := s
				copied.at.Path, g.from = forward.Path(path), from
				g.arrive(copied)
			}
			g.from = first
		}
	}
	was := tb.generator(forward.Primary, 11, 1000, 5)
	both(was)
	for i := range 30 {
		was.shoot(i == 0, 3)
		tb.advance(interval)
	}
	on := tb.generator(forward.Primary, 12, 99, 7)
	on.from = was.from
	both(on)
	before := len(tb.packets())
	for i := range 29 {
		on.shoot(i == 0, 3)
		tb.advance(interval)
	}
	if got := len(tb.packets()) - before; got != 87 {
		t.Errorf("%d of 87 packets were sent; dropped: %v", got, tb.drops)
	}
	for i, p := range tb.core.Info(tb.now, 0).Inputs.Inputs[0].Tracks[0].Paths {
		if p.Packets != 177 {
			t.Errorf("path %d counts %d packets, want 177", i, p.Packets)
		}
	}
}

// Nothing is kept of who can never be heard, and a stranger does not put out what is
// kept of another.
func TestNewcomerBesideStrangers(t *testing.T) {
	allow := func(c *Config) { c.Video.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
	c := newNewcomerCase(t, allow)
	shut := c.generator(forward.Primary, 66, 0, 0)
	shut.from = netip.MustParseAddrPort("203.0.113.9:5000")
	stranger := c.generator(forward.Primary, 67, 0, 0)
	held := c.pool.Live()
	shut.shoot(true, 100)
	if n := c.pool.Live() - held; n != 0 {
		t.Errorf("%d buffers are kept of an address that is not allowed", n)
	}
	for i := range 3 {
		c.on.shoot(i == 0, 3)
		stranger.shoot(false, 1)
		c.advance(interval)
	}
	c.goodbye(c.was)
	for range 5 {
		c.on.shoot(false, 3)
		c.advance(interval)
	}
	c.check(t, 24)
}

// The goodbye lets in what is there, even if the next packet is long in coming.
func TestNewcomerOfFewFrames(t *testing.T) {
	c := newNewcomerCase(t)
	c.on.shoot(true, 3)
	c.on.ts += 27000 - ticks
	c.goodbye(c.was)
	for range 9 {
		c.advance(300 * time.Millisecond)
		c.on.shoot(false, 3)
		c.on.ts += 27000 - ticks
	}
	c.check(t, 30)
}

// Of more than is kept, the beginning is.
func TestNewcomerOfManyPackets(t *testing.T) {
	c := newNewcomerCase(t)
	for i := range 6 {
		c.on.shoot(i == 0, 200)
		c.advance(interval)
	}
	c.goodbye(c.was)
	c.check(t, newcomerPackets)
}
