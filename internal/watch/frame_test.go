package watch

import (
	"encoding/hex"
	"testing"

	"github.com/pion/webrtc/v4"
)

// The packets are written by hand from RFC 6184 (5.6, 5.7.1, 5.8) and RFC 7741
// (4.2); the coded form is the one that browsers hand to an encoded-frame
// transform.
func TestCodedBytes(t *testing.T) {
	tests := []struct {
		name, codec string
		packets     []string
		want        string
		bad         bool
	}{
		{name: "single NAL", codec: webrtc.MimeTypeH264, packets: []string{"41 9a01"}, want: "00000001 41 9a01"},
		{name: "delimiter, SEI and two slices", codec: webrtc.MimeTypeH264,
			packets: []string{"09 10", "06 0501aa80", "65 8801", "65 4402"},
			want:    "00000001 0910 00000001 060501aa80 00000001 658801 00000001 654402"},
		{name: "STAP-A", codec: webrtc.MimeTypeH264, packets: []string{"78 0003 674201 0002 68ce", "65 88"},
			want: "00000001 674201 00000001 68ce 00000001 6588"},
		{name: "FU-A", codec: webrtc.MimeTypeH264, packets: []string{"7c 85 8801", "7c 05 02", "7c 45 0304"},
			want: "00000001 65 88010203 04"},
		{name: "FU-A of a reference slice", codec: webrtc.MimeTypeH264, packets: []string{"5c 81 9a", "5c 41 9b"}, want: "00000001 41 9a9b"},
		{name: "STAP-A that lies", codec: webrtc.MimeTypeH264, packets: []string{"78 0005 67"}, bad: true},
		{name: "empty packet", codec: webrtc.MimeTypeH264, packets: []string{""}, bad: true},
		{name: "VP8 bare", codec: webrtc.MimeTypeVP8, packets: []string{"10 aabb", "00 cc"}, want: "aabbcc"},
		{name: "VP8 with 15-bit PictureID and TL0PICIDX", codec: webrtc.MimeTypeVP8,
			packets: []string{"90 e0 9234 07 40 aabb", "80 e0 9234 07 40 cc"}, want: "aabbcc"},
		{name: "AV1", codec: webrtc.MimeTypeAV1, packets: []string{"10 aabb"}, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var payloads [][]byte
			for _, p := range tt.packets {
				payloads = append(payloads, unhex(t, p))
			}
			got, err := codedBytes(tt.codec, payloads)
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if want := hex.EncodeToString(unhex(t, tt.want)); hex.EncodeToString(got) != want {
				t.Errorf("got %x, want %s", got, want)
			}
		})
	}
}

func FuzzCodedBytes(f *testing.F) {
	f.Add(true, []byte{0x7c, 0x85, 0x88}, []byte{0x7c, 0x45, 0x03})
	f.Add(false, []byte{0x90, 0xe0, 0x92, 0x34, 7, 0x40, 0xaa}, []byte{0, 1})
	f.Fuzz(func(t *testing.T, h264 bool, a, b []byte) {
		codec := webrtc.MimeTypeVP8
		if h264 {
			codec = webrtc.MimeTypeH264
		}
		opensFrame(codec, a)
		data, err := codedBytes(codec, [][]byte{a, b})
		// Start codes are all that is added, three bytes at most for each of two
		// length bytes of a STAP-A and two more for the first NAL units.
		if err == nil && len(data) > 3*(len(a)+len(b))+8 {
			t.Errorf("%d bytes out of %d", len(data), len(a)+len(b))
		}
	})
}

// SHA-256 of "abc" is the first vector of FIPS 180-2.
func TestFrameHash(t *testing.T) {
	f := Frame{Data: []byte("abc")}
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := f.Hash(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
