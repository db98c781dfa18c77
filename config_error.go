package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

// FieldError is one thing that is wrong with a configuration.
type FieldError struct {
	Where   string // where the value came from: "relay.yaml:12", "RELAY_HTTP__LISTEN", "--http"; may be empty
	Key     string // path of the key: "streams.wheel.hold"; may be empty
	Value   string // the value as text; may be empty
	Problem string // what is wrong with it
	Allowed string // what would be right; may be empty
}

// Error implements error.
func (e FieldError) Error() string {
	var b strings.Builder
	if e.Where != "" {
		fmt.Fprintf(&b, "%s: ", e.Where)
	}
	if e.Key != "" {
		fmt.Fprintf(&b, "%s: ", strings.Map(printable, e.Key))
	}
	if e.Value != "" {
		fmt.Fprintf(&b, "%q ", e.Value)
	}
	b.WriteString(e.Problem)
	if e.Allowed != "" {
		fmt.Fprintf(&b, " (allowed: %s)", e.Allowed)
	}
	return b.String()
}

// printable replaces what a terminal or a log could take for more than text.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// ConfigError is everything that is wrong with a configuration, one line each.
type ConfigError []FieldError

// Error implements error.
func (e ConfigError) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// orNil returns the error, or nil if nothing is wrong.
func (e ConfigError) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// reason returns what an operating system says is wrong with a file, without the
// file's name.
func reason(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
