package codec

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"
)

// TestSample packs NAL units with pion's payloader; the sample must have each behind
// its length, and hash as the payloads do.
func TestSample(t *testing.T) {
	body := rapid.SliceOfN(rapid.ByteRange(4, 255), 1, 600)
	rapid.Check(t, func(t *rapid.T) {
		var annexB, want []byte
		for range rapid.IntRange(1, 5).Draw(t, "slices") {
			nal := append([]byte{rapid.SampledFrom([]byte{0x41, 0x65, 0x06}).Draw(t, "kind")}, body.Draw(t, "slice")...)
			annexB = append(append(annexB, 0, 0, 0, 1), nal...)
			want = append(append(want, 0, 0, byte(len(nal)>>8), byte(len(nal))), nal...)
		}
		payloads := (&codecs.H264Payloader{}).Payload(uint16(rapid.IntRange(20, 200).Draw(t, "mtu")), annexB)
		var s Sample
		s.Reset(H264)
		for _, p := range payloads {
			if s.Complete() && len(s.Bytes()) == len(want) {
				t.Fatal("complete before its last payload")
			}
			if err := s.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		if !s.Complete() || !bytes.Equal(s.Bytes(), want) {
			t.Fatalf("sample %x, want %x", s.Bytes(), want)
		}
		var h FrameHash
		h.Reset(H264)
		for _, p := range payloads {
			_ = h.Add(p)
		}
		if got, err := HashSample(H264, want); err != nil || got != h.Sum() {
			t.Fatalf("hash of the sample %x, %v; of the payloads %x", got, err, h.Sum())
		}
	})
}

// TestDescribe has an SPS and PPS as x264 writes them for 640x360 (Constrained
// Baseline) and 1920x1080 (High, which is 1088 less a crop of 8).
func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		name, sps, pps string
		width, height  int
		private        string
	}{
		{"640x360", "6742c01ed900a02ff970110000030001000003003c0f162e48", "68cb83cb20", 640, 360,
			"0142c01effe10019" + "6742c01ed900a02ff970110000030001000003003c0f162e48" + "010005" + "68cb83cb20"},
		{"1920x1080", "67640028acd940780227e5c044000003000400000300f03c60c658", "68ebe3cb22c0", 1920, 1080,
			"01640028ffe1001b" + "67640028acd940780227e5c044000003000400000300f03c60c658" + "010006" + "68ebe3cb22c0" + "fdf8f800"},
	} {
		sps, pps := unhex(t, tt.sps), unhex(t, tt.pps)
		sample := append(append([]byte{0, 0, 0, byte(len(sps))}, sps...), append([]byte{0, 0, 0, byte(len(pps))}, pps...)...)
		d, err := Describe(H264, sample)
		if err != nil || d.Width != tt.width || d.Height != tt.height || !bytes.Equal(d.Private, unhex(t, tt.private)) {
			t.Errorf("%s: %dx%d, %x, %v", tt.name, d.Width, d.Height, d.Private, err)
		}
	}
	if d, err := Describe(VP8, unhex(t, "100000 9d012a 8002 6801 00")); err != nil || d.Width != 640 || d.Height != 360 {
		t.Errorf("VP8: %+v, %v", d, err)
	}
	for _, bad := range []string{"", "00000001 67", "00000005 6742c01ed9", "ffffffff 67"} {
		if _, err := Describe(H264, unhex(t, bad)); err == nil {
			t.Errorf("%s is described", bad)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(uint8(H264), unhex(f, "00000019 6742c01ed900a02ff970110000030001000003003c0f162e48 00000005 68cb83cb20"))
	f.Add(uint8(VP8), unhex(f, "100000 9d012a 8002 6801 00"))
	f.Fuzz(func(t *testing.T, c uint8, sample []byte) {
		d, err := Describe(Codec(c), sample)
		if err == nil && Codec(c) == H264 && (d.Width <= 0 || d.Width > 16*maxMacroblocks || d.Height <= 0 || d.Height > 32*maxMacroblocks) {
			t.Errorf("%dx%d", d.Width, d.Height)
		}
	})
}
