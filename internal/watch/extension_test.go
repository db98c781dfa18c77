package watch

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The expected values are worked out by hand from the layout in
// docs/protocol.md, section 3.
func TestParseMark(t *testing.T) {
	tests := []struct {
		name, hex string
		want      mark
		bad       bool
	}{
		{name: "outcome", hex: "4006 0001 0000007c 91848000 deadbeef", want: mark{kind: 6, epoch: 1, seq: 124, refTS: 0x91848000, digest: [4]byte{0xde, 0xad, 0xbe, 0xef}}},
		{name: "late", hex: "6001 0000 00000001 00000000 00000000", want: mark{late: true, kind: 1, seq: 1}},
		{name: "repeat", hex: "5001 0000 00000001 00000000 00000000", want: mark{repeat: true, kind: 1, seq: 1}},
		{name: "more", hex: "4801 0000 00000001 00000000 00000000", want: mark{more: true, kind: 1, seq: 1}},
		{name: "void", hex: "4407 ffff ffffffff ffffffff ffffffff", want: mark{void: true, kind: 7, epoch: 0xffff, seq: 0xffffffff, refTS: 0xffffffff, digest: [4]byte{255, 255, 255, 255}}},
		{name: "heartbeat", hex: "4000 0002 00000100", want: mark{heartbeat: true, epoch: 2, seq: 256}},
		{name: "version 0", hex: "0001 0000 00000001 00000000 00000000", bad: true},
		{name: "version 2", hex: "8001 0000 00000001 00000000 00000000", bad: true},
		{name: "short", hex: "4001 0000 00000001 00000000 000000", bad: true},
		{name: "long", hex: "4001 0000 00000001 00000000 00000000 00", bad: true},
		{name: "long heartbeat", hex: "4000 0000 00000001 00000000 00000000", bad: true},
		{name: "marker in 8 bytes", hex: "4001 0000 00000001", bad: true},
		{name: "empty", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseMark(unhex(t, tt.hex))
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(mark{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	var digits []byte
	for _, c := range []byte(s) {
		if c != ' ' {
			digits = append(digits, c)
		}
	}
	b, err := hex.DecodeString(string(digits))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzParseMark(f *testing.F) {
	f.Add([]byte{0x40, 6, 0, 1, 0, 0, 0, 124, 0x91, 0x84, 0x80, 0, 0xde, 0xad, 0xbe, 0xef})
	f.Add([]byte{0x40, 0, 0, 2, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMark(b)
		if err == nil && m.heartbeat != (len(b) == 8) {
			t.Errorf("%x is read as %+v", b, m)
		}
	})
}

func TestNTPTime(t *testing.T) {
	// RFC 5905, figure 4: 1 January 1970 is 2,208,988,800 s into era 0.
	got := ntpTime(2208988800<<32 | 1<<31)
	if want := time.Unix(0, 5e8).UTC(); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
