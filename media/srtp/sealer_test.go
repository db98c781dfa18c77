package srtp

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/framelock/relay/media/packet"
)

var profiles = []struct {
	profile   srtp.ProtectionProfile
	key, salt int
}{
	{srtp.ProtectionProfileAeadAes128Gcm, 16, 12},
	{srtp.ProtectionProfileAeadAes256Gcm, 32, 12},
	{srtp.ProtectionProfileAes128CmHmacSha1_80, 16, 14},
}

func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

// What is sealed here, pion opens: over several roll-overs, for payloads of any
// size, that lie behind the header or elsewhere.
func TestPionOpensWhatIsSealed(t *testing.T) {
	for _, tt := range profiles {
		t.Run(tt.profile.String(), func(t *testing.T) {
			key, salt := sequence(tt.key), sequence(tt.salt)
			s, err := NewSealer(tt.profile, key, salt)
			if err != nil {
				t.Fatal(err)
			}
			peer, err := srtp.CreateContext(key, salt, tt.profile)
			if err != nil {
				t.Fatal(err)
			}
			memory := make([]byte, 0, packet.MaxSize)
			for index := uint32(1); index < 3<<16; index += 997 {
				payload := sequence(int(index) % 1300)
				b := packet.AppendHeader(memory, 96, uint16(index), index*3, 0xC0FFEE01)
				if index%2 == 0 { // in place
					payload = append(b[len(b):], payload...)
				}
				want := bytes.Clone(payload)
				sealed, err := s.Seal(b, payload, index>>16)
				if err != nil {
					t.Fatal(err)
				}
				if len(sealed) > len(b)+len(want)+Overhead {
					t.Fatalf("sealing added %d bytes", len(sealed)-len(b)-len(want))
				}
				opened, err := peer.DecryptRTP(nil, sealed, nil)
				if err != nil {
					t.Fatalf("packet %d: %v", index, err)
				}
				var p rtp.Packet
				if err := p.Unmarshal(opened); err != nil || !bytes.Equal(p.Payload, want) {
					t.Fatalf("packet %d: opened to another payload (%v)", index, err)
				}
				if bytes.Contains(sealed, want) && len(want) > 8 {
					t.Fatalf("packet %d is not encrypted", index)
				}
			}
		})
	}
}

func TestSaltOfTheWrongSize(t *testing.T) {
	if _, err := NewSealer(srtp.ProtectionProfileAeadAes128Gcm, sequence(16), sequence(14)); err == nil {
		t.Error("no error")
	}
	if _, err := NewSealer(srtp.ProtectionProfileAeadAes128Gcm, sequence(15), sequence(12)); err == nil {
		t.Error("no error")
	}
}

func TestSealAllocatesNothing(t *testing.T) {
	s, err := NewSealer(srtp.ProtectionProfileAeadAes128Gcm, sequence(16), sequence(12))
	if err != nil {
		t.Fatal(err)
	}
	memory, payload := make([]byte, 0, packet.MaxSize), sequence(1200)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = s.Seal(packet.AppendHeader(memory, 96, 1, 2, 3), payload, 0)
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, tt := range profiles {
		b.Run(tt.profile.String(), func(b *testing.B) {
			s, err := NewSealer(tt.profile, sequence(tt.key), sequence(tt.salt))
			if err != nil {
				b.Fatal(err)
			}
			memory, payload := make([]byte, 0, packet.MaxSize), sequence(1200)
			b.ReportAllocs()
			for i := range b.N {
				_, _ = s.Seal(packet.AppendHeader(memory, 96, uint16(i), 2, 3), payload, uint32(i>>16))
			}
		})
	}
}
