package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/audit"
)

func newTranscriptCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "transcript",
		Short: "Export a stream's log, and check or prove what is in it",
	}
	group(cmd)
	cmd.AddCommand(newTranscriptExportCmd(), newTranscriptVerifyCmd(), newTranscriptProveCmd(), newTranscriptCheckCmd(), newTranscriptEraseCmd())
	return cmd
}

func newTranscriptExportCmd() *cobra.Command {
	var client clientFlags
	var file string
	var payloads bool
	cmd := &cobra.Command{
		Use:   "export STREAM",
		Short: "Write the whole log of a stream to a file",
		Long: `Write the whole log of a stream: every event, the facts of every action, and the
signed checkpoints, a line of JSON each, sealed by the log's key. With --payloads,
what viewers sent stands behind its action, unless it was erased.`,
		Example: `  relay transcript export wheel --out wheel.ndjson
  relay transcript export wheel | relay transcript verify -`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client.client()
			if err != nil {
				return err
			}
			c.HTTP.Timeout = 0 // a long log takes its time
			path := "/v1/streams/" + url.PathEscape(args[0]) + "/log/export"
			if payloads {
				path += "?payloads=true"
			}
			if file == "" {
				return c.Download(cmd.Context(), path, cmd.OutOrStdout())
			}
			return writeWhole(file, func(w io.Writer) error { return c.Download(cmd.Context(), path, w) })
		},
	}
	client.add(cmd)
	cmd.Flags().StringVar(&file, "out", "", "write to this file, once the export is whole (default: standard output)")
	cmd.Flags().BoolVar(&payloads, "payloads", false, "with what viewers sent, which takes a token with the scope mark")
	return cmd
}

// writeWhole writes a file that is there whole or not at all.
func writeWhole(path string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = write(tmp)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// openExport opens a file, or standard input for -.
func openExport(cmd *cobra.Command, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(path)
}

func newTranscriptVerifyCmd() *cobra.Command {
	var out output
	var kept audit.Kept
	var recording string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check an export, offline",
		Long: `Check an export: the signed checkpoints against the events, the order of events,
every action's verdict against its facts, payloads against commitments, and all of
it against what viewers kept. FILE may be - for standard input. The exit code is 0
if nothing is wrong, and 1 if something is.

Without --key and without anything that viewers kept, this shows only that whoever
holds the export's own key signed it. docs/transcript.md explains every finding.`,
		Example: `  relay transcript verify wheel.ndjson --key "$(cat wheel.vkey)"
  relay transcript verify wheel.ndjson --checkpoint kept.txt --receipt mine.jsonl -o json`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			in, err := openExport(cmd, args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			if recording != "" {
				if kept.Recording, err = frameHashes(recording); err != nil {
					return fmt.Errorf("--recording: %w", err)
				}
			}
			r, err := audit.Verify(in, kept)
			if err != nil {
				return err
			}
			err = out.print(cmd.OutOrStdout(), r, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "stream\t%s\tlog %s\n", r.Stream, r.Log)
				fmt.Fprintf(w, "events\t%d\tof which %d signed, root %s\n", r.Events, r.Covered, r.Root)
				fmt.Fprintf(w, "checkpoints\t%d\tby %d keys, %s\n", r.Checkpoints, len(r.Keys), trust(r.Trusted))
				fmt.Fprintf(w, "actions\t%d\taccepted %d, rejected %d, in %d windows\n", r.Accepted+r.Rejected, r.Accepted, r.Rejected, r.Windows)
				fmt.Fprintf(w, "payloads\t%d\tchecked\n", r.Payloads)
				fmt.Fprintf(w, "frames\t%d\thashed, of which %d were compared with a recording\n", r.FrameHashes, r.FramesChecked)
				fmt.Fprintf(w, "kept\t%d\tcheckpoints agree, and %d receipts\n", r.KeptCheckpoints, r.KeptReceipts)
				fmt.Fprintf(w, "findings\t%d\t\n", r.Found)
			})
			if err != nil {
				return err
			}
			if r.OK() {
				return nil
			}
			if out.format == "table" {
				for _, f := range r.Findings {
					fmt.Fprintln(cmd.OutOrStdout(), f)
				}
			}
			return fmt.Errorf("%s is not in order: %d findings", args[0], r.Found)
		},
	}
	out.add(cmd)
	cmd.Flags().StringArrayVar(&kept.Keys, "key", nil, "a verifier key of the log that you trust, got from elsewhere (may be repeated)")
	cmd.Flags().StringArrayVar(&kept.Checkpoints, "checkpoint", nil, "file of checkpoints that a viewer or witness kept (may be repeated)")
	cmd.Flags().StringArrayVar(&kept.Receipts, "receipt", nil, "file of receipts that a viewer kept, a line each (may be repeated)")
	cmd.Flags().StringVar(&recording, "recording", "", "compare the frame hashes with this: a stream's recording directory, a segment of it (.rtpdump) or a video.mkv of relay round export")
	return cmd
}

func trust(trusted bool) string {
	if trusted {
		return "one of which you trust"
	}
	return "NONE OF WHICH YOU NAMED: give the log's key with --key"
}

func newTranscriptProveCmd() *cobra.Command {
	var seq uint64
	var receipt string
	cmd := &cobra.Command{
		Use:   "prove FILE",
		Short: "Prove from an export that an event or an accepted action is in the log",
		Long: `Print a proof, as JSON, that others can check without the export: of the event with
--seq, or of each accepted action in a file of receipts, a line each.`,
		Example: `  relay transcript prove wheel.ndjson --seq 124 > outcome.json
  relay transcript prove wheel.ndjson --receipt mine.jsonl
  relay transcript check outcome.json --key "$(cat wheel.vkey)"`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (seq == 0) == (receipt == "") {
				return usagef("say what to prove: either --seq N, from 1 on, or --receipt FILE")
			}
			in, err := openExport(cmd, args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetEscapeHTML(false)
			if seq != 0 {
				proof, err := audit.ProveEvent(in, seq)
				if err != nil {
					return err
				}
				return enc.Encode(proof)
			}
			proofs, err := audit.ProveReceipts(in, receipt)
			if err != nil {
				return err
			}
			for _, p := range proofs {
				if err := enc.Encode(p); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seq, "seq", 0, "prove the event with this seq")
	cmd.Flags().StringVar(&receipt, "receipt", "", "prove the accepted actions of this file's receipts")
	return cmd
}

func newTranscriptCheckCmd() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "check PROOF",
		Short: "Check proofs that events or actions are in the log",
		Long: `Check the proofs that relay transcript prove or the API's log/proof gave, and print
the events or actions that they prove. PROOF may be - for standard input.`,
		Example: `  relay transcript check outcome.json --key "$(cat wheel.vkey)"`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			origin, _, ok := strings.Cut(key, "+")
			if !ok {
				return usagef("--key %q is not a verifier key (allowed: ORIGIN+HASH+BASE64, as the log's owner publishes it)", key)
			}
			in, err := openExport(cmd, args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			lines, err := audit.CheckProofs(in, origin, key)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(lines, "\n"))
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the log's verifier key")
	return cmd
}

func newTranscriptEraseCmd() *cobra.Command {
	var client clientFlags
	cmd := &cobra.Command{
		Use:   "erase STREAM ORDER...",
		Short: "Erase what viewers sent with actions, for good",
		Long: `Erase the data of actions, by the orders that their receipts name. Verdicts and
receipts stay, and the log stays valid: it never held the data, only salted
commitments. It takes a token with the scope admin, or the admin listener.`,
		Example: "  relay transcript erase wheel 4711 4712 --url http://127.0.0.1:9090",
		Args:    usageArgs(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders := make([]uint64, len(args)-1)
			for i, text := range args[1:] {
				n, err := strconv.ParseUint(text, 10, 53)
				if err != nil || n == 0 {
					return usagef("%q is not the order of an action (allowed: an integer from 1, as receipts have it)", text)
				}
				orders[i] = n
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			body := map[string]any{"orders": orders}
			if err := c.Post(cmd.Context(), "/v1/streams/"+url.PathEscape(args[0])+"/log/erase", body, nil); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "erased: the data of %d actions\n", len(orders))
			return err
		},
	}
	client.add(cmd)
	return cmd
}
