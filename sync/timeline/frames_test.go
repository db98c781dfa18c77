package timeline

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const step30 = time.Second / 30

// feed is a track of frames 30 a second, from the anchor on; frame i has source
// timestamp first+3000i and was captured exactly when it should.
func feed(n int, first uint32, bound time.Duration) *Frames {
	f := NewFrames(4096, 10*time.Second)
	for i := range n {
		f.Add(frameAt(i, first, bound))
	}
	return f
}

func frameAt(i int, first uint32, bound time.Duration) Frame {
	ts := anchor + uint64(i)*3000
	return Frame{
		TS: ts, Epoch: 1, SSRC: 7, SourceTS: first + uint32(i)*3000, Accepted: start.Add(time.Duration(i) * step30),
		Reading: Reading{Capture: time.Unix(0, Nanos(ts, 90000)).UTC(), Error: bound, Source: FromSenderReport},
	}
}

// TestFind: 20 s of frames, of which the last 10 s are remembered: 300 to 600,
// numbered from 1.
func TestFind(t *testing.T) {
	const first = 0xFFFFFFFF - 3000*450 + 1 // the source's timestamps wrap at frame 450
	const bound = 4 * time.Millisecond
	f := feed(601, first, bound)
	captured := func(i int) time.Time { return frameAt(i, first, 0).Capture }
	tests := []struct {
		name    string
		target  Target
		want    int // index of the frame
		verdict Verdict
	}{
		{"next", Target{Next: true}, 0, Pending},

		{"ts of the newest", Target{TS: anchor + 600*3000}, 600, Found},
		{"ts of a frame", Target{TS: anchor + 400*3000}, 400, Found},
		{"ts between two", Target{TS: anchor + 400*3000 + 1}, 401, Found},
		{"ts just before a frame", Target{TS: anchor + 400*3000 - 1}, 400, Found},
		{"ts of the oldest", Target{TS: anchor + 300*3000}, 300, Found},
		{"ts less than a frame before the oldest", Target{TS: anchor + 300*3000 - 2998}, 300, Found},
		{"ts of a frame that is forgotten", Target{TS: anchor + 299*3000}, 0, TooOld},
		{"ts of long ago", Target{TS: 1}, 0, TooOld},
		{"ts ahead", Target{TS: anchor + 600*3000 + 1}, 0, Pending},
		{"ts at the horizon", Target{TS: anchor + 600*3000 + 900_000}, 0, Pending},
		{"ts beyond the horizon", Target{TS: anchor + 600*3000 + 900_001}, 0, TooFar},
		{"ts of nonsense", Target{TS: 1<<53 - 1}, 0, TooFar},
		{"largest ts", Target{TS: 1<<64 - 1}, 0, TooFar},

		{"source", Target{SourceTime: true, SSRC: 7, SourceTS: first + 400*3000}, 400, Found},
		{"source at the wrap", Target{SourceTime: true, SSRC: 7, SourceTS: 0}, 450, Found},
		{"source just before the wrap", Target{SourceTime: true, SSRC: 7, SourceTS: 0xFFFFFFFF}, 450, Found},
		{"source just after the wrap", Target{SourceTime: true, SSRC: 7, SourceTS: 1}, 451, Found},
		{"source of the newest", Target{SourceTime: true, SSRC: 7, SourceTS: 450_000}, 600, Found},
		{"source ahead", Target{SourceTime: true, SSRC: 7, SourceTS: 450_001}, 0, Pending},
		{"source at the horizon", Target{SourceTime: true, SSRC: 7, SourceTS: 450_000 + 900_000}, 0, Pending},
		{"source beyond the horizon", Target{SourceTime: true, SSRC: 7, SourceTS: 450_000 + 900_001}, 0, TooFar},
		{"source forgotten", Target{SourceTime: true, SSRC: 7, SourceTS: first + 299*3000}, 0, TooOld},
		{"unknown SSRC", Target{SourceTime: true, SSRC: 8, SourceTS: first + 400*3000}, 0, Unknown},

		{"capture of a frame", Target{CaptureTime: captured(400)}, 400, Found},
		{"capture within the error", Target{CaptureTime: captured(400).Add(bound)}, 400, Found},
		{"capture past the error", Target{CaptureTime: captured(400).Add(bound + 1)}, 401, Found},
		{"capture just before a frame", Target{CaptureTime: captured(400).Add(-1)}, 400, Found},
		{"capture just past the error of the frame before", Target{CaptureTime: captured(399).Add(bound + 1)}, 400, Found},
		{"capture of the newest", Target{CaptureTime: captured(600)}, 600, Found},
		{"capture of the oldest", Target{CaptureTime: captured(300)}, 300, Found},
		{"capture that may be of the oldest", Target{CaptureTime: captured(299).Add(bound + 2)}, 300, Found},
		{"capture within the error of a frame that is forgotten", Target{CaptureTime: captured(299).Add(bound)}, 0, TooOld},
		{"capture of a frame that is forgotten", Target{CaptureTime: captured(299)}, 0, TooOld},
		{"capture ahead", Target{CaptureTime: captured(600).Add(bound + 1)}, 0, Pending},
		{"capture at the horizon", Target{CaptureTime: captured(600).Add(Horizon)}, 0, Pending},
		{"capture beyond the horizon", Target{CaptureTime: captured(600).Add(Horizon + 1)}, 0, TooFar},
		{"nothing", Target{}, 0, TooOld},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fr, verdict := f.Find(tt.target, step30)
			if verdict != tt.verdict || (fr != nil) != (verdict == Found) {
				t.Fatalf("verdict %d with frame %v, want %d", verdict, fr, tt.verdict)
			}
			if fr != nil && fr.TS != anchor+uint64(tt.want)*3000 {
				t.Errorf("frame %d, want %d", (fr.TS-anchor)/3000, tt.want)
			}
			if fr != nil && fr.Number != uint64(tt.want)+1 {
				t.Errorf("its number is %d", fr.Number)
			}
		})
	}
	if fr, verdict := NewFrames(8, time.Second).Find(Target{Next: true}, step30); fr != nil || verdict != Unknown {
		t.Errorf("without any frame: %v, %d", fr, verdict)
	}
}

// However large the error, a frame is not named for a time that is more than half
// a frame after it.
func TestHalfFrameRule(t *testing.T) {
	for _, tt := range []struct{ bound, after, tolerance time.Duration }{
		{time.Second, 0, step30 / 2}, {step30, 0, step30 / 2}, {step30 / 4, 0, step30 / 4}, {0, 0, 0},
	} {
		f := feed(100, 0, tt.bound)
		at := frameAt(50, 0, 0).Capture
		if fr, v := f.Find(Target{CaptureTime: at.Add(tt.tolerance)}, step30); v != Found || fr.Number != 51 {
			t.Errorf("error %v: %v after a frame means frame %v, want that frame", tt.bound, tt.tolerance, fr)
		}
		if fr, v := f.Find(Target{CaptureTime: at.Add(tt.tolerance + 1)}, step30); v != Found || fr.Number != 52 {
			t.Errorf("error %v: %v after a frame means frame %v, want the next", tt.bound, tt.tolerance+1, fr)
		}
		frame := frameAt(50, 0, tt.bound)
		if !(Target{CaptureTime: at.Add(tt.tolerance)}).Matches(&frame, step30) || (Target{CaptureTime: at.Add(tt.tolerance + 1)}).Matches(&frame, step30) {
			t.Errorf("error %v: a frame to come is judged in another way", tt.bound)
		}
	}
}

// The instant at which a camera took a frame, to the nanosecond, names that frame
// at every frame rate: its 90 kHz timestamp is rounded, and so is the capture time
// made from it.
func TestOwnCaptureTime(t *testing.T) {
	for name, rate := range map[string]*big.Rat{
		"23.976": big.NewRat(24000, 1001), "24": big.NewRat(24, 1), "25": big.NewRat(25, 1), "29.97": big.NewRat(30000, 1001),
		"30": big.NewRat(30, 1), "50": big.NewRat(50, 1), "59.94": big.NewRat(60000, 1001), "60": big.NewRat(60, 1), "120": big.NewRat(120, 1),
	} {
		t.Run(name, func(t *testing.T) {
			f, step := NewFrames(4096, time.Hour), time.Duration(0)
			c := NewClock(90000, 0)
			c.Anchor(anchor, start)
			c.Report(anchor, start, start, limit)
			taken := func(i int64) time.Time { // exactly i/rate after start, rounded to 1 ns
				ns := new(big.Rat).Mul(new(big.Rat).Quo(big.NewRat(i, 1), rate), big.NewRat(1e9, 1))
				v, _ := ns.Float64()
				return start.Add(time.Duration(v + .5))
			}
			step = taken(1).Sub(start)
			const n = 2000
			for i := range int64(n) {
				ts := Ticks(taken(i), 90000)
				f.Add(Frame{TS: ts, Epoch: 1, SSRC: 7, SourceTS: uint32(ts), Accepted: taken(i), Reading: c.At(ts, taken(i))})
			}
			for i := range int64(n) {
				fr, v := f.Find(Target{CaptureTime: taken(i)}, step)
				if v != Found || fr.Number != uint64(i)+1 {
					t.Fatalf("frame %d was taken at %v, which means %+v, %d", i, taken(i), fr, v)
				}
				own, v := f.Find(Target{CaptureTime: fr.Capture}, step)
				if v != Found || own != fr {
					t.Fatalf("frame %d has capture time %v, which means %+v, %d", i, fr.Capture, own, v)
				}
			}
		})
	}
}

// While a clock settles, frames seem to be closer than they are, or in another
// order: each still has its own name.
func TestCaptureTimesOfAClockThatSettles(t *testing.T) {
	f := NewFrames(16, time.Second)
	var at []time.Time
	for i, after := range []int{50, 63, 40, 73, 106} { // ms
		fr := frameAt(i, 0, 30*time.Millisecond)
		fr.Capture = start.Add(ms(after))
		at = append(at, fr.Capture)
		f.Add(fr)
	}
	for i := range at {
		if fr, v := f.Find(Target{CaptureTime: at[i]}, step30); v != Found || fr.Number != uint64(i)+1 {
			t.Errorf("the capture time of frame %d means %+v", i+1, fr)
		}
	}
	// Within reach of frame 4, but nearer to 5.
	if fr, v := f.Find(Target{CaptureTime: start.Add(ms(91))}, 40*time.Millisecond); v != Found || fr.Number != 5 {
		t.Errorf("means %+v", fr)
	}
}

// A source that restarts is named by what it sent then, even if its SSRC and its
// timestamps are those of before.
func TestFindSourceAfterRestarts(t *testing.T) {
	f := NewFrames(4096, time.Hour)
	add := func(n int, ssrc, first, epoch uint32) {
		for i := range n {
			k := int(f.count)
			fr := frameAt(k, 0, 0)
			fr.SSRC, fr.SourceTS, fr.Epoch = ssrc, first+uint32(i)*3000, epoch
			f.Add(fr)
		}
	}
	add(10, 7, 1_000_000, 1) // frames 1 to 10
	add(10, 7, 1_000_000, 2) // 11 to 20: the same once more
	add(10, 8, 500, 3)       // 21 to 30: another source
	add(10, 7, 5_000_000, 4) // 31 to 40: the first again, with later timestamps
	add(10, 8, 100_500, 5)   // 41 to 50: the other again
	for _, tt := range []struct {
		ssrc, ts uint32
		number   uint64
		verdict  Verdict
	}{
		{7, 1_000_000, 11, Found},
		{7, 1_000_000 + 3000*9, 20, Found},
		{7, 1_000_000 + 3000*4 - 5, 15, Found},
		{7, 1_000_000 - 2999, 11, Found},
		{7, 5_000_000 - 600_000, 31, Found}, // nothing came between: the first after
		{7, 5_000_000 - 950_000, 0, TooOld},
		{7, 5_000_000 + 3000*9, 40, Found},
		{7, 5_000_000 + 3000*9 + 1, 0, TooOld}, // that run is over
		{8, 500 + 3000*9, 30, Found},
		{8, 500 + 3000*9 + 1, 41, Found},
		{8, 100_500 + 3000*9, 50, Found},
		{8, 100_500 + 3000*9 + 1, 0, Pending},
		{9, 500, 0, Unknown},
	} {
		fr, v := f.Find(Target{SourceTime: true, SSRC: tt.ssrc, SourceTS: tt.ts}, step30)
		if v != tt.verdict || fr != nil && fr.Number != tt.number {
			t.Errorf("SSRC %d at %d: %+v, %d; want frame %d, %d", tt.ssrc, tt.ts, fr, v, tt.number, tt.verdict)
		}
	}
}

func TestMatches(t *testing.T) {
	fr := frameAt(5, 0xFFFFFFFF-14999, ms(2))
	if fr.SourceTS != 0 {
		t.Fatal(fr.SourceTS)
	}
	for _, tt := range []struct {
		name   string
		target Target
		want   bool
	}{
		{"next", Target{Next: true}, true},
		{"its ts", Target{TS: fr.TS}, true},
		{"an earlier ts", Target{TS: fr.TS - 1}, true},
		{"a later ts", Target{TS: fr.TS + 1}, false},
		{"its source", Target{SourceTime: true, SSRC: 7, SourceTS: 0}, true},
		{"source before the wrap", Target{SourceTime: true, SSRC: 7, SourceTS: 0xFFFFFFFF}, true},
		{"source later", Target{SourceTime: true, SSRC: 7, SourceTS: 1}, false},
		{"another SSRC", Target{SourceTime: true, SSRC: 8, SourceTS: 0}, false},
		{"its capture", Target{CaptureTime: fr.Capture}, true},
		{"an earlier capture", Target{CaptureTime: fr.Capture.Add(-time.Hour)}, true},
		{"a capture within the error", Target{CaptureTime: fr.Capture.Add(ms(2))}, true},
		{"a later capture", Target{CaptureTime: fr.Capture.Add(ms(2) + 1)}, false},
	} {
		if got := tt.target.Matches(&fr, step30); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestFramesMemory(t *testing.T) {
	f := NewFrames(8, time.Second)
	if f.Newest() != nil || f.Lookup(anchor) != nil {
		t.Error("a new memory has frames")
	}
	for i := range 20 {
		p := f.Add(frameAt(i, 0, 0))
		if p != f.Newest() || p.Number != uint64(i)+1 || f.Lookup(p.TS) != p {
			t.Fatalf("frame %d is not the newest: %+v", i, f.Newest())
		}
		for k := range i + 1 {
			fr := f.Lookup(anchor + uint64(k)*3000)
			if (fr != nil) != (k > i-8) || fr != nil && fr.Number != uint64(k)+1 {
				t.Fatalf("after %d: frame %d is %+v", i, k, fr)
			}
		}
	}
	if f.Lookup(anchor+1) != nil {
		t.Error("a timestamp between frames is one")
	}
	f.Add(frameAt(50, 0, 0)) // 1 s after frame 20
	if f.Lookup(anchor+19*3000) != nil || f.Lookup(anchor+50*3000) == nil {
		t.Error("what is older than a second is remembered")
	}
	f.Newest().Sent = start
	if !f.Lookup(anchor + 50*3000).Sent.Equal(start) {
		t.Error("the frame handed out is a copy")
	}
}

// TestFindAgainstModel: frames of an uneven feed with a clock that is corrected,
// found by going through all of them.
func TestFindAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := NewFrames(rapid.IntRange(1, 64).Draw(t, "limit"), 2*time.Second)
		var all []Frame
		ts, source, shift := uint64(anchor), rapid.Uint32().Draw(t, "source"), time.Duration(0)
		for range rapid.IntRange(1, 100).Draw(t, "frames") {
			distance := uint64(rapid.SampledFrom([]int{1500, 3000, 3000, 3000, 6000, 90000}).Draw(t, "distance"))
			ts, source = ts+distance, source+uint32(distance)
			shift += time.Duration(rapid.IntRange(-500, 500).Draw(t, "shift")) * time.Microsecond
			fr := Frame{
				TS: ts, SSRC: 7, SourceTS: source, Accepted: time.Unix(0, Nanos(ts, 90000)),
				Reading: Reading{time.Unix(0, Nanos(ts, 90000)+int64(shift)), time.Duration(rapid.IntRange(0, 20).Draw(t, "error")) * time.Millisecond, ""},
			}
			fr.Number = uint64(len(all)) + 1
			f.Add(fr)
			all = append(all, fr)
		}
		newest := all[len(all)-1]
		kept := all[max(0, len(all)-len(f.ring)):]
		for newest.Accepted.Sub(kept[0].Accepted) > 2*time.Second {
			kept = kept[1:]
		}
		const step = time.Second / 60
		off := rapid.Int64Range(-400_000, 1_000_000).Draw(t, "off")
		find := func(target Target, past func(*Frame) int64) {
			got, verdict := f.Find(target, step)
			var want *Frame
			for i := range kept {
				if past(&kept[i]) >= 0 {
					want = &kept[i]
					break
				}
			}
			wanted := Found
			switch {
			case want == nil && -past(&newest) > 900_000:
				wanted = TooFar
			case want == nil:
				wanted = Pending
			case want == &kept[0] && past(want) >= 1499:
				wanted, want = TooOld, nil
			}
			if verdict != wanted || (got == nil) != (want == nil) || got != nil && got.Number != want.Number {
				t.Fatalf("%+v is %+v, %d; want %+v, %d", target, got, verdict, want, wanted)
			}
		}
		find(Target{TS: newest.TS + uint64(off)}, func(fr *Frame) int64 { return int64(fr.TS) - int64(newest.TS) - off })
		find(Target{SourceTime: true, SSRC: 7, SourceTS: newest.SourceTS + uint32(off)},
			func(fr *Frame) int64 { return int64(fr.TS) - int64(newest.TS) - off })

		// By capture time: a frame's own is that frame; any other is one that can have
		// been captured then, and the one before cannot, or is farther off.
		own := &kept[rapid.IntRange(0, len(kept)-1).Draw(t, "own")]
		if got, v := f.Find(Target{CaptureTime: own.Capture}, step); v != Found || got.Number != own.Number {
			t.Fatalf("the capture time of frame %d means %+v, %d", own.Number, got, v)
		}
		target := Target{CaptureTime: newest.Capture.Add(time.Duration(off) * time.Second / 90000)}
		got, verdict := f.Find(target, step)
		if verdict != Found {
			if verdict != TooOld && target.Matches(&newest, step) || verdict == TooOld && target.CaptureTime.After(kept[0].Capture) {
				t.Fatalf("%+v: %d", target, verdict)
			}
			return
		}
		if !target.Matches(got, step) {
			t.Fatalf("%+v means frame %+v, which does not match", target, got)
		}
		if i := got.Number - kept[0].Number; i > 0 {
			before := &kept[i-1]
			if target.Matches(before, step) && target.CaptureTime.Sub(before.Capture) <= got.Capture.Sub(target.CaptureTime).Abs() {
				t.Fatalf("%+v means frame %+v, not %+v", target, got, before)
			}
		}
	})
}
