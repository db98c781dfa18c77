package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/croupier"
)

// inputsInfo is what is printed of a stream's encoders.
type inputsInfo struct {
	Active      string     `json:"active"`
	SwitchingTo string     `json:"switching_to"`
	Reason      string     `json:"reason"`
	Since       *time.Time `json:"since"`
	Inputs      []struct {
		Input  string `json:"input"`
		State  string `json:"state"`
		Tracks []struct {
			Track   string `json:"track"`
			SSRC    uint32 `json:"ssrc"`
			Source  string `json:"source"`
			Packets uint64 `json:"packets"`
			Foreign uint64 `json:"foreign"`
			Paths   []struct {
				Packets uint64 `json:"packets"`
				First   uint64 `json:"first"`
				Differ  uint64 `json:"differ"`
			} `json:"paths"`
		} `json:"tracks"`
	} `json:"inputs"`
}

// on says which encoder is on, and why.
func (i *inputsInfo) on() string {
	text := i.Active
	if i.Since != nil {
		text += " since " + i.Since.Local().Format(time.TimeOnly) + " (" + i.Reason + ")"
	}
	if i.SwitchingTo != "" {
		text += ", waiting for a keyframe of the " + i.SwitchingTo
	}
	return text
}

func newInputsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inputs",
		Short: "Show a stream's encoders, or switch between them",
	}
	group(cmd)
	cmd.AddCommand(newInputsLsCmd(), newInputsSwitchCmd())
	return cmd
}

func newInputsLsCmd() *cobra.Command {
	var client clientFlags
	var out output
	cmd := &cobra.Command{
		Use:     "ls STREAM",
		Short:   "List a stream's encoders and what comes from each",
		Example: "  relay inputs ls wheel",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			var all json.RawMessage
			if err := c.Get(cmd.Context(), inputsPath(args[0]), &all); err != nil {
				return err
			}
			var info inputsInfo
			if err := json.Unmarshal(all, &info); err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), all, func(w *tabwriter.Writer) { printInputs(w, &info) })
		},
	}
	client.add(cmd)
	out.add(cmd)
	return cmd
}

func inputsPath(stream string) string { return "/v1/streams/" + url.PathEscape(stream) + "/inputs" }

func printInputs(w *tabwriter.Writer, info *inputsInfo) {
	fmt.Fprintln(w, "INPUT\tSTATE\tTRACK\tSSRC\tFROM\tPACKETS\tFOREIGN\tPATHS")
	for _, in := range info.Inputs {
		for _, t := range in.Tracks {
			paths := "one"
			if len(t.Paths) == 2 {
				paths = fmt.Sprintf("%d first of %d, %d first of %d; %d differ",
					t.Paths[0].First, t.Paths[0].Packets, t.Paths[1].First, t.Paths[1].Packets, t.Paths[0].Differ+t.Paths[1].Differ)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s\n", in.Input, in.State, t.Track, t.SSRC, t.Source, t.Packets, t.Foreign, paths)
		}
	}
}

func newInputsSwitchCmd() *cobra.Command {
	var client clientFlags
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "switch STREAM primary|backup",
		Short: "Have an encoder take over at its next keyframe",
		Long: `Have an encoder take over at its next keyframe, picture and sound together, and
stay on until it is lost. Needs a token of scope admin, or the relay's admin
listener as --url.`,
		Example: `  relay inputs switch wheel backup --url http://127.0.0.1:9090
  relay inputs switch wheel primary --token-file tokens/operator.token`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != "primary" && args[1] != "backup" {
				return usagef("%q is not an input (allowed: primary, backup)", args[1])
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			info, err := switchInput(cmd.Context(), c, args[0], args[1], wait)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), info.on())
			return err
		},
	}
	client.add(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Second, "how long to wait for the encoder's keyframe; 0s does not wait")
	return cmd
}

// switchPoll is how often it is asked whether the switch has happened.
const switchPoll = 100 * time.Millisecond

// switchInput asks for a switch and waits until it has happened.
func switchInput(ctx context.Context, c *croupier.Client, stream, to string, wait time.Duration) (info inputsInfo, err error) {
	if err := c.Post(ctx, inputsPath(stream)+"/switch", map[string]string{"input": to}, &info); err != nil {
		return info, err
	}
	tick := time.NewTicker(switchPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(wait); info.SwitchingTo == to && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return info, ctx.Err()
		case <-tick.C:
		}
		if err := c.Get(ctx, inputsPath(stream), &info); err != nil {
			return info, err
		}
	}
	if wait > 0 && info.Active != to {
		return info, fmt.Errorf("the %s encoder has not taken over within %v: %s is on", to, wait, info.on())
	}
	return info, nil
}
