package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/sync/marker"
)

// trouble is a run of a stream with markers all along, in all forms, and what the
// generators wrote down.
type trouble struct {
	*table
	on         *generator
	generators []*generator
	asked      []question
	codes      map[string]bool // of health, at any time
	mute       bool            // no sender reports
	frame      int
}

// question is a request for an event, and what was so when it was asked.
type question struct {
	name   string
	answer chan Answer
	at     marker.At
	when   time.Time
	out    int  // outputs so far
	paused bool // nothing was coming
}

func newTrouble(t *testing.T, ssrc, ts uint32, seq uint16, change ...func(*Config)) *trouble {
	tb := newTable(t, change...)
	tr := &trouble{table: tb, codes: map[string]bool{}}
	tr.on = tb.generator(forward.Primary, ssrc, ts, seq)
	tr.generators = []*generator{tr.on}
	return tr
}

// restart lets another source take the place of the one that is on.
func (tr *trouble) restart(ssrc, ts uint32, seq uint16) {
	from := tr.on.from
	tr.on = tr.generator(tr.on.origin.Encoder, ssrc, ts, seq)
	tr.on.from = from
	tr.generators = append(tr.generators, tr.on)
}

// step lets the time of a frame pass. Before, an event is asked for in each form
// that there is.
func (tr *trouble) step() {
	if tr.frame%3 == 0 {
		tr.ask()
	}
	tr.frame++
	tr.advance(interval)
	for _, p := range tr.core.Info(tr.now, 0).Health {
		tr.codes[p.Code] = true
	}
}

// film sends frames, a keyframe first and every 30.
func (tr *trouble) film(frames int) {
	for i := range frames {
		if i%30 == 0 && !tr.mute {
			tr.on.report()
		}
		tr.on.shoot(i%30 == 0, 3)
		tr.step()
	}
}

// ask asks for events on frames to come and on one that has left.
func (tr *trouble) ask() {
	g, next := tr.on, len(tr.on.shots)
	put := func(name string, at marker.At) {
		q := question{fmt.Sprintf("%s-%d", name, tr.frame), nil, at, tr.now, len(tr.out), tr.core.halted()}
		q.answer = tr.mark(marker.Request{ID: q.name, Kind: marker.Outcome, At: at})
		tr.asked = append(tr.asked, q)
	}
	put("next", marker.At{Next: true})
	put("source", marker.At{Source: &marker.SourceTime{SSRC: g.ssrc, TS: g.ts + 2*ticks}})
	put("capture", marker.At{CaptureTime: tr.now.Add(3 * interval)})
	if next > 0 {
		put("past", marker.At{Source: &marker.SourceTime{SSRC: g.ssrc, TS: g.shots[next-1].ts}})
	}
	if f := tr.core.frames.Newest(); f != nil {
		put("ts", marker.At{TS: f.TS + 3*ticks})
	}
}

// forwarded is what left, by the generators' logs.
type forwarded struct {
	ts    map[[2]int]uint64 // by generator and shot
	order [][2]int          // of the shots' first packets
	when  []int             // place of those in the output
	at    []time.Time       // when they came
}

// compare holds what left against what was sent: no frame is mixed of two, none has
// two names, and names go forward in the order of capture.
func (tr *trouble) compare(inOrder bool) forwarded {
	tr.t.Helper()
	from := map[string][2]int{}
	for g, gen := range tr.generators {
		for n, s := range gen.shots {
			for _, p := range s.payloads {
				from[p] = [2]int{g, n}
			}
		}
	}
	f := forwarded{ts: map[[2]int]uint64{}}
	names := map[uint64][2]int{}
	last := uint64(0)
	for i, o := range tr.out {
		if o.packet == nil || o.packet.Track != forward.Video {
			continue
		}
		shot, ok := from[string(o.payload[tr.on.head():])]
		if !ok {
			tr.t.Fatalf("a packet left that nobody sent: %x", o.payload)
		}
		if ts, ok := f.ts[shot]; ok && ts != o.packet.TS {
			tr.t.Fatalf("frame %v is called %d and %d", shot, ts, o.packet.TS)
		}
		if s, ok := names[o.packet.TS]; ok && s != shot {
			tr.t.Fatalf("%d is frame %v and frame %v", o.packet.TS, s, shot)
		}
		if _, ok := f.ts[shot]; !ok {
			f.ts[shot], names[o.packet.TS] = o.packet.TS, shot
			f.order, f.when, f.at = append(f.order, shot), append(f.when, i), append(f.at, o.packet.Arrival)
			if inOrder && o.packet.TS <= last {
				tr.t.Errorf("frame %v is called %d, after %d", shot, o.packet.TS, last)
			}
			last = max(last, o.packet.TS)
		}
	}
	return f
}

// meant returns the place in the order of the frame that a question means, by the
// generators' logs: the first that left of those at or after what it names. -1 is
// none. exact is false for a source's timestamp that no frame has.
func (tr *trouble) meant(q question, f forwarded) (place int, exact bool) {
	first := func(fits func(i int, s shot) bool) int {
		for i, o := range f.order {
			if fits(i, tr.generators[o[0]].shots[o[1]]) {
				return i
			}
		}
		return -1
	}
	switch at := q.at; {
	case at.Next:
		return first(func(i int, _ shot) bool { return f.when[i] >= q.out }), true
	case at.TS != 0:
		return first(func(i int, _ shot) bool { return f.ts[f.order[i]] >= at.TS }), true
	case at.Source != nil:
		i := first(func(_ int, s shot) bool { return s.ssrc == at.Source.SSRC && s.ts == at.Source.TS })
		return i, i >= 0
	}
	return first(func(_ int, s shot) bool { return !s.captured.Before(q.at.CaptureTime) }), true
}

// judge checks every answer: the event is on the frame that was meant, or it was
// withdrawn because that did not leave in time.
func (tr *trouble) judge(f forwarded) (right, withdrawn int) {
	tr.t.Helper()
	for _, q := range tr.asked {
		a := answered1(tr.t.(*testing.T), q.answer)
		place, exact := tr.meant(q, f)
		inTime := place >= 0 && f.at[place].Sub(q.when) < marker.DefaultTimeout
		switch {
		case errors.Is(a.Err, marker.ErrFrameNotSeen), errors.Is(a.Err, marker.ErrPaused) && q.paused, errors.Is(a.Err, marker.ErrUnresolvable) && !exact && q.at.Source.SSRC != tr.on.ssrc:
			if inTime && !q.paused {
				tr.t.Errorf("%s: %v, though the frame left in time", q.name, a.Err)
			}
			withdrawn++
		case a.Err != nil:
			tr.t.Errorf("%s: %v", q.name, a.Err)
		case exact && a.Resolved.TS != f.ts[f.order[place]]:
			tr.t.Errorf("%s: on %d, want %d (%d ticks off)", q.name, a.Resolved.TS, f.ts[f.order[place]], int64(a.Resolved.TS-f.ts[f.order[place]]))
		case slices.Index(slices.Collect(maps.Values(f.ts)), a.Resolved.TS) < 0:
			tr.t.Errorf("%s: on %d, which never left", q.name, a.Resolved.TS)
		default:
			right++
		}
	}
	return right, withdrawn
}

// notices returns the codes that viewers were told.
func (tr *trouble) notices() (list []string) {
	for _, o := range tr.out {
		var m struct{ Type, Code string }
		if o.message != nil && !o.message.Repeat && json.Unmarshal(o.message.Bytes, &m) == nil && m.Type == "notice" {
			list = append(list, m.Code)
		}
	}
	return list
}

// TestSourceTrouble has everything that can go wrong with a source (protocol.md, section 1; docs/operations.md).
// The generator's log says which frame each event means.
func TestSourceTrouble(t *testing.T) {
	const settled = 100 // frames
	for _, c := range []struct {
		name     string
		ts       uint32
		seq      uint16
		happens  func(tr *trouble)
		health   []string // codes that must have been told, and no others
		notices  []string // that viewers must have been told, in this order
		epochs   uint32
		asks     bool // the encoder is asked for a keyframe
		disorder bool // frames may leave out of order
		lost     int  // frames that do not leave
		mute     bool // the encoder sends no sender reports
	}{
		{name: "nothing", happens: func(tr *trouble) { tr.film(settled) }, notices: []string{"resumed"}, epochs: 1},
		{name: "timestamps wrap", ts: 1<<32 - 50*ticks, happens: func(tr *trouble) { tr.film(settled) }, notices: []string{"resumed"}, epochs: 1},
		{name: "numbers wrap", seq: 65500, happens: func(tr *trouble) { tr.film(settled) }, notices: []string{"resumed"}, epochs: 1},
		{
			name: "another SSRC, at a keyframe", happens: func(tr *trouble) {
				tr.advance(sameSourceAgain)
				tr.restart(12, 77, 9)
				tr.film(settled)
			},
			health: []string{"source_restarted"}, notices: []string{"resumed", "source_restarted"}, epochs: 2,
		},
		{
			name: "another SSRC, between keyframes", happens: func(tr *trouble) {
				tr.advance(sameSourceAgain)
				tr.restart(12, 77, 9)
				for range 20 {
					tr.on.shoot(false, 3)
					tr.step()
				}
				tr.film(settled)
			},
			health: []string{"source_restarted", "waiting_keyframe"}, notices: []string{"resumed", "source_restarted"},
			epochs: 2, asks: true, lost: 20,
		},
		{
			name: "another SSRC at once, and the goodbye late", happens: func(tr *trouble) {
				was := tr.on
				tr.restart(12, 77, 9)
				tr.on.from = netip.AddrPortFrom(was.from.Addr(), was.from.Port()+2)
				tr.on.shoot(true, 3)
				tr.core.SenderReport(ingest.SenderReport{Origin: was.origin, From: was.from, SSRC: was.ssrc, At: tr.now, Bye: true})
				tr.advance(interval)
				tr.film(settled)
			},
			health: []string{"source_restarted"}, notices: []string{"resumed", "source_restarted"}, epochs: 2,
		},
		{
			name: "another SSRC at once, and no goodbye", happens: func(tr *trouble) {
				tr.restart(12, 77, 9)
				for i := range 4 {
					tr.on.shoot(i == 0, 3)
					tr.advance(interval)
				}
				tr.film(settled)
			},
			health: []string{"source_restarted"}, notices: []string{"resumed", "source_restarted"}, epochs: 2,
		},
		{
			name: "10 s ahead", happens: func(tr *trouble) { tr.on.jump(10 * 90000); tr.film(settled) },
			health: []string{"timestamp_jump"}, notices: []string{"resumed", "source_restarted"}, epochs: 2,
		},
		{
			name: "10 s back", happens: func(tr *trouble) { tr.on.jump(-10 * 90000); tr.film(settled) },
			health: []string{"timestamp_jump"}, notices: []string{"resumed", "source_restarted"}, epochs: 2,
		},
		{
			name: "10 s ahead, between keyframes", happens: func(tr *trouble) {
				tr.on.jump(10 * 90000)
				for range 10 {
					tr.on.shoot(false, 3)
					tr.step()
				}
				tr.film(settled)
			},
			health: []string{"timestamp_jump"}, notices: []string{"resumed", "source_restarted"}, epochs: 2,
		},
		{
			name: "a pause", happens: func(tr *trouble) {
				for range 8 * 30 {
					tr.on.ts += ticks
					tr.step()
				}
				tr.film(settled)
			},
			health: []string{"paused"}, notices: []string{"resumed", "paused", "resumed"}, epochs: 1,
		},
		{
			name: "loss in bursts", happens: func(tr *trouble) {
				n := 0
				tr.on.deliver = func(p sent) {
					if n++; n%60 >= 7 {
						tr.on.arrive(p)
					}
				}
				tr.film(settled)
				tr.on.deliver = nil
				tr.film(30)
			},
			health: []string{"loss"}, notices: []string{"resumed"}, epochs: 1, lost: 10,
		},
		{
			name: "reorder", happens: func(tr *trouble) {
				var held *sent
				n := 0
				tr.on.deliver = func(p sent) {
					if n++; n%5 == 1 {
						held = &p
						return
					}
					tr.on.arrive(p)
					if held != nil {
						tr.on.arrive(*held)
						held = nil
					}
				}
				tr.film(settled)
				tr.on.deliver = nil
				tr.film(1)
			},
			health: []string{"reordered"}, notices: []string{"resumed"}, epochs: 1,
		},
		{
			name: "duplicates", happens: func(tr *trouble) {
				n := 0
				tr.on.deliver = func(p sent) {
					tr.on.arrive(p)
					if n++; n%10 == 0 {
						tr.on.arrive(p)
					}
				}
				tr.film(settled)
			},
			health: []string{"duplicates"}, notices: []string{"resumed"}, epochs: 1,
		},
		{
			name: "B-frames", happens: func(tr *trouble) {
				base := tr.on.ts
				for n := range 30 {
					order := []uint32{0, 3, 1, 2}[n%4]
					tr.on.shootAs(base+uint32(n/4*4)*ticks+order*ticks, n == 0, 3)
					tr.advance(interval)
					tr.step0()
				}
			},
			health: []string{"b_frames"}, notices: []string{"resumed"}, epochs: 1, disorder: true,
		},
		{
			name: "no keyframe", happens: func(tr *trouble) {
				for i := range 12 * 30 {
					if i%30 == 0 {
						tr.on.report()
					}
					tr.on.shoot(false, 3)
					tr.step()
				}
				tr.film(30)
			},
			health: []string{"keyframes_rare"}, notices: []string{"resumed"}, epochs: 1, asks: true,
		},
		{
			name: "no sender reports", mute: true, happens: func(tr *trouble) { tr.film(8 * 30) },
			health: []string{"no_sender_reports"}, notices: []string{"resumed"}, epochs: 1,
		},
		{
			name: "packets that are too large", happens: func(tr *trouble) { tr.on.size = 1300; tr.film(settled) },
			health: []string{"oversize"}, notices: []string{"resumed"}, epochs: 1,
		},
		{
			name: "another codec for a while", happens: func(tr *trouble) {
				n := 0
				tr.on.deliver = func(p sent) {
					if n++; n == 100 {
						p.bytes = append(p.bytes[:12], 0x1E) // no such NAL unit type
					}
					tr.on.arrive(p)
				}
				tr.film(settled)
			},
			health: []string{"malformed"}, notices: []string{"resumed"}, epochs: 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTrouble(t, 11, c.ts, c.seq)
			if tr.mute = c.mute; !c.mute {
				tr.on.report()
			}
			tr.film(60)
			clear(tr.codes) // before the first report there is none
			keys := tr.keys
			c.happens(tr)
			tr.advance(3 * time.Second) // what waits is withdrawn
			f := tr.compare(!c.disorder)
			right, withdrawn := tr.judge(f)
			t.Logf("%d events on their frames, %d withdrawn because theirs never left", right, withdrawn)
			if right < 100 {
				t.Errorf("only %d events", right)
			}
			sent := 0
			for _, g := range tr.generators {
				sent += len(g.shots)
			}
			if got := sent - len(f.order); got != c.lost {
				t.Errorf("%d of %d frames did not leave, want %d", got, sent, c.lost)
			}
			codes := slices.Sorted(maps.Keys(tr.codes))
			if slices.Sort(c.health); !slices.Equal(codes, c.health) {
				t.Errorf("health told of %q, want %q", codes, c.health)
			}
			if got := tr.notices(); !slices.Equal(got[:len(got)-1], c.notices) || got[len(got)-1] != "paused" {
				t.Errorf("viewers were told %q, want %q and the pause at the end", got, c.notices)
			}
			if e := tr.core.Info(tr.now, 0).Epoch; e != c.epochs {
				t.Errorf("epoch %d, want %d", e, c.epochs)
			}
			if (tr.keys > keys) != c.asks {
				t.Errorf("the encoder was asked for a keyframe %d times", tr.keys-keys)
			}
		})
	}
}

// sameSourceAgain is how long an encoder that restarts is silent at least.
const sameSourceAgain = 150 * time.Millisecond

// step0 is step without a question.
func (tr *trouble) step0() {
	for _, p := range tr.core.Info(tr.now, 0).Health {
		tr.codes[p.Code] = true
	}
}
