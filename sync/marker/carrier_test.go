package marker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var clockZero = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// describe writes an extension as scripts do: "-" for none, "hb7" for a heartbeat
// of seq 7, else the seq and the flags, such as "3LR".
func describe(t *testing.T, ext [ExtensionSize]byte, n int) string {
	t.Helper()
	if n == 0 {
		return "-"
	}
	x, err := ParseExtension(ext[:n])
	if err != nil {
		t.Fatalf("%x: %v", ext[:n], err)
	}
	if x.Kind == Heartbeat {
		return fmt.Sprintf("hb%d", x.Seq)
	}
	s := fmt.Sprint(x.Seq)
	for _, f := range []struct {
		set  bool
		name string
	}{{x.Late, "L"}, {x.Repeat, "R"}, {x.More, "M"}, {x.Void, "X"}} {
		if f.set {
			s += f.name
		}
	}
	return s
}

// A script is a line per step. "add SEQ TS" adds a marker, "void SEQ TS" a void,
// "newest SEQ" tells of a seq. "TS: want want..." forwards the packets of the
// frame at TS at time TS (in units of 1/90000 s); TS may be followed by "key". A
// wanted "x/ROOM" gives the packet that room, else it is 100.
func TestCarrierScripts(t *testing.T) {
	tests := []struct{ name, script string }{
		{"heartbeats alone", `
			0: hb0 - -
			3000: - -
			newest 7
			87000: - -
			90000: hb7 -
			93000 key: hb7 - -
			96000: -
			180000: -
			183000: hb7`},
		{"one event", `
			0: hb0
			add 1 3000
			3000: 1 1R 1R
			6000: 1LR - -
			9000: 1LR
			12000: 1LR
			15000: 1LR -
			18000: 1LR -
			21000: - -`},
		{"three events on one frame", `
			0: hb0
			add 1 3000
			add 2 3000
			add 3 3000
			3000: 1M 2M 3M 1RM 2RM 3RM 1RM
			6000: 1LRM 2LRM 3LRM - -
			9000: 1LRM 2LRM
			12000: 1LRM 2LRM 3LRM`},
		{"more events than packets", `
			0: hb0
			add 1 3000
			add 2 3000
			3000: 1M
			6000: 2LM 1LRM -
			9000: 1LRM 2LRM -
			12000: 1LRM 2LRM -
			15000: 1LRM 2LRM -
			18000: 1LRM 2LRM -
			21000: 2LR -
			24000: -`},
		{"late", `
			0: hb0
			3000: -
			add 1 0
			3000: 1L - -
			6000: 1LR -
			9000: 1LR
			12000: 1LR
			15000: 1LR
			18000: 1LR
			21000: -`},
		{"added in the middle of its frame", `
			0: hb0
			3000: - -
			add 1 3000
			3000: 1 1R
			6000: 1LR -`},
		{"a second one added in the middle", `
			0: hb0
			add 1 3000
			3000: 1 1R
			add 2 3000
			3000: 2M 2RM 1RM`},
		{"added before its frame, whose packets are all lost", `
			0: hb0
			add 1 6000
			3000: - -
			9000: 1L -
			12000: 1LR`},
		{"room", `
			0: hb0
			add 1 3000
			3000: -/0 -/15 1/16 -/15 1R
			6000: -/7 -/15 1LR/16 -
			9000: -/15
			12000: 1LR`},
		{"room for a heartbeat only", `
			0: -/7 hb0/8 -
			add 1 90000
			90000: hb1/15 1/16 1R`},
		{"no room on the whole frame", `
			0: hb0
			add 1 3000
			3000: -/15 -/0
			6000: 1L -
			9000: 1LR -`},
		{"the marked frame's events go before repeats of others", `
			0: hb0
			add 1 3000
			3000: 1
			add 2 6000
			6000: 2 2R 2R
			9000: 1LR 2LR -`},
		{"a late event goes before the second turn", `
			0: hb0
			add 1 3000
			3000: -/0
			add 2 6000
			6000: 2 1L 2R 2R
			9000: 1LR 2LR -`},
		{"heartbeat waits for a free packet", `
			0: hb0
			add 1 90000
			90000 key: 1 1R
			93000: 1LR hb1 -`},
		{"packets of an older frame", `
			0: hb0
			add 1 6000
			6000: 1
			3000: - -
			6000: 1R`},
		{"void", `
			0: hb0
			void 2 3000
			3000: 2X 2RX
			6000: 2LRX`},
		{"nothing had room for 20 s", `
			0: hb0
			add 1 3000
			3000: -/0
			1803000: hb1/15
			1803001: -/15
			1803002: -`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Carrier
			for line := range strings.Lines(tt.script) {
				if line = strings.TrimSpace(line); line != "" {
					runLine(t, &c, line)
				}
			}
		})
	}
}

func runLine(t *testing.T, c *Carrier, line string) {
	t.Helper()
	var seq, ts uint64
	if n, _ := fmt.Sscanf(line, "add %d %d", &seq, &ts); n == 2 {
		c.Add(Carried{RefTS: ts, Seq: seq, Kind: Marker})
		return
	}
	if n, _ := fmt.Sscanf(line, "void %d %d", &seq, &ts); n == 2 {
		c.Add(Carried{RefTS: ts, Seq: seq, Kind: Void})
		return
	}
	if n, _ := fmt.Sscanf(line, "newest %d", &seq); n == 1 {
		c.Newest(seq, 0)
		return
	}
	head, wants, _ := strings.Cut(line, ":")
	if n, _ := fmt.Sscanf(head, "%d", &ts); n != 1 {
		t.Fatalf("no such step: %s", line)
	}
	start := !c.began || ts != c.ts
	for i, want := range strings.Fields(wants) {
		want, roomText, has := strings.Cut(want, "/")
		room := 100
		if has {
			fmt.Sscan(roomText, &room)
		}
		now := clockZero.Add(time.Duration(ts) * time.Second / 90000)
		ext, n := c.Next(ts, start && i == 0, strings.HasSuffix(head, "key"), room, now)
		if got := describe(t, ext, n); got != want {
			t.Errorf("%s: packet %d carries %s", line, i, got)
		}
	}
}

func TestCarrierFields(t *testing.T) {
	var c Carrier
	c.Add(Carried{RefTS: 1<<32 + 7, Seq: 1<<32 + 9, Epoch: 1<<16 + 3, Kind: Outcome, Digest: [4]byte{1, 2, 3, 4}})
	ext, n := c.Next(1<<32+7, true, true, 16, clockZero)
	x, err := ParseExtension(ext[:n])
	if want := (Extension{Kind: Outcome, Epoch: 3, Seq: 9, RefTS: 7, Digest: [4]byte{1, 2, 3, 4}}); err != nil || x != want {
		t.Errorf("got %+v, %v; want %+v", x, err, want)
	}
	ext, n = c.Next(1<<32+7, false, true, 8, clockZero)
	x, err = ParseExtension(ext[:n])
	if want := (Extension{Epoch: 3, Seq: 9}); err != nil || x != want {
		t.Errorf("got %+v, %v; want %+v", x, err, want)
	}
}

func TestEventCarried(t *testing.T) {
	e := Event{Kind: Outcome, Epoch: 2, Seq: 3, TS: 4}
	// Of an empty leaf the RFC 6962 hash begins with 6e340b9c.
	if got, want := e.Carried(nil), (Carried{RefTS: 4, Seq: 3, Epoch: 2, Kind: Outcome, Digest: [4]byte{0x6e, 0x34, 0x0b, 0x9c}}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCarrierIsBounded(t *testing.T) {
	var c Carrier
	for seq := range uint64(1000) {
		c.Add(Carried{RefTS: 1 << 40, Seq: seq, Kind: Marker})
	}
	if c.n != maxCarried || c.Dropped() != 1000-maxCarried {
		t.Errorf("%d kept, %d dropped", c.n, c.Dropped())
	}
	c.Next(1<<40, true, false, 100, clockZero)
	c.Add(Carried{RefTS: 1 << 40, Seq: 1000, Kind: Marker})
	if c.n != maxCarried || c.Dropped() != 1000-maxCarried {
		t.Errorf("%d kept, %d dropped after one that has been carried", c.n, c.Dropped())
	}
}

// TestCarrierTrace checks what the protocol says of one event's appearances, and
// of each frame's use, on random traffic.
func TestCarrierTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Carrier
		type appearance struct {
			frame        int
			late, repeat bool
		}
		var ref []uint64
		seen := map[uint64][]appearance{}
		for frame := range rapid.IntRange(1, 25).Draw(t, "frames") {
			ts := uint64(frame+1) * 3000
			for packet := range rapid.IntRange(1, 5).Draw(t, "packets") {
				for rapid.IntRange(0, 7).Draw(t, "add") == 0 {
					r := uint64(rapid.IntRange(max(1, frame-2), frame+3).Draw(t, "ref")) * 3000
					c.Add(Carried{RefTS: r, Seq: uint64(len(ref)), Kind: Marker})
					ref = append(ref, r)
				}
				room := rapid.SampledFrom([]int{0, 8, 15, 16, 100}).Draw(t, "room")
				ext, n := c.Next(ts, packet == 0, false, room, clockZero.Add(time.Duration(ts)*time.Second/90000))
				if n > room {
					t.Fatalf("%d bytes where %d are free", n, room)
				}
				waiting := false // an event of this frame, or a late one that nothing has carried
				for seq, r := range ref {
					waiting = waiting || r == ts || r < ts && len(seen[uint64(seq)]) == 0
				}
				if room >= 16 && waiting && n != 16 {
					t.Fatalf("frame %d: a packet with room carries no event", frame)
				}
				if n == 16 {
					x, err := ParseExtension(ext[:])
					if err != nil {
						t.Fatal(err)
					}
					seen[uint64(x.Seq)] = append(seen[uint64(x.Seq)], appearance{frame, x.Late, x.Repeat})
				}
			}
		}
		for seq, list := range seen {
			perFrame := map[int]int{}
			for i, a := range list {
				ts := uint64(a.frame+1) * 3000
				perFrame[a.frame]++
				switch {
				case ts < ref[seq]:
					t.Fatalf("event %d before its frame", seq)
				case a.late != (ts > ref[seq]):
					t.Fatalf("event %d: late is %v on frame %d", seq, a.late, a.frame)
				case a.repeat != (i > 0):
					t.Fatalf("event %d: repeat is %v on its appearance %d", seq, a.repeat, i)
				case a.frame-list[0].frame > 5:
					t.Fatalf("event %d still there after %d frames", seq, a.frame-list[0].frame)
				case ts > ref[seq] && perFrame[a.frame] > 1:
					t.Fatalf("event %d twice on a later frame", seq)
				}
			}
		}
	})
}

func TestCarrierAllocatesNothing(t *testing.T) {
	var c Carrier
	ts, seq := uint64(0), uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		ts += 3000
		seq++
		c.Add(Carried{RefTS: ts, Seq: seq, Kind: Marker})
		for i := range 4 {
			c.Next(ts, i == 0, false, 16, clockZero)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCarrierNext(b *testing.B) {
	var c Carrier
	for i := 0; b.Loop(); i++ {
		if i%400 == 0 {
			c.Add(Carried{RefTS: uint64(i/8) * 3000, Seq: uint64(i), Kind: Marker})
		}
		c.Next(uint64(i/8)*3000, i%8 == 0, false, 100, clockZero)
	}
	b.ReportAllocs()
}
