package codec

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// capturedFrame is one frame as ffmpeg sent it over RTP. Its hash was computed
// from the encoder's file, without any RTP in between.
type capturedFrame struct {
	Keyframe, SPS, PPS bool
	SHA256             string
	Payloads           []string
}

func captured(t testing.TB) map[string][]capturedFrame {
	t.Helper()
	text, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name, Codec string
		Frames      []capturedFrame
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	streams := map[string][]capturedFrame{}
	for _, s := range list {
		streams[s.Codec] = append(streams[s.Codec], s.Frames...)
	}
	if len(streams["H264"]) < 5 || len(streams["VP8"]) < 3 {
		t.Fatal("captured frames are missing")
	}
	return streams
}

func (f capturedFrame) bytes(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, p := range f.Payloads {
		b, err := hex.DecodeString(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func TestCapturedFrames(t *testing.T) {
	for name, frames := range captured(t) {
		c, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		var h FrameHash
		for i, frame := range frames {
			var all Facts
			h.Reset(c)
			for j, payload := range frame.bytes(t) {
				f, err := Inspect(c, payload)
				if err != nil {
					t.Fatalf("%s frame %d packet %d: %v", name, i, j, err)
				}
				if c == VP8 && f.FrameStart != (j == 0) {
					t.Errorf("%s frame %d packet %d: frame start %v", name, i, j, f.FrameStart)
				}
				all.Keyframe = all.Keyframe || f.Keyframe
				all.SPS, all.PPS = all.SPS || f.SPS, all.PPS || f.PPS
				if err := h.Add(payload); err != nil {
					t.Fatalf("%s frame %d packet %d: %v", name, i, j, err)
				}
			}
			if want := (Facts{Keyframe: frame.Keyframe, SPS: frame.SPS, PPS: frame.PPS}); all != want {
				t.Errorf("%s frame %d: %+v, want %+v", name, i, all, want)
			}
			sum := h.Sum()
			if got := hex.EncodeToString(sum[:]); got != frame.SHA256 || !h.Complete() {
				t.Errorf("%s frame %d: hash %s, complete %v; want %s", name, i, got, h.Complete(), frame.SHA256)
			}
		}
	}
}

func TestPacketPathAllocatesNothing(t *testing.T) {
	for name, frames := range captured(t) {
		c, _ := Parse(name)
		var payloads [][]byte
		for _, f := range frames {
			payloads = append(payloads, f.bytes(t)...)
		}
		var h FrameHash
		var continuity VP8Continuity
		h.Reset(c)
		bad := []byte{0x80}
		if n := testing.AllocsPerRun(50, func() {
			h.Reset(c)
			for _, p := range payloads {
				if _, err := Inspect(c, p); err != nil {
					t.Fatal(err)
				}
				if err := h.Add(p); err != nil {
					t.Fatal(err)
				}
				if c == VP8 {
					if err := continuity.Rewrite(p); err != nil {
						t.Fatal(err)
					}
				}
			}
			h.Sum()
			if _, err := Inspect(c, bad); err == nil {
				t.Fatal("a malformed payload is accepted")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
