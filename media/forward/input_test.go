package forward

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/framelock/relay/media/packet"
)

const testWindow = 20 * time.Millisecond

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// arrival is a packet of a source; each has a buffer of its own.
func arrival(pool *packet.Pool, seq uint16, timestamp uint32, at time.Time) Arrival {
	b := pool.Get()
	b.Data = packet.AppendHeader(b.Memory()[:0], 96, seq, timestamp, 0xCAFE)
	h, err := packet.Parse(b.Data)
	if err != nil {
		panic(err)
	}
	return Arrival{Buffer: b, Header: h, At: at}
}

// TestInputScripts reads scripts: a number is a packet with that sequence number,
// the timestamp being the number itself unless the script gives one; a packet
// that comes out is written number@slot, with the slot counted from firstSlot,
// and with ~ if it is late. "+10" is milliseconds that pass.
func TestInputScripts(t *testing.T) {
	tests := []struct {
		name  string
		in    []any // int: push; time.Duration: pass; string: insert, discard, restart
		out   []string
		stats InputStats
	}{
		{"in order", []any{7, 8, 9}, []string{"7@0", "8@1", "9@2"}, InputStats{Packets: 3}},
		{"wrap", []any{65534, 65535, 0, 1}, []string{"65534@0", "65535@1", "0@2", "1@3"}, InputStats{Packets: 4}},
		{"duplicate", []any{7, 7, 8, 7}, []string{"7@0", "7 duplicate", "8@1", "7 duplicate"}, InputStats{Packets: 2, Duplicates: 2}},
		{"duplicate while waiting", []any{7, 9, 9, 8}, []string{"7@0", "9 duplicate", "8@1", "9@2"}, InputStats{Packets: 3, Duplicates: 1, OutOfOrder: 1}},
		{"reordered", []any{7, 9, 10, 8}, []string{"7@0", "8@1", "9@2", "10@3"}, InputStats{Packets: 4, OutOfOrder: 1}},
		{"reordered over the wrap", []any{65534, 1, 0, 65535}, []string{"65534@0", "65535@1", "0@2", "1@3"}, InputStats{Packets: 4, OutOfOrder: 2}},
		{"lost", []any{7, 9, ms(19), ms(1), 10}, []string{"7@0", "9@2", "10@3"}, InputStats{Packets: 3, Lost: 1}},
		{"two holes, each with a wait of its own", []any{7, 9, ms(10), 11, ms(10), ms(9), ms(1)},
			[]string{"7@0", "9@2", "11@4"}, InputStats{Packets: 3, Lost: 2}},
		{"late", []any{7, 9, ms(20), 8, 8}, []string{"7@0", "9@2", "8@1~", "8 duplicate"}, InputStats{Packets: 3, Duplicates: 1, Reordered: 1}},
		{"late in the other order", []any{7, 10, ms(20), 9, 8}, []string{"7@0", "10@3", "9@2~", "8@1~"}, InputStats{Packets: 4, Reordered: 2}},
		{"before the first", []any{8, 7, 9}, []string{"8@0", "7 too late", "9@1"}, InputStats{Packets: 2, TooLate: 1}},
		{"largest wait", []any{0, 512, ms(20)}, []string{"0@0", "512@512"}, InputStats{Packets: 2, Lost: 511}},
		{"jump that is loss", []any{0, 513, 514}, []string{"0@0", "513@2", "514@3"}, InputStats{Packets: 3, Lost: 512}},
		{"jump gives up no packet that waits", []any{0, 2, 5, 1000, 1001, 3},
			[]string{"0@0", "2@2", "5@5", "1000@7", "1001@8", "3 too late"}, InputStats{Packets: 5, Lost: 3 + 994, TooLate: 1}},
		{"jump that is no loss", []any{0, 20000, 20001}, []string{"0@0", "20000@2", "20001@3"}, InputStats{Packets: 3}},
		{"jump over the wrap", []any{65000, 464, 465}, []string{"65000@0", "464@2", "465@3"}, InputStats{Packets: 3, Lost: 999}},
		{"restart", []any{7, "restart", 3, 2, 4}, []string{"7@0", "3@1", "2 too late", "4@2"}, InputStats{Packets: 3, TooLate: 1}},
		{"restart while waiting", []any{7, 9, 11, "restart", 3},
			[]string{"7@0", "9 flushed", "11 flushed", "3@1"}, InputStats{Packets: 4}},
		{"restart with the same numbers", []any{7, 8, "restart", 7, 8}, []string{"7@0", "8@1", "7@2", "8@3"}, InputStats{Packets: 4}},
		{"insert", []any{7, "insert", 8, 9, "insert"}, []string{"7@0", "7 moves to 1", "8@2", "9@3", "9 moves to 4"}, InputStats{Packets: 3}},
		{"insert after a hole", []any{7, 9, ms(20), "insert", 10, 8},
			[]string{"7@0", "9@2", "9 moves to 3", "10@4", "8@1~"}, InputStats{Packets: 4, Reordered: 1}},
		{"late past several inserts", []any{7, 9, ms(20), "insert", 10, "insert", 11, "insert", 12, 8},
			[]string{"7@0", "9@2", "9 moves to 3", "10@4", "10 moves to 5", "11@6", "11 moves to 7", "12@8", "8@1~"},
			InputStats{Packets: 6, Reordered: 1}},
		{"discard", []any{7, "discard", 8, "discard", 9}, []string{"7@0", "8@0", "9@0"}, InputStats{Packets: 3}},
		{"discard after a hole", []any{7, 9, ms(20), "discard", 10, 8}, []string{"7@0", "9@2", "10@2", "8@1~"}, InputStats{Packets: 4, Reordered: 1}},
		{"discard of a late one frees nothing", []any{7, 9, ms(20), 10, 8, "discard", 11},
			[]string{"7@0", "9@2", "10@3", "8@1~", "11@4"}, InputStats{Packets: 5, Reordered: 1}},
		{"discard twice is once", []any{7, 8, "discard", "discard", 9}, []string{"7@0", "8@1", "9@1"}, InputStats{Packets: 3}},
		{"insert, then discard", []any{7, "insert", "discard", 8}, []string{"7@0", "7 moves to 1", "8@1"}, InputStats{Packets: 2}},
		{"insert after a late one", []any{7, 9, ms(20), 8, "insert", 10},
			[]string{"7@0", "9@2", "8@1~", "8 moves to 3", "10@4"}, InputStats{Packets: 4, Reordered: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(tt.in)
			if diff := cmp.Diff(tt.out, s.out); diff != "" {
				t.Error(diff)
			}
			if got := s.in.Stats(); got != tt.stats {
				t.Errorf("stats %+v, want %+v", got, tt.stats)
			}
			s.in.Restart(func(a Arrival) { a.Buffer.Release() })
			if n := s.pool.Live(); n != 0 {
				t.Errorf("%d buffers were never released", n)
			}
		})
	}
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// script is an Input that a script plays with.
type script struct {
	in   *Input
	pool *packet.Pool
	now  time.Time
	last uint16
	out  []string
}

func newScript(steps []any) *script {
	s := &script{in: NewInput(testWindow), pool: packet.NewPool(8), now: start}
	for _, step := range steps {
		switch step := step.(type) {
		case int:
			s.push(uint16(step), uint32(step))
		case time.Duration:
			s.now = s.now.Add(step)
		case string:
			s.do(step)
		}
		s.drain()
	}
	return s
}

func (s *script) say(format string, a ...any) { s.out = append(s.out, fmt.Sprintf(format, a...)) }

func (s *script) push(seq uint16, timestamp uint32) {
	a := arrival(s.pool, seq, timestamp, s.now)
	switch s.in.Push(a) {
	case Duplicate:
		a.Buffer.Release()
		s.say("%d duplicate", seq)
	case TooLate:
		a.Buffer.Release()
		s.say("%d too late", seq)
	}
}

func (s *script) do(step string) {
	switch step {
	case "insert":
		s.say("%d moves to %d", s.last, s.in.Insert()-firstSlot)
	case "discard":
		s.in.Discard()
	case "restart":
		s.in.Restart(func(a Arrival) { s.say("%d flushed", a.Header.Sequence); a.Buffer.Release() })
	}
}

func (s *script) drain() {
	for {
		a, slot, late, ok := s.in.Pop(s.now)
		if !ok {
			return
		}
		mark := ""
		if late {
			mark = "~"
		}
		s.last = a.Header.Sequence
		s.say("%d@%d%s", s.last, slot-firstSlot, mark)
		a.Buffer.Release()
	}
}

// A source that numbers anew without another SSRC is heard again after strayRun
// packets, wherever its numbers are now; a hole tells the two runs apart.
func TestInputFollowsNewNumbers(t *testing.T) {
	for _, back := range []int{1, 20, 100, 700, 1500, 5000, 30000, 32767} {
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			var steps []any
			for i := range 2000 {
				steps = append(steps, 40000+i)
			}
			s := newScript(steps)
			s.out = nil
			for i := range 200 {
				s.push(uint16(42000-back+i), uint32(900000+i))
				s.drain()
			}
			first := fmt.Sprintf("%d@2001", uint16(42000-back+strayRun-1))
			from := slices.Index(s.out, first)
			if back < strayRun { // the new numbers overtake the old ones before
				first = fmt.Sprintf("%d@2000", 42000)
				from = slices.Index(s.out, first)
			}
			if from < 0 {
				t.Fatalf("%s never comes out: %v", first, s.out)
			}
			if got := s.in.Stats(); got.Lost != 0 || got.Duplicates != 0 || int(got.TooLate) != from {
				t.Errorf("stats %+v after %d packets were refused", got, from)
			}
			if want := 200 - from; len(s.out)-from != want {
				t.Errorf("%d packets come out after that, want %d", len(s.out)-from, want)
			}
		})
	}
}

// Strays among packets that fit, however many, are no new numbering.
func TestStraysAreNotFollowed(t *testing.T) {
	s := newScript([]any{20000})
	for i := range 200 {
		s.push(uint16(i), uint32(i)) // far back
		s.drain()
		if i%(strayRun-2) == 0 {
			s.push(uint16(20001+i/(strayRun-2)), 1)
			s.drain()
		}
	}
	if got := s.in.Stats(); got.TooLate != 200 || got.Packets != 8 || got.Lost != 0 {
		t.Errorf("%+v", got)
	}
}

func TestInputForgetsWhatIsLongGone(t *testing.T) {
	s := newScript([]any{0, 2, ms(20)}) // 1 is lost
	for i := 3; i <= memorySlots; i++ {
		s.push(uint16(i), uint32(i))
		s.drain()
	}
	s.out = nil
	s.push(1, 1)
	s.drain()
	s.push(uint16(memorySlots+1), memorySlots+1)
	s.drain()
	if want := []string{"1@1~", fmt.Sprintf("%d@%d", memorySlots+1, memorySlots+1)}; !slices.Equal(s.out, want) {
		t.Errorf("%v, want %v", s.out, want)
	}
	s.out = nil
	s.push(1, 1)
	s.push(2, 2)
	if want := []string{"1 too late", "2 duplicate"}; !slices.Equal(s.out, want) {
		t.Errorf("%v, want %v", s.out, want)
	}
}

func TestInputWithoutPopsTakesWhatItCanHold(t *testing.T) {
	s := newScript(nil)
	for i := range 2 * reorderSlots {
		s.push(uint16(i), uint32(i))
	}
	// The one after the window is set aside; nothing fits then.
	if got := s.in.Stats(); got.Packets != reorderSlots+1 || got.TooLate != reorderSlots-1 {
		t.Errorf("%+v", got)
	}
	s.out = nil
	s.drain()
	if len(s.out) != reorderSlots+1 || s.pool.Live() != 0 {
		t.Errorf("%d come out, %d buffers are left", len(s.out), s.pool.Live())
	}
}

func TestInputNewest(t *testing.T) {
	in := NewInput(testWindow)
	if n := in.Newest(); n != 0 {
		t.Errorf("%#x before the first packet", n)
	}
	pool := packet.NewPool(1)
	for i, want := range map[int]uint32{0: 65000, 535: 65535, 536: 1 << 16, 600: 1<<16 | 64} {
		in := NewInput(testWindow)
		for k := range i + 1 {
			in.Push(arrival(pool, uint16(65000+k), uint32(k), start))
			in.Pop(start)
		}
		if got := in.Newest(); got != want {
			t.Errorf("after %d packets: %#x, want %#x", i+1, got, want)
		}
	}
}

func TestInputAllocatesNothing(t *testing.T) {
	in, pool := NewInput(testWindow), packet.NewPool(64)
	seq, now := uint16(0), start
	if n := testing.AllocsPerRun(200, func() {
		for _, k := range []uint16{0, 2, 1, 4, 2} { // reordered, doubled, one lost
			a := arrival(pool, seq+k, uint32(seq+k), now)
			if in.Push(a) != Taken {
				a.Buffer.Release()
			}
			now = now.Add(testWindow)
			in.Deadline()
			for {
				a, _, _, ok := in.Pop(now)
				if !ok {
					break
				}
				a.Buffer.Release()
			}
		}
		seq += 5
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
