package main

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
)

// NewRootCmd returns the command line: relay and all its commands. Nothing is
// shared between two of them.
func NewRootCmd() *cobra.Command {
	g := &globalFlags{}
	root := &cobra.Command{
		Use:   "relay",
		Short: "Live video to WebRTC viewers, with every event on its exact frame",
		Long: `Framelock relay sends a studio's live video to WebRTC viewers and puts every
game event on the exact video frame it belongs to, on every screen.

New here? Run

  relay demo

and open the page that it names. To use your own camera, begin with

  relay config init > relay.yaml
  relay serve -c relay.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	group(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.PersistentFlags().StringVar(&g.logLevel, "log-level", "info", "least severe log lines to print: debug, info, warn or error")
	root.PersistentFlags().StringVar(&g.logFormat, "log-format", "auto", "text, json, or auto: text on a terminal and json otherwise")
	root.AddCommand(
		newServeCmd(g), newDemoCmd(g), newConfigCmd(), newTokenCmd(), newStreamsCmd(), newInputsCmd(), newMarkCmd(), newTranscriptCmd(), newRoundCmd(), newWindowsCmd(),
		newWatchCmd(g), newDoctorCmd(), newCalibrateCmd(g), newStudioCmd(g), newCroupierCmd(g), newVersionCmd(),
	)
	return root
}

// group makes cmd a command that only holds others: alone it prints its help,
// and it knows what an unknown one may have meant.
func group(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return usagef("unknown command %q for %q; did you mean %q?", args[0], cmd.CommandPath(), strings.Join(near, `" or "`))
		}
		return usagef("unknown command %q for %q", args[0], cmd.CommandPath())
	}
}

// globalFlags are the flags of every command.
type globalFlags struct{ logLevel, logFormat string }

// logger returns the log that the flags ask for, on w.
func (g *globalFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.logLevel)); err != nil {
		return nil, usagef("--log-level %q is not a level (allowed: debug, info, warn, error)", g.logLevel)
	}
	text := false
	switch g.logFormat {
	case "text":
		text = true
	case "auto":
		text = isTerminal(w)
	case "json":
	default:
		return nil, usagef("--log-format %q is not a format (allowed: auto, text, json)", g.logFormat)
	}
	if text {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !isTerminal(w)})), nil
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
}

// isTerminal reports whether somebody may be looking at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
