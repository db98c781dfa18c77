package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
)

// mergePatch applies an RFC 7396 merge patch to a JSON value, both as decodeTree
// returns them, and returns the result. Neither argument is changed; the result
// shares with them what is the same.
//
// It is written out here because clients in other languages must arrive at the
// same state: github.com/evanphx/json-patch/v5 v5.9.11 also removes null members
// of objects within arrays, which RFC 7396, section 2, leaves alone.
func mergePatch(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	old, _ := target.(map[string]any)
	out := maps.Clone(old)
	if out == nil {
		out = make(map[string]any, len(members))
	}
	for name, value := range members {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = mergePatch(out[name], value)
		}
	}
	return out
}

var errValue = errors.New("more than one JSON value")

// decodeTree reads one JSON value. Numbers keep their digits.
func decodeTree(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errValue
	}
	return v, nil
}

// encode returns v as compact JSON, with the names of objects in order.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // bytes are budgeted, and no page sees them as HTML
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
