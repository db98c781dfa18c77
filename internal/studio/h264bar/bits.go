package h264bar

import (
	"bytes"
	"errors"
	"math/bits"
)

var errTruncated = errors.New("H.264 bitstream ends early")

// bitReader reads the syntax elements of an RBSP (ITU-T H.264, clauses 7.2 and
// 9.1). After the first error every read returns zero.
type bitReader struct {
	data []byte
	pos  int // in bits
	err  error
}

func (r *bitReader) u(n int) uint32 {
	if r.err != nil || r.pos+n > 8*len(r.data) {
		r.err = errTruncated
		return 0
	}
	var v uint32
	for range n {
		v = v<<1 | uint32(r.data[r.pos/8]>>(7-r.pos%8)&1)
		r.pos++
	}
	return v
}

func (r *bitReader) flag() bool { return r.u(1) == 1 }

func (r *bitReader) ue() uint32 {
	zeros := 0
	for r.err == nil && r.u(1) == 0 {
		if zeros++; zeros > 31 {
			r.err = errors.New("H.264 Exp-Golomb code is too long")
		}
	}
	return 1<<zeros - 1 + r.u(zeros)
}

func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2) + 1
	}
	return -int32(v / 2)
}

// end returns the position of the RBSP's stop bit.
func (r *bitReader) end() int {
	data := bytes.TrimRight(r.data, "\x00")
	if len(data) == 0 {
		return 0
	}
	return 8*len(data) - 1 - bits.TrailingZeros8(data[len(data)-1])
}

// bitWriter writes what bitReader reads.
type bitWriter struct {
	data []byte
	free int // unused low bits of the last byte
}

func (w *bitWriter) u(n int, v uint32) {
	for i := n - 1; i >= 0; i-- {
		if w.free == 0 {
			w.data, w.free = append(w.data, 0), 8
		}
		w.free--
		w.data[len(w.data)-1] |= byte(v>>i&1) << w.free
	}
}

func (w *bitWriter) ue(v uint32) {
	n := bits.Len32(v + 1)
	w.u(n-1, 0)
	w.u(n, v+1)
}

func (w *bitWriter) se(v int32) {
	if v > 0 {
		w.ue(uint32(2*v - 1))
		return
	}
	w.ue(uint32(-2 * v))
}

// trail ends the RBSP with its stop bit.
func (w *bitWriter) trail() {
	w.u(1, 1)
	w.free = 0
}

// unescape removes the emulation prevention bytes of a NAL unit (clause 7.4.1.1).
func unescape(nal []byte) []byte {
	out := make([]byte, 0, len(nal))
	zeros := 0
	for _, b := range nal {
		if zeros >= 2 && b == 3 {
			zeros = 0
			continue
		}
		if zeros++; b != 0 {
			zeros = 0
		}
		out = append(out, b)
	}
	return out
}

// appendEscaped appends a NAL unit's header byte and RBSP with emulation
// prevention bytes.
func appendEscaped(out []byte, header byte, rbsp []byte) []byte {
	out = append(out, header)
	zeros := 0
	for _, b := range rbsp {
		if zeros >= 2 && b <= 3 {
			out, zeros = append(out, 3), 0
		}
		if zeros++; b != 0 {
			zeros = 0
		}
		out = append(out, b)
	}
	return out
}
