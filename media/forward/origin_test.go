package forward

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/media/packet"
)

// crossing is one copy of a packet on its way over one of two paths.
type crossing struct {
	number int
	path   Path
	at     time.Duration // of arrival
	sum    uint64
}

// cross sends packets every millisecond over two paths that lose 5% each on their
// own; the second is slower by skew. It returns what arrives, in order of arrival,
// and whether any copy of each packet does.
func cross(packets int, skew time.Duration, seed uint64) (all []crossing, arrives []bool) {
	random := rand.New(rand.NewPCG(seed, 1))
	arrives = make([]bool, packets)
	for n := range packets {
		for path := range Path(Paths) {
			if random.Float64() < 0.05 && n > 0 {
				continue
			}
			arrives[n] = true
			jitter := time.Duration(random.Int64N(int64(3 * time.Millisecond)))
			if n == 0 {
				jitter = 0 // what comes before the first has no place
			}
			at := time.Duration(n)*time.Millisecond + time.Duration(path)*skew + jitter
			all = append(all, crossing{n, path, at, uint64(n) + 1})
		}
	}
	slices.SortStableFunc(all, func(a, b crossing) int { return int(a.at - b.at) })
	return all, arrives
}

// What either path delivered comes out, once and in order; what neither did is all
// that is lost.
func TestTwoPathsAreOne(t *testing.T) {
	for _, c := range []struct {
		name string
		skew time.Duration
	}{{"no skew", 0}, {"skew", 30 * time.Millisecond}, {"all the skew there may be", 200 * time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			const packets, first = 20_000, 65_000 // wraps
			all, arrives := cross(packets, c.skew, 7)
			pool := packet.NewPool(64)
			in := NewInput(c.skew + 5*time.Millisecond)
			var out []uint16
			redundant := 0
			pop := func(now time.Time) {
				for {
					a, _, late, ok := in.Pop(now)
					if !ok {
						return
					}
					if late {
						t.Fatalf("packet %d came late", a.Header.Sequence)
					}
					out = append(out, a.Header.Sequence)
					a.Buffer.Release()
				}
			}
			for _, x := range all {
				now := start.Add(x.at)
				a := arrival(pool, uint16(first+x.number), uint32(x.number), now)
				a.Origin.Path, a.Sum = x.path, x.sum
				pop(now)
				switch in.Push(a) {
				case Taken:
				case Redundant:
					redundant++
					a.Buffer.Release()
				default:
					t.Fatalf("packet %d by path %d was not taken", x.number, x.path)
				}
				pop(now)
			}
			pop(start.Add(time.Hour))
			var want []uint16
			for n, ok := range arrives {
				if ok {
					want = append(want, uint16(first+n))
				}
			}
			if !slices.Equal(out, want) {
				t.Errorf("%d packets came out, want the %d that arrived", len(out), len(want))
			}
			if s := in.Stats(); redundant != len(all)-len(want) || s.Redundant != uint64(redundant) || s.Different != 0 || s.Lost != uint64(packets-len(want)) {
				t.Errorf("%+v; %d copies", s, len(all))
			}
			if n := pool.Live(); n != 0 {
				t.Errorf("%d buffers were never released", n)
			}
		})
	}
}

// The second copy of a packet must be the same packet; the first is the one that
// counts either way.
func TestCopiesThatDiffer(t *testing.T) {
	pool := packet.NewPool(8)
	for _, c := range []struct {
		name      string
		path      Path
		timestamp uint32
		sum       uint64
		want      Order
	}{
		{"the same", 1, 7, 1, Redundant},
		{"twice by one path", 0, 7, 1, Duplicate},
		{"other bytes", 1, 7, 2, Different},
		{"another timestamp", 1, 8, 2, Different},
		{"another timestamp by one path", 0, 8, 1, TooLate},
	} {
		in := NewInput(testWindow)
		a := arrival(pool, 5, 7, start)
		a.Sum = 1
		if got := in.Push(a); got != Taken {
			t.Fatalf("the first: %v", got)
		}
		b := arrival(pool, 5, c.timestamp, start)
		b.Origin.Path, b.Sum = c.path, c.sum
		if got := in.Push(b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		b.Buffer.Release()
		in.Restart(func(a Arrival) { a.Buffer.Release() })
	}
}

// A source that numbers anew is followed though both its paths do.
func TestTwoPathsRestart(t *testing.T) {
	pool := packet.NewPool(64)
	in := NewInput(testWindow)
	out := 0
	send := func(seq uint16, ts uint32) {
		for path := range Path(Paths) {
			a := arrival(pool, seq, ts, start)
			a.Origin.Path, a.Sum = path, uint64(ts)<<16|uint64(seq)
			if in.Push(a) != Taken {
				a.Buffer.Release()
			}
			for {
				a, _, _, ok := in.Pop(start)
				if !ok {
					break
				}
				out++
				a.Buffer.Release()
			}
		}
	}
	for n := range uint16(500) {
		send(1000+n, uint32(n))
	}
	before := out
	for n := range uint16(500) {
		send(1000+n, 1<<20+uint32(n)) // the numbers of before, another clock
	}
	if got := out - before; got < 500-strayRun || before != 500 {
		t.Errorf("%d packets before, %d of 500 after", before, got)
	}
}
