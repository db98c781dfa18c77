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

	Hold          time.Duration // how long after its arrival a frame leaves
	CaptureOffset time.Duration
	History       time.Duration // how long a frame that has left may be marked or resent
	Reorder       time.Duration // how long a missing packet is waited for
	Silence       time.Duration // after which another sender may take over
	MaxPayload    int           // bytes of UDP payload to a viewer
	StateLimit    int           // bytes of the state document
	Gather        time.Duration // how long a packet waits at most for the rest of its frame
	JoinBurst     bool          // joining viewers get the GOP so far; else they wait for a keyframe
}

// Input is how one track comes in.
type Input struct {
	Codec         codec.Codec
	PayloadType   uint8
	SSRC          uint32         // 0 = any
	Allow         []netip.Prefix // empty = anybody
	ParameterSets [][]byte       // H.264: to put in band where the studio does not
}
