package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"
)

func sumOf(t testing.TB, c Codec, payloads [][]byte) [32]byte {
	t.Helper()
	var h FrameHash
	h.Reset(c)
	for _, p := range payloads {
		if err := h.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	return h.Sum()
}

// TestFrameHashVectors reads testdata/vectors/framehash.json, whose hashes come
// from sha256sum.
func TestFrameHashVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/framehash.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Codec    string
		Payloads       []string
		Hashed, SHA256 string
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 5 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		c, err := Parse(v.Codec)
		if err != nil {
			t.Fatal(err)
		}
		var payloads [][]byte
		for _, p := range v.Payloads {
			payloads = append(payloads, unhex(t, p))
		}
		if got := sumOf(t, c, payloads); !bytes.Equal(got[:], unhex(t, v.SHA256)) {
			t.Errorf("%s: got %x, want %s", v.Name, got, v.SHA256)
		}
	}
}

func TestFrameHashOfUnusualFragments(t *testing.T) {
	for _, tt := range []struct {
		name     string
		payloads []string
		hashed   string
	}{
		{"empty bodies", []string{"7c 85", "7c 05 01", "7c 45"}, "00000001 65 01"},
		{"start and end in one packet", []string{"7c c5 01", "41 02"}, "00000001 65 01 00000001 41 02"},
	} {
		var payloads [][]byte
		for _, p := range tt.payloads {
			payloads = append(payloads, unhex(t, p))
		}
		if got, want := sumOf(t, H264, payloads), sha256.Sum256(unhex(t, tt.hashed)); got != want {
			t.Errorf("%s: got %x, want %x", tt.name, got, want)
		}
	}
}

func TestFrameHashRefusesBrokenFragments(t *testing.T) {
	for _, packets := range [][]string{
		{"7c 05 01"},             // middle without start
		{"7c 45 01"},             // end without start
		{"7c 85 01", "7c 85 02"}, // start within
		{"7c 85 01", "65 02"},    // single within
		{"7c 85 01", "78 0001 65"},
		{"7c 85 01", "7c 45 02", "7c 05 03"},
	} {
		var h FrameHash
		h.Reset(H264)
		var err error
		for _, p := range packets {
			if err != nil {
				t.Errorf("%q: refused early: %v", packets, err)
			}
			err = h.Add(unhex(t, p))
		}
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", packets, err)
		}
	}
	var h FrameHash
	h.Reset(H264)
	if err := h.Add(unhex(t, "7c 85 01")); err != nil || h.Complete() {
		t.Errorf("an unfinished NAL unit: %v, complete %v", err, h.Complete())
	}
	h.Reset(H264)
	if !h.Complete() {
		t.Error("Reset does not forget the unfinished NAL unit")
	}
	h.Reset(Opus)
	if err := h.Add([]byte{0xfc}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Opus: %v", err)
	}
}

// The packets are those of pion, written independently, at any packet size.
func TestFrameHashOfPionPackets(t *testing.T) {
	var h FrameHash
	rapid.Check(t, func(t *rapid.T) {
		mtu := rapid.Uint16Range(12, 1200).Draw(t, "mtu")
		// Bytes from 4 on, so that no start code arises within.
		body := rapid.SliceOfN(rapid.ByteRange(4, 255), 1, 400)
		var annexB []byte
		for range rapid.IntRange(1, 5).Draw(t, "slices") {
			kind := rapid.SampledFrom([]byte{0x41, 0x65, 0x06}).Draw(t, "kind")
			annexB = append(append(annexB, 0, 0, 0, 1, kind), body.Draw(t, "slice")...)
		}
		h.Reset(H264)
		for _, p := range (&codecs.H264Payloader{}).Payload(mtu, annexB) {
			if err := h.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		if h.Sum() != sha256.Sum256(annexB) || !h.Complete() {
			t.Fatalf("H264: another hash for %x", annexB)
		}
		frame := body.Draw(t, "frame")
		h.Reset(VP8)
		for _, p := range (&codecs.VP8Payloader{EnablePictureID: rapid.Bool().Draw(t, "id")}).Payload(mtu, frame) {
			if err := h.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		if h.Sum() != sha256.Sum256(frame) {
			t.Fatalf("VP8: another hash for %x", frame)
		}
	})
}

func TestFrameHashSumGoesOn(t *testing.T) {
	var h FrameHash
	h.Reset(VP8)
	_ = h.Add([]byte{0x10, 1})
	first := h.Sum()
	_ = h.Add([]byte{0x00, 2})
	if first != sha256.Sum256([]byte{1}) || h.Sum() != sha256.Sum256([]byte{1, 2}) {
		t.Error("Sum is not the hash of the payloads so far")
	}
	if bytes.Equal(first[:], h.sum[:]) {
		t.Error("sums share memory")
	}
}
