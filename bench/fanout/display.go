//go:build linux

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// display shows how far a run is: a bar below the lines on a terminal, the lines
// alone elsewhere.
type display struct {
	out  io.Writer
	bar  *progressbar.ProgressBar // nil unless on a terminal
	n, m int
}

func newDisplay(out *os.File, steps int) *display {
	d := &display{out: out, m: steps}
	if term.IsTerminal(int(out.Fd())) {
		d.bar = progressbar.NewOptions(steps, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	}
	return d
}

// step ends a step with what it found; an empty line says that it was left out.
func (d *display) step(line string) {
	d.n++
	if d.bar == nil {
		if line != "" {
			fmt.Fprintf(d.out, "[%*d/%d] %s\n", len(fmt.Sprint(d.m)), d.n, d.m, line)
		}
		return
	}
	if line != "" {
		_ = d.bar.Clear()
		fmt.Fprintln(d.out, line)
	}
	_ = d.bar.Add(1)
}

func (d *display) done() {
	if d.bar != nil {
		_ = d.bar.Finish()
	}
}
