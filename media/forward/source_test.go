package forward

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

var (
	studio  = netip.MustParseAddrPort("192.0.2.1:4000")
	sibling = netip.MustParseAddrPort("192.0.2.1:4002") // the same host
	rival   = netip.MustParseAddrPort("198.51.100.7:4000")
)

const studioSSRC = 0xCAFEBABE

// TestSourceLock: at is in ms; the lock is released after 2 s of silence.
func TestSourceLock(t *testing.T) {
	type row struct {
		from netip.AddrPort
		ssrc uint32
		pt   uint8
		at   int
		bye  bool
		want Admission
	}
	media := func(from netip.AddrPort, ssrc uint32, at int, want Admission) row {
		return row{from: from, ssrc: ssrc, pt: 96, at: at, want: want}
	}
	bye := func(from netip.AddrPort, ssrc uint32) row { return row{from: from, ssrc: ssrc, bye: true} }
	tests := []struct {
		name string
		lock SourceLock
		rows []row
	}{
		{"first sender", SourceLock{}, []row{media(studio, 1, 0, Locked), media(studio, 1, 10, Admitted), media(rival, 1, 20, Foreign),
			media(rival, 2, 20, Foreign), media(sibling, 1, 20, Foreign), media(studio, 1, 30, Admitted)}},
		{"wrong type takes no lock", SourceLock{}, []row{{rival, 1, 97, 0, false, WrongType}, media(studio, 1, 0, Locked), {studio, 1, 97, 1, false, WrongType}}},
		{"silence", SourceLock{}, []row{media(studio, 1, 0, Locked), media(rival, 2, 1999, Foreign), media(rival, 2, 2000, Locked), media(studio, 1, 2001, Foreign)}},
		{"a foreigner does not keep the lock alive, nor the wrong type", SourceLock{}, []row{media(studio, 1, 0, Locked), media(rival, 2, 1000, Foreign),
			{studio, 1, 97, 1900, false, WrongType}, media(rival, 2, 2000, Locked)}},
		{"the holder comes back after silence", SourceLock{}, []row{media(studio, 1, 0, Locked), media(studio, 1, 60_000, Admitted), media(rival, 2, 61_999, Foreign)}},
		{"new SSRC from the same socket", SourceLock{}, []row{media(studio, 1, 0, Locked), media(studio, 2, 99, Foreign), media(studio, 2, 100, Locked),
			media(studio, 1, 101, Foreign), media(studio, 2, 102, Admitted)}},
		{"two SSRCs from one socket", SourceLock{}, []row{media(studio, 1, 0, Locked), media(studio, 2, 1, Foreign), media(studio, 1, 80, Admitted),
			media(studio, 2, 150, Foreign), media(studio, 1, 160, Admitted), media(studio, 2, 259, Foreign)}},
		{"goodbye", SourceLock{}, []row{media(studio, 1, 0, Locked), bye(studio, 1), media(rival, 2, 1, Locked)}},
		{"goodbye from the RTCP port", SourceLock{}, []row{media(studio, 1, 0, Locked), bye(sibling, 1), media(studio, 2, 1, Locked)}},
		{"what was on its way at the goodbye", SourceLock{}, []row{
			media(studio, 1, 0, Locked), bye(studio, 1), media(studio, 1, 5, Admitted), media(rival, 2, 6, Locked), media(studio, 1, 7, Foreign),
		}},
		{"back after a goodbye", SourceLock{}, []row{media(studio, 1, 0, Locked), bye(studio, 1), media(studio, 1, 100, Locked)}},
		{"goodbye of somebody else", SourceLock{}, []row{media(studio, 1, 0, Locked), bye(rival, 1), bye(studio, 2), media(rival, 2, 1, Foreign)}},
		{"a described SSRC", SourceLock{SSRC: 7}, []row{media(studio, 1, 0, Foreign), media(studio, 7, 1, Locked), media(studio, 1, 60_000, Foreign), media(rival, 7, 60_001, Locked)}},
		{"allow list", SourceLock{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
			[]row{media(rival, 1, 0, Refused), media(netip.MustParseAddrPort("[::ffff:198.51.100.7]:4000"), 1, 0, Refused),
				media(netip.MustParseAddrPort("[2001:db9::1]:4000"), 1, 0, Refused), media(netip.MustParseAddrPort("[2001:db8::1]:4000"), 1, 0, Locked)}},
		{"allow list, mapped address", SourceLock{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
			[]row{media(netip.MustParseAddrPort("[::ffff:192.0.2.1]:4000"), 1, 0, Locked)}},
		{"refused while the lock is held", SourceLock{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}},
			[]row{media(studio, 1, 0, Locked), media(rival, 1, 60_000, Refused), media(sibling, 1, 60_001, Locked)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.lock
			l.PayloadType, l.Silence = 96, 2*time.Second
			if _, _, ok := l.Holder(); ok {
				t.Error("somebody holds the lock from the start")
			}
			for i, r := range tt.rows {
				if r.bye {
					l.Goodbye(r.from.Addr(), r.ssrc, start.Add(ms(r.at)))
					continue
				}
				if got := l.Admit(r.from, r.ssrc, r.pt, start.Add(ms(r.at))); got != r.want {
					t.Fatalf("row %d: %v from %v, want %v", i, got, r.from, r.want)
				}
				if from, ssrc, ok := l.Holder(); r.want == Locked && (!ok || from != r.from || ssrc != r.ssrc) {
					t.Errorf("row %d: the holder is %v %d %v", i, from, ssrc, ok)
				}
			}
		})
	}
}

// Somebody who knows SSRC and payload type sends 10,000 packets from every port of
// the studio's own host and from elsewhere, between packets of the studio: none
// is heard.
func TestForgedPackets(t *testing.T) {
	l := SourceLock{PayloadType: 96, Silence: 2 * time.Second}
	now, admitted := start, 0
	l.Admit(studio, studioSSRC, 96, now)
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		now = now.Add(100 * time.Microsecond)
		from := netip.AddrPortFrom(studio.Addr(), uint16(dice.IntN(1<<16)))
		if i%2 == 0 {
			from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(dice.IntN(256)), 51, 100, byte(i)}), studio.Port())
		}
		ssrc := uint32(studioSSRC)
		if i%3 == 0 {
			ssrc = dice.Uint32()
		}
		if from != studio && l.Admit(from, ssrc, 96, now) != Foreign {
			admitted++
		}
		if i%300 == 0 && l.Admit(studio, studioSSRC, 96, now) != Admitted {
			t.Fatal("the studio is not heard any more")
		}
	}
	if admitted != 0 {
		t.Errorf("%d forged packets were heard", admitted)
	}
}

func TestTracksHaveTheNamesOfTheProtocol(t *testing.T) {
	if Video.String() != "v0" || Audio.String() != "a0" {
		t.Errorf("%v and %v", Video, Audio)
	}
}
