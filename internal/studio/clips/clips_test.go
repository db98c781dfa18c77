package clips

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/framelock/relay/media/codec"
)

// TestCatalog checks that every clip is what the catalogue says.
func TestCatalog(t *testing.T) {
	for _, i := range Catalog() {
		data, err := files.ReadFile("media/" + i.File())
		if err != nil {
			t.Fatal(err)
		}
		frames, err := Load(i)
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := ReadIVF(data)
		want := IVFHeader{map[codec.Codec]string{codec.H264: "H264", codec.VP8: "VP80"}[i.Codec], i.Width, i.Height, i.FPS}
		if i.Codec == codec.H264 {
			want.Height -= BarRows
		}
		if err != nil || h != want {
			t.Errorf("%s: header %+v, %v, want %+v", i.File(), h, err, want)
		}
		if i.Frames%i.KeyInterval != 0 {
			t.Errorf("%s: %d frames are not whole groups of %d", i.File(), i.Frames, i.KeyInterval)
		}
		for n, frame := range frames {
			if key := isKey(i.Codec, frame); key != (n%i.KeyInterval == 0) {
				t.Errorf("%s: frame %d: keyframe is %v", i.File(), n, key)
			}
		}
		rests(t, i)
	}
}

// isKey reads the frame tag of VP8 (RFC 6386, section 9.1), or looks for an IDR
// slice.
func isKey(c codec.Codec, frame []byte) bool {
	if c == codec.VP8 {
		return frame[0]&1 == 0
	}
	return bytes.Contains(frame, []byte{0, 0, 1, 0x65})
}

func rests(t *testing.T, i Info) {
	t.Helper()
	end := 0
	for _, r := range i.Rounds {
		if r.Launch != end || r.Rest <= r.Launch || r.End <= r.Rest || r.Pocket < 0 || r.Pocket > 36 {
			t.Errorf("%s: round %+v does not follow frame %d", i.File(), r, end)
		}
		if pocket, ok := i.RestsAt(r.Rest); !ok || pocket != r.Pocket {
			t.Errorf("%s: RestsAt(%d) = %d, %v", i.File(), r.Rest, pocket, ok)
		}
		if _, ok := i.RestsAt(r.Rest + 1); ok {
			t.Errorf("%s: the ball comes to rest twice", i.File())
		}
		end = r.End
	}
	if end != i.Frames {
		t.Errorf("%s: the last round ends at %d of %d", i.File(), end, i.Frames)
	}
}

// TestTone reads the packets' first bytes: one frame of 20 ms, stereo (RFC 6716,
// section 3.1).
func TestTone(t *testing.T) {
	packets, err := Tone()
	if err != nil {
		t.Fatal(err)
	}
	for n, p := range packets {
		config, stereo, frames := p[0]>>3, p[0]>>2&1, p[0]&3
		if config%4 != 3 || config < 12 || stereo != 1 || frames != 0 || len(p) > 200 {
			t.Errorf("packet %d: %d bytes, TOC %#02x", n, len(p), p[0])
		}
	}
}

func TestIVFRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := IVFHeader{"VP80", rapid.IntRange(0, 65535).Draw(t, "width"), 360, rapid.IntRange(1, 1000).Draw(t, "rate")}
		frames := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 1, 50)).Draw(t, "frames")
		gotH, got, err := ReadIVF(WriteIVF(h, frames))
		if err != nil || gotH != h || len(got) != len(frames) {
			t.Fatalf("%+v, %d frames, %v; want %+v, %d", gotH, len(got), err, h, len(frames))
		}
		if len(frames) > 0 && !cmp.Equal(got, frames) {
			t.Fatal("frames differ")
		}
	})
}

func FuzzReadIVF(f *testing.F) {
	f.Add(WriteIVF(IVFHeader{"VP80", 640, 360, 30}, [][]byte{{1}, {2, 3}}))
	f.Add([]byte("DKIF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, frames, err := ReadIVF(data)
		size := ivfHeaderSize
		for _, frame := range frames {
			size += ivfFrameHeaderSize + len(frame)
		}
		if err == nil && size != len(data) {
			t.Errorf("%d bytes of frames in a file of %d", size, len(data))
		}
	})
}
