package window

// The verdicts.
const (
	Accepted = "accepted"
	Rejected = "rejected"
)

// The reasons of a rejected action. docs/windows.md says in which order they are
// looked for: the first that holds is the one.
const (
	ReasonIDReused       = "id_reused"        // the subject used this id for something else
	ReasonWindowUnknown  = "window_unknown"   // no such window, or one of long ago
	ReasonWindowVoid     = "window_void"      // the window was voided
	ReasonWindowClosed   = "window_closed"    // its window.close has been, or its grace is over
	ReasonTooLarge       = "too_large"        // more data than max_bytes
	ReasonSeenMissing    = "seen_missing"     // a viewer's action that names no frame
	ReasonWindowNotOpen  = "window_not_open"  // no frame of the window has been sent to the session
	ReasonSeenBeforeOpen = "seen_before_open" // the frame is before the open frame
	ReasonSeenAfterClose = "seen_after_close" // the frame is the close frame or a later one
	ReasonSeenFuture     = "seen_future"      // the frame is later than any sent to the session
	ReasonSeenNotSent    = "seen_not_sent"    // the frame is among those not sent to the session
	ReasonSeenTooOld     = "seen_too_old"     // the next frame left too long ago
	ReasonLimitPerViewer = "limit_per_viewer" // max_per_viewer were accepted of the subject
	ReasonWindowFull     = "window_full"      // max_actions were accepted
)

// The reasons of a refusal outside adjudication: there is no line, no order and no
// salt, and the same action may be sent again.
const (
	ReasonMalformed          = "malformed"           // not an action that a line can hold
	ReasonOverloaded         = "overloaded"          // too many actions are waiting
	ReasonJournalUnavailable = "journal_unavailable" // the disk does not take lines
	ReasonNotOwner           = "not_owner"           // another relay has taken the stream
	ReasonNotAllowed         = "not_allowed"         // who watches may not act
)

// adjudicated are the reasons that a line may have.
var adjudicated = map[string]bool{
	ReasonIDReused: true, ReasonWindowUnknown: true, ReasonWindowVoid: true, ReasonWindowClosed: true,
	ReasonTooLarge: true, ReasonSeenMissing: true, ReasonWindowNotOpen: true, ReasonSeenBeforeOpen: true,
	ReasonSeenAfterClose: true, ReasonSeenFuture: true, ReasonSeenNotSent: true, ReasonSeenTooOld: true,
	ReasonLimitPerViewer: true, ReasonWindowFull: true,
}
