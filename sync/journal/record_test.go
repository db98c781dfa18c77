package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The bytes were written by hand from the grammar in record.go.
var vectors = []struct {
	name, hex string
	record    record
}{
	{
		"lines", "01 4c 0000000000000007 ac02 05 02 01 61 02 6263 01 01 01 70",
		record{writer: 7, batch: batch{pos: 300, order: 5, lines: text("a", "bc"), payloads: [][]byte{nil, []byte("p")}}},
	},
	{
		"replaced", "01 52 ffffffffffffffff 09 04 80 01 02 03 ac02 e807 08 04 01 01 7a 00",
		record{writer: 1<<64 - 1, batch: batch{pos: 9, order: 4}, replaced: &replaced{
			through: 128, seqs: []uint64{3, 300}, at: 1000, batch: batch{pos: 8, order: 4, lines: text("z")}}},
	},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var exported = cmp.AllowUnexported(record{}, batch{}, replaced{})

func TestRecordVectors(t *testing.T) {
	for _, v := range vectors {
		want := unhex(t, v.hex)
		if got := v.record.encode(); !bytes.Equal(got, want) {
			t.Errorf("%s: encoded as %x, want %x", v.name, got, want)
		}
		got, err := decodeRecord(want)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if d := cmp.Diff(v.record, *got, exported); d != "" {
			t.Errorf("%s: %s", v.name, d)
		}
	}
}

func TestRecordRefused(t *testing.T) {
	const head = "014c0000000000000007"
	for name, s := range map[string]string{
		"empty":                     "",
		"another version":           "024c0000000000000007 01 00 01 01 61 00",
		"another kind":              "014d0000000000000007 01 00 01 01 61 00",
		"no lines":                  head + "01 00 00 00",
		"more lines than positions": head + "01 00 02 01 61 01 62 00",
		"a byte too many":           head + "01 00 01 01 61 00 00",
		"cut off":                   head + "01 00 01 01 61",
		"a long zero":               head + "01 8000 01 01 61 00",
		"a line over the end":       head + "01 00 01 05 61 00",
		"payload of no line":        head + "01 00 01 01 61 01 01 01 70",
		"payloads out of order":     head + "02 00 02 01 61 01 62 02 01 01 70 00 01 70",
		"replaced behind the end":   "01520000000000000007 01 00 00 00 00 02 00 01 01 61 00",
		"sequences out of order":    "01520000000000000007 01 00 00 02 05 05 00 01 00 01 01 61 00",
	} {
		if r, err := decodeRecord(unhex(t, s)); !errors.Is(err, errFraming) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func drawBatch(r *rapid.T) batch {
	blob := rapid.SliceOfN(rapid.Byte(), 0, 200)
	b := batch{lines: rapid.SliceOfN(blob, 1, 20).Draw(r, "lines"), order: rapid.Uint64().Draw(r, "order")}
	b.pos = rapid.Uint64Range(uint64(len(b.lines)), 1<<63).Draw(r, "pos")
	for i := range b.lines {
		if rapid.Bool().Draw(r, "payload") {
			if b.payloads == nil {
				b.payloads = make([][]byte, len(b.lines))
			}
			b.payloads[i] = append([]byte{}, blob.Draw(r, "data")...)
		}
	}
	return b
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := record{writer: rapid.Uint64().Draw(r, "writer")}
		if b := drawBatch(r); rapid.Bool().Draw(r, "replaced") {
			seqs := rapid.SliceOfNDistinct(rapid.Uint64Min(1), 0, 20, rapid.ID).Draw(r, "seqs")
			slices.Sort(seqs)
			want.replaced = &replaced{through: rapid.Uint64().Draw(r, "through"), seqs: seqs,
				at: rapid.Int64Min(0).Draw(r, "at"), batch: b}
			want.pos, want.order = b.pos+1, b.order
		} else {
			want.batch = b
		}
		got, err := decodeRecord(want.encode())
		if err != nil {
			r.Fatal(err)
		}
		if want.replaced != nil && len(want.replaced.seqs) == 0 {
			want.replaced.seqs = nil
		}
		if d := cmp.Diff(want, *got, exported); d != "" {
			r.Fatal(d)
		}
	})
}

// What is decoded has no other encoding, and nothing makes the decoder fail or use
// memory out of proportion.
func FuzzDecodeRecord(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if again := r.encode(); !bytes.Equal(again, b) {
			t.Errorf("%x was decoded and is encoded as %x", b, again)
		}
	})
}
