package marker

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// Version is the version of the event format that this relay writes.
const Version = 1

// MaxEventSize is the largest event, in bytes of its JSON form. Larger data
// belongs behind a hash and a URL.
const MaxEventSize = 1024

// Event is one entry of a stream's log: something that happened, bound to the
// video frame that shows it. Its JSON form is built once; every viewer gets the
// same bytes, and they are the leaf of the transcript.
type Event struct {
	Version     int             `json:"v"`
	Type        string          `json:"type"` // always "event"
	Log         LogID           `json:"log"`
	Stream      string          `json:"stream"`
	Track       string          `json:"track"`
	Epoch       uint32          `json:"epoch"`
	Seq         uint64          `json:"seq"`
	Kind        Kind            `json:"kind"`
	ID          string          `json:"id"`
	TS          uint64          `json:"ts"`           // canonical timestamp of the frame
	Frame       uint64          `json:"frame"`        // count of frames on the track; informational
	CaptureTime time.Time       `json:"capture_time"` // of the frame, UTC
	ErrorMS     float64         `json:"error_ms"`     // bound on CaptureTime
	LateMS      float64         `json:"late_ms"`      // how long the frame had left when the event came; 0 = in time
	By          string          `json:"by"`           // name of the token that published it
	Data        json.RawMessage `json:"data,omitempty"`
	Window      string          `json:"window,omitempty"`
	Patch       json.RawMessage `json:"patch,omitempty"` // RFC 7396 merge patch of the state
}

// LogID names one unbroken log of a stream. In JSON it is 16 hexadecimal digits.
type LogID uint64

// MarshalText implements encoding.TextMarshaler.
func (id LogID) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(id)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *LogID) UnmarshalText(b []byte) error {
	var v uint64
	if n, err := fmt.Sscanf(string(b), "%016x", &v); n != 1 || err != nil || len(b) != 16 {
		return fmt.Errorf("log %q is not 16 hexadecimal digits", b)
	}
	*id = LogID(v)
	return nil
}

// LeafHash returns the RFC 6962 (section 2.1) hash of an event's bytes.
func LeafHash(event []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(event)
	return [sha256.Size]byte(h.Sum(nil))
}
