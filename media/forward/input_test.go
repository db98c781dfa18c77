package forward

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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
		{"duplicate while waiting", []any{7, 9, 9, 8}, []string{"7@0", "9 duplicate", "8@1", "9@2"}, InputStats{Packets: 3, Duplicates: 1}},
		{"reordered", []any{7, 9, 10, 8}, []string{"7@0", "8@1", "9@2", "10@3"}, InputStats{Packets: 4}},
		{"reordered over the wrap", []any{65534, 1, 0, 65535}, []string{"65534@0", "65535@1", "0@2", "1@3"}, InputStats{Packets: 4}},
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

// model is the naive Input: a source's packets by their true index, in maps.
type model struct {
	seen    map[uint64]bool
	waiting map[uint64]time.Time
	slots   map[uint64]uint64 // of the indices passed
	next    uint64
	newest  uint64
	slot    uint64
	lost    int
}

func (m *model) push(index uint64, at time.Time) Order {
	switch {
	case index < firstIndex, index+memorySlots <= m.newest:
		return TooLate
	case m.seen[index]:
		return Duplicate
	}
	m.seen[index], m.newest = true, max(m.newest, index)
	m.waiting[index] = at
	return Taken
}

func (m *model) pop(now time.Time) (index, slot uint64, late, ok bool) {
	if len(m.waiting) == 0 {
		return 0, 0, false, false
	}
	lowest := slices.Min(slices.Collect(maps.Keys(m.waiting)))
	switch {
	case lowest < m.next:
		delete(m.waiting, lowest)
		m.lost--
		return lowest, m.slots[lowest], true, true
	case lowest > m.next && now.Before(m.deadline()):
		return 0, 0, false, false
	}
	for ; m.next <= lowest; m.next++ {
		m.slots[m.next] = m.slot
		m.slot++
		m.lost++
	}
	m.lost--
	delete(m.waiting, lowest)
	return lowest, m.slots[lowest], false, true
}

func (m *model) deadline() (first time.Time) {
	for _, at := range m.waiting {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first.Add(testWindow)
}

// firstIndex is the true index of the first packet: a sequence number close to
// the wrap.
const firstIndex = 1<<16 - 300

// TestInputAgainstModel: one source, whose packets are lost, reordered, doubled
// and late, over several wraps.
func TestInputAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, pool, now := NewInput(testWindow), packet.NewPool(8), start
		m := model{
			seen: map[uint64]bool{}, waiting: map[uint64]time.Time{}, slots: map[uint64]uint64{},
			next: firstIndex, newest: firstIndex - 1, slot: firstSlot,
		}
		var strays int
		used := map[uint64]bool{}
		sent := uint64(firstIndex) // index to be sent next
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		drain := func() {
			for {
				index, slot, late, ok := m.pop(now)
				a, gotSlot, gotLate, gotOK := in.Pop(now)
				if ok != gotOK || ok && (a.Header.Sequence != uint16(index) || gotSlot != slot || gotLate != late) {
					t.Fatalf("popped %d slot %d late %v %v, want %d slot %d late %v %v",
						a.Header.Sequence, gotSlot, gotLate, gotOK, uint16(index), slot, late, ok)
				}
				if !ok {
					break
				}
				a.Buffer.Release()
				if !late && dice.IntN(9) == 0 {
					if moved := in.Insert(); moved != slot+1 {
						t.Fatalf("insert moves slot %d to %d", slot, moved)
					}
					used[slot], m.slot = true, m.slot+1
					slot++
				}
				if used[slot] {
					t.Fatalf("slot %d is used twice", slot)
				}
				if !late && dice.IntN(9) == 0 {
					in.Discard()
					m.slot--
				} else {
					used[slot] = true
				}
			}
			if deadline, ok := in.Deadline(); ok != (len(m.waiting) > 0) || ok && (!deadline.Equal(m.deadline()) || !deadline.After(now)) {
				t.Fatalf("deadline %v %v with %d waiting, now %v", deadline, ok, len(m.waiting), now)
			}
			if int(pool.Live()) != len(m.waiting) {
				t.Fatalf("%d buffers live, %d waiting", pool.Live(), len(m.waiting))
			}
		}
		push := func(index uint64) {
			a := arrival(pool, uint16(index), uint32(index)*10, now)
			want := m.push(index, now)
			if got := in.Push(a); got != want {
				t.Fatalf("push of %d (newest %d): %d, want %d", index, m.newest, got, want)
			}
			if want == TooLate {
				strays++
			} else if index == m.newest {
				strays = 0
			}
			if want != Taken {
				a.Buffer.Release()
			}
			drain()
		}
		push(sent)
		sent++
		t.Repeat(map[string]func(*rapid.T){
			"run": func(t *rapid.T) {
				for range rapid.IntRange(1, 300).Draw(t, "n") {
					if sent-m.next >= reorderSlots-1 {
						now = now.Add(testWindow)
						drain()
					}
					push(sent)
					sent++
				}
			},
			"lose": func(t *rapid.T) {
				// Less than the window ahead of what is waited for.
				sent += rapid.Uint64Range(0, reorderSlots-2-min(reorderSlots-2, sent-m.next)).Draw(t, "n")
			},
			"swap": func(t *rapid.T) {
				n := rapid.Uint64Range(2, 16).Draw(t, "n")
				if sent+n-m.next >= reorderSlots {
					return
				}
				order := make([]uint64, n)
				for i := range order {
					order[i] = sent + uint64(i)
				}
				for _, index := range rapid.Permutation(order).Draw(t, "order") {
					push(index)
				}
				sent += n
			},
			"old": func(t *rapid.T) {
				if strays < strayRun-1 {
					push(sent - rapid.Uint64Range(1, memorySlots+100).Draw(t, "back"))
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "ms")) * time.Millisecond)
				drain()
			},
		})
		if got := in.Stats(); int(got.Lost) != m.lost {
			t.Fatalf("%d lost, want %d", got.Lost, m.lost)
		}
		in.Restart(func(a Arrival) { a.Buffer.Release() })
		if pool.Live() != 0 {
			t.Fatalf("%d buffers live after a restart", pool.Live())
		}
	})
}

// TestInputInChaos: sources that jump, restart and mix. Whatever comes, slots are
// used once and go up, every packet is accounted for, and order returns.
func TestInputInChaos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, pool, now := NewInput(testWindow), packet.NewPool(8), start
		var pushed, out, flushed, refused, highest uint64
		used := map[uint64]bool{}
		seq, timestamp := rapid.Uint16().Draw(t, "seq"), uint32(0)
		drain := func() {
			for {
				a, slot, late, ok := in.Pop(now)
				if !ok {
					break
				}
				a.Buffer.Release()
				out++
				if used[slot] || !late && slot <= highest || late && slot >= highest {
					t.Fatalf("slot %d (late %v) after %d", slot, late, highest)
				}
				used[slot], highest = true, max(highest, slot)
			}
			if d, ok := in.Deadline(); ok && !d.After(now) {
				t.Fatalf("deadline %v has passed at %v, and nothing comes out", d, now)
			}
			if pushed != out+flushed+refused+uint64(pool.Live()) {
				t.Fatalf("%d pushed, %d out, %d flushed, %d refused, %d inside", pushed, out, flushed, refused, pool.Live())
			}
		}
		push := func(seq uint16, timestamp uint32) {
			a := arrival(pool, seq, timestamp, now)
			pushed++
			if in.Push(a) != Taken {
				a.Buffer.Release()
				refused++
			}
			drain()
		}
		t.Repeat(map[string]func(*rapid.T){
			"run": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "n") {
					push(seq, timestamp)
					seq, timestamp = seq+1, timestamp+1
				}
			},
			"jump":  func(t *rapid.T) { seq += rapid.Uint16().Draw(t, "jump") },
			"stray": func(t *rapid.T) { push(rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "timestamp")) },
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "ms")) * time.Millisecond)
				drain()
			},
			"restart": func(t *rapid.T) {
				in.Restart(func(a Arrival) { a.Buffer.Release(); flushed++ })
				drain()
			},
			"recovery": func(t *rapid.T) {
				seq += rapid.Uint16().Draw(t, "jump")
				for range strayRun + memorySlots { // holes may be taken for theirs
					push(seq, timestamp)
					seq, timestamp = seq+1, timestamp+1
				}
				now = now.Add(testWindow)
				drain()
				before := out
				for range 10 {
					push(seq, timestamp)
					seq, timestamp = seq+1, timestamp+1
				}
				if out != before+10 {
					t.Fatalf("%d of 10 packets come out after a run in order", out-before)
				}
			},
		})
		s := in.Stats()
		if s.Packets != out+flushed+uint64(pool.Live()) || s.Duplicates+s.TooLate != refused || s.Lost > 1<<40 {
			t.Fatalf("%+v with %d out, %d flushed, %d refused", s, out, flushed, refused)
		}
	})
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
