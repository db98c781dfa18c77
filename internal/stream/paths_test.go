package stream

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
)

var secondPath = netip.MustParsePrefix("192.0.2.0/24")

func twoPaths(c *Config) {
	c.Video.Second = &SecondPath{Allow: []netip.Prefix{secondPath}, Skew: 50 * time.Millisecond}
}

// TestTwoPaths has the same packets come by two paths, and what goes wrong with one
// of them. Nothing is lost that came by either, and health says what is wrong.
func TestTwoPaths(t *testing.T) {
	const frames = 300
	for _, c := range []struct {
		name    string
		path    func(random *rand.Rand, p forward.Path, s *sent) bool // whether a copy arrives
		happens func(tr *trouble)
		health  []string
		epochs  uint32
	}{
		{name: "both whole", epochs: 1},
		{
			name: "each loses a twentieth", epochs: 1, path: func(random *rand.Rand, p forward.Path, s *sent) bool {
				return random.Float64() >= 0.05
			},
		},
		{
			name: "the first ends", epochs: 1, health: []string{"path_silent"},
			path: func(_ *rand.Rand, p forward.Path, _ *sent) bool { return p == 1 },
		},
		{
			name: "the second ends", epochs: 1, health: []string{"path_silent"},
			path: func(_ *rand.Rand, p forward.Path, _ *sent) bool { return p == 0 },
		},
		{
			name: "the second changes bytes", epochs: 1, health: []string{"paths_differ"}, path: func(random *rand.Rand, p forward.Path, s *sent) bool {
				if p == 1 && random.Float64() < 0.01 {
					s.bytes = slices.Clone(s.bytes)
					s.bytes[len(s.bytes)-1] ^= 1
				}
				return true
			},
		},
		{
			name: "the second carries another stream", epochs: 1, health: []string{"path_silent", "paths_differ", "second_sender"},
			path: func(_ *rand.Rand, p forward.Path, s *sent) bool {
				if p == 1 {
					s.bytes = slices.Clone(s.bytes)
					s.bytes[8] ^= 1 // SSRC
				}
				return true
			},
		},
		{
			name: "the encoder restarts", epochs: 2, health: []string{"source_restarted"}, happens: func(tr *trouble) {
				tr.advance(sameSourceAgain)
				was := tr.on
				tr.restart(13, 5, 5)
				tr.on.deliver = was.deliver
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTrouble(t, 11, 1<<32-90000, 65500, twoPaths)
			random := rand.New(rand.NewPCG(1, 2))
			arrived := map[string]bool{} // payloads
			deliver := func(s sent) {
				for p := range forward.Path(forward.Paths) {
					copied := s
					copied.at.Path = p
					if c.path != nil && len(tr.on.shots) > 60 && !c.path(random, p, &copied) {
						continue
					}
					arrived[string(s.bytes[12:])] = true
					tr.on.arrive(copied)
				}
			}
			tr.on.deliver = deliver
			tr.on.report()
			tr.film(60)
			clear(tr.codes)
			if c.happens != nil {
				c.happens(tr)
			}
			tr.film(frames)
			tr.advance(3 * time.Second)
			delete(tr.codes, "loss")
			f := tr.compare(true)
			tr.judge(f)
			left := map[string]int{}
			for _, o := range tr.packets() {
				left[string(o.payload)]++
			}
			for p, n := range left {
				if n != 1 || !arrived[p] {
					t.Errorf("a packet left %d times, and arrived: %v", n, arrived[p])
				}
			}
			if len(left) != len(arrived) {
				t.Errorf("%d packets left, %d arrived", len(left), len(arrived))
			}
			codes := slices.Sorted(maps.Keys(tr.codes))
			if !slices.Equal(codes, c.health) {
				t.Errorf("health told of %q, want %q", codes, c.health)
			}
			i := tr.core.Info(tr.now, 0)
			if i.Epoch != c.epochs || len(i.Inputs.Inputs) != 1 || len(i.Inputs.Inputs[0].Tracks[0].Paths) != 2 {
				t.Errorf("epoch %d, want %d; %+v", i.Epoch, c.epochs, i.Inputs)
			}
		})
	}
}

// The way of a packet allocates nothing, with a backup that stands by and two paths.
func TestTwoInputsAllocateNothing(t *testing.T) {
	p := newPair(t, twoPaths)
	p.core.Close()
	p.pool = packet.NewPool(4096) // as a relay's
	cfg := p.core.cfg
	p.core = NewCore(cfg, journal.Lease{Log: 1, SeqEnd: 1 << 20}, newPast(1), p.pool, &silent{})
	payload := append([]byte{0x65}, make([]byte, 1100)...)
	seq, ts, n := uint16(0), uint32(0), 0
	send := func() {
		payload[0] = 0x41
		if n++; n%30 == 1 {
			payload[0] = 0x65
		}
		for i := range 7 {
			for _, origin := range []forward.Origin{{}, {Path: 1}, {Encoder: forward.Backup}} {
				b := p.pool.Get()
				b.Data = append(b.Memory()[:0], 0x80, 96, byte(seq>>8), byte(seq), byte(ts>>24), byte(ts>>16), byte(ts>>8), byte(ts), 0, 0, 0, 7)
				if i == 6 {
					b.Data[1] |= 0x80
				}
				b.Data = append(b.Data, payload...)
				h, _ := parse(b.Data)
				p.core.Media(forward.Video, p.encoders[0].from, forward.Arrival{Buffer: b, Header: h, At: p.now, Origin: origin})
			}
			seq++
		}
		ts += ticks
		p.now = p.now.Add(interval)
	}
	for range 400 {
		send()
	}
	if n := testing.AllocsPerRun(300, send); n != 0 {
		t.Errorf("%v allocations per frame of 3 x 7 packets, want 0", n)
	}
}
