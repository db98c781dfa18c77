package codec

import (
	"encoding/binary"
	"fmt"
)

// Types of NAL units and of their packets (RFC 6184, section 5.2).
const (
	nalIDR   = 5
	nalSEI   = 6
	nalSPS   = 7
	nalPPS   = 8
	nalLast  = 23 // types 1 to 23 are NAL units as such
	nalSTAPA = 24
	nalSTAPB = 25
	nalMTAP1 = 26
	nalMTAP2 = 27
	nalFUA   = 28
	nalFUB   = 29

	nalTypeMask = 0x1F
	fuStart     = 0x80
	fuEnd       = 0x40
)

var (
	errReserved  = fmt.Errorf("%w: H.264 packet of a reserved type (0, 30 or 31)", ErrMalformed)
	errSTAPA     = fmt.Errorf("%w: H.264 STAP-A whose units do not fill it exactly", ErrMalformed)
	errSTAPAType = fmt.Errorf("%w: H.264 STAP-A with something other than NAL units in it", ErrMalformed)
	errFUA       = fmt.Errorf("%w: H.264 FU-A shorter than its two header bytes", ErrMalformed)
	errFUAType   = fmt.Errorf("%w: H.264 FU-A of something other than a NAL unit", ErrMalformed)
	errSTAPB     = fmt.Errorf("%w: H.264 STAP-B (set packetization-mode=1)", ErrUnsupported)
	errMTAP      = fmt.Errorf("%w: H.264 MTAP (set packetization-mode=1)", ErrUnsupported)
	errFUB       = fmt.Errorf("%w: H.264 FU-B (set packetization-mode=1)", ErrUnsupported)
)

// singleNAL reports whether a packet or unit with this first byte is a NAL unit
// as such.
func singleNAL(header byte) bool {
	t := header & nalTypeMask
	return t >= 1 && t <= nalLast
}

// otherH264 says what is wrong with a packet whose first byte names none of the
// types that packetization modes 0 and 1 use.
func otherH264(header byte) error {
	switch header & nalTypeMask {
	case nalSTAPB:
		return errSTAPB
	case nalMTAP1, nalMTAP2:
		return errMTAP
	case nalFUB:
		return errFUB
	}
	return errReserved
}

func inspectH264(payload []byte) (f Facts, err error) {
	switch t := payload[0] & nalTypeMask; {
	case singleNAL(payload[0]):
		f.addNAL(t)
	case t == nalSTAPA:
		for rest := payload[1:]; ; {
			var nal []byte
			if nal, rest, err = nextAggregated(rest); err != nil {
				return Facts{}, err
			}
			f.addNAL(nal[0] & nalTypeMask)
			if len(rest) == 0 {
				break
			}
		}
	case t == nalFUA:
		u, err := parseFUA(payload)
		if err != nil {
			return Facts{}, err
		}
		if u.start { // what goes on shows nothing to start from
			f.addNAL(u.header & nalTypeMask)
		}
	default:
		return Facts{}, otherH264(payload[0])
	}
	return f, nil
}

func (f *Facts) addNAL(kind byte) {
	switch kind {
	case nalIDR:
		f.Keyframe = true
	case nalSPS:
		f.SPS = true
	case nalPPS:
		f.PPS = true
	}
}

// nextAggregated splits the first NAL unit off the units of a STAP-A (RFC 6184,
// section 5.7.1). The unit is not empty.
func nextAggregated(units []byte) (nal, rest []byte, err error) {
	if len(units) < 2 {
		return nil, nil, errSTAPA
	}
	n := int(binary.BigEndian.Uint16(units))
	if n == 0 || n > len(units)-2 {
		return nil, nil, errSTAPA
	}
	nal, rest = units[2:2+n], units[2+n:]
	if !singleNAL(nal[0]) {
		return nil, nil, errSTAPAType
	}
	return nal, rest, nil
}

// fragment is the content of an FU-A (RFC 6184, section 5.8).
type fragment struct {
	header     byte // of the whole NAL unit, rebuilt
	body       []byte
	start, end bool
}

// parseFUA reads a payload of type FU-A, whose body may be empty.
func parseFUA(payload []byte) (fragment, error) {
	if len(payload) < 2 {
		return fragment{}, errFUA
	}
	u := fragment{
		header: payload[0]&^nalTypeMask | payload[1]&nalTypeMask,
		body:   payload[2:],
		start:  payload[1]&fuStart != 0,
		end:    payload[1]&fuEnd != 0,
	}
	if !singleNAL(u.header) {
		return fragment{}, errFUAType
	}
	return u, nil
}
