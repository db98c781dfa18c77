package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a package that does not build
	Test        string
	Output      string
	FailedBuild string
}

// reader turns `go test -json` into counts, and prints what a person needs: one
// line for each package, and the output of the tests that failed.
type reader struct {
	tally  *tally
	out    io.Writer
	prefix string // before the names of cases

	output  map[string]*strings.Builder // by package and test
	parents map[string]bool             // tests that have subtests
	failed  map[string]bool             // packages with a failure that was counted
}

func newReader(t *tally, out io.Writer, prefix string) *reader {
	return &reader{
		tally: t, out: out, prefix: prefix,
		output: map[string]*strings.Builder{}, parents: map[string]bool{}, failed: map[string]bool{},
	}
}

// read takes every line to the end of r. Lines that are no events are printed.
func (r *reader) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(r.out, lines.Text())
			continue
		}
		r.take(e)
	}
	return lines.Err()
}

func (r *reader) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "run":
		if i := strings.LastIndex(e.Test, "/"); i > 0 {
			r.parents[e.Package+" "+e.Test[:i]] = true
		}
	case "build-output":
		io.WriteString(r.out, e.Output)
	case "output":
		if e.Test == "" {
			r.packageOutput(e)
			return
		}
		if r.output[key] == nil {
			r.output[key] = &strings.Builder{}
		}
		r.output[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		r.end(e, key)
	}
}

// counts is a closing line as this program's own; only one may be read as such.
var counts = regexp.MustCompile(`^\d+ passed, \d+ failed`)

// packageOutput passes on the line of a package's result, and what was printed
// outside of tests. PASS and the like are noise.
func (r *reader) packageOutput(e event) {
	line := strings.TrimSpace(e.Output)
	if counts.MatchString(line) || line == "PASS" || line == "FAIL" || strings.HasPrefix(line, "?") || strings.HasPrefix(line, "coverage:") {
		return
	}
	io.WriteString(r.out, e.Output)
}

func (r *reader) end(e event, key string) {
	name := r.prefix + strings.TrimPrefix(e.Package, module+"/") + " " + e.Test
	if e.Test == "" {
		if e.Action == "fail" && !r.failed[e.Package] { // did not build, panicked, leaked or timed out
			r.tally.fail(strings.TrimSpace(name))
			r.flush(e.Package + " ")
		}
		return
	}
	switch {
	case e.Action == "fail":
		if !r.parents[key] || !r.failed[e.Package] {
			r.tally.fail(name)
		}
		r.failed[e.Package] = true
		io.WriteString(r.out, r.text(key))
	case r.parents[key]:
	case e.Action == "skip":
		r.tally.skip(name + reason(r.text(key)))
	default:
		r.tally.pass()
	}
	delete(r.output, key)
}

// flush prints the output of tests that never ended.
func (r *reader) flush(prefix string) {
	for key, b := range r.output {
		if strings.HasPrefix(key, prefix) {
			io.WriteString(r.out, b.String())
			delete(r.output, key)
		}
	}
}

func (r *reader) text(key string) string {
	if b := r.output[key]; b != nil {
		return b.String()
	}
	return ""
}

// reason returns what a test said when it was skipped, as ": reason".
func reason(output string) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") && line != "" {
			return ": " + line
		}
	}
	return ""
}
