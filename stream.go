package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/internal/stream"
	"github.com/framelock/relay/media/evidence"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/record"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/timeline"
	"github.com/framelock/relay/sync/window"
)

// The types of the timeline, as the packages that define them have them.
type (
	// Marker asks for an event to be bound to a frame.
	Marker = marker.Request
	// At names a frame; see Next, AtTS, AtCapture, AtSource, AtTimecode and AtSEITime.
	At = marker.At
	// Timecode is the label that the studio's equipment gives to a frame (SMPTE ST
	// 12-1); see ParseTimecode.
	Timecode = timeline.Timecode
	// Resolved says which frame a marker was bound to.
	Resolved = marker.Resolved
	// Event is one entry of a stream's log.
	Event = marker.Event
	// Kind says what an event means.
	Kind = marker.Kind
	// Snapshot is the state of a stream at a frame.
	Snapshot = state.Snapshot
	// Info describes a stream as it is now.
	Info = stream.Info
	// Window asks for a window to be opened.
	Window = marker.OpenRequest
	// WindowState describes a window as it is now.
	WindowState = state.Window
	// Action is what somebody does in a window.
	Action = marker.ActRequest
	// Problem is one entry of Info.Health.
	Problem = stream.Problem
	// Inputs says which encoder of a stream is on, and what comes from each.
	Inputs = stream.Inputs
	// Encoder is one of a stream's encoders.
	Encoder = forward.Encoder
)

// The encoders of a stream.
const (
	Primary = forward.Primary
	Backup  = forward.Backup
)

// What Stream.SwitchInput can return. Use errors.Is.
var (
	ErrNoBackup    = stream.ErrNoBackup
	ErrInputSilent = stream.ErrInputSilent
)

// The kinds of event that can be published.
const (
	Mark    = marker.Marker
	State   = marker.State
	Outcome = marker.Outcome
	Void    = marker.Void
)

// What Stream.Mark can return, besides a *marker.FieldError for a malformed
// marker. Use errors.Is.
var (
	ErrFrameNotSeen = marker.ErrFrameNotSeen
	ErrPaused       = marker.ErrPaused
	ErrConflict     = marker.ErrConflict
	ErrTooLarge     = marker.ErrTooLarge
	ErrInboxFull    = marker.ErrInboxFull
	ErrUnresolvable = marker.ErrUnresolvable
	ErrNotCarried   = marker.ErrNotCarried
	ErrUnavailable  = marker.ErrUnavailable
	ErrNotOwner     = marker.ErrNotOwner
	ErrClosed       = marker.ErrClosed
)

// Why a window does not allow an event. Use errors.Is.
var (
	ErrWindowExists    = window.ErrExists
	ErrWindowUnknown   = window.ErrUnknown
	ErrWindowNotClosed = window.ErrNotClosed
	ErrWindowPhase     = window.ErrPhase
)

// What Stream.Subscribe can return. Use errors.Is.
var (
	ErrTooOld = stream.ErrTooOld
	ErrNotYet = stream.ErrNotYet
)

// Next names the next frame to be accepted.
func Next() At { return At{Next: true} }

// AtTS names the first frame at or after a canonical timestamp.
func AtTS(ts uint64) At { return At{TS: ts} }

// AtCapture names the first frame captured at or after t.
func AtCapture(t time.Time) At { return At{CaptureTime: t} }

// AtSource names a frame by the SSRC and RTP timestamp that the studio put on the
// wire.
func AtSource(ssrc, ts uint32) At { return At{Source: &marker.SourceTime{SSRC: ssrc, TS: ts}} }

// AtTimecode names the frame whose own timecode is t, the newest if there are more. It
// fails with ErrNotCarried where the video carries none.
func AtTimecode(t Timecode) At { return At{Timecode: &t} }

// AtSEITime names the first frame whose MISP precision time stamp (MISB ST 0604), in
// an SEI message of its own, is t or later. It fails with ErrNotCarried where the
// video carries none.
func AtSEITime(t time.Time) At { return At{SEITime: t} }

// ParseTimecode reads HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame.
func ParseTimecode(s string) (t Timecode, ok bool) { return timeline.ParseTimecode(s) }

// Stream is one stream of a relay. Its methods may be called from anywhere.
type Stream struct {
	name   string
	cfg    streamSetup
	people *pseudonyms
	pool   *packet.Pool // of what its studio sends; set when the relay runs
	loop   atomic.Pointer[stream.Loop]

	recorder atomic.Pointer[record.Recorder] // nil until the relay runs, and if nothing is recorded
}

// Name returns the stream's name.
func (s *Stream) Name() string { return s.name }

// Mark binds an event to a frame. It returns when the frame is known: at once for
// one that has come, else when it comes, within the marker's timeout. The same ID
// and content again return the same answer.
func (s *Stream) Mark(ctx context.Context, m Marker) (Resolved, error) {
	res, _, err := s.mark(ctx, m)
	return res, err
}

func (s *Stream) mark(ctx context.Context, m Marker) (Resolved, bool, error) {
	l := s.loop.Load()
	if l == nil {
		return Resolved{}, false, ErrNotRunning
	}
	return l.Mark(ctx, m)
}

// Snapshot returns the state at the newest frame that has been sent.
func (s *Stream) Snapshot(ctx context.Context) (Snapshot, error) {
	l := s.loop.Load()
	if l == nil {
		return Snapshot{}, ErrNotRunning
	}
	return l.Snapshot(ctx)
}

// Info describes the stream as it is now.
func (s *Stream) Info(ctx context.Context) (Info, error) {
	l := s.loop.Load()
	if l == nil {
		return Info{}, ErrNotRunning
	}
	return l.Info(ctx)
}

// SwitchInput has an encoder take over at its next keyframe, and stay on until it
// is lost. It does not wait for that: Inputs.SwitchingTo of what it returns, and of
// Info, is empty once it has happened. ErrNoBackup and ErrInputSilent say that it
// cannot.
func (s *Stream) SwitchInput(ctx context.Context, to Encoder) (Inputs, error) {
	l := s.loop.Load()
	if l == nil {
		return Inputs{}, ErrNotRunning
	}
	return l.SwitchInput(ctx, to)
}

// Newest asks Subscribe for events to come, and none that are kept.
const Newest = stream.Newest

// Subscribe returns the bytes of every event after seq, in order: first those that
// are kept, then each as it comes. A seq of 0 is for all that are kept, Newest for
// none of them. ErrTooOld says that some are kept no more, ErrNotYet that no event
// has that seq. [DecodeEvent] reads them. The channel is closed when ctx
// ends, when the relay stops, and when the reader falls more than a few hundred
// events behind.
func (s *Stream) Subscribe(ctx context.Context, seq uint64) (<-chan []byte, error) {
	l := s.loop.Load()
	if l == nil {
		return nil, ErrNotRunning
	}
	return l.Subscribe(ctx, seq)
}

// OpenWindow opens a window on a frame, and returns that frame and the timestamp at
// which the window closes, 0 if it is closed by hand. The same request again
// returns the same.
func (s *Stream) OpenWindow(ctx context.Context, w Window) (opened Resolved, closes uint64, err error) {
	opened, closes, _, err = s.openWindow(ctx, w)
	return opened, closes, err
}

func (s *Stream) openWindow(ctx context.Context, w Window) (Resolved, uint64, bool, error) {
	l := s.loop.Load()
	if l == nil {
		return Resolved{}, 0, false, ErrNotRunning
	}
	return l.OpenWindow(ctx, w)
}

// CloseWindow closes a window before its time, on a frame that has not left.
func (s *Stream) CloseWindow(ctx context.Context, name string, at At) (Resolved, error) {
	res, _, err := s.closeWindow(ctx, marker.CloseRequest{Window: name, At: at}, marker.WindowClosing)
	return res, err
}

// VoidWindow voids a window: nothing in it counts.
func (s *Stream) VoidWindow(ctx context.Context, name string, at At) (Resolved, error) {
	res, _, err := s.closeWindow(ctx, marker.CloseRequest{Window: name, At: at}, marker.Void)
	return res, err
}

func (s *Stream) closeWindow(ctx context.Context, r marker.CloseRequest, kind marker.Kind) (Resolved, bool, error) {
	l := s.loop.Load()
	if l == nil {
		return Resolved{}, false, ErrNotRunning
	}
	return l.CloseWindow(ctx, r, kind)
}

// Windows describes the windows that are known, in order of opening.
func (s *Stream) Windows(ctx context.Context) ([]WindowState, error) {
	l := s.loop.Load()
	if l == nil {
		return nil, ErrNotRunning
	}
	return l.Windows(ctx)
}

// Act takes an action in a window on behalf of a user, whom subject names: a
// server's own, so that no frame was seen, and the window's close ends it. It
// returns the receipt, a JSON object, when the action is durable; the same ID and
// data again return the same bytes.
func (s *Stream) Act(ctx context.Context, a Action, subject string) (receipt []byte, err error) {
	l := s.loop.Load()
	if l == nil {
		return nil, ErrNotRunning
	}
	a.Session, a.Seen = "", 0
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return l.Act(ctx, a, s.people.of("user", subject), nil)
}

// Submit is Act for servers that hear thousands of users at once: it does not wait, so
// that none of them needs a goroutine, which the relay's media would share the
// processors with. If it returns no error, receipt is called once, on a goroutine of
// the relay's that it must not hold up.
func (s *Stream) Submit(a Action, subject string, receipt func([]byte)) error {
	l := s.loop.Load()
	if l == nil {
		return ErrNotRunning
	}
	a.Session, a.Seen = "", 0
	if err := a.Validate(); err != nil {
		return err
	}
	l.Submit(a, s.people.of("user", subject), receipt)
	return nil
}

// Receipted is an action that has its verdict for good: its receipt, the line of the
// journal that the verdict stands on, and the proof that it counts.
type Receipted = stream.Receipted

// Receipt returns what a user got for an action of Act or Submit, with the proof that it
// counts once its window is closed; nil if there is none, or if it is no longer kept.
func (s *Stream) Receipt(ctx context.Context, window, id, subject string) (*Receipted, error) {
	l := s.loop.Load()
	if l == nil {
		return nil, ErrNotRunning
	}
	return l.Receipt(ctx, window, s.people.of("user", subject), id)
}

// Follow calls f with every line of the stream's journal from a position on (1 is
// the first), as it becomes durable, and with the data of an action where it is
// still there: until ctx ends or f fails. It returns ErrNoJournal if none is kept.
func (s *Stream) Follow(ctx context.Context, from uint64, f func(pos uint64, line, payload []byte) error) error {
	l := s.loop.Load()
	switch {
	case l == nil:
		return ErrNotRunning
	case !l.Keeps():
		return ErrNoJournal
	}
	return l.Follow(ctx, from, false, f)
}

// Erase removes the data of actions for good, by their orders. Their verdicts, the log
// and its proofs stay valid. It returns when the data is gone from the disk.
func (s *Stream) Erase(ctx context.Context, orders ...uint64) error {
	l := s.loop.Load()
	switch {
	case l == nil:
		return ErrNotRunning
	case !l.Keeps():
		return ErrNoJournal
	case len(orders) == 0:
		return nil
	}
	return l.Erase(ctx, orders)
}

// ErrNoJournal is returned by Follow and Erase where nothing is kept.
var ErrNoJournal = errors.New("this relay keeps no journal; set state.dir")

// What Stream.WriteRecording can return. Use errors.Is.
var (
	ErrNotRecorded = errors.New("this stream is not recorded; set its record.dir")
	ErrNoRecording = evidence.ErrNothing
)

// Recording is a stream's recording on disk, for verification.
type Recording = record.Recording

// OpenRecording opens the directory of a stream's recording, a segment of it
// (.rtpdump) or a Matroska file that a relay cut from it.
func OpenRecording(name string) (*Recording, error) { return record.Open(name) }

// WriteRecording writes what viewers were sent, from the keyframe before one
// canonical timestamp of video to another, as a Matroska file, without transcoding.
func (s *Stream) WriteRecording(ctx context.Context, from, to uint64, w io.Writer) error {
	r := s.recorder.Load()
	if r == nil {
		return ErrNotRecorded
	}
	return r.Cut(ctx, from, to, w)
}

// DecodeEvent reads the bytes of an event.
func DecodeEvent(b []byte) (Event, error) { return marker.DecodeEvent(b) }

// snapshotJSON is the snapshot as the API serves it.
func (s *Stream) snapshotJSON(ctx context.Context) ([]byte, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(snapshot)
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", s.name, err)
	}
	return b, nil
}
