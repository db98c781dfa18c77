// Package window decides which actions of viewers count. A window is opened and
// closed on video frames by events of the stream's log; an action says on which
// frame its viewer took it. Every action gets a verdict that is a function of the
// ordered lines of the journal and of nothing else, so that whoever has the lines
// gets the same verdicts (Replay; docs/windows.md).
package window

import (
	"errors"
	"fmt"
	"time"
)

// Phase says what a window does with actions.
type Phase uint8

// The phases. A window is never open again.
const (
	// Open: actions are taken.
	Open Phase = iota
	// Closing: the close frame is known. Until the grace has passed, actions are
	// taken whose viewer saw a frame before it.
	Closing
	// Closed: the count and the root of the accepted actions are in the log.
	Closed
	// Voided: nothing in it counts.
	Voided
)

var phaseNames = [...]string{Open: "open", Closing: "closing", Closed: "closed", Voided: "void"}

// String returns the name used in JSON.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// MarshalText implements encoding.TextMarshaler.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// The reasons for which an event of a window is refused. Each message begins with a
// word for programs and goes on with what the caller can do.
var (
	// ErrExists: a window of that name is known.
	ErrExists = errors.New("window_exists: a window of this name is open or was among the newest; choose a new name")
	// ErrUnknown: no window of that name is known.
	ErrUnknown = errors.New("window_unknown: no window of this name is open or among the newest that were; check the name")
	// ErrNotClosed: an outcome came before its window's window.close.
	ErrNotClosed = errors.New("window_not_closed: the window still takes actions, so its outcome cannot be told; close it first and wait for its window.close")
	// ErrPhase: the window is past what the event would do to it, or not yet there.
	ErrPhase = errors.New("window_phase: the window's phase does not allow this; open comes before closing, closing before close, and after void nothing")
	// ErrTooMany: MaxOpen windows take actions already.
	ErrTooMany = errors.New("too_many_windows: 16 windows of this stream are open; close or void some first")
)

// What a Book holds at most.
const (
	// MaxOpen is how many windows take actions at a time.
	MaxOpen = 16
	// KeptClosed is how many closed and voided windows are known, the newest. They are
	// fewer when they hold more than MaxActions accepted actions together.
	KeptClosed = 64
	// KeptRejected is how many rejected actions are known by their id, the newest.
	KeptRejected = 1 << 14
)

// Window is what a Book knows of one window.
type Window struct {
	Name     string
	Phase    Phase
	OpenTS   uint64 // the first frame on which actions are taken
	CloseTS  uint64 // the first on which they no longer are; 0 until Closing
	Rules    Rules
	Accepted int
	InGrace  int // of the accepted, those received after the closing
	// Rejected counts the rejected actions that named this window while it was open or
	// closing.
	Rejected      int
	ClosingAt     time.Time // when Closing began; zero before
	ClosingReason string    // deadline, requested or no_frame
	Root          string    // hex RFC 6962 root of the lines of the accepted actions so far
}

// RevealInGrace reports whether an outcome on the frame at ts is shown while
// actions on frames before the close may still come in: within the grace, counted on
// the canonical line from the close frame. Such an outcome can be known to who sends
// one of the last actions, and is worth an alarm. It is false until the close frame
// is known.
func (w Window) RevealInGrace(ts uint64) bool {
	return w.CloseTS != 0 && ts >= w.CloseTS && ts-w.CloseTS < uint64(w.Rules.Grace/time.Millisecond)*ticksPerMS
}

// ticksPerMS converts milliseconds to units of the canonical line, 1/90,000 s.
const ticksPerMS = 90

// maxInteger is the largest integer that JSON carries exactly.
const maxInteger = 1<<53 - 1
