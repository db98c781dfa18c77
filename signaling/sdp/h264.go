package sdp

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// parameters splits an a=fmtp value, without its payload type, into its
// parameters by lower-case name.
func parameters(fmtp string) map[string]string {
	m := make(map[string]string)
	for part := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name != "" {
			m[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return m
}

// H264 holds the parameters of an H.264 format (RFC 6184, section 8.1) that
// matter for forwarding.
type H264 struct {
	ParameterSets     [][]byte // NAL units from sprop-parameter-sets
	ProfileLevelID    string   // six lower-case hexadecimal digits; empty if not stated
	PacketizationMode int      // 0 or 1
}

// ParseH264 reads an H.264 format's a=fmtp value, without the payload type. Every
// error is a *FieldError whose Field is the parameter's name.
func ParseH264(fmtp string) (H264, error) {
	var h H264
	p := parameters(fmtp)
	if mode, ok := p["packetization-mode"]; ok {
		n, err := strconv.Atoi(mode)
		if err != nil || n < 0 || n > 1 {
			return H264{}, fieldError(0, "packetization-mode", mode, "0 or 1: interleaved NAL units cannot be forwarded to browsers; set the encoder to non-interleaved mode")
		}
		h.PacketizationMode = n
	}
	if id, ok := p["profile-level-id"]; ok {
		if _, ok := parseProfile(id); !ok {
			return H264{}, fieldError(0, "profile-level-id", id, "six hexadecimal digits, such as 42e01f")
		}
		h.ProfileLevelID = strings.ToLower(id)
	}
	sets, ok := p["sprop-parameter-sets"]
	if !ok {
		return h, nil
	}
	for set := range strings.SplitSeq(sets, ",") {
		nal, err := base64.StdEncoding.DecodeString(strings.TrimSpace(set))
		if err != nil || len(nal) == 0 || !parameterSet(nal[0]) {
			return H264{}, fieldError(0, "sprop-parameter-sets", set, "sequence and picture parameter sets in base64, separated by commas")
		}
		h.ParameterSets = append(h.ParameterSets, nal)
	}
	return h, nil
}

// parameterSet reports whether a NAL unit that begins with b is one: a sequence
// or picture parameter set, or an extension of one (ITU-T H.264, table 7-1).
func parameterSet(b byte) bool {
	switch b & 0x9f { // the forbidden bit and the type
	case 7, 8, 13, 15:
		return true
	}
	return false
}

// profile is the first two bytes of a profile-level-id.
type profile struct{ idc, constraints byte }

func parseProfile(id string) (profile, bool) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 3 {
		return profile{}, false
	}
	return profile{b[0], b[1]}, true
}

// constrainedBaseline follows RFC 6184, table 5.
func (p profile) constrainedBaseline() bool {
	switch p.idc {
	case 0x42:
		return p.constraints&0x40 != 0
	case 0x4d:
		return p.constraints&0x80 != 0
	case 0x58:
		return p.constraints&0xc0 == 0xc0
	}
	return false
}

// likeness ranks an offered profile by how sure it is that a decoder for it shows
// what was encoded as want: the same profile first, then the profiles that every
// browser decodes. known is false if want is not known.
func (p profile) likeness(want profile, known bool) int {
	switch {
	case known && p.idc == want.idc && p.constrainedBaseline() == want.constrainedBaseline():
		return 5
	case known && p.idc == want.idc:
		return 4
	case p.constrainedBaseline():
		return 3
	case p.idc == 0x42:
		return 2
	case p.idc == 0x4d:
		return 1
	}
	return 0
}
