// Package codec knows the RTP payload formats that the relay forwards: which
// packets begin a keyframe, which coded bytes a frame hash covers, and how to
// keep a VP8 picture number continuous. It never decodes a picture.
package codec

import (
	"fmt"
	"strings"
)

// Codec is a payload format the relay can forward.
type Codec uint8

// The payload formats that the relay forwards.
const (
	H264 Codec = iota + 1 // RFC 6184, packetization modes 0 and 1
	VP8                   // RFC 7741
	Opus                  // RFC 7587
)

// Parse returns the codec with the given SDP encoding name (RFC 8866,
// a=rtpmap), in any letter case.
func Parse(name string) (Codec, error) {
	for _, c := range []Codec{H264, VP8, Opus} {
		if strings.EqualFold(name, c.String()) {
			return c, nil
		}
	}
	return 0, fmt.Errorf("codec %q is not supported; use H264, VP8 or opus", name)
}

// String returns the SDP encoding name.
func (c Codec) String() string {
	switch c {
	case H264:
		return "H264"
	case VP8:
		return "VP8"
	case Opus:
		return "opus"
	}
	return fmt.Sprintf("Codec(%d)", uint8(c))
}

// Video reports whether the codec carries pictures.
func (c Codec) Video() bool { return c == H264 || c == VP8 }

// ClockRate returns the RTP clock rate in Hz.
func (c Codec) ClockRate() uint32 {
	if c == Opus {
		return 48000
	}
	return 90000
}
