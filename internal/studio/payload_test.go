package studio

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"
)

// TestH264Payloads has pion's depacketizer put the units together again.
func TestH264Payloads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(100, 1448).Draw(t, "size")
		var nals [][]byte
		var want []byte
		for range rapid.IntRange(1, 4).Draw(t, "units") {
			kind := rapid.SampledFrom([]byte{0x65, 0x41, 0x61, 0x68}).Draw(t, "header")
			nal := append([]byte{kind}, rapid.SliceOfN(rapid.Byte(), 1, 4000).Draw(t, "unit")...)
			nals = append(nals, nal)
			want = append(append(want, 0, 0, 0, 1), nal...)
		}
		d := &codecs.H264Packet{}
		var got []byte
		for _, p := range payloadsH264(nals, size) {
			if len(p) > size {
				t.Fatalf("payload of %d bytes, want at most %d", len(p), size)
			}
			part, err := d.Unmarshal(p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back, want %d", len(got), len(want))
		}
	})
}

func TestAggregate(t *testing.T) {
	sps, pps := []byte{0x67, 1, 2, 3}, []byte{0x28, 4}
	p := aggregate(sps, pps)
	got, err := (&codecs.H264Packet{}).Unmarshal(p)
	if want := "\x00\x00\x00\x01\x67\x01\x02\x03\x00\x00\x00\x01\x28\x04"; err != nil || string(got) != want {
		t.Errorf("got % x, %v; want % x", got, err, want)
	}
	if p[0] != 0x60|24 {
		t.Errorf("header %#02x, want the largest nal_ref_idc and type 24", p[0])
	}
}

// TestVP8Payloads has pion's depacketizer read the descriptors.
func TestVP8Payloads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "frame")
		id := rapid.Uint16Max(0x7FFF).Draw(t, "id")
		size := rapid.IntRange(100, 1448).Draw(t, "size")
		var got []byte
		for i, p := range payloadsVP8(frame, id, size) {
			d := &codecs.VP8Packet{}
			part, err := d.Unmarshal(p)
			if err != nil || len(p) > size {
				t.Fatalf("payload of %d bytes: %v", len(p), err)
			}
			if d.PictureID != id || d.I != 1 || d.PID != 0 || d.N != 0 || (d.S == 1) != (i == 0) {
				t.Fatalf("payload %d: descriptor %+v, want PictureID %d", i, d, id)
			}
			got = append(got, part...)
		}
		if !bytes.Equal(got, frame) {
			t.Fatal("the frame did not come back")
		}
	})
}
