package codec

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/pion/rtp/codecs"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInspect(t *testing.T) {
	key, sps, pps := Facts{Keyframe: true}, Facts{SPS: true}, Facts{PPS: true}
	tests := []struct {
		name    string
		codec   Codec
		payload string
		want    Facts
	}{
		{"slice", H264, "41 9a", Facts{}},
		{"IDR slice", H264, "65 88", key},
		{"IDR slice of one byte", H264, "65", key},
		{"SPS", H264, "67 42", sps},
		{"PPS", H264, "68 ce", pps},
		{"AUD", H264, "09 10", Facts{}},
		{"STAP-A of SPS and PPS", H264, "78 0002 6742 0001 68", Facts{SPS: true, PPS: true}},
		{"STAP-A of SPS, PPS, IDR", H264, "78 0002 6742 0001 68 0001 65", Facts{SPS: true, PPS: true, Keyframe: true}},
		{"STAP-A of AUD and slice", H264, "78 0001 09 0001 41", Facts{}},
		{"FU-A start of IDR", H264, "7c 85 00", key},
		{"FU-A middle of IDR", H264, "7c 05 00", Facts{}},
		{"FU-A end of IDR", H264, "7c 45 00", Facts{}},
		{"FU-A with an empty body", H264, "7c 45", Facts{}},
		{"FU-A start of slice", H264, "5c 81 00", Facts{}},
		{"FU-A start of SPS", H264, "7c 87 00", sps},
		{"FU-A middle of SPS", H264, "7c 07 00", Facts{}},

		{"first of a keyframe", VP8, "10 00", Facts{Keyframe: true, FrameStart: true}},
		{"first of a delta frame", VP8, "10 01", Facts{FrameStart: true}},
		{"not first", VP8, "00 00", Facts{}},
		{"start of partition 1", VP8, "11 00", Facts{}},
		{"7-bit PictureID", VP8, "90 80 11 00", Facts{Keyframe: true, FrameStart: true}},
		{"15-bit PictureID", VP8, "90 80 9111 01", Facts{FrameStart: true}},
		{"everything", VP8, "90 f0 9111 05 e3 00", Facts{Keyframe: true, FrameStart: true}},
		{"X without fields", VP8, "90 00 00", Facts{Keyframe: true, FrameStart: true}},

		{"TOC byte", Opus, "fc", Facts{FrameStart: true}},
	}
	for _, tt := range tests {
		got, err := Inspect(tt.codec, unhex(t, tt.payload))
		if err != nil || got != tt.want {
			t.Errorf("%v %s: got %+v, %v; want %+v", tt.codec, tt.name, got, err, tt.want)
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	tests := []struct {
		name    string
		codec   Codec
		payload string
		want    error
		names   string // what the message speaks of
	}{
		{"empty", H264, "", ErrMalformed, "empty"},
		{"type 0", H264, "60 00", ErrMalformed, "reserved"},
		{"type 30", H264, "7e 00", ErrMalformed, "reserved"},
		{"type 31", H264, "7f 00", ErrMalformed, "reserved"},
		{"STAP-A without units", H264, "78", ErrMalformed, "STAP-A"},
		{"STAP-A cut in a length", H264, "78 00", ErrMalformed, "STAP-A"},
		{"STAP-A with an empty unit", H264, "78 0000", ErrMalformed, "STAP-A"},
		{"STAP-A cut in a unit", H264, "78 0003 6742", ErrMalformed, "STAP-A"},
		{"STAP-A with a byte too many", H264, "78 0001 67 00", ErrMalformed, "STAP-A"},
		{"STAP-A in STAP-A", H264, "78 0001 78", ErrMalformed, "STAP-A"},
		{"FU-A of one byte", H264, "7c", ErrMalformed, "FU-A"},
		{"FU-A of STAP-A", H264, "7c 98 00", ErrMalformed, "FU-A"},
		{"FU-A of type 0", H264, "7c 80 00", ErrMalformed, "FU-A"},
		{"STAP-B", H264, "79 0000 0001 67", ErrUnsupported, "STAP-B"},
		{"MTAP16", H264, "7a 0000", ErrUnsupported, "MTAP"},
		{"MTAP24", H264, "7b 0000", ErrUnsupported, "MTAP"},
		{"FU-B", H264, "7d 85 0000", ErrUnsupported, "FU-B"},
		{"empty", VP8, "", ErrMalformed, "empty"},
		{"descriptor alone", VP8, "10", ErrMalformed, "nothing after"},
		{"no extension byte", VP8, "90", ErrMalformed, "cut"},
		{"no PictureID", VP8, "90 80", ErrMalformed, "cut"},
		{"half a PictureID", VP8, "90 80 80", ErrMalformed, "cut"},
		{"PictureID and nothing", VP8, "90 80 01", ErrMalformed, "nothing after"},
		{"no TL0PICIDX", VP8, "90 c0 01", ErrMalformed, "cut"},
		{"no TID", VP8, "90 20", ErrMalformed, "cut"},
		{"no KEYIDX", VP8, "90 10", ErrMalformed, "cut"},
		{"empty", Opus, "", ErrMalformed, "empty"},
		{"no codec", 0, "00", ErrUnsupported, "codec"},
	}
	for _, tt := range tests {
		got, err := Inspect(tt.codec, unhex(t, tt.payload))
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.names) || got != (Facts{}) {
			t.Errorf("%v %s: got %+v, %v; want %v naming %q", tt.codec, tt.name, got, err, tt.want, tt.names)
		}
		if tt.codec != H264 {
			continue
		}
		var h FrameHash
		h.Reset(tt.codec)
		if err := h.Add(unhex(t, tt.payload)); !errors.Is(err, tt.want) {
			t.Errorf("%v %s: hash: %v; want %v", tt.codec, tt.name, err, tt.want)
		}
	}
}

func FuzzInspectH264(f *testing.F) {
	for _, frame := range captured(f)["H264"] {
		f.Add(frame.bytes(f)[0])
	}
	f.Add(unhex(f, "78 0002 6742 0001 68 0001 65"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := Inspect(H264, b)
		var h FrameHash
		h.Reset(H264)
		if hashErr := h.Add(b); (err == nil) != (hashErr == nil) && !errors.Is(hashErr, errFragmentStart) {
			t.Fatalf("Inspect says %v, FrameHash %v", err, hashErr)
		}
	})
}

// The descriptor must be what pion, written independently, makes of it.
func FuzzParseVP8(f *testing.F) {
	for _, frame := range captured(f)["VP8"] {
		f.Add(frame.bytes(f)[0])
	}
	f.Add(unhex(f, "90 f0 9111 05 e3 00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseVP8(b)
		var p codecs.VP8Packet
		rest, pionErr := p.Unmarshal(b)
		if err != nil {
			if pionErr == nil && len(rest) > 0 {
				t.Fatalf("refused with %v, but pion reads %+v", err, p)
			}
			return
		}
		if pionErr != nil {
			t.Fatalf("accepted, but pion says %v", pionErr)
		}
		has := func(bit uint8) bool { return bit == 1 }
		want := VP8Descriptor{
			Size: len(b) - len(rest), Start: has(p.S), Partition: p.PID, NonRef: has(p.N),
			HasPictureID: has(p.I), PictureID: p.PictureID, HasTL0: has(p.L), TL0PICIDX: p.TL0PICIDX,
			HasTID: has(p.T), TID: p.TID, LayerSync: has(p.Y),
		}
		want.Wide, want.pictureAt, want.tl0At = d.Wide, d.pictureAt, d.tl0At
		if d != want {
			t.Fatalf("got %+v, pion has %+v", d, want)
		}
		f, err := Inspect(VP8, b)
		if err != nil || f.Keyframe != (has(p.S) && p.PID == 0 && rest[0]&1 == 0) {
			t.Fatalf("facts %+v, %v", f, err)
		}
	})
}
