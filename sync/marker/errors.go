package marker

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// The reasons for which a well-formed Request is refused. Each message begins
// with a word for programs and goes on with what the caller can do.
var (
	// ErrFrameNotSeen: no frame at or after the named time came within the timeout.
	ErrFrameNotSeen = errors.New("frame_not_seen: no frame came at or after that time within the timeout; nothing was marked and the id is free again: check that the feed is running, name a later frame, or allow a longer timeout_ms")
	// ErrPaused: the feed is paused, so that no next frame will come.
	ErrPaused = errors.New("paused: the feed is paused and no next frame will come; resume it, or name a frame of the last 10 s by its ts")
	// ErrConflict: the id was used before, for something else.
	ErrConflict = errors.New("conflict: this id already names a different event; send a new id, or exactly the same request to get the same answer")
	// ErrTooLarge: the event's JSON form would exceed MaxEventSize.
	ErrTooLarge = errors.New("too_large: the event exceeds 1,024 bytes as JSON; put larger data behind a URL and its hash")
	// ErrInboxFull: too many requests wait for the stream.
	ErrInboxFull = errors.New("inbox_full: too many requests are waiting for this stream; pause briefly, then send the same id again")
	// ErrUnavailable: nothing can be made durable now.
	ErrUnavailable = errors.New("journal_unavailable: the relay cannot keep anything now (see /readyz), so it promises nothing; media goes on; send the same id again when it is ready")
	// ErrNotOwner: another relay has taken the stream.
	ErrNotOwner = errors.New("not_owner: another relay has taken this stream over; send events and actions there")
	// ErrClosed: the stream ends, because the relay does.
	ErrClosed = errors.New("closed: the stream has been shut down; send the same id again when the relay is back")
	// ErrUnresolvable: the request names no frame that this stream has or may get.
	ErrUnresolvable = errors.New("unresolvable: the request names no frame of this stream; use an ssrc and ts that the relay received in the last 10 s, or a time at most 10 s away")
	// ErrNotCarried: the request names a frame by a time that the stream's video does
	// not carry.
	ErrNotCarried = errors.New("not_carried: this stream's video does not carry that kind of time; have the encoder write it (H.264 picture timing SEI for timecode, MISP precision time stamps for sei_time; GET /v1/streams/{stream} shows what comes), or name the frame by its capture_time, source or ts")
)

// FieldError says which part of a request is wrong, what it was and what it may
// be.
type FieldError struct {
	Field   string // the path in the JSON form, such as "at.capture_time"
	Value   string // what was there, shortened; empty if nothing was
	Allowed string // what may be there
}

// maxEcho is how many bytes of a wrong value an error repeats.
const maxEcho = 64

func fieldError(field, value, allowed string) *FieldError {
	if len(value) > maxEcho {
		cut := maxEcho
		for cut > 0 && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut] + "…"
	}
	return &FieldError{Field: field, Value: value, Allowed: allowed}
}

func (e *FieldError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: is missing or empty; allowed: %s", e.Field, e.Allowed)
	}
	return fmt.Sprintf("%s: %q is not accepted; allowed: %s", e.Field, e.Value, e.Allowed)
}
