package marker

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// markerVectors is the form of testdata/vectors/marker.json, which is written by
// hand from docs/protocol.md, section 3.
type markerVectors struct {
	URI    string
	Accept []struct {
		Name, Hex, Flags, Digest string
		Kind                     Kind
		Epoch                    uint16
		Seq                      uint32
		RefTS                    uint32 `json:"ref_ts"`
	}
	AcceptOnly []struct {
		Name, Hex string
		SameAs    string `json:"same_as"`
	} `json:"accept_only"`
	Refuse []struct{ Name, Hex string }
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestExtensionVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/marker.json")
	if err != nil {
		t.Fatal(err)
	}
	var v markerVectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if v.URI != URI {
		t.Errorf("URI is %q, want %q", URI, v.URI)
	}
	if len(v.Accept) < 8 || len(v.AcceptOnly) < 2 || len(v.Refuse) < 10 {
		t.Fatal("vectors are missing")
	}
	for _, a := range v.Accept {
		b := unhex(t, a.Hex)
		want := Extension{
			Kind: a.Kind, Epoch: a.Epoch, Seq: a.Seq, RefTS: a.RefTS, Digest: [4]byte(unhex(t, a.Digest)),
			Late: strings.Contains(a.Flags, "L"), Repeat: strings.Contains(a.Flags, "R"),
			More: strings.Contains(a.Flags, "M"), Void: strings.Contains(a.Flags, "X"),
		}
		if got, err := ParseExtension(b); err != nil || got != want {
			t.Errorf("%s: parsed %+v, %v; want %+v", a.Name, got, err, want)
		}
		var dst [ExtensionSize]byte
		if n := want.Put(dst[:]); !bytes.Equal(dst[:n], b) {
			t.Errorf("%s: put %x, want %x", a.Name, dst[:n], b)
		}
	}
	for _, a := range v.AcceptOnly {
		got, err := ParseExtension(unhex(t, a.Hex))
		want, _ := ParseExtension(unhex(t, a.SameAs))
		if err != nil || got != want {
			t.Errorf("%s: parsed %+v, %v; want %+v", a.Name, got, err, want)
		}
	}
	for _, r := range v.Refuse {
		if got, err := ParseExtension(unhex(t, r.Hex)); err != ErrExtension {
			t.Errorf("%s: parsed %+v, %v; want ErrExtension", r.Name, got, err)
		}
	}
}

func TestParseExtensionTakesUnknownKinds(t *testing.T) {
	b := unhex(t, "40c80001 00000001 00000002 00000003")
	if x, err := ParseExtension(b); err != nil || x.Kind != 200 {
		t.Errorf("got %+v, %v", x, err)
	}
}

func TestExtensionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flag := rapid.Bool()
		x := Extension{
			Kind: Kind(rapid.Uint8().Draw(t, "kind")), Late: flag.Draw(t, "l"), Repeat: flag.Draw(t, "r"),
			More: flag.Draw(t, "m"), Void: flag.Draw(t, "x"), Epoch: rapid.Uint16().Draw(t, "epoch"),
			Seq: rapid.Uint32().Draw(t, "seq"), RefTS: rapid.Uint32().Draw(t, "ts"),
			Digest: [4]byte{rapid.Byte().Draw(t, "digest")},
		}
		if x.Kind == Heartbeat {
			x = Extension{Epoch: x.Epoch, Seq: x.Seq}
		}
		dst := bytes.Repeat([]byte{0xAA}, ExtensionSize)
		n := x.Put(dst)
		if got, err := ParseExtension(dst[:n]); err != nil || got != x {
			t.Fatalf("got %+v, %v; want %+v", got, err, x)
		}
	})
}

func FuzzParseExtension(f *testing.F) {
	f.Add([]byte("\x40\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"))
	f.Add([]byte("\x40\x00\x00\x01\x00\x00\x00\x7b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ParseExtension(b)
		if err != nil {
			return
		}
		var dst [ExtensionSize]byte
		n := x.Put(dst[:])
		want := bytes.Clone(b)
		want[0] &= 0xFC // reserved bits
		if x.Kind == Heartbeat {
			want[0] &= 0xC0
		}
		if !bytes.Equal(dst[:n], want) {
			t.Fatalf("put %x, want %x", dst[:n], want)
		}
	})
}

func TestExtensionAllocatesNothing(t *testing.T) {
	var dst [ExtensionSize]byte
	x := Extension{Kind: Outcome, Late: true, Seq: 5}
	if n := testing.AllocsPerRun(100, func() {
		x.Put(dst[:])
		if _, err := ParseExtension(dst[:]); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
