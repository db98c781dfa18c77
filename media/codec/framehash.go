package codec

import (
	"crypto/sha256"
	"fmt"
	"hash"
)

var errHashCodec = fmt.Errorf("%w: frame hashes are of H264 and VP8", ErrUnsupported)

// FrameHash computes the SHA-256 of one frame's coded bytes from its RTP
// payloads. The bytes are those that a page gets for the frame from
// RTCRtpScriptTransform, so that viewers can hash what they were shown
// (docs/protocol.md, section 9):
//
//   - H.264: 00 00 00 01 and the NAL unit, for each NAL unit in RTP order, with
//     STAP-A and FU-A undone;
//   - VP8: the payloads without their descriptors.
//
// Reset comes first. After the first Reset nothing is allocated.
type FrameHash struct {
	codec Codec
	hash  hash.Hash
	units nalUnits
	sum   [sha256.Size]byte
	start [5]byte // start code and rebuilt NAL header
}

// Reset begins a frame of codec c.
func (f *FrameHash) Reset(c Codec) {
	if f.hash == nil {
		f.hash = sha256.New()
		f.start = [5]byte{0, 0, 0, 1}
	}
	f.hash.Reset()
	f.codec, f.units = c, nalUnits{}
}

// Add takes the frame's next payload in RTP order. Errors wrap ErrMalformed or
// ErrUnsupported; after one, the frame has no hash.
func (f *FrameHash) Add(payload []byte) error {
	switch {
	case f.codec == VP8:
		d, err := ParseVP8(payload)
		if err != nil {
			return err
		}
		f.hash.Write(payload[d.Size:])
		return nil
	case f.codec != H264:
		return errHashCodec
	case len(payload) == 0:
		return errEmpty
	}
	return f.units.add(payload, f)
}

// beginNAL implements nalSink.
func (f *FrameHash) beginNAL(header byte, body []byte) {
	f.start[4] = header
	f.hash.Write(f.start[:])
	f.hash.Write(body)
}

// goOnNAL implements nalSink.
func (f *FrameHash) goOnNAL(body []byte) { f.hash.Write(body) }

// Complete reports whether the payloads so far end with a whole NAL unit.
func (f *FrameHash) Complete() bool { return !f.units.open }

// Sum returns the hash of the payloads so far.
func (f *FrameHash) Sum() [sha256.Size]byte {
	f.hash.Sum(f.sum[:0])
	return f.sum
}
