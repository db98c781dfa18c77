package codec

import (
	"fmt"
	"slices"
)

var errSPS = fmt.Errorf("%w: H.264 sequence parameter set that is cut or out of range", ErrMalformed)

// sequence is what an H.264 sequence parameter set says of pictures.
type sequence struct {
	width, height          int  // cropped
	high                   bool // it has the fields of the high profiles
	chroma                 uint32
	lumaDepth, chromaDepth uint32 // bits of a sample, less 8
}

// highProfiles have chroma format and bit depths (ITU-T H.264, clause 7.3.2.1.1).
var highProfiles = []byte{100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}

// maxMacroblocks bounds a side of a picture: level 6.2 allows 1055.
const maxMacroblocks = 1055

// parseSPS reads a sequence parameter set, a NAL unit, up to the cropping.
func parseSPS(nal []byte) (s sequence, err error) {
	if len(nal) < 5 || nal[0]&nalTypeMask != nalSPS {
		return s, errSPS
	}
	r := bits{data: unescapeNAL(nal[4:])}
	return r.sequence(nal[1])
}

// sequence reads a sequence parameter set of a profile from its ID up to the
// cropping.
func (r *bits) sequence(profile byte) (s sequence, err error) {
	r.ue() // seq_parameter_set_id
	s.chroma = 1
	separate := false
	if s.high = slices.Contains(highProfiles, profile); s.high {
		if s.chroma = r.ue(); s.chroma == 3 {
			separate = r.bit() == 1
		}
		s.lumaDepth, s.chromaDepth = r.ue(), r.ue()
		r.bit() // qpprime_y_zero_transform_bypass_flag
		if r.bit() == 1 {
			r.scalingLists(s.chroma)
		}
	}
	r.ue() // log2_max_frame_num_minus4
	r.order()
	r.ue()  // max_num_ref_frames
	r.bit() // gaps_in_frame_num_value_allowed_flag
	across, down := r.ue()+1, r.ue()+1
	fields := 1 - r.bit() // 1: a map unit is half as high as its frame
	if fields == 1 {
		r.bit() // mb_adaptive_frame_field_flag
	}
	r.bit() // direct_8x8_inference_flag
	var crop [4]uint32
	if r.bit() == 1 {
		for i := range crop {
			crop[i] = r.ue()
		}
	}
	if r.short || s.chroma > 3 || s.lumaDepth > 6 || s.chromaDepth > 6 || across > maxMacroblocks || down > maxMacroblocks {
		return sequence{}, errSPS
	}
	unitX, unitY := uint64(1), uint64(1+fields)
	if !separate && (s.chroma == 1 || s.chroma == 2) {
		unitX = 2
	}
	if !separate && s.chroma == 1 {
		unitY *= 2
	}
	width, height := 16*uint64(across), 16*uint64(down)*uint64(1+fields)
	cutX, cutY := unitX*(uint64(crop[0])+uint64(crop[1])), unitY*(uint64(crop[2])+uint64(crop[3]))
	if cutX >= width || cutY >= height {
		return sequence{}, errSPS
	}
	s.width, s.height = int(width-cutX), int(height-cutY)
	return s, nil
}

// order passes over the picture order count (clause 7.3.2.1.1).
func (r *bits) order() {
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.bit()
		r.ue()
		r.ue()
		for n := r.ue(); n > 0 && !r.short; n-- {
			r.ue()
		}
	}
}

// scalingLists passes over the scaling lists (clause 7.3.2.1.1.1).
func (r *bits) scalingLists(chroma uint32) {
	lists := 8
	if chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if r.bit() == 0 {
			continue
		}
		size := 16
		if i >= 6 {
			size = 64
		}
		for last, next := int32(8), int32(8); size > 0 && next != 0 && !r.short; size-- {
			next = (last + r.se() + 256) % 256
			if next != 0 {
				last = next
			}
		}
	}
}

// unescapeNAL removes the emulation prevention bytes (clause 7.4.1).
func unescapeNAL(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, c := range b {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		out = append(out, c)
		if zeros++; c != 0 {
			zeros = 0
		}
	}
	return out
}

// bits reads the bits of data. Beyond its end they are 0 and short is set.
type bits struct {
	data  []byte
	at    int
	short bool
}

func (r *bits) bit() uint32 {
	if r.at/8 >= len(r.data) {
		r.short = true
		return 0
	}
	b := r.data[r.at/8] >> (7 - r.at%8) & 1
	r.at++
	return uint32(b)
}

// u reads n bits, at most 32, as a number.
func (r *bits) u(n uint) (v uint32) {
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

// skip passes over n bits.
func (r *bits) skip(n uint) {
	if r.at += int(n); r.at > 8*len(r.data) {
		r.short = true
	}
}

// ue reads an unsigned Exp-Golomb code (clause 9.1).
func (r *bits) ue() uint32 {
	zeros := 0
	for r.bit() == 0 {
		if zeros++; zeros > 31 || r.short {
			r.short = true
			return 0
		}
	}
	v := uint32(1)
	for range zeros {
		v = v<<1 | r.bit()
	}
	return v - 1
}

// se reads a signed Exp-Golomb code (clause 9.1.1).
func (r *bits) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2 + 1)
	}
	return -int32(v / 2)
}
