//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/framelock/relay/bench/report"
)

// all makes every measurement of the options and writes the reports.
func (b *bench) all(ctx context.Context, o options) error {
	result := &report.Result{Processors: runtime.NumCPU(), Kernel: kernel(), Go: runtime.Version(), Size: o.size}
	if b.relay != "" {
		var err error
		if result.Relay, err = revision(b.relay); err != nil {
			return err
		}
		fmt.Println("relay:", result.Relay)
	}
	steps := o.plan()
	if o.events {
		steps = append(steps, o.eventSteps()...)
	}
	if o.joins {
		steps = append(steps, o.joinSteps()...)
	}
	show := newDisplay(os.Stdout, len(steps))
	full := map[string]int{} // the number of viewers that was too much, by limit
	for _, s := range steps {
		if n := full[s.limit()]; n > 0 && n < s.viewers || slices.Contains(b.missing, s.server) {
			show.step()
			continue
		}
		good := false
		for try := 0; try < o.tries && !good; try++ {
			line, err := s.run(ctx, b, result)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name(), err)
			}
			show.line(line)
			good = !s.row || result.Rows[len(result.Rows)-1].Fault == ""
		}
		if !good && s.viewers > smallest {
			full[s.limit()] = s.viewers
		}
		show.step()
	}
	show.done()
	if err := write(o, result); err != nil {
		return err
	}
	fmt.Print("\n", report.Markdown(result, ""))
	if o.short {
		return b.promises(ctx, o, result)
	}
	return nil
}

// smallest is the number of viewers that every server can take: a fault there is an
// accident, not the server's limit.
const smallest = 50

// mostRounds of a short run.
const mostRounds = 3

// promises judges a short run. Another program may have had the machine for a
// moment: a promise is broken if it stays broken with more rounds. Rows that are not
// good do not count, and of good ones the median does.
func (b *bench) promises(ctx context.Context, o options, result *report.Result) error {
	setting := report.Setting{Input: string(o.paces[0]), Viewers: o.viewers[0], Streams: o.streams}
	err := result.Check(setting)
	for round := 2; err != nil && round <= mostRounds; round++ {
		fmt.Printf("\nonce more, because %v\n", err)
		for _, s := range o.plan() {
			s.round = round
			line, runErr := s.run(ctx, b, result)
			if runErr != nil {
				return runErr
			}
			fmt.Println(line)
		}
		err = result.Check(setting)
	}
	if err == nil {
		fmt.Printf("\nthe relay costs at most %.1f times as much as plain pion and at most %.1f times the floor, without loss\n", report.MostOfPion, report.MostOfFloor)
	}
	return err
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	release, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	return release
}

// write writes the figures where the options want them.
func write(o options, result *report.Result) error {
	if o.json != "" {
		text, err := json.MarshalIndent(result, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.report == "" {
		return nil
	}
	return writeReport(o.report, result)
}
