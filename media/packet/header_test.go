package packet

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
	"pgregory.net/rapid"
)

// unhex reads bytes written in groups, as in the figures of the RFCs.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fixed is an RTP header without its first byte: marker, type 96, sequence
// 0x1234, timestamp 0x01020304, SSRC 0xCAFEBABE.
const fixed = "e0 1234 01020304 cafebabe "

func TestParse(t *testing.T) {
	tests := []struct {
		name, in, payload string
		profile           uint16
		bad               bool
	}{
		{name: "plain", in: "80" + fixed + "aabb", payload: "aabb"},
		{name: "no payload", in: "80" + fixed},
		{name: "empty", bad: true},
		{name: "eleven bytes", in: "80 e0 1234 01020304 cafeba", bad: true},
		{name: "version 1", in: "40" + fixed + "aa", bad: true},
		{name: "version 3", in: "c0" + fixed + "aa", bad: true},
		{name: "contributing sources", in: "82" + fixed + "00000001 00000002 cc", payload: "cc"},
		{name: "contributing sources cut", in: "82" + fixed + "00000001 000000", bad: true},
		{name: "fifteen contributing sources cut", in: "8f" + fixed + "aa", bad: true},
		{name: "padding", in: "a0" + fixed + "aabb 000003", payload: "aabb"},
		{name: "nothing but padding", in: "a0" + fixed + "000003"},
		{name: "padding of one", in: "a0" + fixed + "aa01", payload: "aa"},
		{name: "padding count 0", in: "a0" + fixed + "aa00", bad: true},
		{name: "padding without a byte", in: "a0" + fixed, bad: true},
		{name: "padding into the header", in: "a0" + fixed + "000004", bad: true},
		{name: "extension", in: "90" + fixed + "bede0001 10aa0000 cc", payload: "cc", profile: ProfileOneByte},
		{name: "extension of length 0", in: "90" + fixed + "bede0000 cc", payload: "cc", profile: ProfileOneByte},
		{name: "extension head cut", in: "90" + fixed + "bede00", bad: true},
		{name: "extension cut", in: "90" + fixed + "bede0002 10aa0000", bad: true},
		{name: "extension of 256 KB", in: "90" + fixed + "bedeffff 10aa0000", bad: true},
		{name: "extension, source and padding", in: "b1" + fixed + "00000001 10050001 01000000 dd 0002", payload: "dd", profile: 0x1005},
		{name: "padding into the extension", in: "b0" + fixed + "bede0001 10aa0003 ff 06", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.in)
			h, err := Parse(b)
			if tt.bad {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("parsed as %+v, %v", h, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := h.Payload(b); !bytes.Equal(got, unhex(t, tt.payload)) {
				t.Errorf("payload %x, want %s", got, tt.payload)
			}
			if h.SSRC != 0xCAFEBABE || h.Timestamp != 0x01020304 || h.Sequence != 0x1234 ||
				h.PayloadType != 96 || !h.Marker || h.Profile != tt.profile {
				t.Errorf("header %+v", h)
			}
		})
	}
	if _, err := Parse(append(unhex(t, "80"+fixed), make([]byte, 1<<16)...)); err == nil {
		t.Error("64 KB and more were parsed")
	}
}

// element is one header extension element.
type element struct {
	ID    uint8
	Value string // in hex
}

func elements(h Header, b []byte) (list []element) {
	h.Extensions(b, func(id uint8, v []byte) bool {
		list = append(list, element{id, hex.EncodeToString(v)})
		return true
	})
	return list
}

func TestExtensions(t *testing.T) {
	tests := []struct {
		name, block string
		want        []element
	}{
		{"one byte", "bede0003 10aa 21bbbb 0000 32cccccc 00", []element{{1, "aa"}, {2, "bbbb"}, {3, "cccccc"}}},
		{"largest value", "bede0005 ef" + strings.Repeat("07", 16) + "000000", []element{{14, strings.Repeat("07", 16)}}},
		{"padding alone", "bede0001 00000000", nil},
		{"id 15 ends the block", "bede0002 10aa f0ff 20bb 0000", []element{{1, "aa"}}},
		{"id 0 with a length ends the block", "bede0002 10aa 01ff ff20 bb00", []element{{1, "aa"}}},
		{"cut value", "bede0001 10aa 23bb", []element{{1, "aa"}}},
		{"two bytes", "10000003 1001aa 0f00 00 1102bbcc ff00", []element{{16, "aa"}, {15, ""}, {17, "bbcc"}, {255, ""}}},
		{"two bytes, application bits", "100f0001 0101aa00", []element{{1, "aa"}}},
		{"two bytes, cut head", "10000001 0101aa02", []element{{1, "aa"}}},
		{"two bytes, cut value", "10000001 0103aabb", nil},
		{"unknown profile", "abac0001 10aa0000", nil},
		{"profile 0", "00000001 10aa0000", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, "90"+fixed+tt.block+"dd")
			h, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, elements(h, b)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("stops when told", func(t *testing.T) {
		for _, block := range []string{"bede0001 10aa20bb", "10000002 0101aa 0201bb 0000"} {
			b := unhex(t, "90"+fixed+block)
			h, _ := Parse(b)
			n := 0
			h.Extensions(b, func(uint8, []byte) bool { n++; return false })
			if n != 1 {
				t.Errorf("%s: %d elements after false", block, n)
			}
		}
	})
	t.Run("none", func(t *testing.T) {
		b := unhex(t, "80"+fixed)
		h, _ := Parse(b)
		if got := elements(h, b); got != nil {
			t.Errorf("a packet without extension has %v", got)
		}
	})
}

// agrees compares Parse with another implementation.
func agrees(t interface {
	Fatalf(string, ...any)
	Helper()
}, b []byte) {
	t.Helper()
	h, err := Parse(b)
	var p rtp.Packet
	if theirs := p.Unmarshal(b); theirs != nil || p.Version != 2 {
		// Elements that run over the end are malformed to them, a tail to us.
		if err == nil && (theirs == nil || h.Profile == 0) {
			t.Fatalf("%x: parsed as %+v, pion says %v", b, h, theirs)
		}
		return
	}
	if err != nil {
		t.Fatalf("%x: %v, pion parses it as %v", b, err, p)
	}
	if h.SSRC != p.SSRC || h.Timestamp != p.Timestamp || h.Sequence != p.SequenceNumber ||
		h.PayloadType != p.PayloadType || h.Marker != p.Marker || h.Profile != p.ExtensionProfile && p.Extension ||
		!bytes.Equal(h.Payload(b), p.Payload) {
		t.Fatalf("%x: parsed as %+v with payload %x, pion says %v with payload %x", b, h, h.Payload(b), p, p.Payload)
	}
	if h.Profile != ProfileOneByte && h.Profile != ProfileTwoByte {
		return
	}
	var want []element
	for _, id := range p.GetExtensionIDs() {
		want = append(want, element{ID: id})
	}
	got := elements(h, b)
	for i := range got {
		got[i].Value = "" // pion finds the first of an ID only
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%x: elements\n%s", b, diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"80" + fixed + "aabb", "82" + fixed + "00000001 00000002 cc", "a0" + fixed + "aabb 000003",
		"90" + fixed + "bede0003 10aa 21bbbb 0000 32cccccc 00 dd", "90" + fixed + "bede0002 10aa f0ff 20bb 0000 dd",
		"90" + fixed + "10000003 1001aa 0f00 00 1102bbcc ff00 dd", "b1" + fixed + "00000001 10050001 01000000 dd 0002",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		agrees(t, b)
		if h, err := Parse(b); err == nil {
			h.Extensions(b, func(id uint8, v []byte) bool {
				if id == 0 || h.Profile == ProfileOneByte && (id == 15 || len(v) == 0 || len(v) > 16) {
					t.Fatalf("element %d of %d bytes", id, len(v))
				}
				return true
			})
		}
	})
}

func TestParseReadsWhatPionWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rtp.Packet{
			Header: rtp.Header{
				Version: 2, Marker: rapid.Bool().Draw(t, "marker"), PayloadType: rapid.Uint8Range(0, 127).Draw(t, "type"),
				SequenceNumber: rapid.Uint16().Draw(t, "sequence"), Timestamp: rapid.Uint32().Draw(t, "timestamp"),
				SSRC: rapid.Uint32().Draw(t, "ssrc"), CSRC: rapid.SliceOfN(rapid.Uint32(), 0, 15).Draw(t, "sources"),
			},
			Payload: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "payload"),
		}
		for _, id := range rapid.SliceOfNDistinct(rapid.Uint8Range(1, 14), 0, 4, rapid.ID).Draw(t, "ids") {
			if err := p.SetExtension(id, rapid.SliceOfN(rapid.Byte(), 1, 16).Draw(t, "value")); err != nil {
				t.Fatal(err)
			}
		}
		if n := rapid.Uint8Range(0, 5).Draw(t, "padding"); n > 0 {
			p.Padding, p.Header.PaddingSize = true, n
		}
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(b); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		agrees(t, b)
	})
}

func TestAppendHeader(t *testing.T) {
	got := AppendHeader([]byte("x"), 0xFF, 0x1234, 0x01020304, 0xCAFEBABE)
	if want := append([]byte("x"), unhex(t, "80 7f 1234 01020304 cafebabe")...); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := unhex(t, "90"+fixed+"bede0003 10aa 21bbbb 0000 32cccccc 00 dd")
	n := 0
	allocs := testing.AllocsPerRun(100, func() {
		h, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		h.Extensions(b, func(_ uint8, v []byte) bool { n += len(v); return true })
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
