package h264bar

import (
	"errors"
	"fmt"
)

// Types of NAL units (ITU-T H.264, table 7-1).
const (
	nalSlice = 1
	nalIDR   = 5
	nalSPS   = 7
	nalPPS   = 8
)

// params is what the bar's slices need to know of a clip's parameter sets.
type params struct {
	spsID, ppsID                   uint32
	frameNumBits, pocType, pocBits int
	widthMB, heightMB              int // of the clip, bar excluded
	pocPresent, redundantPicCount  bool
	initialQP                      int32
}

var errUnsupported = errors.New("the clip uses H.264 syntax that the bar's slices do not support")

func unsupported(what string) error { return fmt.Errorf("%w: %s", errUnsupported, what) }

// growSPS reads the clip's sequence parameter set and returns one for pictures
// that are rows luma rows higher, with everything else unchanged but for
// constraint_set2_flag, which such a stream satisfies too: decoders then see the
// usual profile-level-id 42e0xx.
func (p *params) growSPS(nal []byte, rows int) ([]byte, error) {
	r := &bitReader{data: unescape(nal[1:])}
	w := &bitWriter{}
	profile, constraints, level := r.u(8), r.u(8), r.u(8)
	if profile != 66 || constraints&0x40 == 0 {
		return nil, unsupported(fmt.Sprintf("profile %d, constraints %#02x; constrained baseline is needed", profile, constraints))
	}
	w.u(8, profile)
	w.u(8, constraints|0x20)
	w.u(8, level)
	copyUE := func() uint32 { v := r.ue(); w.ue(v); return v }
	p.spsID = copyUE()
	p.frameNumBits = int(copyUE()) + 4
	switch p.pocType = int(copyUE()); p.pocType {
	case 0:
		p.pocBits = int(copyUE()) + 4
	case 2:
	default:
		return nil, unsupported("pic_order_cnt_type 1")
	}
	copyUE()       // max_num_ref_frames
	w.u(1, r.u(1)) // gaps_in_frame_num_value_allowed_flag
	p.widthMB = int(copyUE()) + 1
	p.heightMB = int(r.ue()) + 1
	height := 16*p.heightMB + rows
	heightMB := (height + 15) / 16
	w.ue(uint32(heightMB - 1))
	if !r.flag() {
		return nil, unsupported("interlaced coding")
	}
	w.u(1, 1)
	w.u(1, r.u(1)) // direct_8x8_inference_flag
	if r.flag() {
		return nil, unsupported("cropping")
	}
	w.u(1, 1)
	w.ue(0) // left, right, top, and bottom in units of two rows
	w.ue(0)
	w.ue(0)
	w.ue(uint32(16*heightMB-height) / 2)
	for end := r.end(); r.pos < end && r.err == nil; {
		w.u(1, r.u(1))
	}
	w.trail()
	if r.err != nil {
		return nil, fmt.Errorf("sequence parameter set: %w", r.err)
	}
	return appendEscaped(nil, nal[0], w.data), nil
}

// readPPS reads the clip's picture parameter set.
func (p *params) readPPS(nal []byte) error {
	r := &bitReader{data: unescape(nal[1:])}
	p.ppsID = r.ue()
	if r.ue() != p.spsID {
		return unsupported("several sequence parameter sets")
	}
	entropy := r.u(1)
	p.pocPresent = r.flag()
	groups := r.ue()
	refs := r.ue()
	r.ue() // num_ref_idx_l1_default_active_minus1
	weighted := r.u(1)
	r.u(2) // weighted_bipred_idc
	p.initialQP = 26 + r.se()
	r.se() // pic_init_qs_minus26
	r.se() // chroma_qp_index_offset
	deblocking, constrained := r.flag(), r.flag()
	p.redundantPicCount = r.flag()
	switch {
	case r.err != nil:
		return fmt.Errorf("picture parameter set: %w", r.err)
	case entropy != 0 || groups != 0 || refs != 0 || weighted != 0:
		return unsupported("CABAC, slice groups, several reference pictures or weighted prediction")
	case !deblocking || constrained:
		return unsupported("no deblocking control, or constrained intra prediction")
	}
	return nil
}

// slice is the part of a slice header that all slices of a picture share.
type slice struct {
	header   byte // the NAL unit's
	frameNum uint32
	idrID    uint32
	poc      uint32
	pocDelta int32
	idrFlags uint32 // no_output_of_prior_pics_flag, long_term_reference_flag
}

func (s slice) idr() bool { return s.header&0x1F == nalIDR }

// readSlice reads the header of a clip's slice (clause 7.3.3).
func (p *params) readSlice(nal []byte) (slice, error) {
	r := &bitReader{data: unescape(nal[1:min(len(nal), 64)])}
	s := slice{header: nal[0]}
	first, kind, pps := r.ue(), r.ue()%5, r.ue()
	s.frameNum = r.u(p.frameNumBits)
	if s.idr() {
		s.idrID = r.ue()
	}
	if p.pocType == 0 {
		s.poc = r.u(p.pocBits)
		if p.pocPresent {
			s.pocDelta = r.se()
		}
	}
	if p.redundantPicCount {
		r.ue()
	}
	switch {
	case first != 0 || pps != p.ppsID || s.header&0x60 == 0:
		return s, unsupported("pictures of several slices, of other parameter sets, or that are not references")
	case s.idr() != (kind == 2) || !s.idr() && kind != 0:
		return s, unsupported("B pictures, or intra pictures that are not IDR")
	}
	if s.idr() {
		s.idrFlags = r.u(2)
	} else if r.flag() && r.ue() != 0 || r.flag() || r.flag() {
		// num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0,
		// adaptive_ref_pic_marking_mode_flag
		return s, unsupported("changes of the reference list")
	}
	if r.err != nil {
		return s, fmt.Errorf("slice header: %w", r.err)
	}
	return s, nil
}
