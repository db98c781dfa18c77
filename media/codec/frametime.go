package codec

import (
	"bytes"
	"encoding/binary"
)

// Timecode is a clock timestamp of an H.264 picture as it is counted on the
// studio's equipment (SMPTE ST 12-1): a label, not a time.
type Timecode struct {
	Hours, Minutes, Seconds, Frames uint8 // Frames: up to 255
	Drop                            bool  // labels are skipped, so that it keeps up with the clock (drop-frame)
}

// FrameTime is what a frame's own SEI messages say of when it was captured.
type FrameTime struct {
	Timecode    Timecode
	HasTimecode bool
	// UnixMicro is the MISP precision time stamp (MISB ST 0604), in microseconds
	// since 1970; 0 if there is none.
	UnixMicro int64
}

// maxSEI is how much of an SEI message's or SPS's NAL unit is looked at.
const maxSEI = 1024

// FrameTimes reads the times that the SEI messages of an H.264 stream give to its
// frames: picture timing (ITU-T H.264 | ISO/IEC 14496-10, clauses D.1.3 and D.2.3)
// and the MISP precision time stamp in unregistered user data (clause D.2.7, MISB
// ST 0604). The newest SPS counts for all pictures. Reset comes first. What is
// malformed says nothing. It allocates nothing but in Reset.
type FrameTimes struct {
	timing timing
	clock  Timecode // the newest: a timestamp may leave out what has not changed
	known  bool

	// The NAL unit that is read: without its emulation prevention bytes.
	buffer [maxSEI]byte
	size   int
	zeros  int
	open   bool   // it is an FU-A that goes on
	next   uint64 // with the packet of this number
}

// timing is what an SPS says of picture timing messages (clause E.2.1).
type timing struct {
	structure bool // pic_struct_present_flag
	delays    uint // bits of cpb_removal_delay and dpb_output_delay; 0 without them
	offset    uint // bits of time_offset
}

// Reset begins a source whose parameter sets are in its session description, if any.
func (r *FrameTimes) Reset(sets ParameterSets) {
	*r = FrameTimes{}
	for _, nal := range sets {
		if len(nal) > 0 {
			r.read(nal)
		}
	}
}

// Add takes the next payload, which Inspect has accepted, and returns what it says
// of its frame. Numbers of packets that follow each other differ by one.
func (r *FrameTimes) Add(payload []byte, number uint64) (t FrameTime) {
	goesOn := r.open && number == r.next
	r.open, r.next = false, number+1
	switch payload[0] & nalTypeMask {
	case nalSEI, nalSPS:
		return r.read(payload)
	case nalSTAPA:
		for rest := payload[1:]; len(rest) > 0; {
			var nal []byte
			var err error
			if nal, rest, err = nextAggregated(rest); err != nil {
				return t
			}
			t.merge(r.read(nal))
		}
	case nalFUA:
		if len(payload) < 2 || payload[1]&nalTypeMask != nalSEI && payload[1]&nalTypeMask != nalSPS {
			return t
		}
		u, err := parseFUA(payload)
		if err != nil {
			return t
		}
		if u.start {
			r.begin(u.header)
		} else if !goesOn {
			return t
		}
		r.append(u.body)
		if r.open = !u.end; u.end {
			return r.finish()
		}
	}
	return t
}

// merge adds what another message of the same frame says.
func (t *FrameTime) merge(u FrameTime) {
	if u.HasTimecode && !t.HasTimecode {
		t.Timecode, t.HasTimecode = u.Timecode, true
	}
	if t.UnixMicro == 0 {
		t.UnixMicro = u.UnixMicro
	}
}

// read takes a whole NAL unit.
func (r *FrameTimes) read(nal []byte) FrameTime {
	if kind := nal[0] & nalTypeMask; kind != nalSEI && kind != nalSPS {
		return FrameTime{}
	}
	r.begin(nal[0])
	r.append(nal[1:])
	return r.finish()
}

func (r *FrameTimes) begin(header byte) { r.buffer[0], r.size, r.zeros = header, 1, 0 }

// append keeps more of the NAL unit, without its emulation prevention bytes (clause
// 7.4.1).
func (r *FrameTimes) append(b []byte) {
	for _, c := range b {
		switch {
		case r.size == len(r.buffer):
			return
		case r.zeros >= 2 && c == 3:
			r.zeros = 0
			continue
		case c == 0:
			r.zeros++
		default:
			r.zeros = 0
		}
		r.buffer[r.size] = c
		r.size++
	}
}

// finish reads the NAL unit that is complete.
func (r *FrameTimes) finish() (t FrameTime) {
	nal := r.buffer[:r.size]
	if nal[0]&nalTypeMask == nalSPS {
		r.timing = readTiming(nal)
		return t
	}
	// Clause 7.3.2.3.1: type and size are each a run of 255s and a byte less.
	for rest := nal[1:]; len(rest) > 1; {
		kind, after, ok := seiNumber(rest)
		size, after, ok2 := seiNumber(after)
		if !ok || !ok2 || size > len(after) {
			return t
		}
		payload := after[:size]
		rest = after[size:]
		switch kind {
		case seiPicTiming:
			t.merge(r.picTiming(payload))
		case seiUnregistered:
			t.merge(FrameTime{UnixMicro: precisionTimeStamp(payload)})
		}
	}
	return t
}

// Types of SEI messages (clause D.1.1).
const (
	seiPicTiming    = 1
	seiUnregistered = 5
)

// seiNumber reads the type or size of an SEI message.
func seiNumber(b []byte) (n int, rest []byte, ok bool) {
	for i, c := range b {
		if n += int(c); c != 255 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

// clockTimestamps is NumClockTS, by pic_struct (table D-1).
var clockTimestamps = [...]int{1, 1, 1, 2, 2, 3, 3, 2, 3}

// dropTwo is the counting_type of drop-frame timecode: the first two labels of each
// minute are skipped, but of each tenth (table D-2).
const dropTwo = 4

// picTiming reads the first clock timestamp of a picture timing message (clause
// D.1.3).
func (r *FrameTimes) picTiming(payload []byte) (t FrameTime) {
	if !r.timing.structure {
		return t
	}
	b := bits{data: payload}
	b.skip(r.timing.delays)
	structure := int(b.u(4))
	if structure >= len(clockTimestamps) {
		return t
	}
	for range clockTimestamps[structure] {
		if b.bit() == 0 {
			continue
		}
		b.skip(2 + 1) // ct_type, nuit_field_based_flag
		counting := b.u(5)
		full := b.bit() == 1
		b.bit() // discontinuity_flag
		dropped := b.bit() == 1
		c := r.clock
		// NVENC has no more than one bit for the counting type, and says drop-frame by
		// cnt_dropped_flag, on every picture.
		c.Frames, c.Drop = uint8(b.u(8)), counting == dropTwo || counting <= 1 && dropped
		known := r.known || full
		if full {
			c.Seconds, c.Minutes, c.Hours = uint8(b.u(6)), uint8(b.u(6)), uint8(b.u(5))
		} else if b.bit() == 1 {
			c.Seconds = uint8(b.u(6))
			if b.bit() == 1 {
				c.Minutes = uint8(b.u(6))
				if b.bit() == 1 {
					c.Hours, known = uint8(b.u(5)), true
				}
			}
		}
		b.skip(r.timing.offset)
		if b.short || !known || c.Seconds > 59 || c.Minutes > 59 || c.Hours > 23 {
			return t
		}
		r.clock, r.known = c, true
		return FrameTime{Timecode: c, HasTimecode: true}
	}
	return t
}

// A MISP precision time stamp in unregistered user data (MISB ST 0604): identifier,
// status, and eight bytes of time with a 0xFF after each two but the last.
var mispMicroseconds = []byte("MISPmicrosectime")

const (
	mispSize   = 28
	mispStatus = 16 // whether that clock is locked: not judged
	mispTime   = 17
)

// precisionTimeStamp returns the microseconds since 1970 in unregistered user data;
// 0 if it is something else.
func precisionTimeStamp(user []byte) int64 {
	if len(user) < mispSize || !bytes.Equal(user[:mispStatus], mispMicroseconds) {
		return 0
	}
	var v uint64
	for i, b := 0, user[mispTime:]; i < 4; i++ {
		if i < 3 && b[3*i+2] != 0xFF {
			return 0
		}
		v = v<<16 | uint64(binary.BigEndian.Uint16(b[3*i:]))
	}
	if v >= 1<<53 { // a time that no clock shows, and JSON could not say
		return 0
	}
	return int64(v)
}

// readTiming reads from an SPS without emulation prevention bytes what picture
// timing messages look like.
func readTiming(nal []byte) (t timing) {
	if len(nal) < 5 {
		return t
	}
	b := bits{data: nal[4:]}
	if _, err := b.sequence(nal[1]); err != nil || b.bit() == 0 { // vui_parameters_present_flag
		return t
	}
	// Clause E.1.1.
	const extendedSAR = 255
	if b.bit() == 1 && b.u(8) == extendedSAR {
		b.skip(16 + 16)
	}
	if b.bit() == 1 { // overscan_info_present_flag
		b.bit()
	}
	if b.bit() == 1 { // video_signal_type_present_flag
		b.skip(3 + 1)
		if b.bit() == 1 {
			b.skip(8 + 8 + 8)
		}
	}
	if b.bit() == 1 { // chroma_loc_info_present_flag
		b.ue()
		b.ue()
	}
	if b.bit() == 1 { // timing_info_present_flag
		b.skip(32 + 32 + 1)
	}
	t.offset = 24 // clause E.2.2: where nothing says
	nalHRD := b.bit() == 1
	if nalHRD {
		b.hrd(&t)
	}
	vclHRD := b.bit() == 1
	if vclHRD {
		b.hrd(&t)
	}
	if nalHRD || vclHRD {
		b.bit() // low_delay_hrd_flag
	}
	t.structure = b.bit() == 1
	if b.short {
		return timing{}
	}
	return t
}

// hrd reads the lengths that HRD parameters give (clause E.1.2).
func (r *bits) hrd(t *timing) {
	n := r.ue() + 1
	r.skip(4 + 4)
	for ; n > 0 && !r.short; n-- {
		r.ue()
		r.ue()
		r.bit()
	}
	r.skip(5)
	t.delays = uint(r.u(5)+1) + uint(r.u(5)+1)
	t.offset = uint(r.u(5))
}
