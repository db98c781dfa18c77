// Package srtp encrypts a viewer's RTP (RFC 3711; AES-GCM as RFC 7714 says). It
// seals a packet in the very memory that is sent from.
package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Overhead is the most that sealing adds to a packet, in bytes.
const Overhead = 16

// Sealer encrypts the RTP of one session. One goroutine owns it.
type Sealer struct {
	gcm   cipher.AEAD
	salt  [saltSize]byte
	nonce [saltSize]byte

	// For profiles without GCM, pion's context does it.
	context *srtp.Context
	header  rtp.Header
	plain   []byte
}

const saltSize = 12 // RFC 7714, section 12

// Labels of the key derivation (RFC 3711, section 4.3.2).
const (
	labelEncryption = 0x00
	labelSalt       = 0x02
)

// NewSealer returns the sealer for a session's master key and salt, in the sizes
// that the profile asks for (RFC 5764, section 4.1.2; RFC 7714, section 14.2).
func NewSealer(profile srtp.ProtectionProfile, key, salt []byte) (*Sealer, error) {
	s := &Sealer{}
	var err error
	if profile != srtp.ProtectionProfileAeadAes128Gcm && profile != srtp.ProtectionProfileAeadAes256Gcm {
		s.context, err = srtp.CreateContext(key, salt, profile)
		return s, err
	}
	if len(salt) != saltSize {
		return nil, fmt.Errorf("an SRTP salt of %d bytes; %s needs %d", len(salt), profile, saltSize)
	}
	master, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	session, err := aes.NewCipher(derive(master, salt, labelEncryption, len(key)))
	if err != nil {
		return nil, err
	}
	copy(s.salt[:], derive(master, salt, labelSalt, saltSize))
	s.gcm, err = cipher.NewGCM(session)
	return s, err
}

// derive is the key derivation with a rate of 0 (RFC 3711, section 4.3.3; RFC
// 7714, section 11: a salt of 96 bits counts as one of 112 that ends in zeros).
func derive(master cipher.Block, salt []byte, label byte, size int) []byte {
	var in [aes.BlockSize]byte
	copy(in[:], salt)
	in[7] ^= label
	out := make([]byte, 0, size+aes.BlockSize)
	for i := uint16(0); len(out) < size; i++ {
		binary.BigEndian.PutUint16(in[aes.BlockSize-2:], i)
		master.Encrypt(out[len(out):len(out)+aes.BlockSize], in[:])
		out = out[:len(out)+aes.BlockSize]
	}
	return out[:size]
}

// Seal encrypts a packet. b holds its RTP header, and has room behind it for the
// payload and Overhead more bytes; payload may be what already lies right behind
// the header, or lie elsewhere, and is not changed then. rollover is how often the
// packet's sequence number has wrapped (RFC 3711, section 3.3.1). Seal returns b
// with what goes on the wire.
func (s *Sealer) Seal(b, payload []byte, rollover uint32) ([]byte, error) {
	if s.gcm == nil {
		return s.sealOther(b, payload)
	}
	// RFC 7714, section 8.1: two zero bytes, SSRC, ROC and SEQ, xored with the salt.
	n := &s.nonce
	*n = s.salt
	binary.BigEndian.PutUint32(n[2:], binary.BigEndian.Uint32(n[2:])^binary.BigEndian.Uint32(b[8:]))
	binary.BigEndian.PutUint32(n[6:], binary.BigEndian.Uint32(n[6:])^rollover)
	binary.BigEndian.PutUint16(n[10:], binary.BigEndian.Uint16(n[10:])^binary.BigEndian.Uint16(b[2:]))
	return s.gcm.Seal(b, n[:], payload, b), nil
}

// sealOther has pion encrypt, which counts the roll-overs by itself.
func (s *Sealer) sealOther(b, payload []byte) ([]byte, error) {
	s.plain = append(append(s.plain[:0], b...), payload...)
	sealed, err := s.context.EncryptRTP(b[:0], s.plain, &s.header)
	if err != nil {
		return nil, err
	}
	return sealed, nil
}
