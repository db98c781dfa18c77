package codec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"
)

// vp8Payload builds a payload. id is "w" and a 15-bit PictureID, "n" and a 7-bit
// one, or empty; tl0 is below 0 for none.
func vp8Payload(id string, tl0 int) []byte {
	b := []byte{0x90, 0}
	var v int
	switch {
	case strings.HasPrefix(id, "w"):
		fmt.Sscan(id[1:], &v)
		b[1] |= 0x80
		b = append(b, 0x80|byte(v>>8), byte(v))
	case strings.HasPrefix(id, "n"):
		fmt.Sscan(id[1:], &v)
		b[1] |= 0x80
		b = append(b, byte(v))
	}
	if tl0 >= 0 {
		b[1] |= 0x60
		b = append(b, byte(tl0), 0x43)
	}
	return append(b, 0xC0, 0xDE)
}

func TestVP8Continuity(t *testing.T) {
	type row struct {
		reset  bool
		id     string
		tl0    int
		wantID string
		wantT0 int
	}
	in := func(id string, tl0 int, wantID string, wantT0 int) row { return row{false, id, tl0, wantID, wantT0} }
	change := func(id string, tl0 int, wantID string, wantT0 int) row { return row{true, id, tl0, wantID, wantT0} }
	tests := []struct {
		name string
		rows []row
	}{
		{"nothing changes before a change", []row{in("w32767", 255, "w32767", 255), in("w0", 0, "w0", 0), in("w5", 3, "w5", 3)}},
		{"wide", []row{in("w100", 7, "w100", 7), in("w101", 8, "w101", 8),
			change("w30000", 200, "w102", 9), in("w30000", 200, "w102", 9), in("w30001", 201, "w103", 10)}},
		{"narrow", []row{in("n126", 255, "n126", 255), change("n3", 0, "n127", 0), in("n4", 1, "n0", 1), in("n5", 2, "n1", 2)}},
		{"wrap going out", []row{in("w32766", 254, "w32766", 254), change("w0", 0, "w32767", 255), in("w1", 1, "w0", 0)}},
		{"wrap coming in", []row{in("w10", 10, "w10", 10), change("w32767", 255, "w11", 11), in("w0", 0, "w12", 12)}},
		{"twice", []row{in("w10", 1, "w10", 1), change("w500", 50, "w11", 2), in("w501", 51, "w12", 3), change("w0", 0, "w13", 4)}},
		{"the same number again", []row{in("w10", 1, "w10", 1), change("w10", 1, "w11", 2)}},
		{"reordered before the change", []row{in("w11", 5, "w11", 5), in("w10", 4, "w10", 4), change("w0", 0, "w12", 6)}},
		{"reordered after the change", []row{in("w10", 5, "w10", 5), change("w0", 0, "w11", 6), in("w2", 2, "w13", 8), in("w1", 1, "w12", 7), change("w9", 9, "w14", 9)}},
		{"gap before the change", []row{in("w10", 5, "w10", 5), in("w20", 7, "w20", 7), change("w3", 0, "w21", 8)}},
		{"first with numbers after one without", []row{in("", -1, "", -1), change("w70", 9, "w70", 9), in("w71", 9, "w71", 9)}},
		{"one without between two with", []row{in("w10", 5, "w10", 5), change("", -1, "", -1), change("w70", 9, "w11", 6)}},
		{"narrow to wide", []row{in("n127", -1, "n127", -1), change("w300", -1, "w128", -1), in("w301", -1, "w129", -1)}},
		{"wide to narrow", []row{in("w300", -1, "w300", -1), change("n9", -1, "n45", -1), in("n10", -1, "n46", -1)}},
		{"reset before anything", []row{change("w300", 5, "w300", 5), in("w301", 6, "w301", 6)}},
		{"reset twice", []row{in("w1", 1, "w1", 1), change("", -1, "", -1), change("w9", 9, "w2", 2)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c VP8Continuity
			for i, r := range tt.rows {
				if r.reset {
					c.Reset()
				}
				got, want := vp8Payload(r.id, r.tl0), vp8Payload(r.wantID, r.wantT0)
				if err := c.Rewrite(got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("row %d: got %x, want %x", i, got, want)
				}
			}
		})
	}
}

func TestVP8ContinuityLeavesMalformedAlone(t *testing.T) {
	var c VP8Continuity
	_ = c.Rewrite(vp8Payload("w10", 1))
	c.Reset()
	bad := unhex(t, "90 80 80")
	if err := c.Rewrite(bad); err == nil || !bytes.Equal(bad, unhex(t, "90 80 80")) {
		t.Errorf("%x, %v", bad, err)
	}
	next := vp8Payload("w500", 9)
	if err := c.Rewrite(next); err != nil || !bytes.Equal(next, vp8Payload("w11", 2)) {
		t.Errorf("%x, %v", next, err)
	}
}

// Whatever the sources number, what goes out counts on by one, as pion reads it.
func TestVP8ContinuityOverManyChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c VP8Continuity
		want := -1
		for range rapid.IntRange(1, 6).Draw(t, "sources") {
			c.Reset()
			id := rapid.IntRange(0, 1<<15-1).Draw(t, "first")
			for range rapid.IntRange(1, 5).Draw(t, "frames") {
				if want < 0 {
					want = id
				}
				for range rapid.IntRange(1, 3).Draw(t, "packets") {
					b := vp8Payload(fmt.Sprintf("w%d", id), id&0xFF)
					if err := c.Rewrite(b); err != nil {
						t.Fatal(err)
					}
					var p codecs.VP8Packet
					if _, err := p.Unmarshal(b); err != nil || int(p.PictureID) != want || int(p.TL0PICIDX) != want&0xFF {
						t.Fatalf("PictureID %d, TL0PICIDX %d, %v; want %d", p.PictureID, p.TL0PICIDX, err, want)
					}
				}
				id, want = (id+1)&0x7FFF, (want+1)&0x7FFF
			}
		}
	})
}
