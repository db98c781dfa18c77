package h264bar

import "bytes"

var startCode = []byte{0, 0, 1}

// NALs returns the NAL units of an access unit in Annex B form (ITU-T H.264,
// annex B); they share its memory. Empty units are left out.
func NALs(unit []byte) [][]byte {
	var nals [][]byte
	at := bytes.Index(unit, startCode)
	for at >= 0 {
		unit = unit[at+len(startCode):]
		at = bytes.Index(unit, startCode)
		nal := unit
		if at >= 0 {
			nal = unit[:at]
		}
		// Zeros before a start code and at the end are not the unit's.
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			nals = append(nals, nal[:len(nal):len(nal)])
		}
	}
	return nals
}

// AppendAnnexB appends NAL units with four-byte start codes.
func AppendAnnexB(out []byte, nals ...[]byte) []byte {
	for _, nal := range nals {
		out = append(out, 0, 0, 0, 1)
		out = append(out, nal...)
	}
	return out
}
