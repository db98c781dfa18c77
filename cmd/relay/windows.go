package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/croupier"
)

func newWindowsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "windows",
		Short: "Open and close windows in which viewers act, and see what they took",
		Long: `A window takes viewers' actions between two frames. The relay closes it by itself
on the frame of its deadline, and judges every action against the frame that its
viewer saw (docs/windows.md).`,
	}
	group(cmd)
	cmd.AddCommand(newWindowsOpenCmd(), newWindowsEndCmd("close", "Close a window before its time"),
		newWindowsEndCmd("void", "Void a window: nothing in it counts"), newWindowsLsCmd(), newWindowsActCmd())
	return cmd
}

// windowsPath is the path of a stream's windows, or of what is below one.
func windowsPath(stream string, below ...string) string {
	path := "/v1/streams/" + url.PathEscape(stream) + "/windows"
	for _, p := range below {
		path += "/" + url.PathEscape(p)
	}
	return path
}

func newWindowsOpenCmd() *cobra.Command {
	var client clientFlags
	var out output
	var at, until string
	var after, grace, age time.Duration
	var accept struct {
		MaxPerViewer int   `json:"max_per_viewer,omitempty"`
		MaxBytes     int   `json:"max_bytes,omitempty"`
		MaxActions   int   `json:"max_actions,omitempty"`
		MaxAgeMS     int64 `json:"max_age_ms,omitempty"`
	}
	cmd := &cobra.Command{
		Use:   "open STREAM WINDOW",
		Short: "Open a window on a frame",
		Long: `Open a window on the frame that --at names. With --after or --until the relay
closes it by itself; without, it is closed with "relay windows close".`,
		Example: `  relay windows open wheel round-17 --after 10s --grace 200ms
  relay windows open wheel round-17 --at capture:2026-11-22T12:00:00Z --until 2026-11-22T12:00:10Z`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if after != 0 && until != "" {
				return usagef("--after and --until both say when the window closes; give one")
			}
			frame, err := parseAt(at)
			if err != nil {
				return err
			}
			accept.MaxAgeMS = age.Milliseconds()
			body := map[string]any{"window": args[1], "at": frame, "grace_ms": grace.Milliseconds(), "accept": accept}
			switch {
			case after != 0:
				body["closes"] = map[string]any{"after_ms": after.Milliseconds()}
			case until != "":
				body["closes"] = map[string]any{"capture_time": until}
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			var r struct {
				croupier.Resolved
				Window   string `json:"window"`
				ClosesTS uint64 `json:"closes_ts"`
			}
			if err := c.Post(cmd.Context(), windowsPath(args[0]), body, &r); err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), r, func(w *tabwriter.Writer) {
				printResolved(w, r.Resolved, false)
				if r.ClosesTS == 0 {
					fmt.Fprintln(w, "closes\tby hand\t")
				} else {
					fmt.Fprintf(w, "closes\tts %d\t%s after it opens\n", r.ClosesTS, (time.Duration(r.ClosesTS-r.TS) * time.Second / 90000).Round(time.Millisecond))
				}
			})
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&at, "at", "next", "the frame: next, ts:N, capture:TIME or source:SSRC/TS")
	cmd.Flags().DurationVar(&after, "after", 0, "close this long after the open frame, at most 24h")
	cmd.Flags().StringVar(&until, "until", "", "close with the first frame captured at this time, in RFC 3339")
	cmd.Flags().DurationVar(&grace, "grace", 0, "take actions on earlier frames for this long after the close, at most 1s")
	cmd.Flags().IntVar(&accept.MaxPerViewer, "max-per-viewer", 0, "actions taken of one viewer, at most 1000 (default 1000)")
	cmd.Flags().IntVar(&accept.MaxBytes, "max-bytes", 0, "bytes of an action's data, at most 4096 (default 256)")
	cmd.Flags().IntVar(&accept.MaxActions, "max-actions", 0, "actions taken in total, at most 250000 (default 100000)")
	cmd.Flags().DurationVar(&age, "max-age", 0, "how long a frame may have been replaced and still be acted on, at most 10s (default 2s)")
	return cmd
}

// newWindowsEndCmd is the command that closes or voids a window.
func newWindowsEndCmd(verb, short string) *cobra.Command {
	var client clientFlags
	var out output
	var at string
	cmd := &cobra.Command{
		Use:     verb + " STREAM WINDOW",
		Short:   short,
		Example: "  relay windows " + verb + " wheel round-17",
		Args:    usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			frame, err := parseAt(at)
			if err != nil {
				return err
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			var r croupier.Resolved
			if err := c.Post(cmd.Context(), windowsPath(args[0], args[1], verb), map[string]any{"at": frame}, &r); err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), r, func(w *tabwriter.Writer) { printResolved(w, r, false) })
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&at, "at", "next", "the frame: next, ts:N, capture:TIME or source:SSRC/TS; to close on, one that has not left")
	return cmd
}

func newWindowsLsCmd() *cobra.Command {
	var client clientFlags
	var out output
	cmd := &cobra.Command{
		Use:     "ls STREAM",
		Short:   "List a stream's windows",
		Example: "  relay windows ls wheel",
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
			if err := c.Get(cmd.Context(), windowsPath(args[0]), &all); err != nil {
				return err
			}
			var list struct {
				Windows []struct {
					Window      string  `json:"window"`
					Phase       string  `json:"phase"`
					RemainingMS float64 `json:"remaining_ms"`
					Accepted    int     `json:"accepted"`
					Rejected    int     `json:"rejected"`
				} `json:"windows"`
			}
			if err := json.Unmarshal(all, &list); err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), all, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "WINDOW\tPHASE\tREMAINING\tACCEPTED\tREJECTED")
				for _, v := range list.Windows {
					remaining := "-"
					if v.RemainingMS > 0 {
						remaining = fmt.Sprintf("%.1f s", v.RemainingMS/1000)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", v.Window, v.Phase, remaining, v.Accepted, v.Rejected)
				}
			})
		},
	}
	client.add(cmd)
	out.add(cmd)
	return cmd
}

func newWindowsActCmd() *cobra.Command {
	var client clientFlags
	var out output
	var id, data, subject string
	cmd := &cobra.Command{
		Use:   "act STREAM WINDOW",
		Short: "Act in a window as a server does, and print the receipt",
		Long: `Act in a window as a game server does for a user: no frame was seen, and the
window's close ends it. The same --id and --data again get the same receipt.`,
		Example: `  relay windows act wheel round-17 --data '{"pocket":17,"chips":5}' --subject user-4711`,
		Args:    usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			raw, err := jsonFlag("--data", data)
			if err != nil {
				return err
			}
			if id == "" {
				id = "cli-" + strings.ToLower(rand.Text()[:12])
			}
			body := map[string]any{"id": id}
			if raw != nil {
				body["data"] = raw
			}
			if subject != "" {
				body["subject"] = subject
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			var all json.RawMessage
			if err := c.Post(cmd.Context(), windowsPath(args[0], args[1], "actions"), body, &all); err != nil {
				return err
			}
			var r struct {
				ID         string    `json:"id"`
				Verdict    string    `json:"verdict"`
				Reason     string    `json:"reason"`
				Order      uint64    `json:"order"`
				ReceivedAt time.Time `json:"received_at"`
			}
			if err := json.Unmarshal(all, &r); err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), all, func(w *tabwriter.Writer) {
				verdict := r.Verdict
				if r.Reason != "" {
					verdict += ": " + r.Reason
				}
				fmt.Fprintf(w, "action\t%s\norder\t%d\nverdict\t%s\n", r.ID, r.Order, verdict)
				if !r.ReceivedAt.IsZero() {
					fmt.Fprintf(w, "received\t%s\n", r.ReceivedAt.Format(time.RFC3339Nano))
				}
			})
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&id, "id", "", "name of the action (default: a random one)")
	cmd.Flags().StringVar(&data, "data", "", "the action's data, as JSON")
	cmd.Flags().StringVar(&subject, "subject", "", "the user for whom the server acts (default: the token's)")
	return cmd
}
