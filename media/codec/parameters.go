package codec

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxParameterSets bounds the STAP-A that puts H.264 parameter sets in band: it
// must fit one packet beside a header extension.
const maxParameterSets = 1100

// ParameterSets are H.264 sequence and picture parameter sets, each a NAL unit
// without start code, in the order of the session description.
type ParameterSets [][]byte

// ParseSprop reads the sprop-parameter-sets of an SDP format (RFC 6184, section
// 8.1): NAL units in base64, separated by commas. There must be at least one SPS
// and one PPS, and together they must fit one packet.
func ParseSprop(sprop string) (ParameterSets, error) {
	var sets ParameterSets
	seen := Facts{}
	size := 1
	for part := range strings.SplitSeq(sprop, ",") {
		part = strings.TrimSpace(part)
		nal, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(part, "="))
		if err != nil || len(nal) == 0 || !singleNAL(nal[0]) {
			return nil, fmt.Errorf("sprop-parameter-sets: %.32q is not a NAL unit in base64", part)
		}
		seen.addNAL(nal[0] & nalTypeMask)
		size += 2 + len(nal)
		sets = append(sets, nal)
	}
	switch {
	case !seen.SPS || !seen.PPS:
		return nil, fmt.Errorf("sprop-parameter-sets %.64q: need at least one SPS and one PPS", sprop)
	case size > maxParameterSets:
		return nil, fmt.Errorf("sprop-parameter-sets: %d bytes; at most %d fit one packet", size, maxParameterSets)
	}
	return sets, nil
}

// AppendSTAPA appends to dst one RTP payload that aggregates the given NAL units
// (RFC 6184, section 5.7.1), each of 1 to 65535 bytes.
func AppendSTAPA(dst []byte, nals [][]byte) []byte {
	at := len(dst)
	dst = append(dst, nalSTAPA)
	for _, nal := range nals {
		// F is set if it is set in any, NRI is the highest of all.
		dst[at] = max(dst[at]&0x60, nal[0]&0x60) | (dst[at]|nal[0])&0x80 | nalSTAPA
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(nal)))
		dst = append(dst, nal...)
	}
	return dst
}

// ProfileLevelID returns the profile-level-id of SDP (RFC 6184, section 8.1), six
// lower-case hexadecimal digits, for an SPS.
func ProfileLevelID(sps []byte) (string, error) {
	if len(sps) < 4 || sps[0]&nalTypeMask != nalSPS {
		return "", fmt.Errorf("%w: not a whole H.264 SPS", ErrMalformed)
	}
	return hex.EncodeToString(sps[1:4]), nil
}
