package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/watch"
)

func newWatchCmd(g *globalFlags) *cobra.Command {
	var client clientFlags
	var out output
	var duration time.Duration
	var pcap string
	cmd := &cobra.Command{
		Use:   "watch STREAM",
		Short: "Join a stream as a viewer and check what arrives",
		Long: `Join a stream as a browser does, and check every packet and event: whether each
event came on its own frame's packets and on the data channel alike, whether
frame hashes are right, and how much was lost and how late. Exits with 1 if a
promise of the protocol was broken.

--pcap writes the RTP packets as a capture for Wireshark, decrypted;
deploy/wireshark/framelock.lua shows the markers in it.

Runs until it is interrupted, or for as long as --for says.`,
		Example: `  relay watch wheel --for 30s
  relay watch wheel --for 30s -o json | jq .latency_ms
  relay watch wheel --for 5s --pcap wheel.pcap`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			logger, err := g.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			cfg := watch.Config{
				URL: c.URL + "/whep/" + url.PathEscape(args[0]), Token: c.Token, HTTP: c.HTTP,
				Duration: duration, Logger: logger,
			}
			report, err := watchInto(cmd.Context(), cfg, pcap)
			if err != nil && report.Video.Packets == 0 {
				return err
			}
			printErr := out.print(cmd.OutOrStdout(), report, func(w *tabwriter.Writer) { printReport(w, &report) })
			if err = firstError(err, printErr); err != nil {
				return err
			}
			if problems := report.Problems(); len(problems) > 0 {
				return fmt.Errorf("the stream breaks the protocol: %s", strings.Join(problems, "; "))
			}
			return nil
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().DurationVar(&duration, "for", 0, "how long to watch (default: until interrupted)")
	cmd.Flags().StringVar(&pcap, "pcap", "", "write the RTP packets, decrypted, to this capture file")
	return cmd
}

// watchInto runs a watch, with a capture if a file is named.
func watchInto(ctx context.Context, cfg watch.Config, pcap string) (watch.Report, error) {
	if pcap == "" {
		return watch.Run(ctx, cfg)
	}
	file, err := os.Create(pcap)
	if err != nil {
		return watch.Report{}, usagef("--pcap: %w", err)
	}
	w := bufio.NewWriter(file)
	cfg.Capture = w
	report, err := watch.Run(ctx, cfg)
	return report, errors.Join(err, w.Flush(), file.Close())
}

func printReport(w *tabwriter.Writer, r *watch.Report) {
	v, e := r.Video, r.Events
	fmt.Fprintf(w, "watched\t%.1f s\tfirst frame after %s\n", r.Seconds, milliseconds(r.FirstFrameMS))
	fmt.Fprintf(w, "video\t%s\t%d frames, %d incomplete; %d packets, %d lost, %d repaired\n",
		v.Codec, v.Complete, v.Incomplete, v.Packets, v.Lost, v.Repaired)
	fmt.Fprintf(w, "audio\t%s\t%d packets, %d lost\n", r.Audio.Codec, r.Audio.Packets, r.Audio.Lost)
	fmt.Fprintf(w, "events\t%d\tby data channel, %d gaps, %d doubles\n", e.Reliable, e.Gaps, e.Doubles)
	fmt.Fprintf(w, "  on packets\t%d\twere also read off the video's packets, and agree\n", e.BothPaths)
	for _, frames := range slices.Sorted(maps.Keys(e.FrameError)) {
		where := "on their own frame"
		if frames != 0 {
			where = fmt.Sprintf("%+d frames from their own", frames)
		}
		fmt.Fprintf(w, "  on frames\t%d\t%s\n", e.FrameError[frames], where)
	}
	fmt.Fprintf(w, "  silent\t%d\tframe hashes and the like, which are not for showing\n", e.Silent)
	fmt.Fprintf(w, "hashes\t%d\tframes checked, %d wrong\n", r.FrameHash.Checked, r.FrameHash.Mismatched)
	fmt.Fprintf(w, "latency\t%s\tmedian, %s at the 99th percentile, from capture to arrival\n",
		milliseconds(r.Latency.P50), milliseconds(r.Latency.P99))
	if problems := r.Problems(); len(problems) == 0 {
		fmt.Fprintf(w, "verdict\tgood\n")
	} else {
		fmt.Fprintf(w, "verdict\tbroken\t%s\n", strings.Join(problems, "; "))
	}
}
