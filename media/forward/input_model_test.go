package forward

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/framelock/relay/media/packet"
)

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
