// Package stream is where a studio's media and the game server's events meet:
// the loop of one stream. Core is the pure part, which decides; Loop is the
// goroutine around it, which owns it and performs.
package stream

import (
	"net/netip"
	"time"

	"github.com/framelock/relay/media/codec"
)

// Config says what a stream is. It has been validated.
type Config struct {
	Name   string
	Number int // distinguishes streams on shared shards
	Video  *Input
	Audio  *Input
	Backup *Backup // nil if there is one encoder only

	Hold          time.Duration // how long after its arrival a frame leaves
	CaptureOffset time.Duration
	History       time.Duration // how long a frame that has left may be marked or resent
	Reorder       time.Duration // how long a missing packet of the primary encoder is waited for
	Silence       time.Duration // after which another sender may take its place
	MaxPayload    int           // bytes of UDP payload to a viewer
	StateLimit    int           // bytes of the state document
	Gather        time.Duration // how long a packet waits at most for the rest of its frame
	JoinBurst     bool          // joining viewers get the GOP so far; else they wait for a keyframe
}

// Backup is the second encoder of a stream. It sends the same tracks in the same
// codecs.
type Backup struct {
	Video   *Input
	Audio   *Input // nil if the primary sends none
	Reorder time.Duration
	Silence time.Duration
	// After is how long no video may come from the encoder that is on, until the
	// other one takes over.
	After time.Duration
	// ReturnAfter is how long the primary must have been back until it takes over
	// again; 0 = never by itself.
	ReturnAfter time.Duration
}

// SecondPath is the second of two paths by which the same packets come.
type SecondPath struct {
	Allow []netip.Prefix // empty = anybody
	Skew  time.Duration  // how much later than by the other path a packet may come
}

// Input is how one track comes in.
type Input struct {
	Codec         codec.Codec
	PayloadType   uint8
	SSRC          uint32         // 0 = any
	Allow         []netip.Prefix // empty = anybody
	ParameterSets [][]byte       // H.264: to put in band where the studio does not
	Second        *SecondPath    // nil if there is one path only
}

// window returns how long a missing packet is waited for, where it would be
// reorder if there were one path.
func (in *Input) window(reorder time.Duration) time.Duration {
	if in.Second == nil {
		return reorder
	}
	return reorder + in.Second.Skew
}
