package codec

import (
	"encoding/binary"
	"fmt"
)

// Description is what a file says of a track before its first frame.
type Description struct {
	Width, Height int    // of a picture, in luma samples, cropped
	Private       []byte // the codec's own part: AVCDecoderConfigurationRecord, OpusHead; none for VP8
}

var (
	errNoSets  = fmt.Errorf("%w: the H.264 keyframe has no sequence and picture parameter set", ErrMalformed)
	errVP8Head = fmt.Errorf("%w: the VP8 frame is no keyframe", ErrMalformed)
)

// Describe reads a track's description from the sample of a keyframe. Errors wrap
// ErrMalformed or ErrUnsupported.
func Describe(c Codec, sample []byte) (Description, error) {
	switch c {
	case H264:
		return describeH264(sample)
	case VP8: // RFC 6386, section 9.1
		if len(sample) < 10 || sample[0]&1 != 0 || string(sample[3:6]) != "\x9d\x01\x2a" {
			return Description{}, errVP8Head
		}
		size := func(at int) int { return int(binary.LittleEndian.Uint16(sample[at:]) & 0x3FFF) }
		return Description{Width: size(6), Height: size(8)}, nil
	case Opus: // RFC 7845, section 5.1: two channels at 48 kHz, nothing skipped
		return Description{Private: []byte("OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00")}, nil
	}
	return Description{}, errCodec
}

// describeH264 makes an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, section
// 5.3.3.1) of the parameter sets of a keyframe.
func describeH264(sample []byte) (d Description, err error) {
	var sps, pps [][]byte
	err = NALUnits(sample, func(nal []byte) bool {
		switch nal[0] & nalTypeMask {
		case nalSPS:
			sps = append(sps, nal)
		case nalPPS:
			pps = append(pps, nal)
		}
		return true
	})
	if err != nil {
		return d, err
	}
	if len(sps) == 0 || len(pps) == 0 || len(sps) > 31 || len(pps) > 255 {
		return d, errNoSets
	}
	s, err := parseSPS(sps[0])
	if err != nil {
		return d, err
	}
	b := append([]byte{1}, sps[0][1:4]...)
	b = append(b, 0xFF, 0xE0|byte(len(sps)))
	for _, nal := range sps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(nal))), nal...)
	}
	b = append(b, byte(len(pps)))
	for _, nal := range pps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(nal))), nal...)
	}
	if s.high {
		b = append(b, 0xFC|byte(s.chroma), 0xF8|byte(s.lumaDepth), 0xF8|byte(s.chromaDepth), 0)
	}
	return Description{Width: s.width, Height: s.height, Private: b}, nil
}
