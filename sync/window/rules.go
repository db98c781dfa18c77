package window

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/framelock/relay/sync/marker"
)

// The largest values that Rules may have.
const (
	MaxGrace        = time.Second
	MaxPerViewer    = 1000
	MaxActionBytes  = 4096
	MaxActions      = 250_000
	MaxAge          = 10 * time.Second
	maxClosesTS     = maxInteger
	milliseconds    = int64(time.Millisecond)
	allowedClosesTS = "0 for none, or a canonical timestamp up to 9007199254740991 (90 kHz) after the open frame"
)

// Rules are what a window asks of actions, fixed when it opens. Their JSON form is
// the data of its window.open event, with times in milliseconds:
//
//	{"closes_ts":n,"grace_ms":n,"max_per_viewer":n,"max_bytes":n,"max_actions":n,"max_age_ms":n}
type Rules struct {
	// ClosesTS is the canonical timestamp at which the relay closes the window by
	// itself; 0 if it waits to be told.
	ClosesTS uint64
	// Grace is how long after the close actions on earlier frames are taken: 0 to 1 s,
	// whole milliseconds. It is the most that a lying client can gain.
	Grace        time.Duration
	MaxPerViewer int // accepted actions of one subject: 1 to 1,000
	MaxBytes     int // of an action's data: 1 to 4,096
	MaxActions   int // accepted actions: 1 to 250,000
	// MaxAge is how long after the next frame left an action on a frame may arrive, not
	// counting the credit for the round trip: 0 to 10 s, whole milliseconds.
	MaxAge time.Duration
}

// ruleField is one member of the JSON form.
type ruleField struct {
	name      string
	low, high int64
	allowed   string
	get       func(*Rules) int64
	set       func(*Rules, int64)
}

var ruleFields = []ruleField{
	{
		"closes_ts", 0, maxClosesTS, allowedClosesTS,
		func(r *Rules) int64 { return int64(min(r.ClosesTS, 1<<62)) },
		func(r *Rules, v int64) { r.ClosesTS = uint64(v) },
	},
	durationField("grace_ms", MaxGrace, func(r *Rules) *time.Duration { return &r.Grace }),
	countField("max_per_viewer", MaxPerViewer, func(r *Rules) *int { return &r.MaxPerViewer }),
	countField("max_bytes", MaxActionBytes, func(r *Rules) *int { return &r.MaxBytes }),
	countField("max_actions", MaxActions, func(r *Rules) *int { return &r.MaxActions }),
	durationField("max_age_ms", MaxAge, func(r *Rules) *time.Duration { return &r.MaxAge }),
}

func durationField(name string, high time.Duration, of func(*Rules) *time.Duration) ruleField {
	return ruleField{
		name, 0, high.Milliseconds(), fmt.Sprintf("an integer from 0 to %d (milliseconds)", high.Milliseconds()),
		func(r *Rules) int64 {
			if int64(*of(r))%milliseconds != 0 {
				return -1
			}
			return of(r).Milliseconds()
		},
		func(r *Rules, v int64) { *of(r) = time.Duration(v * milliseconds) },
	}
}

func countField(name string, high int64, of func(*Rules) *int) ruleField {
	return ruleField{
		name, 1, high, fmt.Sprintf("an integer from 1 to %d", high),
		func(r *Rules) int64 { return int64(*of(r)) },
		func(r *Rules, v int64) { *of(r) = int(v) },
	}
}

// Validate returns a *marker.FieldError for the first value that is out of range.
func (r Rules) Validate() error {
	for _, f := range ruleFields {
		if v := f.get(&r); v < f.low || v > f.high {
			return &marker.FieldError{Field: f.name, Value: r.print(f), Allowed: f.allowed}
		}
	}
	return nil
}

// print writes a value as it is, for an error.
func (r Rules) print(f ruleField) string {
	switch f.name {
	case "closes_ts":
		return strconv.FormatUint(r.ClosesTS, 10)
	case "grace_ms":
		return r.Grace.String()
	case "max_age_ms":
		return r.MaxAge.String()
	}
	return strconv.FormatInt(f.get(&r), 10)
}

// MarshalJSON implements json.Marshaler. It fails for rules that are not valid.
func (r Rules) MarshalJSON() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for i, f := range ruleFields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.name...), `":`...)
		b = strconv.AppendInt(b, f.get(&r), 10)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON implements json.Unmarshaler. It is strict, because who does not know
// a rule cannot know the verdicts: each of the six members must be there once, in
// plain digits and within its range, and no other may. Every error is a
// *marker.FieldError.
func (r *Rules) UnmarshalJSON(b []byte) error {
	var read Rules
	seen := make(map[string]bool, len(ruleFields))
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') || !json.Valid(b) {
		return &marker.FieldError{Field: "data", Value: brief(b), Allowed: "a JSON object"}
	}
	for dec.More() {
		t, err := dec.Token()
		name, _ := t.(string)
		var raw json.RawMessage
		if err == nil {
			err = dec.Decode(&raw)
		}
		if err != nil {
			return &marker.FieldError{Field: "data", Value: brief(b), Allowed: "a JSON object"}
		}
		if seen[name] {
			return &marker.FieldError{Field: name, Value: brief(raw), Allowed: "each member once"}
		}
		seen[name] = true
		if err := read.setRule(name, string(raw)); err != nil {
			return err
		}
	}
	for _, f := range ruleFields {
		if !seen[f.name] {
			return &marker.FieldError{Field: f.name, Allowed: f.allowed}
		}
	}
	*r = read
	return nil
}

func (r *Rules) setRule(name, raw string) error {
	for _, f := range ruleFields {
		if f.name != name {
			continue
		}
		v, err := strconv.ParseUint(raw, 10, 63)
		if err != nil || int64(v) < f.low || int64(v) > f.high {
			return &marker.FieldError{Field: name, Value: brief([]byte(raw)), Allowed: f.allowed}
		}
		f.set(r, int64(v))
		return nil
	}
	return &marker.FieldError{
		Field: name, Value: brief([]byte(raw)),
		Allowed: "no such member; use closes_ts, grace_ms, max_per_viewer, max_bytes, max_actions, max_age_ms",
	}
}

// brief returns what an error repeats of a wrong value.
func brief(b []byte) string {
	const most = 64
	if len(b) <= most {
		return string(b)
	}
	return string(bytes.ToValidUTF8(b[:most], nil)) + "…"
}
