package codec

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp/codecs"
)

// The parameter sets of the examples in RFC 3984, section 8.2.1.
const rfcSprop = "Z0IACpZTBYmI,aMljiA=="

func TestParseSprop(t *testing.T) {
	want := ParameterSets{unhex(t, "67 42 00 0a 96 53 05 89 88"), unhex(t, "68 c9 63 88")}
	for _, s := range []string{rfcSprop, "Z0IACpZTBYmI,aMljiA", " Z0IACpZTBYmI , aMljiA== "} {
		got, err := ParseSprop(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, s := range []string{
		"", ",", "Z0IACpZTBYmI", "aMljiA==", "Z0IACpZTBYmI,", "Z0IACpZTBYmI,!", "Z0IACpZTBYmI,aMljiA==,eA==",
		"Z0IACpZTBYmI,aMlj" + strings.Repeat("AAAA", 500),
	} {
		if got, err := ParseSprop(s); err == nil {
			t.Errorf("%.40q: %x", s, got)
		}
	}
}

func TestAppendSTAPA(t *testing.T) {
	sets, err := ParseSprop(rfcSprop)
	if err != nil {
		t.Fatal(err)
	}
	got := AppendSTAPA([]byte{0xAA}, sets)
	if want := unhex(t, "aa 78 0009 67420 00a9653058988 0004 68c96388"); !bytes.Equal(got, want) {
		t.Fatalf("got %x, want %x", got, want)
	}
	// pion, written independently, takes it apart again.
	annexB, err := (&codecs.H264Packet{}).Unmarshal(got[1:])
	if want := unhex(t, "00000001 67420 00a9653058988 00000001 68c96388"); err != nil || !bytes.Equal(annexB, want) {
		t.Errorf("pion reads %x, %v; want %x", annexB, err, want)
	}
	if f, err := Inspect(H264, got[1:]); err != nil || f != (Facts{SPS: true, PPS: true}) {
		t.Errorf("facts %+v, %v", f, err)
	}
	// F is or-ed, NRI the highest.
	if got := AppendSTAPA(nil, [][]byte{{0x27}, {0xA8}, {0x48}})[0]; got != 0xD8 {
		t.Errorf("header %#x, want 0xd8", got)
	}
}

func TestProfileLevelID(t *testing.T) {
	if got, err := ProfileLevelID(unhex(t, "67 42 A0 1E 96")); err != nil || got != "42a01e" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, s := range []string{"", "67 42 a0", "68 42 a0 1e"} {
		if got, err := ProfileLevelID(unhex(t, s)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
}

func FuzzParseSprop(f *testing.F) {
	f.Add(rfcSprop)
	f.Fuzz(func(t *testing.T, s string) {
		sets, err := ParseSprop(s)
		if err != nil {
			return
		}
		stap := AppendSTAPA(nil, sets)
		if facts, err := Inspect(H264, stap); err != nil || !facts.SPS || !facts.PPS || len(stap) > maxParameterSets {
			t.Fatalf("%d bytes, facts %+v, %v", len(stap), facts, err)
		}
	})
}
