package main

import (
	"fmt"
	"io"
)

// tally counts cases. A case is a test without subtests, or a check as a whole.
type tally struct {
	passed, failed, skipped int

	failures []string
	skips    []string // with the reason if the test gave one
}

func (t *tally) pass()            { t.passed++ }
func (t *tally) fail(name string) { t.failed++; t.failures = append(t.failures, name) }
func (t *tally) skip(name string) { t.skipped++; t.skips = append(t.skips, name) }

// skipsFail turns the skipped cases of a step that has to be complete into failures.
func (t *tally) skipsFail() {
	for _, name := range t.skips {
		t.fail(name + " (could not run)")
	}
	t.skipped, t.skips = 0, nil
}

func (t *tally) add(o tally) {
	t.passed += o.passed
	t.failed += o.failed
	t.skipped += o.skipped
	t.failures = append(t.failures, o.failures...)
	t.skips = append(t.skips, o.skips...)
}

// report lists what failed and what was skipped.
func (t *tally) report(out io.Writer) {
	for _, l := range []struct {
		title string
		names []string
	}{{"Skipped", t.skips}, {"Failed", t.failures}} {
		if len(l.names) > 0 {
			fmt.Fprintf(out, "\n%s:\n", l.title)
		}
		for _, name := range l.names {
			fmt.Fprintln(out, "  "+name)
		}
	}
}

// String returns the counts as one line.
func (t *tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}
