package whep

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func TestLimiter(t *testing.T) {
	type step struct {
		at      time.Duration
		address string
		wait    time.Duration // 0: allowed
	}
	for _, tt := range []struct {
		name  string
		rate  float64
		burst int
		steps []step
	}{
		{"burst, then rate", 2, 3, []step{
			{0, "192.0.2.1", 0}, {0, "192.0.2.1", 0}, {0, "192.0.2.1", 0},
			{0, "192.0.2.1", 500 * time.Millisecond},
			{400 * time.Millisecond, "192.0.2.1", 100 * time.Millisecond},
			{500 * time.Millisecond, "192.0.2.1", 0},
			{500 * time.Millisecond, "192.0.2.1", 500 * time.Millisecond},
			{10 * time.Second, "192.0.2.1", 0}, {10 * time.Second, "192.0.2.1", 0}, {10 * time.Second, "192.0.2.1", 0},
			{10 * time.Second, "192.0.2.1", 500 * time.Millisecond},
		}},
		{"each its own", 1, 1, []step{{0, "192.0.2.1", 0}, {0, "192.0.2.2", 0}, {0, "192.0.2.1", time.Second}}},
		{"a mapped address is the same", 1, 1, []step{{0, "192.0.2.1", 0}, {0, "::ffff:192.0.2.1", time.Second}}},
		{"a /64 is one", 1, 1, []step{
			{0, "2001:db8:0:1::1", 0}, {0, "2001:db8:0:1:ffff::2", time.Second}, {0, "2001:db8:0:2::1", 0},
			{0, "fe80::1%eth0", 0}, {0, "fe80::2%eth1", time.Second},
		}},
		{"loopback has none", 1, 1, []step{{0, "127.0.0.1", 0}, {0, "127.0.0.1", 0}, {0, "::1", 0}, {0, "::1", 0}}},
		{"no address is one", 1, 1, []step{{0, "", 0}, {0, "", time.Second}}},
		{"no limit", -1, 1, []step{{0, "192.0.2.1", 0}, {0, "192.0.2.1", 0}, {0, "192.0.2.1", 0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLimiter(tt.rate, tt.burst)
			for i, s := range tt.steps {
				address, _ := netip.ParseAddr(s.address)
				wait, ok := l.allow(address, epoch.Add(s.at))
				if ok != (s.wait == 0) || (wait-s.wait).Abs() > time.Microsecond {
					t.Errorf("step %d: %v, wait %v; want %v", i, ok, wait, s.wait)
				}
			}
		})
	}
}

func numbered(i uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|i)
	return netip.AddrFrom4(b)
}

func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(1, 2)
	for i := range uint32(maxAddresses) {
		if _, ok := l.allow(numbered(i), epoch); !ok {
			t.Fatal("refused the first of an address")
		}
	}
	// Those that come then share a limit.
	for i, want := range []bool{true, true, false} {
		if _, ok := l.allow(numbered(uint32(maxAddresses+i)), epoch); ok != want {
			t.Errorf("overflow %d: %v", i, ok)
		}
	}
	if _, ok := l.allow(numbered(0), epoch); !ok {
		t.Error("an address that is remembered suffers for the others")
	}
	// A second later all but the address that was used twice are idle again.
	if _, ok := l.allow(numbered(1<<20), epoch.Add(time.Second)); !ok {
		t.Error("refused after the others were idle")
	}
	if len(l.byAddress) != 2 {
		t.Errorf("%d addresses are remembered, want 2", len(l.byAddress))
	}
}

// TestLimiterHolds checks the promise: at most burst + rate x time.
func TestLimiterHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.Float64Range(0.1, 50).Draw(t, "rate")
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		l := newLimiter(perSecond, burst)
		now, allowed := epoch, 0
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "ms")) * time.Millisecond)
			wait, ok := l.allow(numbered(1), now)
			if ok {
				allowed++
			} else if wait <= 0 || wait > time.Duration(float64(time.Second)/perSecond)+time.Millisecond {
				t.Fatalf("wait %v", wait)
			}
		}
		if most := float64(burst) + perSecond*now.Sub(epoch).Seconds() + 1e-6; float64(allowed) > most {
			t.Fatalf("%d allowed, at most %v", allowed, most)
		}
	})
}
