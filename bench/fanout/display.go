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

// line shows what a measurement found.
func (d *display) line(text string) {
	if d.bar == nil {
		fmt.Fprintf(d.out, "[%*d/%d] %s\n", len(fmt.Sprint(d.m)), d.n+1, d.m, text)
		return
	}
	_ = d.bar.Clear()
	fmt.Fprintln(d.out, text)
	_ = d.bar.RenderBlank()
}

// step ends a step.
func (d *display) step() {
	d.n++
	if d.bar != nil {
		_ = d.bar.Add(1)
	}
}

func (d *display) done() {
	if d.bar != nil {
		_ = d.bar.Finish()
	}
}
