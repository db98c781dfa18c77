// Package forward decides what happens to a packet between a studio and its
// viewers: which source is heard, in which order its packets count, what is kept
// for joining viewers and retransmission, and how each viewer's copy is numbered.
//
// All of it is pure: time is an argument, and nothing here touches a socket.
package forward

import (
	"time"

	"github.com/framelock/relay/media/packet"
)

// Track is the index of a stream's track.
type Track uint8

// The tracks of a stream.
const (
	Video  Track = iota // "v0"
	Audio               // "a0"
	Tracks = 2
)

// String returns the track's name in the protocol.
func (t Track) String() string {
	if t == Audio {
		return "a0"
	}
	return "v0"
}

// Packet is one packet of a track on its way to the viewers. What it carries is
// frozen at its first forwarding: a retransmission is the same, markers included.
type Packet struct {
	Buffer  *packet.Buffer
	Header  packet.Header // of the datagram in Buffer
	Slot    uint64        // position in the track, counting lost packets
	TS      uint64        // canonical timestamp
	Arrival time.Time
	Capture uint64   // abs-capture-time, NTP 32.32; 0 = not on this packet
	Marker  [16]byte // value of the marker extension
	Track   Track

	MarkerSize    uint8 // bytes of Marker in use: 0, 8 or 16
	FrameStart    bool
	Keyframe      bool // shows its frame to be a keyframe
	Retransmitted bool // this delivery is an answer to a NACK
}

// Payload returns the RTP payload.
func (p *Packet) Payload() []byte { return p.Header.Payload(p.Buffer.Data) }
