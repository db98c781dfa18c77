package h264bar

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/framelock/relay/internal/barcode"
	"github.com/framelock/relay/internal/studio/clips"
	"github.com/framelock/relay/media/codec"
)

// TestExpGolomb has the first codes of ITU-T H.264, tables 9-2 and 9-3.
func TestExpGolomb(t *testing.T) {
	for _, c := range []struct {
		bits string
		ue   uint32
		se   int32
	}{
		{"1", 0, 0}, {"010", 1, 1}, {"011", 2, -1}, {"00100", 3, 2}, {"00101", 4, -2}, {"00110", 5, 3}, {"00111", 6, -3}, {"0001000", 7, 4},
	} {
		w, x := &bitWriter{}, &bitWriter{}
		w.ue(c.ue)
		x.se(c.se)
		if got := bitString(w); got != c.bits || bitString(x) != c.bits {
			t.Errorf("ue(%d) = %s, se(%d) = %s, want %s", c.ue, got, c.se, bitString(x), c.bits)
		}
		r, s := &bitReader{data: w.data}, &bitReader{data: w.data}
		if ue, se := r.ue(), s.se(); ue != c.ue || se != c.se || r.err != nil {
			t.Errorf("%s reads as %d and %d, want %d and %d", c.bits, ue, se, c.ue, c.se)
		}
	}
}

func bitString(w *bitWriter) (s string) {
	for i := range 8*len(w.data) - w.free {
		s += string('0' + rune(w.data[i/8]>>(7-i%8)&1))
	}
	return s
}

// TestCoefficient has blocks written out by hand from ITU-T H.264, table 9-5
// (coeff_token, 0 <= nC < 2), clause 9.2.2.1 (levels) and table 9-7.
func TestCoefficient(t *testing.T) {
	for _, c := range []struct {
		level int
		want  string
	}{
		{0, "1"},
		{1, "01" + "0" + "1"},
		{-1, "01" + "1" + "1"},
		{2, "000101" + "1" + "1"},
		{-2, "000101" + "01" + "1"},
		{8, "000101" + "0000000000001" + "1"},
		{-8, "000101" + "00000000000001" + "1"},
		{9, "000101" + "000000000000001" + "0000" + "1"},
		{-16, "000101" + "000000000000001" + "1111" + "1"},
		{17, "000101" + "0000000000000001" + "000000000000" + "1"},
		{350, "000101" + "0000000000000001" + "001010011010" + "1"},
	} {
		w := &bitWriter{}
		if coefficient(w, c.level); bitString(w) != c.want {
			t.Errorf("coefficient %d\n got %s\nwant %s", c.level, bitString(w), c.want)
		}
	}
}

// TestLevels checks that every difference of two samples is reached.
func TestLevels(t *testing.T) {
	for d := -255; d <= 255; d++ {
		if got := (40*level(d) + 32) >> 6; got != d {
			t.Errorf("level %d changes samples by %d, want %d", level(d), got, d)
		}
	}
}

func TestEscape(t *testing.T) {
	for _, c := range []struct{ rbsp, want string }{
		{"\x00\x00\x00", "\x65\x00\x00\x03\x00"},
		{"\x00\x00\x03\x01", "\x65\x00\x00\x03\x03\x01"},
		{"\x00\x00\x04", "\x65\x00\x00\x04"},
		{"\x00\x00\x00\x00\x00\x01", "\x65\x00\x00\x03\x00\x00\x03\x00\x01"},
	} {
		if got := appendEscaped(nil, 0x65, []byte(c.rbsp)); string(got) != c.want {
			t.Errorf("% x escaped is % x, want % x", c.rbsp, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		rbsp := rapid.SliceOf(rapid.SampledFrom([]byte{0, 0, 0, 1, 3, 4, 255})).Draw(t, "rbsp")
		nal := appendEscaped(nil, 0x65, rbsp)
		if bytes.Contains(nal, startCode) || bytes.Contains(nal, []byte{0, 0, 0}) || bytes.Contains(nal, []byte{0, 0, 2}) {
			t.Fatalf("% x has a start code in it", nal)
		}
		if got := unescape(nal[1:]); !bytes.Equal(got, rbsp) {
			t.Fatalf("% x came back as % x", rbsp, got)
		}
	})
}

// TestBarsRead parses the bar's slices of every H.264 clip, over its end, and
// follows the cells as a decoder would.
func TestBarsRead(t *testing.T) {
	for _, info := range clips.Catalog() {
		if info.Codec != codec.H264 {
			continue
		}
		units, err := clips.Load(info)
		if err != nil {
			t.Fatal(err)
		}
		w, err := NewWriter(units[0], clips.BarRows)
		if err != nil {
			t.Fatal(err)
		}
		screen := make([]int, w.params.widthMB*w.barMB)
		for n := range info.Frames + 10 {
			frame := barcode.Max - 30 + uint32(n)
			nals, key, err := w.Picture(units[n%len(units)], frame)
			if err != nil {
				t.Fatal(err)
			}
			if key != (n%info.Frames%info.KeyInterval == 0) {
				t.Fatalf("%s: picture %d: keyframe %v", info.File(), n, key)
			}
			drawSlice(t, w, nals, screen)
			luma := make([]byte, 16*w.params.widthMB*24)
			for i := range luma {
				x, y := i%(16*w.params.widthMB)/16, i/(16*w.params.widthMB)/16
				luma[i] = byte(screen[y*w.params.widthMB+x])
			}
			got, ok := barcode.Read(luma, 16*w.params.widthMB, 16*w.params.widthMB, 24)
			if !ok || got != frame%barcode.Max {
				t.Fatalf("%s: picture %d shows %d, %v, want %d", info.File(), n, got, ok, frame%barcode.Max)
			}
		}
	}
}

// drawSlice reads the bar's slice with the syntax of clauses 7.3.3 to 7.3.5 and
// sets the luma of the macroblocks on the screen.
func drawSlice(t *testing.T, w *Writer, nals [][]byte, screen []int) {
	t.Helper()
	p := w.params
	clip, err := p.readSlice(nals[0])
	if err != nil {
		t.Fatal(err)
	}
	r := &bitReader{data: unescape(nals[1][1:])}
	first, kind, pps, num := r.ue(), r.ue(), r.ue(), r.u(p.frameNumBits)
	if first != uint32(p.widthMB*p.heightMB) || pps != p.ppsID || num != clip.frameNum || nals[1][0] != nals[0][0] {
		t.Fatalf("slice begins at %d, PPS %d, frame_num %d; the clip's is %+v", first, pps, num, clip)
	}
	intra := kind == 7
	if intra != clip.idr() || intra && r.ue() != clip.idrID {
		t.Fatalf("slice type %d or idr_pic_id beside %+v", kind, clip)
	}
	if p.pocType == 0 && r.u(p.pocBits) != clip.poc {
		t.Fatal("pic_order_cnt_lsb differs")
	}
	if intra && r.u(2) != clip.idrFlags || !intra && r.u(3) != 0 {
		t.Fatal("reference marking differs")
	}
	if qp := p.initialQP + r.se(); qp != 24 || r.ue() != 1 {
		t.Fatalf("QP %d, or deblocking is on", qp)
	}
	for mb := 0; mb < len(screen); mb++ {
		if !intra {
			if mb += int(r.ue()); mb >= len(screen) {
				break
			}
		}
		drawMacroblock(t, r, intra, screen, mb, p.widthMB)
		if !intra && r.pos == r.end() {
			break
		}
	}
	if r.err != nil || r.pos != r.end() {
		t.Fatalf("slice ends at bit %d of %d: %v", r.pos, r.end(), r.err)
	}
}

func drawMacroblock(t *testing.T, r *bitReader, intra bool, screen []int, mb, width int) {
	t.Helper()
	kind := r.ue()
	if !intra {
		kind -= 5
	}
	if chroma, qp := r.ue(), r.se(); chroma != 0 || qp != 0 {
		t.Fatal("chroma prediction or quantiser changes")
	}
	prediction := 128
	switch {
	case kind == 1 && mb >= width:
		prediction = screen[mb-width]
	case kind == 3 && mb > 0:
		prediction = screen[mb-1]
	case kind != 3:
		t.Fatalf("macroblock type %d", kind)
	}
	screen[mb] = prediction + (40*readCoefficient(t, r)+32)>>6
}

func readCoefficient(t *testing.T, r *bitReader) int {
	t.Helper()
	if r.flag() {
		return 0
	}
	if r.u(5) != 5 {
		t.Fatal("coeff_token is not that of one coefficient")
	}
	prefix := 0
	for !r.flag() && r.err == nil {
		prefix++
	}
	code := uint32(prefix)
	switch prefix {
	case 14:
		code += r.u(4)
	case 15:
		code = 30 + r.u(12)
	}
	if !r.flag() {
		t.Fatal("zeros before the coefficient")
	}
	if code += 2; code%2 == 0 {
		return int(code+2) / 2
	}
	return -int(code+1) / 2
}

// TestOrder wants an IDR picture first.
func TestOrder(t *testing.T) {
	units, err := clips.Load(clips.Catalog()[0])
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(units[0], clips.BarRows)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Picture(units[1], 1); err == nil {
		t.Error("a P picture was taken first")
	}
	if _, _, err := w.Picture(nil, 1); err == nil {
		t.Error("an empty access unit was taken")
	}
	if _, err := NewWriter(units[1], clips.BarRows); err == nil {
		t.Error("a clip without parameter sets was taken")
	}
}

// FuzzNewWriter feeds parameter sets and slices that are not a clip's.
func FuzzNewWriter(f *testing.F) {
	units, err := clips.Load(clips.Catalog()[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(units[0][:200], units[1][:40])
	f.Fuzz(func(t *testing.T, first, next []byte) {
		w, err := NewWriter(first, clips.BarRows)
		if err != nil || w.params.widthMB*w.params.heightMB > 1<<16 {
			return
		}
		for _, unit := range [][]byte{first, next} {
			if nals, _, err := w.Picture(unit, 7); err == nil && len(nals) != 2 {
				t.Errorf("%d slices, want 2", len(nals))
			}
		}
		p := w.params
		if _, err := p.growSPS(w.sps, clips.BarRows); err != nil && !errors.Is(err, errUnsupported) {
			t.Errorf("the grown parameter set does not read: %v", err)
		}
	})
}
