package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/croupier"
)

// newCroupierCmd is for the demo and for tests, and so is not shown in the help.
func newCroupierCmd(g *globalFlags) *cobra.Command {
	var client clientFlags
	var cfg croupier.Config
	var logFile, outFile, rests string
	cmd := &cobra.Command{
		Use:    "croupier STREAM",
		Short:  "A game server that plays by a studio's log",
		Hidden: true,
		Long: `Follow the log of a studio (relay studio --log FILE), and publish rounds, phases
and outcomes over HTTP on the frames that it tells of, as a game server does:
half of the outcomes by the frame's capture time, half by its SSRC and timestamp.`,
		Example: `  relay croupier wheel --log studio.log --rate 10 --count 1000 --out published.jsonl`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			cfg.Stream = args[0]
			if cfg.Client, err = client.client(); err != nil {
				return err
			}
			if cfg.Logger, err = g.logger(cmd.ErrOrStderr()); err != nil {
				return err
			}
			if cfg.Script.Rests, err = parseRests(rests); err != nil {
				return err
			}
			if outFile != "" {
				f, err := os.Create(outFile)
				if err != nil {
					return err
				}
				defer func() { err = firstError(err, f.Close()) }()
				cfg.Out = f
			}
			switch logFile {
			case "":
				return usagef("whose log? Name it with --log FILE, or - for standard input")
			case "-":
				cfg.Log = closable(cmd.InOrStdin())
			default:
				cfg.Log = croupier.NewTail(logFile)
			}
			return croupier.Run(cmd.Context(), cfg)
		},
	}
	client.add(cmd)
	f := cmd.Flags()
	f.StringVar(&logFile, "log", "", "the studio's log, which may still grow; - for standard input")
	f.Float64Var(&cfg.Rate, "rate", 0, "test markers a second, beside the game")
	f.IntVar(&cfg.Count, "count", 0, "stop after this many events (default: never)")
	f.StringVar(&outFile, "out", "", "write what was published and answered to this file, as JSON lines")
	f.DurationVar(&cfg.Lead, "lead", 100*time.Millisecond, "how far ahead of the studio to name frames, where that is possible; 0s to 5s")
	f.DurationVar(&cfg.Fresh, "fresh", 2*time.Second, "pass over frames of the log that were captured longer ago; 0s for none")
	f.Uint64Var(&cfg.Script.Loop, "loop", 0, "frames after which the studio's picture repeats")
	f.StringVar(&rests, "rests", "", "frames of the loop on which the ball comes to rest, and in which pocket: 125:17,311:32")
	return cmd
}

// parseRests reads the --rests flag.
func parseRests(text string) ([]croupier.Rest, error) {
	var rests []croupier.Rest
	for item := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
		frame, pocket, _ := strings.Cut(item, ":")
		n, errFrame := strconv.ParseUint(frame, 10, 64)
		p, errPocket := strconv.Atoi(pocket)
		if errFrame != nil || errPocket != nil {
			return nil, usagef("--rests %q is not FRAME:POCKET", item)
		}
		rests = append(rests, croupier.Rest{Frame: n, Pocket: p})
	}
	return rests, nil
}

// closable makes a reader that cannot be interrupted one that can: Close ends a
// Read, and leaves what the underlying reader is still waiting for to the
// process's end.
func closable(r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	return out
}

// firstError returns the first that is an error.
func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
