package codec

import (
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error about a payload that does not follow
// its format.
var ErrMalformed = errors.New("malformed payload")

// ErrUnsupported is wrapped by every error about a payload whose form the relay
// does not read, although its format allows it.
var ErrUnsupported = errors.New("unsupported payload")

var (
	errEmpty = fmt.Errorf("%w: it is empty", ErrMalformed)
	errCodec = fmt.Errorf("%w: the codec is unknown", ErrUnsupported)
)

// Facts is what one packet tells of the frame that it belongs to.
type Facts struct {
	// Keyframe: this packet shows that the frame is a keyframe, from which a
	// decoder can start. Other packets of the same frame need not show it.
	Keyframe bool
	// FrameStart: this packet is the frame's first. H.264 packets do not say.
	FrameStart bool
	// SPS and PPS: this packet carries a whole or the start of an H.264 sequence
	// or picture parameter set.
	SPS, PPS bool
}

// Inspect reads the facts from an RTP payload. It keeps no reference to payload
// and allocates nothing. Errors wrap ErrMalformed or ErrUnsupported.
func Inspect(c Codec, payload []byte) (Facts, error) {
	if len(payload) == 0 {
		return Facts{}, errEmpty
	}
	switch c {
	case H264:
		return inspectH264(payload)
	case VP8:
		return inspectVP8(payload)
	case Opus: // RFC 7587, section 4.2: one packet is one frame
		return Facts{FrameStart: true}, nil
	}
	return Facts{}, errCodec
}

func inspectVP8(payload []byte) (Facts, error) {
	d, err := ParseVP8(payload)
	if err != nil {
		return Facts{}, err
	}
	start := d.Start && d.Partition == 0
	// The lowest bit of the frame header is 0 for a keyframe (RFC 7741, section 4.3).
	return Facts{FrameStart: start, Keyframe: start && payload[d.Size]&1 == 0}, nil
}
