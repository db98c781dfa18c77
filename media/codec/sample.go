package codec

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Sample puts the payloads of one frame together into the bytes that a file holds
// for it (RFC 9559 and its codec mappings):
//
//   - H.264: for each NAL unit its length in four bytes and the unit, with STAP-A
//     and FU-A undone; parameter sets stay where they were;
//   - VP8: the payloads without their descriptors;
//   - Opus: the payload.
//
// Reset comes first. The zero value is ready for it.
type Sample struct {
	codec Codec
	units nalUnits
	bytes []byte
	begun int // where the newest NAL unit's length is
}

// Reset begins a frame of codec c. What Bytes returned before is no longer valid.
func (s *Sample) Reset(c Codec) { *s = Sample{codec: c, bytes: s.bytes[:0]} }

// Add takes the frame's next payload in RTP order. Errors wrap ErrMalformed or
// ErrUnsupported; after one, the frame is no use.
func (s *Sample) Add(payload []byte) error {
	switch {
	case len(payload) == 0:
		return errEmpty
	case s.codec == H264:
		return s.units.add(payload, s)
	case s.codec == VP8:
		d, err := ParseVP8(payload)
		if err != nil {
			return err
		}
		payload = payload[d.Size:]
	case s.codec != Opus:
		return errCodec
	}
	s.bytes = append(s.bytes, payload...)
	return nil
}

// beginNAL implements nalSink.
func (s *Sample) beginNAL(header byte, body []byte) {
	s.begun = len(s.bytes)
	s.bytes = append(s.bytes, 0, 0, 0, 0, header)
	s.goOnNAL(body)
}

// goOnNAL implements nalSink.
func (s *Sample) goOnNAL(body []byte) {
	s.bytes = append(s.bytes, body...)
	binary.BigEndian.PutUint32(s.bytes[s.begun:], uint32(len(s.bytes)-s.begun-4))
}

// Complete reports whether the payloads so far end with a whole NAL unit.
func (s *Sample) Complete() bool { return len(s.bytes) > 0 && !s.units.open }

// Bytes returns the frame so far. They are valid until the next Reset.
func (s *Sample) Bytes() []byte { return s.bytes }

var errSampleNAL = fmt.Errorf("%w: the lengths of the H.264 sample's NAL units do not fill it", ErrMalformed)

// NALUnits calls yield for each NAL unit of an H.264 sample, until it returns
// false. No unit is empty.
func NALUnits(sample []byte, yield func(nal []byte) bool) error {
	for len(sample) > 0 {
		if len(sample) < 4 {
			return errSampleNAL
		}
		n := uint64(binary.BigEndian.Uint32(sample))
		if n == 0 || n > uint64(len(sample)-4) {
			return errSampleNAL
		}
		if !yield(sample[4 : 4+n]) {
			return nil
		}
		sample = sample[4+n:]
	}
	return nil
}

// HashSample returns the frame hash of a frame from its sample: what FrameHash
// gives for the payloads that it was made of.
func HashSample(c Codec, sample []byte) (sum [sha256.Size]byte, err error) {
	switch c {
	case VP8:
		return sha256.Sum256(sample), nil
	case H264:
		h := sha256.New()
		err := NALUnits(sample, func(nal []byte) bool {
			h.Write([]byte{0, 0, 0, 1})
			h.Write(nal)
			return true
		})
		h.Sum(sum[:0])
		return sum, err
	}
	return sum, errHashCodec
}
