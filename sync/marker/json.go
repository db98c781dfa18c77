package marker

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON in a request. An event of MaxEventSize has
// no use for more, and readers in other languages have limits of their own.
const maxDepth = 64

var errJSON = errors.New("not one JSON value in UTF-8 with unique names")

// checkJSON accepts exactly one JSON value in UTF-8 (RFC 8259) in which no
// object has a name twice, since readers differ on which of two they take.
func checkJSON(b []byte) error {
	if !utf8.Valid(b) || !json.Valid(b) || !uniqueNames(b) {
		return errJSON
	}
	return nil
}

// container is an object or array that is open.
type container struct {
	object bool
	named  bool // the next string is a value
	first  int  // of its names
	many   map[string]bool
}

// few is how many names of an object are compared one by one.
const few = 16

// uniqueNames reports whether no object in valid JSON has a name twice, and nothing
// is nested deeper than maxDepth. What a viewer sends comes by here, thousands a
// second: small objects without escapes allocate nothing.
func uniqueNames(b []byte) bool {
	var open [maxDepth]container
	var room [2 * few][]byte
	names, depth := room[:0], 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth == maxDepth {
				return false
			}
			open[depth] = container{object: b[i] == '{', first: len(names)}
			depth++
		case '}', ']':
			depth--
			names = names[:open[depth].first]
		case ',':
			open[depth-1].named = false
		case '"':
			end := stringEnd(b, i)
			if depth > 0 && open[depth-1].object && !open[depth-1].named {
				c := &open[depth-1]
				name := unescaped(b[i : end+1])
				if c.has(names[c.first:], name) {
					return false
				}
				names = append(names, name)
				c.named = true
			}
			i = end
		}
	}
	return true
}

// has reports whether an object with these names has one more already.
func (c *container) has(names [][]byte, name []byte) bool {
	if len(names) < few {
		for _, n := range names {
			if bytes.Equal(n, name) {
				return true
			}
		}
		return false
	}
	if c.many == nil {
		c.many = make(map[string]bool, 2*few)
		for _, n := range names {
			c.many[string(n)] = true
		}
	}
	again := c.many[string(name)]
	c.many[string(name)] = true
	return again
}

// stringEnd returns where the string ends that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

// unescaped returns what a valid string literal says.
func unescaped(literal []byte) []byte {
	if bytes.IndexByte(literal, '\\') < 0 {
		return literal[1 : len(literal)-1]
	}
	var s string
	_ = json.Unmarshal(literal, &s) // is valid
	return []byte(s)
}
