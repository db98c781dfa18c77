package window

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/framelock/relay/sync/marker"
)

// MaxSpans is how many Sent spans an action has at most.
const MaxSpans = 8

// Action is one adjudicated action: every fact that its verdict stands on. Its line
// in the journal has neither the payload nor anything that names a person.
type Action struct {
	V    int    `json:"v"`    // 1
	Type string `json:"type"` // "action"
	// Order is its place among all adjudicated actions of the log: 1, 2, … Judge
	// gives it.
	Order  uint64 `json:"order"`
	Window string `json:"window"`
	ID     string `json:"id"` // unique for the subject
	// Subject and Session are pseudonyms, written like an ID. Session is "" for an
	// action of a server.
	Subject string `json:"subject"`
	Session string `json:"session"`
	// ReceivedAt is when the relay received it: UTC, nanoseconds, never before that of
	// the action before.
	ReceivedAt time.Time `json:"received_at"`
	// Seen is the canonical timestamp of the frame that the viewer saw; 0 for servers,
	// and for a viewer that named none.
	Seen uint64 `json:"seen"`
	// Sent are the canonical timestamps that were really sent to the session: at most
	// 8 spans, oldest first, apart from each other.
	Sent []Span `json:"sent"`
	// Superseded is when the first frame after Seen left the relay; zero if none has.
	Superseded time.Time `json:"superseded,omitzero"`
	RTTMS      float64   `json:"rtt_ms"`     // round trip that the session's reports give
	Size       int       `json:"size"`       // bytes of data, 1 or more
	Commitment string    `json:"commitment"` // hex SHA-256(salt ‖ data)
	Verdict    string    `json:"verdict"`    // Accepted or Rejected
	Reason     string    `json:"reason,omitempty"`
	// Digest is SHA-256 of data, to tell a repeat from a reused id. It is in no line:
	// after a restart it comes from the payload, and is zero if that was erased.
	Digest [32]byte `json:"-"`
}

// Span is a run of canonical timestamps, both ends included. In JSON it is
// [from,to].
type Span struct{ From, To uint64 }

// MarshalJSON implements json.Marshaler.
func (s Span) MarshalJSON() ([]byte, error) { return s.append(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Span) UnmarshalJSON(b []byte) error {
	var ends []uint64
	if err := json.Unmarshal(b, &ends); err != nil || len(ends) != 2 {
		return fmt.Errorf("sent: %q is not accepted; allowed: [from,to], two canonical timestamps", brief(b))
	}
	*s = Span{ends[0], ends[1]}
	return nil
}

func (s Span) append(b []byte) []byte {
	b = strconv.AppendUint(append(b, '['), s.From, 10)
	b = strconv.AppendUint(append(b, ','), s.To, 10)
	return append(b, ']')
}

// Encode returns the action's line: the exact bytes that the journal holds and, of
// an accepted action, the leaf of its window's tree. The action has been through
// Judge.
func (a *Action) Encode() []byte {
	return a.append(make([]byte, 0, 384+32*len(a.Sent)))
}

func (a *Action) append(b []byte) []byte {
	b = strconv.AppendUint(append(b, `{"v":1,"type":"action","order":`...), a.Order, 10)
	b = appendName(append(b, `,"window":`...), a.Window)
	b = appendName(append(b, `,"id":`...), a.ID)
	b = appendName(append(b, `,"subject":`...), a.Subject)
	b = appendName(append(b, `,"session":`...), a.Session)
	b = appendTime(append(b, `,"received_at":`...), a.ReceivedAt)
	b = strconv.AppendUint(append(b, `,"seen":`...), a.Seen, 10)
	b = append(b, `,"sent":[`...)
	for i, s := range a.Sent {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.append(b)
	}
	b = append(b, ']')
	if !a.Superseded.IsZero() {
		b = appendTime(append(b, `,"superseded":`...), a.Superseded)
	}
	b = strconv.AppendFloat(append(b, `,"rtt_ms":`...), a.RTTMS, 'f', -1, 64)
	b = strconv.AppendInt(append(b, `,"size":`...), int64(a.Size), 10)
	b = append(append(b, `,"commitment":"`...), a.Commitment...)
	b = append(append(b, `","verdict":"`...), a.Verdict...)
	if a.Reason != "" {
		b = append(append(b, `","reason":"`...), a.Reason...)
	}
	return append(b, `"}`...)
}

// appendName writes what a viewer may have chosen. A valid name needs no escapes;
// anything else, which Judge lets no action have, cannot break out of its quotes.
func appendName(b []byte, s string) []byte {
	if !marker.ValidName(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// errNotCanonical is returned for a line whose values are fine and whose bytes are
// not those that Encode would write.
var errNotCanonical = errors.New("the line is not in canonical form; take the bytes as the relay wrote them, without re-serialising")

// DecodeAction reads what Encode wrote and nothing else: every member in its place,
// no space, no other way to write a number or a time.
func DecodeAction(line []byte) (*Action, error) {
	a, ok := parseAction(line)
	if !ok {
		a = new(Action)
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(a); err != nil {
			return nil, fmt.Errorf("action line: %w", err)
		}
	}
	a.ReceivedAt, a.Superseded = a.ReceivedAt.UTC(), a.Superseded.UTC()
	if err := a.checkLine(); err != nil {
		return nil, fmt.Errorf("action line: %w", err)
	}
	a.RTTMS = boundRTT(a.RTTMS) // that is, without the sign of -0
	if !bytes.Equal(a.Encode(), line) {
		return nil, fmt.Errorf("action line %d: %w", a.Order, errNotCanonical)
	}
	return a, nil
}

// checkLine checks what only a recorded action has, and its facts.
func (a *Action) checkLine() error {
	switch {
	case a.V != 1 || a.Type != "action":
		return fmt.Errorf("type %q, version %d; want an action of version 1", a.Type, a.V)
	case a.Order == 0 || a.Order > maxInteger:
		return fmt.Errorf("order: %d is not accepted; allowed: 1 to 9007199254740991", a.Order)
	case a.Verdict == Accepted && a.Reason != "",
		a.Verdict == Rejected && !adjudicated[a.Reason],
		a.Verdict != Accepted && a.Verdict != Rejected:
		return fmt.Errorf("verdict %q with reason %q; want accepted without one, or rejected with one of the documented reasons", a.Verdict, a.Reason)
	}
	return a.check()
}

// check returns what keeps the facts from being recorded.
func (a *Action) check() error {
	switch {
	case !marker.ValidName(a.Window):
		return nameError("window", a.Window)
	case !marker.ValidName(a.ID):
		return nameError("id", a.ID)
	case !marker.ValidName(a.Subject):
		return nameError("subject", a.Subject)
	case a.Session != "" && !marker.ValidName(a.Session):
		return nameError("session", a.Session)
	}
	if y := a.ReceivedAt.Year(); y < 1970 || y > 9999 {
		return fmt.Errorf("received_at: %v is not accepted; allowed: a time from 1970 to 9999", a.ReceivedAt)
	}
	if !a.Superseded.IsZero() && (a.Superseded.Year() < 1970 || a.Superseded.After(a.ReceivedAt)) {
		return fmt.Errorf("superseded: %v is not accepted; allowed: a time from 1970 to received_at", a.Superseded)
	}
	if a.RTTMS != boundRTT(a.RTTMS) {
		return fmt.Errorf("rtt_ms: %v is not accepted; allowed: 0 to 86400000, in steps of 0.001", a.RTTMS)
	}
	if a.Size < 1 || a.Size > maxSize {
		return fmt.Errorf("size: %d is not accepted; allowed: 1 to %d bytes", a.Size, maxSize)
	}
	if !isHash(a.Commitment) {
		return fmt.Errorf("commitment: %q is not accepted; allowed: 64 lower-case hexadecimal digits", brief([]byte(a.Commitment)))
	}
	return a.checkFrames()
}

func nameError(field, value string) error {
	return &marker.FieldError{Field: field, Value: brief([]byte(value)), Allowed: "1 to 64 letters, digits or . _ : -"}
}

func (a *Action) checkFrames() error {
	if a.Session == "" && (a.Seen != 0 || len(a.Sent) > 0 || !a.Superseded.IsZero()) {
		return errors.New("seen, sent, superseded: an action without a session has none")
	}
	if a.Seen > maxInteger {
		return fmt.Errorf("seen: %d is not accepted; allowed: a canonical timestamp up to 9007199254740991", a.Seen)
	}
	if len(a.Sent) > MaxSpans {
		return fmt.Errorf("sent: %d spans are not accepted; allowed: at most %d", len(a.Sent), MaxSpans)
	}
	for i, s := range a.Sent {
		if s.From > s.To || s.To > maxInteger || i > 0 && s.From <= a.Sent[i-1].To {
			return fmt.Errorf("sent: [%d,%d] is not accepted; allowed: spans in rising order, apart from each other", s.From, s.To)
		}
	}
	return nil
}

const (
	maxSize  = 1 << 20    // larger than anything that a stream takes in
	maxRTTMS = 86_400_000 // a day
)

// boundRTT rounds a round trip to a microsecond within 0 and a day. NaN, which no
// report gives, is none.
func boundRTT(ms float64) float64 {
	if math.IsNaN(ms) {
		return 0
	}
	return math.Round(min(max(ms, 0), maxRTTMS)*1000) / 1000
}

// isHash reports whether s is a SHA-256 in lower-case hexadecimal.
func isHash(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
