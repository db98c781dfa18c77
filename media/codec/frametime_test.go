package codec

import (
	"bytes"
	"testing"
)

// How the units were made, and read by another decoder, is in testdata/README.md.
const (
	studioSPS  = "6742e01eda0280bfe59a83068320000003002000000783e2c5d4"
	studioSEI  = "060109090414cb110000030040051c4d4953506d6963726f73656374696d651f0006ff60e8ffa5ceff3c7080"
	studioSTAP = "78001a" + studioSPS + "000568ce0d2c80002c" + studioSEI
	hrdSPS     = "6742c00cda109b011000003e90000ea60e040030d40061ae49200f8a1550"
)

var studioTime = FrameTime{Timecode{2, 49, 50, 20, false}, true, 1795402190699632}

// fragments cuts a NAL unit into FU-As of n bytes.
func fragments(nal []byte, n int) (list [][]byte) {
	flags := byte(fuStart)
	for rest := nal[1:]; len(rest) > 0; flags = 0 {
		part := rest[:min(n, len(rest))]
		if rest = rest[len(part):]; len(rest) == 0 {
			flags |= fuEnd
		}
		list = append(list, append([]byte{nal[0]&0x60 | nalFUA, flags | nal[0]&nalTypeMask}, part...))
	}
	return list
}

func TestFrameTimes(t *testing.T) {
	code := func(h, m, s, f uint8, drop bool) FrameTime {
		return FrameTime{Timecode: Timecode{h, m, s, f, drop}, HasTimecode: true}
	}
	type packet struct {
		payload string
		want    FrameTime
	}
	stamp := FrameTime{UnixMicro: studioTime.UnixMicro}
	none := FrameTime{}
	for _, test := range []struct {
		name    string
		sets    []string
		packets []packet
	}{
		{"in one STAP-A with its SPS", nil, []packet{{studioSTAP, studioTime}}},
		{"single units", nil, []packet{{studioSPS, none}, {studioSEI, studioTime}, {"41e0", none}, {studioSEI, studioTime}}},
		{"SPS from the session description", []string{studioSPS}, []packet{{studioSEI, studioTime}}},
		{"no SPS yet", nil, []packet{{studioSEI, stamp}}},
		{"delays, no offset, drop-frame", nil, []packet{
			{hrdSPS, none},
			{"0601080000144a39d9498080", code(9, 10, 59, 28, true)},
			{"0601080080144a3bd9498080", code(9, 10, 59, 29, true)},
			{"0601080100144a0401698080", code(9, 11, 0, 2, true)},
			{"0601080200144a0801698080", code(9, 11, 0, 4, true)},
			{"060106028014420a8080", code(9, 11, 0, 5, true)}, // frames alone: the rest is as before
			{"0601080300144a0c01698080", code(9, 11, 0, 6, true)},
		}},
		{"frames alone, of nothing before", nil, []packet{{hrdSPS, none}, {"060106028014420a8080", none}}},
		{"no clock timestamp", nil, []packet{{hrdSPS, none}, {"06000593c670465380", none}, {"06010400000080", none}}},
		{"cut", nil, []packet{{studioSPS, none}, {"0601090904", none}, {"06", none}, {"0601", none}, {"06ffff", none}, {"0605ff", none}}},
		{"SPS without VUI, then none", nil, []packet{{"67", none}, {studioSEI, stamp}}},
		{"other unregistered data", nil, []packet{{"0605104d4953506d6963726f73656374696d6580", none}}},
		{"precision time stamp without its fill", nil, []packet{{"06051c4d4953506d6963726f73656374696d651f0006fe60e8ffa5ceff3c7080", none}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var sets ParameterSets
			for _, s := range test.sets {
				sets = append(sets, unhex(t, s))
			}
			var whole, cut FrameTimes
			whole.Reset(sets)
			cut.Reset(sets)
			number := uint64(0)
			for i, p := range test.packets {
				b := unhex(t, p.payload)
				if got := whole.Add(b, uint64(i)); got != p.want {
					t.Errorf("packet %d: %+v, want %+v", i, got, p.want)
				}
				if len(b) < 2 || b[0]&nalTypeMask == nalSTAPA {
					continue
				}
				var got FrameTime
				for _, f := range fragments(b, 5) {
					got.merge(cut.Add(f, number))
					number++
				}
				if test.packets[0].payload != "67" && got != p.want {
					t.Errorf("packet %d in fragments: %+v, want %+v", i, got, p.want)
				}
			}
		})
	}
}

// A fragment that is missing makes the unit unreadable, and no other.
func TestFrameTimesWithoutAFragment(t *testing.T) {
	all := fragments(unhex(t, studioSEI), 7)
	for missing := range all {
		var r FrameTimes
		r.Reset(ParameterSets{unhex(t, studioSPS)})
		for i, f := range all {
			if i == missing {
				continue
			}
			if got := r.Add(f, uint64(i)); got != (FrameTime{}) {
				t.Errorf("without fragment %d: %+v", missing, got)
			}
		}
		if got := r.Add(unhex(t, studioSEI), 99); got != studioTime {
			t.Errorf("after fragment %d was missing: %+v", missing, got)
		}
	}
}

func TestFrameTimesAllocateNothing(t *testing.T) {
	var r FrameTimes
	r.Reset(nil)
	packets := append([][]byte{unhex(t, studioSTAP), unhex(t, studioSEI), unhex(t, "65aabb"), unhex(t, "7c05aa")}, fragments(unhex(t, studioSEI), 9)...)
	number := uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range packets {
			r.Add(p, number)
			number++
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFrameTimes(b *testing.B) {
	for name, payload := range map[string]string{"slice": "7c05aabb", "sei": studioSEI} {
		b.Run(name, func(b *testing.B) {
			var r FrameTimes
			r.Reset(ParameterSets{unhex(b, studioSPS)})
			p := unhex(b, payload)
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				r.Add(p, n)
			}
		})
	}
}

// Whatever comes, what is said is a time of day, and cutting a unit into fragments
// changes nothing.
func FuzzFrameTimes(f *testing.F) {
	for _, s := range []string{studioSTAP, studioSEI, hrdSPS, "0601080000144a39d9498080", "060106028014420a8080"} {
		f.Add(unhex(f, studioSPS), unhex(f, s))
		f.Add(unhex(f, hrdSPS), unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, sps, b []byte) {
		if len(b) == 0 {
			return
		}
		if _, err := Inspect(H264, b); err != nil {
			return
		}
		var whole, cut FrameTimes
		whole.Reset(ParameterSets{sps})
		cut.Reset(ParameterSets{sps})
		before := bytes.Clone(b)
		got := whole.Add(b, 1)
		if !bytes.Equal(b, before) {
			t.Fatal("the payload has changed")
		}
		c := got.Timecode
		if got.UnixMicro < 0 || c.Hours > 23 || c.Minutes > 59 || c.Seconds > 59 || !got.HasTimecode && c != (Timecode{}) {
			t.Fatalf("%+v", got)
		}
		if !singleNAL(b[0]) || len(b) < 2 {
			return
		}
		var pieces FrameTime
		for i, p := range fragments(b, 3) {
			pieces.merge(cut.Add(p, uint64(i)))
		}
		if pieces != got {
			t.Fatalf("in fragments %+v, whole %+v", pieces, got)
		}
	})
}
