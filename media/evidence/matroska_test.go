package evidence

import (
	"bytes"
	"testing"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
)

// An auditor opens files of whoever has made them.
func FuzzReadMatroska(f *testing.F) {
	var file bytes.Buffer
	err := WriteMatroska(&file, "wheel", Tracks{codec.VP8}, func(yield func(Frame, error) bool) {
		for i := range uint64(3) {
			frame := Frame{Track: forward.Video, Codec: codec.VP8, TS: 160000000000000 + 3000*i, Keyframe: i == 0, Sample: unhex(f, "000000 9d012a 8002 6801 00")}
			if !yield(frame, nil) {
				return
			}
		}
	})
	if err != nil {
		f.Fatal(err)
	}
	frames := 0
	if err := ReadMatroska(bytes.NewReader(file.Bytes()), func(Frame) bool { frames++; return true }); err != nil || frames != 3 {
		f.Fatalf("%d frames, %v", frames, err)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		err := ReadMatroska(bytes.NewReader(b), func(Frame) bool { n++; return true })
		if n > len(b) {
			t.Fatalf("%d frames of %d bytes (%v)", n, len(b), err)
		}
	})
}
