// Command runtests runs the steps of `make test`, all of them even if one fails,
// and ends with one line that counts what ran:
//
//	812 passed, 0 failed, 2 skipped
//
// Arguments name the steps to run; without any it runs those of `make test`. It
// exits with 1 if anything failed, and if a case in a browser was skipped.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
		os.Exit(1)
	}
}

// errFailed says that the counts hold a failure.
var errFailed = errors.New("not everything passed")

func run(ctx context.Context, names []string, out io.Writer) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	var all tally
	var summary strings.Builder
	for _, s := range chosen {
		fmt.Fprintf(out, "\n== %s: %s\n", s.name, s.what)
		begin := time.Now()
		t := &tally{}
		if err := s.run(ctx, t, out); err != nil {
			t.fail(s.name)
			fmt.Fprintf(out, "%s: %v\n", s.name, err)
		}
		if s.complete {
			t.skipsFail()
		}
		fmt.Fprintf(&summary, "%-8s %5.0f s  %s\n", s.name, time.Since(begin).Seconds(), t)
		all.add(*t)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	all.report(out)
	fmt.Fprintf(out, "\n%s\n%s\n", summary.String(), &all)
	if all.failed > 0 {
		return errFailed
	}
	return nil
}
