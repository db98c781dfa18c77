package codec

import (
	"crypto/sha256"
	"fmt"
	"hash"
)

var (
	errFragmentStart = fmt.Errorf("%w: FU-A goes on with a NAL unit whose start is missing", ErrMalformed)
	errFragmentEnd   = fmt.Errorf("%w: a NAL unit begins before the last fragmented one has ended", ErrMalformed)
	errHashCodec     = fmt.Errorf("%w: frame hashes are of H264 and VP8", ErrUnsupported)
)

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
	open  bool // an FU-A has begun and not ended
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
	f.codec, f.open = c, false
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
	return f.addH264(payload)
}

func (f *FrameHash) addH264(payload []byte) error {
	switch t := payload[0] & nalTypeMask; {
	case t == nalFUA:
		return f.addFragment(payload)
	case f.open:
		return errFragmentEnd
	case singleNAL(payload[0]):
		f.addNAL(payload[0], payload[1:])
	case t == nalSTAPA:
		for rest := payload[1:]; ; {
			var nal []byte
			var err error
			if nal, rest, err = nextAggregated(rest); err != nil {
				return err
			}
			f.addNAL(nal[0], nal[1:])
			if len(rest) == 0 {
				break
			}
		}
	default:
		return otherH264(payload[0])
	}
	return nil
}

func (f *FrameHash) addFragment(payload []byte) error {
	u, err := parseFUA(payload)
	switch {
	case err != nil:
		return err
	case u.start && f.open:
		return errFragmentEnd
	case !u.start && !f.open:
		return errFragmentStart
	case u.start:
		f.addNAL(u.header, u.body)
	default:
		f.hash.Write(u.body)
	}
	f.open = !u.end
	return nil
}

func (f *FrameHash) addNAL(header byte, body []byte) {
	f.start[4] = header
	f.hash.Write(f.start[:])
	f.hash.Write(body)
}

// Complete reports whether the payloads so far end with a whole NAL unit.
func (f *FrameHash) Complete() bool { return !f.open }

// Sum returns the hash of the payloads so far.
func (f *FrameHash) Sum() [sha256.Size]byte {
	f.hash.Sum(f.sum[:0])
	return f.sum
}
