package watch

import (
	"slices"
	"time"

	"github.com/pion/rtcp"
)

// When a missing packet is asked for again. A viewer that asks before the answer to
// its last NACK can have come gets packets twice.
const (
	nackTries     = 10
	nackSpacing   = 100 * time.Millisecond // while the round trip is not known
	nackAllowance = 20 * time.Millisecond  // on top of the round trip
)

// asked is a missing packet that was asked for.
type asked struct {
	at    time.Time
	times int
}

// missing returns the packets to ask for now, and takes them for asked for.
func (a *assembler) missing(now time.Time, spacing time.Duration) []uint16 {
	if len(a.held) == 0 {
		return nil
	}
	var numbers []uint16
	for seq := a.next; seq < a.newest; seq++ {
		if a.held[seq] != nil {
			continue
		}
		if w := a.asked[seq]; w.times < nackTries && now.Sub(w.at) >= spacing {
			a.asked[seq] = asked{now, w.times + 1}
			numbers = append(numbers, uint16(seq))
		}
	}
	return numbers
}

// nack returns the feedback that asks for missing packets of video; nil if none is
// to be asked for now.
func (o *observer) nack(now time.Time) []rtcp.Packet {
	spacing := nackSpacing
	if o.bestRTT > 0 {
		spacing = o.bestRTT + nackAllowance
	}
	numbers := o.video.missing(now, spacing)
	if len(numbers) == 0 {
		return nil
	}
	var packets []rtcp.Packet
	for few := range slices.Chunk(rtcp.NackPairsFromSequenceNumbers(numbers), maxNackPairs) {
		packets = append(packets, &rtcp.TransportLayerNack{MediaSSRC: o.videoSSRC, Nacks: few})
	}
	return packets
}

// maxNackPairs keeps a NACK within a datagram.
const maxNackPairs = 200
