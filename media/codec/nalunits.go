package codec

import "fmt"

var (
	errFragmentStart = fmt.Errorf("%w: FU-A goes on with a NAL unit whose start is missing", ErrMalformed)
	errFragmentEnd   = fmt.Errorf("%w: a NAL unit begins before the last fragmented one has ended", ErrMalformed)
)

// nalSink takes the NAL units of a frame, in RTP order. Nothing that it is given
// is kept.
type nalSink interface {
	beginNAL(header byte, body []byte)
	goOnNAL(body []byte) // of a fragmented unit
}

// nalUnits undoes STAP-A and FU-A (RFC 6184, sections 5.7.1 and 5.8) over the
// payloads of one frame.
type nalUnits struct {
	open bool // an FU-A has begun and not ended
}

// add gives the sink the units of the next payload, which is not empty.
func (u *nalUnits) add(payload []byte, sink nalSink) error {
	switch t := payload[0] & nalTypeMask; {
	case t == nalFUA:
		return u.addFragment(payload, sink)
	case u.open:
		return errFragmentEnd
	case singleNAL(payload[0]):
		sink.beginNAL(payload[0], payload[1:])
	case t == nalSTAPA:
		for rest := payload[1:]; ; {
			var nal []byte
			var err error
			if nal, rest, err = nextAggregated(rest); err != nil {
				return err
			}
			sink.beginNAL(nal[0], nal[1:])
			if len(rest) == 0 {
				break
			}
		}
	default:
		return otherH264(payload[0])
	}
	return nil
}

func (u *nalUnits) addFragment(payload []byte, sink nalSink) error {
	f, err := parseFUA(payload)
	switch {
	case err != nil:
		return err
	case f.start && u.open:
		return errFragmentEnd
	case !f.start && !u.open:
		return errFragmentStart
	case f.start:
		sink.beginNAL(f.header, f.body)
	default:
		sink.goOnNAL(f.body)
	}
	u.open = !f.end
	return nil
}
