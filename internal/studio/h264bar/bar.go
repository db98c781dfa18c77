// Package h264bar adds the bar with the frame number (package barcode) to the
// pictures of an H.264 clip while it plays, without an encoder.
//
// A clip is coded without the bottom rows of the picture. The sequence parameter
// set is changed to announce them, and every picture gets one more slice that
// covers them. Slices of a picture do not depend on each other, and the bar's
// slice switches deblocking off, so the clip's own rows decode as before; its
// motion vectors must not reach below its last row, which the way the clip is
// drawn and a test see to.
//
// In the bar's slice a macroblock is one cell and of one colour: an intra 16 x 16
// macroblock predicted from its left neighbour (first row) or its upper one, with
// one coefficient that makes up the difference. In P pictures only cells that
// change are coded, the others are skipped.
package h264bar

import (
	"errors"
	"fmt"

	"github.com/framelock/relay/internal/barcode"
)

// Writer adds the bar to the pictures of one clip. It has one user at a time.
type Writer struct {
	params   params
	sps, pps []byte
	barMB    int // rows of macroblocks in the bar

	shown [barcode.Cells]bool // of the picture before
	valid bool                // whether shown is set
}

// NewWriter returns a writer for a clip whose first access unit (Annex B) is
// given, and that lacks the bottom rows luma rows of the picture.
func NewWriter(first []byte, rows int) (*Writer, error) {
	w := &Writer{barMB: (rows + 15) / 16}
	for _, nal := range NALs(first) {
		switch nal[0] & 0x1F {
		case nalSPS:
			sps, err := w.params.growSPS(nal, rows)
			if err != nil {
				return nil, err
			}
			w.sps = sps
		case nalPPS:
			if err := w.params.readPPS(nal); err != nil {
				return nil, err
			}
			w.pps = nal
		}
	}
	if w.sps == nil || w.pps == nil {
		return nil, errors.New("the clip does not begin with parameter sets")
	}
	if w.params.widthMB < barcode.Cells {
		return nil, fmt.Errorf("the clip is %d samples wide, want at least %d", 16*w.params.widthMB, barcode.Width)
	}
	return w, nil
}

// ParameterSets returns the NAL units of the stream that Picture makes. The
// caller must not change them.
func (w *Writer) ParameterSets() (sps, pps []byte) { return w.sps, w.pps }

// Picture returns the slices of the access unit and then the bar's slice for the
// given frame number, without parameter sets. The clip's slices share memory
// with unit. Pictures must come in order, beginning with an IDR picture; after a
// gap the next one must be an IDR picture again.
func (w *Writer) Picture(unit []byte, frame uint32) (nals [][]byte, key bool, err error) {
	var s slice
	for _, nal := range NALs(unit) {
		if kind := nal[0] & 0x1F; kind != nalSlice && kind != nalIDR {
			continue
		}
		if nals != nil {
			return nil, false, unsupported("pictures of several slices")
		}
		if s, err = w.params.readSlice(nal); err != nil {
			return nil, false, err
		}
		nals = append(nals, nal)
	}
	if nals == nil || !s.idr() && !w.valid {
		return nil, false, errors.New("the stream does not begin with an IDR picture")
	}
	cells := barcode.Encode(frame)
	nals = append(nals, w.slice(s, cells))
	w.shown, w.valid = cells, true
	return nals, s.idr(), nil
}

// Quantiser of the bar. With QP 24 and flat scaling a DC level of n changes all
// samples of a macroblock by (40n + 32) >> 6 (clauses 8.5.10 and 8.5.12), so
// every difference can be reached exactly.
const quantiser = 24

// level returns the DC level that changes a macroblock's samples by d.
func level(d int) int {
	if d < 0 {
		return -level(-d)
	}
	return (64*d + 20) / 40
}

// unpredicted is the prediction of an intra macroblock without neighbours.
const unpredicted = 128

func (w *Writer) slice(s slice, cells [barcode.Cells]bool) []byte {
	b := &bitWriter{}
	w.header(b, s)
	skipped := uint32(0)
	for y := range w.barMB {
		for x := range w.params.widthMB {
			coded := s.idr() || x < barcode.Cells && cells[x] != w.shown[x]
			if !coded {
				skipped++
				continue
			}
			if !s.idr() {
				b.ue(skipped)
				skipped = 0
			}
			left := unpredicted
			if x > 0 {
				left = luma(cells, x-1)
			}
			if y > 0 {
				macroblock(b, s, vertical, 0)
			} else {
				macroblock(b, s, dc, level(luma(cells, x)-left))
			}
		}
	}
	if !s.idr() && skipped > 0 {
		b.ue(skipped)
	}
	b.trail()
	return appendEscaped(nil, s.header, b.data)
}

func luma(cells [barcode.Cells]bool, x int) int {
	if x < barcode.Cells && cells[x] {
		return int(barcode.White)
	}
	return int(barcode.Black)
}

// header writes a slice header (clause 7.3.3) that agrees with the clip's.
func (w *Writer) header(b *bitWriter, s slice) {
	p := &w.params
	b.ue(uint32(p.widthMB * p.heightMB)) // first_mb_in_slice
	if s.idr() {
		b.ue(7) // I
	} else {
		b.ue(5) // P
	}
	b.ue(p.ppsID)
	b.u(p.frameNumBits, s.frameNum)
	if s.idr() {
		b.ue(s.idrID)
	}
	if p.pocType == 0 {
		b.u(p.pocBits, s.poc)
		if p.pocPresent {
			b.se(s.pocDelta)
		}
	}
	if p.redundantPicCount {
		b.ue(0)
	}
	if s.idr() {
		b.u(2, s.idrFlags)
	} else {
		b.u(3, 0) // no other number of references, order of the list, or marking
	}
	b.se(quantiser - p.initialQP)
	b.ue(1) // disable_deblocking_filter_idc
}

// Prediction modes of intra 16 x 16 macroblocks (table 8-4).
const (
	vertical = 0
	dc       = 2
)

// macroblock writes an intra 16 x 16 macroblock (clause 7.3.5) whose only
// coefficient is the DC level n of luma.
func macroblock(b *bitWriter, s slice, mode uint32, n int) {
	kind := 1 + mode // I_16x16 without AC or chroma coefficients (table 7-11)
	if !s.idr() {
		kind += 5 // behind the types of P macroblocks
	}
	b.ue(kind)
	b.ue(0) // intra_chroma_pred_mode: DC; chroma is 128 everywhere
	b.se(0) // mb_qp_delta
	coefficient(b, n)
}

// coefficient writes the residual block of 16 coefficients that are all zero but
// for the first, where no neighbour has coefficients (clause 9.2).
func coefficient(b *bitWriter, n int) {
	magnitude := max(n, -n)
	sign := uint32(0)
	if n < 0 {
		sign = 1
	}
	switch {
	case n == 0:
		b.u(1, 1) // coeff_token: none
		return
	case magnitude == 1:
		b.u(2, 1) // coeff_token: one coefficient, trailing
		b.u(1, sign)
	default:
		b.u(6, 5) // coeff_token: one coefficient, none trailing
		code := uint32(2*magnitude-4) + sign
		switch {
		case code < 14:
			b.u(int(code)+1, 1)
		case code < 30:
			b.u(15, 1)
			b.u(4, code-14)
		default:
			b.u(16, 1)
			b.u(12, code-30)
		}
	}
	b.u(1, 1) // total_zeros: none before the coefficient
}
