// Package marker holds the two forms in which an event reaches a viewer: the
// JSON message that is also the transcript's leaf, and the RTP header extension
// that rides on the packets of the frame that the event refers to.
package marker

import "fmt"

// Kind says what an event means. The numbers are those of the header extension.
type Kind uint8

// The kinds of event (docs/protocol.md, section 3).
const (
	Heartbeat     Kind = 0 // header extension only: the newest seq
	Marker        Kind = 1
	State         Kind = 2
	WindowOpen    Kind = 3
	WindowClosing Kind = 4
	WindowClose   Kind = 5
	Outcome       Kind = 6
	Void          Kind = 7
	FrameHash     Kind = 8
	Recovered     Kind = 9
	Notice        Kind = 10
)

var kindNames = [...]string{
	Heartbeat: "heartbeat", Marker: "marker", State: "state", WindowOpen: "window.open",
	WindowClosing: "window.closing", WindowClose: "window.close", Outcome: "outcome", Void: "void",
	FrameHash: "frame_hash", Recovered: "recovered", Notice: "notice",
}

// String returns the name used in JSON.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind returns the kind with the given JSON name.
func ParseKind(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), true
		}
	}
	return 0, false
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(b []byte) error {
	v, ok := ParseKind(string(b))
	if !ok {
		return fmt.Errorf("kind %q is unknown", b)
	}
	*k = v
	return nil
}
