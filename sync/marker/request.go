package marker

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/framelock/relay/sync/timeline"
)

// Request asks a stream to bind an event to a frame.
type Request struct {
	// ID names the event; the same ID again returns the same answer. 1 to 64
	// letters, digits or one of . _ : -
	ID   string
	Kind Kind // Marker, State, Outcome or Void; Marker if zero
	At   At
	Data json.RawMessage // any JSON value
	// Patch is an RFC 7396 merge patch of the stream's state, a JSON object; it
	// takes effect on the event's frame. A State event must have one.
	Patch  json.RawMessage
	Window string // written like an ID
	By     string // who publishes: the token's name, at most 64 bytes
	// Timeout is how long to wait for a frame that has not come yet: 2 s if zero,
	// at most 10 s.
	Timeout time.Duration
}

// At names a frame in exactly one of six ways (docs/protocol.md, section 2).
type At struct {
	Track       string // "v0" if empty
	Next        bool   // the next frame to be accepted
	TS          uint64 // canonical timestamp, 1 to 2^53-1
	Source      *SourceTime
	CaptureTime time.Time // the first frame captured at or after it
	// Timecode is what the frame's own SMPTE timecode says, and SEITime its MISP
	// precision time stamp (to the microsecond), where the video carries them.
	Timecode *timeline.Timecode
	SEITime  time.Time
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
	Clock       string    `json:"clock"` // "sender_report", "arrival"; "journal" where a restart has forgotten which
	// What the frame itself carries, if anything; also forgotten by a restart.
	Timecode string    `json:"timecode,omitempty"`
	SEITime  time.Time `json:"sei_time,omitzero"`
}

const (
	// DefaultTrack is the track that a request means if it names none.
	DefaultTrack = "v0"
	// DefaultTimeout is how long a request waits for its frame if it does not say.
	DefaultTimeout = 2 * time.Second
	// MaxTimeout is the longest that a request may wait for its frame.
	MaxTimeout = 10 * time.Second
	// MaxNameLength is the longest id, window or publisher name, in bytes.
	MaxNameLength = 64

	maxInteger = 1<<53 - 1 // the largest integer that JSON carries exactly
	clockRate  = 90_000    // of the canonical timeline, in Hz
)

const (
	allowedName    = "1 to 64 letters, digits or . _ : -"
	allowedKind    = "marker, state, outcome or void"
	allowedAt      = `exactly one of {"next":true}, {"ts":n}, {"source":{"ssrc":n,"ts":n}}, {"capture_time":"..."}, {"timecode":"HH:MM:SS:FF"}, {"sei_time":"..."}`
	allowedTS      = "an integer from 1 to 9007199254740991 (90 kHz)"
	allowedTime    = "RFC 3339 with up to nanoseconds, from 1970 on, such as 2030-01-02T03:04:05.123456789Z"
	allowedCode    = "HH:MM:SS:FF, with a semicolon before the frames for drop-frame, such as 10:11:12:13 or 10:11:12;13"
	allowedTrack   = "v0"
	allowedTimeout = "an integer from 0 to 10000 (milliseconds; 0 means 2000)"
	allowedData    = "one JSON value in UTF-8, no name twice in an object"
	allowedPatch   = "a JSON object in UTF-8, no name twice in an object (RFC 7396 merge patch)"
)

// Validate checks every field and returns a *FieldError for the first that is
// wrong. It does not check the size: see MaxSize.
func (r Request) Validate() error {
	if !ValidName(r.ID) {
		return fieldError("id", r.ID, allowedName)
	}
	switch r.Kind {
	case 0, Marker, State, Outcome, Void:
	default:
		return fieldError("kind", r.Kind.String(), allowedKind)
	}
	if r.Data != nil && checkJSON(r.Data) != nil {
		return fieldError("data", string(r.Data), allowedData)
	}
	if err := r.validatePatch(); err != nil {
		return err
	}
	if r.Window != "" && !ValidName(r.Window) {
		return fieldError("window", r.Window, allowedName)
	}
	return r.validateCommon()
}

// validateCommon checks what all requests for events have.
func (r Request) validateCommon() error {
	if err := r.At.validate(); err != nil {
		return err
	}
	if len(r.By) > MaxNameLength || !utf8.ValidString(r.By) {
		return fieldError("by", r.By, "at most 64 bytes of UTF-8")
	}
	if r.Timeout < 0 || r.Timeout > MaxTimeout {
		return fieldError("timeout_ms", strconv.FormatInt(r.Timeout.Milliseconds(), 10), allowedTimeout)
	}
	return nil
}

func (r Request) validatePatch() error {
	if r.Patch == nil {
		if r.Kind == State {
			return fieldError("patch", "", allowedPatch)
		}
		return nil
	}
	trimmed := bytes.TrimLeft(r.Patch, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' || checkJSON(r.Patch) != nil {
		return fieldError("patch", string(r.Patch), allowedPatch)
	}
	return nil
}

func (a At) validate() error {
	forms := 0
	for _, has := range []bool{a.Next, a.TS != 0, a.Source != nil, !a.CaptureTime.IsZero(), a.Timecode != nil, !a.SEITime.IsZero()} {
		if has {
			forms++
		}
	}
	switch {
	case a.Track != "" && a.Track != DefaultTrack:
		return fieldError("at.track", a.Track, allowedTrack)
	case forms == 0:
		return fieldError("at", "", allowedAt)
	case forms > 1:
		return fieldError("at", strconv.Itoa(forms)+" forms at once", allowedAt)
	case a.TS > maxInteger:
		return fieldError("at.ts", strconv.FormatUint(a.TS, 10), allowedTS)
	case !a.CaptureTime.IsZero() && !hasTimestamp(a.CaptureTime):
		return fieldError("at.capture_time", a.CaptureTime.String(), allowedTime)
	case !a.SEITime.IsZero() && !hasTimestamp(a.SEITime):
		return fieldError("at.sei_time", a.SEITime.String(), allowedTime)
	case a.Timecode != nil && !a.Timecode.Valid():
		return fieldError("at.timecode", a.Timecode.String(), allowedCode)
	}
	return nil
}

// hasTimestamp reports whether a time has a place on the canonical timeline.
func hasTimestamp(t time.Time) bool { return t.Unix() >= 0 && t.Unix() < maxInteger/clockRate }

// nameBytes are the bytes that a name may have.
var nameBytes = func() (may [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") {
		may[c] = true
	}
	return may
}()

// ValidName reports whether s may be an id or the name of a window: 1 to 64 letters,
// digits or one of . _ : -
func ValidName(s string) bool {
	if s == "" || len(s) > MaxNameLength {
		return false
	}
	for i := range len(s) {
		if !nameBytes[s[i]] {
			return false
		}
	}
	return true
}

// Digest identifies what a valid request asks for, so that a repeated ID can be
// told from a reused one. White space in Data and Patch does not count, nor does
// who asks or how long they wait.
func (r Request) Digest() [sha256.Size]byte {
	form := struct {
		ID, Kind, Track string
		Next            bool
		TS              uint64
		Source          *SourceTime
		CaptureTime     string
		Timecode        string
		SEITime         string
		Data, Patch     json.RawMessage
		Window          string
	}{
		r.ID, r.Kind.OrMarker().String(), r.At.trackOrDefault(),
		r.At.Next, r.At.TS, r.At.Source, "", "", "", r.Data, r.Patch, r.Window,
	}
	if !r.At.CaptureTime.IsZero() {
		form.CaptureTime = r.At.CaptureTime.UTC().Format(time.RFC3339Nano)
	}
	if r.At.Timecode != nil {
		form.Timecode = r.At.Timecode.String()
	}
	if !r.At.SEITime.IsZero() {
		form.SEITime = r.At.SEITime.UTC().Format(time.RFC3339Nano)
	}
	b, err := json.Marshal(form)
	if err != nil { // only Data or Patch that Validate refuses
		b = []byte(r.ID + "\x00" + string(r.Data) + "\x00" + string(r.Patch))
	}
	return sha256.Sum256(b)
}

// OrMarker returns the kind, Marker if it is zero.
func (k Kind) OrMarker() Kind {
	if k == 0 {
		return Marker
	}
	return k
}

func (a At) trackOrDefault() string {
	if a.Track == "" {
		return DefaultTrack
	}
	return a.Track
}
