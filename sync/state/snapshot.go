package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// The range of protocol versions that a snapshot offers.
const (
	protocolMin = 1
	protocolMax = 1
)

// Snapshot is what a viewer begins with (docs/protocol.md, section 4): everything
// up to Seq; events go on at Seq + 1.
type Snapshot struct {
	Stream  string            `json:"stream"`
	Log     marker.LogID      `json:"log"`
	Seq     uint64            `json:"seq"` // newest at the cut
	Epoch   uint32            `json:"epoch"`
	StateAt uint64            `json:"state_at"` // canonical timestamp of the newest frame sent; 0 if none
	State   json.RawMessage   `json:"state"`    // on that frame
	Pending []json.RawMessage `json:"pending"`  // events on later frames, in order of seq
	Recent  []json.RawMessage `json:"recent"`   // newest outcomes up to that frame, oldest first
	Paused  bool              `json:"paused"`
	Clock   Clock             `json:"clock"` // null in JSON while its TS is 0
	Tracks  []Track           `json:"tracks"`
	Windows []Window          `json:"windows"`            // those that are open or closing, in order of opening
	LogHead *transcript.Head  `json:"log_head,omitempty"` // nil if the log is not signed
}

// Window describes a window of the stream as it is now.
type Window struct {
	Name        string       `json:"window"`
	Phase       window.Phase `json:"phase"`
	OpenTS      uint64       `json:"open_ts"`
	CloseTS     uint64       `json:"close_ts,omitempty"` // once it is known
	RemainingMS float64      `json:"remaining_ms"`       // until the close, by the server's clock; 0 if it is closed by hand
	Rules       window.Rules `json:"rules"`
	// In lists, not in snapshots:
	Accepted int    `json:"accepted,omitempty"`
	Rejected int    `json:"rejected,omitempty"`
	Root     string `json:"root,omitempty"`
}

// Clock ties the timeline to time of day.
type Clock struct {
	TS          uint64    `json:"ts"`           // canonical timestamp of a frame
	CaptureTime time.Time `json:"capture_time"` // of that frame
	ServerTime  time.Time `json:"server_time"`  // when this was said
	HoldMS      int       `json:"hold_ms"`      // length of the delay line
	Source      string    `json:"source"`       // "sender_report" or "arrival"
	ErrorMS     float64   `json:"error_ms"`     // bound on CaptureTime
	// AudioTS is the timestamp on the audio line that is captured at the instant of
	// TS, by the clocks of the viewers' sender reports; 0 without sound.
	AudioTS uint64 `json:"audio_ts,omitempty"`
}

// Track describes one track of the stream.
type Track struct {
	Track string `json:"track"` // "v0", "a0"
	Kind  string `json:"kind"`  // "video", "audio"
	Codec string `json:"codec"` // SDP encoding name
	MID   string `json:"mid,omitempty"`
	Rate  uint32 `json:"rate"` // of the RTP clock, in Hz
}

// MarshalJSON returns the snapshot object of the protocol.
func (s Snapshot) MarshalJSON() ([]byte, error) {
	type fields Snapshot
	type protocol struct {
		Min int `json:"min"`
		Max int `json:"max"`
	}
	if s.State == nil {
		s.State = json.RawMessage("{}")
	}
	if s.Pending == nil {
		s.Pending = []json.RawMessage{}
	}
	if s.Recent == nil {
		s.Recent = []json.RawMessage{}
	}
	if s.Tracks == nil {
		s.Tracks = []Track{}
	}
	if s.Windows == nil {
		s.Windows = []Window{}
	}
	var clock *Clock
	if s.Clock.TS != 0 {
		clock = &s.Clock
	}
	return encode(struct {
		Type     string   `json:"type"`
		Protocol protocol `json:"protocol"`
		fields
		Clock *Clock `json:"clock"` // in place of that of fields
	}{"snapshot", protocol{protocolMin, protocolMax}, fields(s), clock})
}

// The frame of a part, with its longest numbers.
const (
	maxParts  = 99_999
	partFrame = `{"type":"snapshot","part":99999,"parts":99999,"body":""}`
)

// Parts returns the messages that carry the snapshot, each a JSON object of at
// most size bytes:
//
//	{"type":"snapshot","part":1,"parts":2,"body":"..."}
//
// The bodies of all parts, put together, are the snapshot's JSON. No UTF-8
// character is split.
func (s Snapshot) Parts(size int) ([][]byte, error) {
	whole, err := s.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("snapshot of %q: %w", s.Stream, err)
	}
	if !utf8.Valid(whole) {
		return nil, fmt.Errorf("snapshot of %q: an event in it is not UTF-8", s.Stream)
	}
	room := size - len(partFrame)
	if room < 2*utf8.UTFMax {
		return nil, fmt.Errorf("snapshot parts of %d bytes are too small; at least %d are needed", size, len(partFrame)+2*utf8.UTFMax)
	}
	bodies := splitBody(whole, room)
	if len(bodies) > maxParts {
		return nil, errors.New("the snapshot has too many parts; use larger ones")
	}
	parts := make([][]byte, len(bodies))
	for i, body := range bodies {
		parts[i] = fmt.Appendf(nil, `{"type":"snapshot","part":%d,"parts":%d,"body":"%s"}`, i+1, len(bodies), body)
	}
	return parts, nil
}

// splitBody cuts compact JSON text into pieces that as JSON strings have at most
// room bytes between their quotes. Such text has no control characters, so that
// only quotes and backslashes need escaping.
func splitBody(text []byte, room int) [][]byte {
	var pieces [][]byte
	for len(text) > 0 {
		piece := make([]byte, 0, min(room, 2*len(text)))
		for len(text) > 0 {
			n := plainRun(text, room-len(piece))
			piece, text = append(piece, text[:n]...), text[n:]
			if len(text) == 0 || !escaped(text[0]) || len(piece)+2 > room {
				break // at the end, or the piece is full
			}
			piece, text = append(piece, '\\', text[0]), text[1:]
		}
		pieces = append(pieces, piece)
	}
	return pieces
}

func escaped(b byte) bool { return b == '"' || b == '\\' }

// plainRun returns how many bytes from the start of text need no escaping: whole
// characters, at most limit bytes.
func plainRun(text []byte, limit int) int {
	n := 0
	for n < len(text) && n < limit && !escaped(text[n]) {
		n++
	}
	for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}
