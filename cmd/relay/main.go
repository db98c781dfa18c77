// Command relay runs the Framelock relay and the tools around it. It turns flags
// and files into the configuration of package relay, and what comes back into
// something to read; everything else is done there.
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

	"github.com/spf13/cobra"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/demo"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // it did not work
	exitUsage = 2 // it was called or configured wrongly
)

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := NewRootCmd()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "relay: %v\n", err)
	code := exitCode(err)
	if wrong := (usageError{}); errors.As(err, &wrong) {
		fmt.Fprintf(stderr, "Run '%s --help' for how to use it.\n", cmd.CommandPath())
	}
	return code
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCode tells a wrong call or configuration from work that failed.
func exitCode(err error) int {
	var wrong usageError
	var config relay.ConfigError
	if errors.As(err, &wrong) || errors.As(err, &config) || errors.Is(err, demo.ErrConfig) {
		return exitUsage
	}
	return exitError
}

// usageArgs makes what is wrong with a command's arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			if _, wants, ok := strings.Cut(cmd.Use, " "); ok && len(args) == 0 {
				return usagef("%s is missing", wants)
			}
			return usageError{err}
		}
		return nil
	}
}
