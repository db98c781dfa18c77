package packet

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The seconds are those of RFC 5905, figure 4, and RFC 868; the fractions are
// binary fractions that can be read off.
func TestNTP(t *testing.T) {
	tests := []struct {
		time string
		ntp  uint64
	}{
		{"1970-01-01T00:00:00Z", 2208988800 << 32},
		{"1999-12-31T00:00:00Z", 3155587200 << 32},
		{"1980-01-01T00:00:00Z", 2524521600 << 32},
		{"1970-01-01T00:00:00.5Z", 2208988800<<32 | 1<<31},
		{"1970-01-01T00:00:00.25Z", 2208988800<<32 | 1<<30},
		{"1970-01-01T00:00:00.001953125Z", 2208988800<<32 | 1<<23},
		{"1970-01-01T01:00:00+01:00", 2208988800 << 32},
		{"2036-02-07T06:28:15Z", 0xFFFFFFFF << 32},
		{"2036-02-07T06:28:16Z", 0},
		{"2036-02-07T06:28:17.5Z", 1<<32 | 1<<31},
	}
	for _, tt := range tests {
		at, err := time.Parse(time.RFC3339Nano, tt.time)
		if err != nil {
			t.Fatal(err)
		}
		if got := NTP(at); got != tt.ntp {
			t.Errorf("NTP(%s) = %#x, want %#x", tt.time, got, tt.ntp)
		}
		if got := FromNTP(tt.ntp); !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("FromNTP(%#x) = %v, want %s", tt.ntp, got, tt.time)
		}
	}
	// The largest fraction rounds to the next second.
	if got := FromNTP(2208988800<<32 | 0xFFFFFFFF); !got.Equal(time.Unix(1, 0)) {
		t.Errorf("the last fraction of a second is %v", got)
	}
}

func TestNTPRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// 1968 to 2104.
		at := time.Unix(rapid.Int64Range(-61505152, 4233462143).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		n := NTP(at)
		if got := FromNTP(n); !got.Equal(at) {
			t.Fatalf("%v came back as %v", at, got)
		}
		// Rounded down: n/2^32 <= fraction < (n+1)/2^32.
		fraction := big.NewRat(int64(at.Nanosecond()), 1e9)
		low := big.NewRat(int64(n&0xFFFFFFFF), 1<<32)
		high := big.NewRat(int64(n&0xFFFFFFFF)+1, 1<<32)
		if low.Cmp(fraction) > 0 || high.Cmp(fraction) <= 0 {
			t.Fatalf("%d ns are %v/2^32", at.Nanosecond(), n&0xFFFFFFFF)
		}
	})
}

func TestFromNTPIsTheNearestNanosecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 2208988800<<32 | uint64(rapid.Uint32().Draw(t, "fraction"))
		exact := new(big.Rat).Mul(big.NewRat(int64(n&0xFFFFFFFF), 1<<32), big.NewRat(1e9, 1))
		off := new(big.Rat).Sub(exact, big.NewRat(FromNTP(n).UnixNano(), 1))
		if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 {
			t.Fatalf("%#x is %v, %v ns off", n, FromNTP(n), off)
		}
	})
}
