// Package sdp reads the two kinds of session description that reach the relay: a
// viewer's WHEP offer ([ReadOffer]) and the description of a studio's plain RTP
// ([ParseStudio]). It decides nothing about a session; whoever answers does.
package sdp

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pion/sdp/v3"
)

const (
	// MaxSize is the largest description that is read, in bytes.
	MaxSize = 64 << 10
	// MaxMedia is the largest number of m-lines in a description.
	MaxMedia = 16
)

// FieldError says which line of a description is wrong, what it was and what it
// may be.
type FieldError struct {
	Line    int    // counted from 1; 0 if the line is missing, or the whole is meant
	Field   string // the line's type and attribute, such as "a=fmtp"
	Value   string // what was there, shortened; empty if nothing was
	Allowed string // what may be there
}

// Error implements error.
func (e *FieldError) Error() string {
	where := e.Field
	if e.Line > 0 {
		where = fmt.Sprintf("line %d: %s", e.Line, e.Field)
	}
	if e.Value == "" {
		return fmt.Sprintf("%s: is missing or empty; allowed: %s", where, e.Allowed)
	}
	return fmt.Sprintf("%s: %q is not accepted; allowed: %s", where, e.Value, e.Allowed)
}

// maxEcho is how many bytes of a wrong value an error repeats.
const maxEcho = 64

func fieldError(line int, field, value, allowed string) *FieldError {
	value = strings.ToValidUTF8(value, "�")
	if len(value) > maxEcho {
		cut := maxEcho
		for !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut] + "…"
	}
	return &FieldError{Line: line, Field: field, Value: value, Allowed: allowed}
}

// description is a parsed session description that still knows its lines.
type description struct {
	*sdp.SessionDescription
	lines []string // without their ends
	start []int    // index into lines of each m-line
}

// session stands for the part before the first m-line where a section is asked for.
const session = -1

func parse(b []byte) (description, error) {
	if len(b) > MaxSize {
		return description{}, fieldError(0, "body", fmt.Sprintf("%d bytes", len(b)), fmt.Sprintf("at most %d bytes", MaxSize))
	}
	if n := countMedia(b); n > MaxMedia {
		return description{}, fieldError(0, "m=", fmt.Sprintf("%d lines", n), fmt.Sprintf("1 to %d lines", MaxMedia))
	}
	text := string(b)
	if !strings.HasSuffix(text, "\n") {
		text += "\n" // the parser drops a last line without an end
	}
	d := description{SessionDescription: new(sdp.SessionDescription)}
	if err := d.UnmarshalString(text); err != nil {
		return description{}, syntaxError(text)
	}
	d.lines = strings.Split(text, "\n")
	for i, line := range d.lines {
		line = strings.TrimSuffix(line, "\r")
		d.lines[i] = line
		if strings.Contains(line, "\r") { // the parser would see two lines
			return description{}, fieldError(i+1, "line", line, "lines that end in CRLF or LF")
		}
		if strings.HasPrefix(line, "m=") {
			d.start = append(d.start, i)
		}
	}
	if len(d.start) == 0 || len(d.start) != len(d.MediaDescriptions) {
		return description{}, fieldError(0, "m=", "", fmt.Sprintf("1 to %d lines", MaxMedia))
	}
	return d, nil
}

// countMedia counts the m-lines before anything is allocated for them.
func countMedia(b []byte) int {
	n := bytes.Count(b, []byte("\nm="))
	if bytes.HasPrefix(b, []byte("m=")) {
		n++
	}
	return n
}

// syntaxError names the line that the parser stumbled over. The parser goes line
// by line, so the first lines up to that one fail and any fewer do not.
func syntaxError(text string) error {
	lines := strings.SplitAfter(text, "\n")
	n := sort.Search(len(lines), func(n int) bool {
		return new(sdp.SessionDescription).UnmarshalString(strings.Join(lines[:n], "")) != nil
	})
	const allowed = "a line of a session description (RFC 8866), in its place: v= o= s= t=, then m= and a="
	if n == 0 || n > len(lines) {
		return fieldError(0, "body", text, allowed)
	}
	line := strings.TrimRight(lines[n-1], "\r\n")
	field, value := "line", line
	if len(line) >= 2 && line[1] == '=' {
		field, value = line[:2], line[2:]
	}
	return fieldError(n, field, value, allowed)
}

// attributes returns those of a section, or of the session.
func (d description) attributes(section int) []sdp.Attribute {
	if section == session {
		return d.Attributes
	}
	return d.MediaDescriptions[section].Attributes
}

// attribute returns the value of a section's attribute, or else the session's.
func (d description) attribute(section int, key string) (string, bool) {
	for _, s := range []int{section, session} {
		for _, a := range d.attributes(s) {
			if a.Key == key {
				return a.Value, true
			}
		}
	}
	return "", false
}

// line returns the number, counted from 1, of the first line of a section that
// begins with text, or 0.
func (d description) line(section int, text string) int {
	from, to := 0, len(d.lines)
	if section != session {
		from = d.start[section]
	}
	if section+1 < len(d.start) {
		to = d.start[section+1]
	}
	for i := from; i < to; i++ {
		if strings.HasPrefix(d.lines[i], text) {
			return i + 1
		}
	}
	return 0
}

// wrong is an error about an attribute of a section.
func (d description) wrong(section int, a sdp.Attribute, allowed string) *FieldError {
	text := "a=" + a.Key
	if a.Value != "" {
		text += ":" + a.Value
	}
	return fieldError(d.line(section, text), "a="+a.Key, a.Value, allowed)
}
