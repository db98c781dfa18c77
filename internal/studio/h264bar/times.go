package h264bar

import (
	"encoding/binary"
	"fmt"
)

// CarryTimes has the parameter sets announce pictures' timecodes (SEI): their
// pic_struct_present_flag is set (ITU-T H.264, clause E.1.1).
func (w *Writer) CarryTimes() error {
	sps, err := timedSPS(w.sps)
	if err == nil {
		w.sps = sps
	}
	return err
}

// timedSPS returns an SPS of growSPS with pic_struct_present_flag.
func timedSPS(nal []byte) ([]byte, error) {
	r := &bitReader{data: unescape(nal[1:])}
	w := &bitWriter{}
	copyBits := func(n int) (v uint32) { v = r.u(n); w.u(n, v); return v }
	copyUE := func() uint32 { v := r.ue(); w.ue(v); return v }
	copyBits(24)
	copyUE() // seq_parameter_set_id
	copyUE() // log2_max_frame_num_minus4
	if copyUE() == 0 {
		copyUE() // log2_max_pic_order_cnt_lsb_minus4
	}
	copyUE() // max_num_ref_frames
	copyBits(1)
	copyUE()
	copyUE()
	copyBits(2) // frame_mbs_only_flag, which is set, direct_8x8_inference_flag
	if copyBits(1) == 1 {
		for range 4 {
			copyUE() // cropping
		}
	}
	has := r.u(1)
	if w.u(1, 1); has == 0 { // vui_parameters_present_flag
		w.u(7, 0)
		w.u(2, 0b10)
		w.trail()
		return appendEscaped(nil, nal[0], w.data), r.err
	}
	if copyBits(1) == 1 && copyBits(8) == 255 { // aspect ratio
		copyBits(32)
	}
	if copyBits(1) == 1 { // overscan
		copyBits(1)
	}
	if copyBits(1) == 1 { // video signal type
		copyBits(4)
		if copyBits(1) == 1 {
			copyBits(24)
		}
	}
	if copyBits(1) == 1 { // chroma location
		copyUE()
		copyUE()
	}
	if copyBits(1) == 1 { // timing info
		copyBits(32)
		copyBits(32)
		copyBits(1)
	}
	if copyBits(2) != 0 {
		return nil, unsupported("HRD parameters")
	}
	r.u(1)
	w.u(1, 1) // pic_struct_present_flag
	for end := r.end(); r.pos < end && r.err == nil; {
		copyBits(1)
	}
	w.trail()
	if r.err != nil {
		return nil, fmt.Errorf("sequence parameter set: %w", r.err)
	}
	return appendEscaped(nil, nal[0], w.data), nil
}

// Times are what an SEI NAL unit says of a picture.
type Times struct {
	Hours, Minutes, Seconds, Frames int   // timecode, not drop-frame
	UnixMicro                       int64 // MISP precision time stamp
}

// SEI returns a NAL unit with a picture timing message (clause D.1.3), as an SPS of
// CarryTimes has it, and a MISP precision time stamp (MISB ST 0604).
func SEI(t Times) []byte {
	const timing, unregistered = 1, 5
	clock := &bitWriter{}
	clock.u(4, 0) // pic_struct: a frame
	clock.u(1, 1) // clock_timestamp_flag
	clock.u(2, 0) // ct_type: progressive
	clock.u(1, 1) // nuit_field_based_flag
	clock.u(5, 0) // counting_type
	clock.u(1, 1) // full_timestamp_flag
	clock.u(2, 0) // discontinuity_flag, cnt_dropped_flag
	clock.u(8, uint32(t.Frames))
	clock.u(6, uint32(t.Seconds))
	clock.u(6, uint32(t.Minutes))
	clock.u(5, uint32(t.Hours))
	clock.u(24, 0) // time_offset
	if clock.free > 0 {
		clock.u(1, 1) // an end of the payload that is not aligned (clause 7.3.2.3.1)
	}
	message := append([]byte{timing, byte(len(clock.data))}, clock.data...)

	const locked = 0x1F
	v := binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro))
	stamp := append([]byte("MISPmicrosectime"), locked, v[0], v[1], 0xFF, v[2], v[3], 0xFF, v[4], v[5], 0xFF, v[6], v[7])
	message = append(message, unregistered, byte(len(stamp)))
	message = append(message, stamp...)
	const nalSEI = 6
	return appendEscaped(nil, nalSEI, append(message, 0x80))
}
