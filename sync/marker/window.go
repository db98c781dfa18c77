package marker

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Bounds of what a window may be (docs/windows.md).
const (
	// MaxWindowName is the longest name of a window, in bytes: the ids of the
	// relay's own events about it are made of it.
	MaxWindowName = 48
	MaxWindow     = 24 * time.Hour // from open to close
	MaxGrace      = time.Second
	MaxSeenAge    = 10 * time.Second
	// DefaultSeenAge is how long a frame may have been replaced on the wire, besides
	// the round trip, and still be what somebody acts on.
	DefaultSeenAge    = 2 * time.Second
	MaxPerViewer      = 1000 // actions of one viewer that are taken; the default too
	MaxWindowActions  = 250_000
	DefaultMaxActions = 100_000
	MaxActionData     = 4096 // bytes of JSON
	DefaultMaxBytes   = 256
)

const (
	allowedWindow = "1 to 48 letters, digits or . _ : -"
	allowedCloses = `null, {"after_ms":n} with 1 to 86400000, or {"capture_time":"..."}`
	allowedFields = "no such field; use "
)

// OpenRequest asks for a window to be opened on a frame.
type OpenRequest struct {
	Window      string
	At          At
	ClosesAfter time.Duration // of the timeline, from the frame on
	ClosesAt    time.Time     // or: capture time of the frame with which it closes
	Grace       time.Duration // 0 to MaxGrace
	// What is taken: of one viewer, bytes of an action's data,
	// actions in total. Zero means the default.
	MaxPerViewer, MaxBytes, MaxActions int
	MaxAge                             time.Duration // DefaultSeenAge if zero
	Timeout                            time.Duration // as in Request
	By                                 string
}

// DecodeOpen reads the JSON form of an OpenRequest: {"window", "at", "closes"?,
// "grace_ms"?, "accept"?: {"max_per_viewer"?, "max_bytes"?, "max_actions"?,
// "max_age_ms"?}, "timeout_ms"?}. It is as strict as DecodeRequest.
func DecodeOpen(b []byte) (OpenRequest, error) {
	var r OpenRequest
	err := eachFieldOf(b, func(name string, raw json.RawMessage) (err error) {
		switch name {
		case "window":
			r.Window, err = decodeString(name, raw, allowedWindow)
		case "at":
			r.At, err = decodeAt(raw)
		case "closes":
			err = r.decodeCloses(raw)
		case "grace_ms":
			r.Grace, err = decodeMS(name, raw, 0, MaxGrace)
		case "accept":
			err = eachField(name, raw, r.decodeAccept)
		case "timeout_ms":
			r.Timeout, err = decodeMS(name, raw, 0, MaxTimeout)
		default:
			err = fieldError(name, string(raw), allowedFields+"window, at, closes, grace_ms, accept, timeout_ms")
		}
		return err
	})
	if err != nil {
		return OpenRequest{}, err
	}
	return r, r.Validate()
}

func (r *OpenRequest) decodeCloses(raw json.RawMessage) error {
	if string(raw) == "null" {
		return nil
	}
	return eachField("closes", raw, func(name string, raw json.RawMessage) (err error) {
		switch name {
		case "after_ms":
			r.ClosesAfter, err = decodeMS("closes.after_ms", raw, 1, MaxWindow)
		case "capture_time":
			r.ClosesAt, err = decodeTime("closes.capture_time", raw)
		default:
			err = fieldError("closes."+name, string(raw), allowedCloses)
		}
		return err
	})
}

func (r *OpenRequest) decodeAccept(name string, raw json.RawMessage) (err error) {
	field := "accept." + name
	switch name {
	case "max_per_viewer":
		r.MaxPerViewer, err = decodeCount(field, raw, MaxPerViewer)
	case "max_bytes":
		r.MaxBytes, err = decodeCount(field, raw, MaxActionData)
	case "max_actions":
		r.MaxActions, err = decodeCount(field, raw, MaxWindowActions)
	case "max_age_ms":
		r.MaxAge, err = decodeMS(field, raw, 0, MaxSeenAge)
	default:
		err = fieldError(field, string(raw), allowedFields+"max_per_viewer, max_bytes, max_actions, max_age_ms")
	}
	return err
}

// Validate checks every field and returns a *FieldError for the first that is
// wrong.
func (r OpenRequest) Validate() error {
	switch {
	case !ValidName(r.Window) || len(r.Window) > MaxWindowName:
		return fieldError("window", r.Window, allowedWindow)
	case r.ClosesAfter != 0 && !r.ClosesAt.IsZero():
		return fieldError("closes", "both forms at once", allowedCloses)
	case r.ClosesAfter < 0 || r.ClosesAfter > MaxWindow:
		return fieldError("closes.after_ms", r.ClosesAfter.String(), allowedCloses)
	case r.Grace < 0 || r.Grace > MaxGrace:
		return fieldError("grace_ms", r.Grace.String(), allowedMS(0, MaxGrace))
	case r.MaxAge < 0 || r.MaxAge > MaxSeenAge:
		return fieldError("accept.max_age_ms", r.MaxAge.String(), allowedMS(0, MaxSeenAge))
	}
	for _, n := range []struct {
		field      string
		value, max int
	}{
		{"accept.max_per_viewer", r.MaxPerViewer, MaxPerViewer},
		{"accept.max_bytes", r.MaxBytes, MaxActionData},
		{"accept.max_actions", r.MaxActions, MaxWindowActions},
	} {
		if n.value < 0 || n.value > n.max {
			return fieldError(n.field, strconv.Itoa(n.value), allowedCount(n.max))
		}
	}
	return r.Request().validateCommon()
}

// Request returns the request for the window.open event. Its Data is made when the
// frame is known.
func (r OpenRequest) Request() Request {
	return Request{ID: "open:" + r.Window, Kind: WindowOpen, At: r.At, Window: r.Window, By: r.By, Timeout: r.Timeout}
}

// Digest identifies what is asked for, as Request.Digest does.
func (r OpenRequest) Digest() [32]byte {
	q := r.Request()
	form := r
	form.At, form.Timeout, form.By, form.ClosesAt = At{}, 0, "", r.ClosesAt.UTC()
	q.Data, _ = json.Marshal(form) // a plain struct of ours
	return q.Digest()
}

// Deadline returns the canonical timestamp from which on the window is closed,
// if it opens on the frame at ts that was captured at the given time; 0 if it is
// closed by hand.
func (r OpenRequest) Deadline(ts uint64, capture time.Time) uint64 {
	after := r.ClosesAfter
	if !r.ClosesAt.IsZero() {
		after = max(r.ClosesAt.Sub(capture), time.Nanosecond)
	}
	if after == 0 {
		return 0
	}
	return ts + max(1, uint64(after.Microseconds())*(clockRate/10_000)/100)
}

// CloseRequest asks for a window to be closed, or voided, on a frame.
type CloseRequest struct {
	Window  string
	At      At // of closing: a frame that has not left
	Timeout time.Duration
	By      string
}

// DecodeClose reads the JSON form of a CloseRequest, whose window the path names:
// {"at"?, "timeout_ms"?}. Without at, the next frame is meant.
func DecodeClose(window string, b []byte) (CloseRequest, error) {
	r := CloseRequest{Window: window, At: At{Next: true}}
	if len(bytes.TrimSpace(b)) > 0 {
		err := eachFieldOf(b, func(name string, raw json.RawMessage) (err error) {
			switch name {
			case "at":
				r.At, err = decodeAt(raw)
			case "timeout_ms":
				r.Timeout, err = decodeMS(name, raw, 0, MaxTimeout)
			default:
				err = fieldError(name, string(raw), allowedFields+"at, timeout_ms")
			}
			return err
		})
		if err != nil {
			return CloseRequest{}, err
		}
	}
	return r, r.Validate()
}

// Validate checks every field and returns a *FieldError for the first that is
// wrong.
func (r CloseRequest) Validate() error {
	if !ValidName(r.Window) || len(r.Window) > MaxWindowName {
		return fieldError("window", r.Window, allowedWindow)
	}
	return r.Request(WindowClosing).validateCommon()
}

// Request returns the request for the event of a kind that closes or voids the
// window.
func (r CloseRequest) Request(k Kind) Request {
	id := "close:"
	if k == Void {
		id = "void:"
	}
	return Request{ID: id + r.Window, Kind: k, At: r.At, Window: r.Window, By: r.By, Timeout: r.Timeout}
}

// ActRequest is what somebody does in a window.
type ActRequest struct {
	ID     string // of the viewer's choice: the same again gets the same receipt
	Window string
	Seen   uint64          // canonical timestamp of the frame that the viewer saw; 0 for an action of a server
	Data   json.RawMessage // any JSON value
	// Session names the session that the action belongs to, in a call over HTTP;
	// Subject the user, in one of a server.
	Session, Subject string
}

// DecodeAct reads the JSON form of an action: {"id", "window"?, "seen"?: {"track"?,
// "ts"}, "data"?, "session"?, "subject"?, "type"?}.
func DecodeAct(b []byte) (ActRequest, error) {
	var r ActRequest
	err := eachFieldOf(b, func(name string, raw json.RawMessage) (err error) {
		switch name {
		case "type":
		case "id":
			r.ID, err = decodeString(name, raw, allowedName)
		case "window":
			r.Window, err = decodeString(name, raw, allowedWindow)
		case "seen":
			err = eachField(name, raw, r.decodeSeen)
		case "data":
			r.Data = compactJSON(raw)
		case "session":
			r.Session, err = decodeString(name, raw, "the session's name, the last part of its URL")
		case "subject":
			r.Subject, err = decodeString(name, raw, allowedName)
		default:
			err = fieldError(name, string(raw), allowedFields+"id, window, seen, data, session, subject")
		}
		return err
	})
	return r, err
}

func (r *ActRequest) decodeSeen(name string, raw json.RawMessage) error {
	switch name {
	case "track":
		track, err := decodeString("seen.track", raw, allowedTrack)
		if err == nil && track != DefaultTrack {
			err = fieldError("seen.track", track, allowedTrack)
		}
		return err
	case "ts":
		ts, err := decodeInteger("seen.ts", raw, 1, maxInteger, allowedTS)
		r.Seen = ts
		return err
	}
	return fieldError("seen."+name, string(raw), allowedFields+"track, ts")
}

// Validate checks every field and returns a *FieldError for the first that is
// wrong. Data that is too large for the window is the window's to refuse.
func (r ActRequest) Validate() error {
	switch {
	case !ValidName(r.ID):
		return fieldError("id", r.ID, allowedName)
	case !ValidName(r.Window) || len(r.Window) > MaxWindowName:
		return fieldError("window", r.Window, allowedWindow)
	case r.Seen > maxInteger:
		return fieldError("seen.ts", strconv.FormatUint(r.Seen, 10), allowedTS)
	case r.Subject != "" && !ValidName(r.Subject):
		return fieldError("subject", r.Subject, allowedName)
	case r.Data != nil && (len(r.Data) > MaxActionData || checkJSON(r.Data) != nil):
		return fieldError("data", string(r.Data), allowedData+", at most 4,096 bytes")
	}
	return nil
}

// MaxErase is how many actions one call erases at most.
const MaxErase = 1000

// DecodeErase reads the orders of actions whose data is to be erased: {"orders":[n,…]}.
func DecodeErase(b []byte) (orders []uint64, err error) {
	const allowed = "1 to 1,000 orders of actions, integers from 1"
	err = eachFieldOf(b, func(name string, raw json.RawMessage) error {
		if name != "orders" || json.Unmarshal(raw, &orders) != nil {
			return fieldError(name, string(raw), "orders: "+allowed)
		}
		return nil
	})
	if err == nil && (len(orders) == 0 || len(orders) > MaxErase || slices.Contains(orders, 0)) {
		err = fieldError("orders", strconv.Itoa(len(orders))+" orders", allowed)
	}
	return orders, err
}

// compactJSON returns JSON without white space, so that the same value again has
// the same bytes.
func compactJSON(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return bytes.Clone(raw)
	}
	return b.Bytes()
}

// eachFieldOf is eachField for a whole body.
func eachFieldOf(b []byte, yield func(name string, raw json.RawMessage) error) error {
	if checkJSON(b) != nil {
		return fieldError("body", string(bytes.ToValidUTF8(b, []byte("�"))), "one JSON object in UTF-8, no name twice in an object")
	}
	return eachField("body", b, yield)
}

func decodeMS(field string, raw json.RawMessage, low, high time.Duration) (time.Duration, error) {
	v, err := decodeInteger(field, raw, uint64(low.Milliseconds()), uint64(high.Milliseconds()), allowedMS(low, high))
	return time.Duration(v) * time.Millisecond, err
}

func allowedMS(low, high time.Duration) string {
	return "an integer from " + strconv.FormatInt(low.Milliseconds(), 10) + " to " + strconv.FormatInt(high.Milliseconds(), 10) + " (milliseconds)"
}

func decodeCount(field string, raw json.RawMessage, high int) (int, error) {
	v, err := decodeInteger(field, raw, 0, uint64(high), allowedCount(high))
	return int(v), err
}

func allowedCount(high int) string {
	return "an integer from 0 to " + strconv.Itoa(high) + " (0 means the default)"
}
