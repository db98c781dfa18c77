package marker

import (
	"encoding/json"
	"time"
)

// Request asks a stream to bind an event to a frame.
type Request struct {
	// ID names the event; the same ID again returns the same answer.
	ID   string
	Kind Kind // Marker, State, Outcome or Void; Marker if zero
	At   At
	Data json.RawMessage // any JSON value
	// Patch is an RFC 7396 merge patch of the stream's state; it takes effect on
	// the event's frame.
	Patch  json.RawMessage
	Window string
	By     string // who publishes: the token's name
	// Timeout is how long to wait for a frame that has not come yet: 2 s if zero,
	// at most 10 s.
	Timeout time.Duration
}

// At names a frame in exactly one of four ways (docs/protocol.md, section 2).
type At struct {
	Track       string // "v0" if empty
	Next        bool   // the next frame to be accepted
	TS          uint64 // canonical timestamp
	Source      *SourceTime
	CaptureTime time.Time // the first frame captured at or after it
}

// SourceTime names a frame by what the studio's own equipment put on the wire.
type SourceTime struct {
	SSRC uint32 `json:"ssrc"`
	TS   uint32 `json:"ts"`
}

// Resolved is the answer to a Request: which frame the event was bound to.
type Resolved struct {
	ID          string    `json:"id"`
	Seq         uint64    `json:"seq"`
	Epoch       uint32    `json:"epoch"`
	TS          uint64    `json:"ts"`
	Frame       uint64    `json:"frame"`
	CaptureTime time.Time `json:"capture_time"`
	ErrorMS     float64   `json:"error_ms"`
	LateMS      float64   `json:"late_ms"`
	Clock       string    `json:"clock"` // "sender_report" or "arrival"
}
