package load

import (
	"math"

	"golang.org/x/net/bpf"
)

// payloadAt is where a datagram's payload begins for a filter on a UDP socket: the
// kernel shows it the UDP header too.
const payloadAt = 8

// dropRTP is a socket filter that drops RTP and SRTP in the kernel, which counts
// what it drops, and lets STUN, DTLS and RTCP pass (RFC 7983, RFC 5761): a viewer
// stays connected and costs next to nothing. It runs for each datagram of a run
// that was sent with segmentation offload, because the kernel takes such a run
// apart for a socket that did not ask for it whole.
//
// The share miss of the packets of video passes too, at random: they are those that
// the viewer is to take for lost. What is sent again on a stream of its own (RTX) has
// another payload type.
func dropRTP(miss float64) []bpf.Instruction {
	var chance []bpf.Instruction
	if miss > 0 {
		chance = []bpf.Instruction{
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x7f}, // without the marker bit
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: VideoType, SkipTrue: 2},
			bpf.LoadExtension{Num: bpf.ExtRand},
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(miss * math.MaxUint32), SkipTrue: 1},
		}
	}
	more := uint8(len(chance))
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: payloadAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 128, SkipTrue: 5 + more},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 191, SkipTrue: 4 + more},
		bpf.LoadAbsolute{Off: payloadAt + 1, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 192, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: 223, SkipTrue: 1 + more},
	}
	program = append(program, chance...)
	return append(program, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: 1 << 16})
}
