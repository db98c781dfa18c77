package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/framelock/relay/sync/marker"
)

// Round is what an export says of one window, from its opening on.
type Round struct {
	Stream   string
	From, To uint64   // canonical timestamps of its first and last frame
	Events   [][]byte // its events and the hashes of their frames, the exact lines
	Actions  [][]byte // the lines of its actions, each with its payload behind it if that is there
	Frames   []MarkedFrame
}

// MarkedFrame is a frame that an event of a round refers to.
type MarkedFrame struct {
	Seq      uint64      `json:"seq"`
	Kind     marker.Kind `json:"kind"`
	ID       string      `json:"id"`
	Track    string      `json:"track"`
	TS       uint64      `json:"ts"`
	Expected string      `json:"expected"` // by the frame_hash event; empty if there is none
	Found    string      `json:"found"`    // in the recording; empty if the frame is not there
	Equal    bool        `json:"equal"`
}

// Compare fills in what a recording has.
func (f *MarkedFrame) Compare(recording func(track string, ts uint64) ([32]byte, bool)) {
	if hash, ok := recording(f.Track, f.TS); ok {
		f.Found = hex.EncodeToString(hash[:])
	}
	f.Equal = f.Found != "" && f.Found == f.Expected
}

// ErrNoRound says that an export has no window of a name.
var ErrNoRound = errors.New("the log has no window of that name")

// maxLine bounds a line of an export, in bytes.
const maxLine = 1 << 20

// ReadRound reads what an export says of a window. If the name was used more than
// once, it is the newest.
func ReadRound(export io.Reader, name string) (*Round, error) {
	lines := bufio.NewScanner(export)
	lines.Buffer(nil, maxLine)
	var r *Round
	var order uint64 // of the round's newest action
	for lines.Scan() {
		var line struct {
			Type   string `json:"type"`
			Window string `json:"window"`
			Order  uint64 `json:"order"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("the export is not one: %w", err)
		}
		text := bytes.Clone(lines.Bytes())
		switch {
		case line.Type == "event":
			e, err := marker.DecodeEvent(text)
			if err != nil {
				return nil, fmt.Errorf("the export: %w", err)
			}
			if e.Kind == marker.WindowOpen && e.Window == name {
				r, order = &Round{Stream: e.Stream, From: e.TS}, 0
			}
			if r != nil {
				r.event(&e, text, name)
			}
		case r != nil && (line.Type == "action" && line.Window == name || line.Type == "payload" && line.Order == order):
			order = line.Order
			r.Actions = append(r.Actions, text)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the export: %w", err)
	}
	if r == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoRound, name)
	}
	return r, nil
}

// event takes an event if it belongs to the round.
func (r *Round) event(e *marker.Event, text []byte, name string) {
	if e.Kind == marker.FrameHash {
		var h struct {
			OfSeq uint64 `json:"of_seq"`
			Hash  string `json:"hash"`
		}
		if json.Unmarshal(e.Data, &h) != nil {
			return
		}
		for i := range r.Frames {
			if r.Frames[i].Seq == h.OfSeq {
				r.Frames[i].Expected = h.Hash
				r.Events = append(r.Events, text)
			}
		}
		return
	}
	if e.Window != name {
		return
	}
	r.To = max(r.To, e.TS)
	r.Events = append(r.Events, text)
	r.Frames = append(r.Frames, MarkedFrame{Seq: e.Seq, Kind: e.Kind, ID: e.ID, Track: e.Track, TS: e.TS})
}
