package marker

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/framelock/relay/sync/timeline"
)

// DecodeRequest reads the JSON form of a request (docs/protocol.md, section 7):
// {"id", "kind", "at", "data"?, "patch"?, "window"?, "timeout_ms"?}. It is
// strict: unknown or repeated names, names in another letter case and anything
// after the object are refused. Every error is a *FieldError. The result is
// valid; it shares no memory with b.
func DecodeRequest(b []byte) (Request, error) {
	var r Request
	err := eachFieldOf(b, func(name string, raw json.RawMessage) (err error) {
		switch name {
		case "id":
			r.ID, err = decodeString("id", raw, allowedName)
		case "kind":
			r.Kind, err = decodeKind(raw)
		case "at":
			r.At, err = decodeAt(raw)
		case "data":
			r.Data = bytes.Clone(raw)
		case "patch":
			r.Patch = bytes.Clone(raw)
		case "window":
			r.Window, err = decodeString("window", raw, allowedName)
		case "timeout_ms":
			var ms uint64
			ms, err = decodeInteger("timeout_ms", raw, 0, uint64(MaxTimeout/time.Millisecond), allowedTimeout)
			r.Timeout = time.Duration(ms) * time.Millisecond
		default:
			err = fieldError(name, string(raw), "no such field; use id, kind, at, data, patch, window, timeout_ms")
		}
		return err
	})
	if err != nil {
		return Request{}, err
	}
	if err := r.Validate(); err != nil {
		return Request{}, err
	}
	r.Kind = r.Kind.OrMarker()
	return r, nil
}

func decodeKind(raw json.RawMessage) (Kind, error) {
	name, err := decodeString("kind", raw, allowedKind)
	if err != nil {
		return 0, err
	}
	switch k, _ := ParseKind(name); k {
	case Marker, State, Outcome, Void:
		return k, nil
	}
	return 0, fieldError("kind", name, allowedKind)
}

func decodeAt(raw json.RawMessage) (At, error) {
	var a At
	err := eachField("at", raw, func(name string, raw json.RawMessage) (err error) {
		switch name {
		case "track":
			a.Track, err = decodeString("at.track", raw, allowedTrack)
		case "next":
			if a.Next = string(raw) == "true"; !a.Next {
				err = fieldError("at.next", string(raw), "true")
			}
		case "ts":
			a.TS, err = decodeInteger("at.ts", raw, 1, maxInteger, allowedTS)
		case "source":
			a.Source, err = decodeSource(raw)
		case "capture_time":
			a.CaptureTime, err = decodeTime("at.capture_time", raw)
		case "timecode":
			a.Timecode, err = decodeTimecode(raw)
		case "sei_time":
			a.SEITime, err = decodeTime("at.sei_time", raw)
		default:
			err = fieldError("at."+name, string(raw), "no such field; use next, ts, source, capture_time, timecode or sei_time, and track")
		}
		return err
	})
	return a, err
}

func decodeSource(raw json.RawMessage) (*SourceTime, error) {
	const allowed = "an integer from 0 to 4294967295, as on the wire"
	var s SourceTime
	var ssrc, ts bool
	err := eachField("at.source", raw, func(name string, raw json.RawMessage) (err error) {
		var v uint64
		switch name {
		case "ssrc":
			v, err = decodeInteger("at.source.ssrc", raw, 0, 1<<32-1, allowed)
			s.SSRC, ssrc = uint32(v), true
		case "ts":
			v, err = decodeInteger("at.source.ts", raw, 0, 1<<32-1, allowed)
			s.TS, ts = uint32(v), true
		default:
			err = fieldError("at.source."+name, string(raw), "no such field; use ssrc and ts")
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !ssrc:
		return nil, fieldError("at.source.ssrc", "", allowed)
	case !ts:
		return nil, fieldError("at.source.ts", "", allowed)
	}
	return &s, nil
}

func decodeTimecode(raw json.RawMessage) (*timeline.Timecode, error) {
	s, err := decodeString("at.timecode", raw, allowedCode)
	if err != nil {
		return nil, err
	}
	t, ok := timeline.ParseTimecode(s)
	if !ok {
		return nil, fieldError("at.timecode", s, allowedCode)
	}
	return &t, nil
}

func decodeTime(field string, raw json.RawMessage) (time.Time, error) {
	s, err := decodeString(field, raw, allowedTime)
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	// Unlike RFC 3339, package time also takes a comma before the fraction.
	if err := t.UnmarshalText([]byte(s)); err != nil || t.Unix() < 0 || strings.Contains(s, ",") {
		return time.Time{}, fieldError(field, s, allowedTime)
	}
	return t.UTC(), nil
}

func decodeString(field string, raw json.RawMessage, allowed string) (string, error) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil || s == "" {
		return "", fieldError(field, string(raw), allowed)
	}
	return s, nil
}

// decodeInteger accepts plain decimal digits only: 1e3 and 1.0 would lose
// exactness in some readers.
func decodeInteger(field string, raw json.RawMessage, low, high uint64, allowed string) (uint64, error) {
	v, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil || v < low || v > high {
		return 0, fieldError(field, string(raw), allowed)
	}
	return v, nil
}

// eachField calls yield with every name and value of the JSON object b, in
// order, until yield fails. b has passed checkJSON.
func eachField(field string, b []byte, yield func(name string, raw json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fieldError(field, string(b), "a JSON object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fieldError(field, string(b), "a JSON object")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return fieldError(field, string(b), "a JSON object")
		}
		if err := yield(name.(string), raw); err != nil {
			return err
		}
	}
	return nil
}
