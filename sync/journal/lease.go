package journal

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/framelock/relay/sync/marker"
)

// SeqBlock is how many seq numbers a lease takes at once.
const SeqBlock = 4096

// Lease is what a stream has claimed for good: no later run of the relay uses a
// seq up to SeqEnd, an epoch up to Epoch, or a timestamp that is behind. It is a
// line of the journal.
type Lease struct {
	Log     marker.LogID  `json:"log"`
	SeqEnd  uint64        `json:"seq_end"`  // the last seq that may be in use
	Epoch   uint32        `json:"epoch"`    // of the video track, the newest in use
	AheadBy time.Duration `json:"ahead_ns"` // lead of the timeline over the wall clock
}

// leaseLine is a lease as the journal has it.
type leaseLine struct {
	V    int    `json:"v"`
	Type string `json:"type"`
	Lease
}

// Line returns the lease's line.
func (l Lease) Line() []byte {
	b, err := json.Marshal(leaseLine{marker.Version, "lease", l})
	if err != nil {
		panic(err) // a plain struct of ours
	}
	return b
}

// ParseLease reads a line of type lease.
func ParseLease(line []byte) (Lease, error) {
	var l leaseLine
	if err := json.Unmarshal(line, &l); err != nil {
		return Lease{}, fmt.Errorf("lease: %w", err)
	}
	if l.Type != "lease" || l.Log == 0 {
		return Lease{}, errors.New("lease: it names no log")
	}
	return l.Lease, nil
}

// NewLog returns the id of a log that nobody has: 64 random bits.
func NewLog() marker.LogID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return marker.LogID(binary.BigEndian.Uint64(b[:]) | 1)
}
