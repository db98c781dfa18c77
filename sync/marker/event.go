package marker

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
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
	Version     int             `json:"v"`    // Version if zero
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

// maxMS is the largest duration that an event states, a day: bounds and delays
// above it are written as a day, so that the size of an event is known before
// its frame is.
const maxMS = 86_400_000

// Encode returns the event as compact JSON: the exact bytes that viewers get and
// that the transcript hashes. Times are UTC; ErrorMS and LateMS are rounded to a
// microsecond and held within 0 and a day. It returns ErrTooLarge for more than
// MaxEventSize bytes, which cannot happen to an event whose request had a
// MaxSize within it.
func (e Event) Encode() ([]byte, error) {
	b, err := e.encode()
	if err != nil {
		return nil, fmt.Errorf("encode event %q: %w", e.ID, err)
	}
	if len(b) > MaxEventSize {
		return nil, fmt.Errorf("event %q has %d bytes: %w", e.ID, len(b), ErrTooLarge)
	}
	return b, nil
}

func (e Event) encode() ([]byte, error) {
	if e.Version == 0 {
		e.Version = Version
	}
	e.Type = "event"
	e.CaptureTime = e.CaptureTime.UTC()
	e.ErrorMS, e.LateMS = boundMS(e.ErrorMS), boundMS(e.LateMS)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // bytes are budgeted, and no page sees them as HTML
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// boundMS rounds ms to a microsecond within [0, maxMS]. NaN, which is no bound at
// all, becomes the largest.
func boundMS(ms float64) float64 {
	if math.IsNaN(ms) {
		return maxMS
	}
	return math.Round(min(max(ms, 0), maxMS)*1000) / 1000
}

// MaxSize returns an upper bound of the size of the event that a valid request
// may become on the given stream, in bytes, whatever frame it resolves to. More
// than MaxEventSize is to be refused with ErrTooLarge while nothing has a seq.
func (r Request) MaxSize(stream string) int {
	b, err := Event{
		Log: math.MaxUint64, Stream: stream, Track: r.At.trackOrDefault(),
		Epoch: math.MaxUint32, Seq: maxInteger, Kind: r.Kind.OrMarker(), ID: r.ID,
		TS: maxInteger, Frame: maxInteger,
		CaptureTime: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		ErrorMS:     maxMS - 0.001, LateMS: maxMS - 0.001,
		By: r.By, Data: r.Data, Window: r.Window, Patch: r.Patch,
	}.encode()
	if err != nil { // only Data or Patch that Validate refuses
		return math.MaxInt
	}
	return len(b)
}

// DecodeEvent reads what Encode wrote. Unknown fields are passed over, as later
// versions may add some; an unknown kind is an error.
func DecodeEvent(b []byte) (Event, error) {
	if len(b) > MaxEventSize {
		return Event{}, ErrTooLarge
	}
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	if e.Type != "event" || e.Version < 1 {
		return Event{}, fmt.Errorf("message of type %q, version %d is not an event of version 1 or later", e.Type, e.Version)
	}
	return e, nil
}

// LogID names one unbroken log of a stream. In JSON it is 16 hexadecimal digits.
type LogID uint64

// String returns the JSON form.
func (id LogID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// MarshalText implements encoding.TextMarshaler.
func (id LogID) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(id)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *LogID) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil || len(b) != 16 {
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
