package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
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
	cmd.AddCommand(newWindowsOpenCmd(), newWindowsEndCmd("close", "Close a window before its time", (*croupier.Client).CloseWindow),
		newWindowsEndCmd("void", "Void a window: nothing in it counts", (*croupier.Client).VoidWindow), newWindowsLsCmd(), newWindowsActCmd(), newWindowsReceiptCmd())
	return cmd
}

func newWindowsOpenCmd() *cobra.Command {
	var client clientFlags
	var out output
	var at, until string
	var after, grace, age time.Duration
	var window croupier.Window
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
			window.Window = args[1]
			var err error
			if window.GraceMS, err = wholeMS("--grace", grace); err != nil {
				return err
			}
			if window.Accept.MaxAgeMS, err = wholeMS("--max-age", age); err != nil {
				return err
			}
			if window.At, err = parseAt(at); err != nil {
				return err
			}
			if window.Closes, err = closesFlags(after, until); err != nil {
				return err
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			r, status, err := c.OpenWindow(cmd.Context(), args[0], window)
			if err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), r, func(w *tabwriter.Writer) {
				printResolved(w, r.Resolved, status == http.StatusOK)
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
	cmd.Flags().StringVar(&at, "at", "next", "the frame: next, ts:N, capture:TIME, source:SSRC/TS, timecode:HH:MM:SS:FF or sei:TIME")
	cmd.Flags().DurationVar(&after, "after", 0, "close this long after the open frame, at most 24h")
	cmd.Flags().StringVar(&until, "until", "", "close with the first frame captured at this time, in RFC 3339")
	cmd.Flags().DurationVar(&grace, "grace", 0, "take actions on earlier frames for this long after the close, at most 1s")
	cmd.Flags().IntVar(&window.Accept.MaxPerViewer, "max-per-viewer", 0, "actions taken of one viewer, at most 1000 (default 1000)")
	cmd.Flags().IntVar(&window.Accept.MaxBytes, "max-bytes", 0, "bytes of an action's data, at most 4096 (default 256)")
	cmd.Flags().IntVar(&window.Accept.MaxActions, "max-actions", 0, "actions taken in total, at most 250000 (default 100000)")
	cmd.Flags().DurationVar(&age, "max-age", 0, "how long a frame may have been replaced and still be acted on, at most 10s (default 2s)")
	return cmd
}

// wholeMS reads a flag of whole milliseconds. Less would come to nothing, and mean the
// default.
func wholeMS(flag string, d time.Duration) (int64, error) {
	if d%time.Millisecond != 0 || d < 0 {
		return 0, usagef("%s %s is not accepted (allowed: whole milliseconds, such as 250ms or 1.5s)", flag, d)
	}
	return d.Milliseconds(), nil
}

// closesFlags reads --after and --until; nil if there is neither.
func closesFlags(after time.Duration, until string) (*croupier.Closes, error) {
	switch {
	case after != 0 && until != "":
		return nil, usagef("--after and --until both say when the window closes; give one")
	case after != 0:
		if after < time.Millisecond || after > 24*time.Hour {
			return nil, usagef("--after %s is out of range (allowed: 1ms to 24h)", after)
		}
		ms, err := wholeMS("--after", after)
		return &croupier.Closes{AfterMS: ms}, err
	case until != "":
		t, err := time.Parse(time.RFC3339Nano, until)
		if err != nil {
			return nil, usagef("--until %q is not a time such as 2026-11-22T12:00:00.25Z", until)
		}
		return &croupier.Closes{CaptureTime: &t}, nil
	}
	return nil, nil
}

// endWindow is a call that ends a window.
type endWindow func(c *croupier.Client, ctx context.Context, stream, window string, at croupier.At) (croupier.Resolved, int, error)

// newWindowsEndCmd is the command that closes or voids a window.
func newWindowsEndCmd(verb, short string, end endWindow) *cobra.Command {
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
			r, status, err := end(c, cmd.Context(), args[0], args[1], frame)
			if err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), r, func(w *tabwriter.Writer) { printResolved(w, r, status == http.StatusOK) })
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&at, "at", "next", "the frame: next, ts:N, capture:TIME, source:SSRC/TS, timecode:HH:MM:SS:FF or sei:TIME; to close on, one that has not left")
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
			all, err := c.Windows(cmd.Context(), args[0])
			if err != nil {
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
	var action croupier.Action
	var data string
	cmd := &cobra.Command{
		Use:   "act STREAM WINDOW",
		Short: "Act in a window as a server does, and print the receipt",
		Long: `Act in a window as a game server does for a user: no frame was seen, and the
window's close ends it. The same --id and --data again get the same receipt.

It takes a token with the scope act, and mark too for --subject.`,
		Example: `  relay windows act wheel round-17 --id bet-1 --data '{"pocket":17,"chips":5}'
  relay windows act wheel round-17 --data '{"pocket":17,"chips":5}' --subject user-4711`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			var err error
			if action.Data, err = jsonFlag("--data", data); err != nil {
				return err
			}
			if action.ID == "" {
				action.ID = "cli-" + strings.ToLower(rand.Text()[:12])
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			all, err := c.Act(cmd.Context(), args[0], args[1], action)
			if err != nil {
				return err
			}
			var r receipt
			if err := json.Unmarshal(all, &r); err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), all, r.print)
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&action.ID, "id", "", "name of the action (default: a random one)")
	cmd.Flags().StringVar(&data, "data", "", "the action's data, as JSON")
	cmd.Flags().StringVar(&action.Subject, "subject", "", "the user for whom the server acts (default: the token's)")
	return cmd
}

func newWindowsReceiptCmd() *cobra.Command {
	var client clientFlags
	var out output
	var subject string
	cmd := &cobra.Command{
		Use:   "receipt STREAM WINDOW ID",
		Short: "Print the receipt of an action again, and the proof that it counts",
		Long: `Print the receipt of an action that this token made, for itself or for a
--subject. With -o json it comes with the line of the journal that the verdict stands
on and, once the window is closed, with the proof that the line is below the root that
everybody was shown (docs/windows.md).`,
		Example: `  relay windows receipt wheel round-17 bet-1
  relay windows receipt wheel round-17 bet-1 -o json > bet-1.json`,
		Args: usageArgs(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			all, err := c.Receipt(cmd.Context(), args[0], args[1], args[2], subject)
			if err != nil {
				return err
			}
			var r struct {
				Receipt receipt `json:"receipt"`
				Proof   *struct {
					Index uint64 `json:"index"`
					Size  uint64 `json:"size"`
					Root  string `json:"root"`
				} `json:"proof"`
			}
			if err := json.Unmarshal(all, &r); err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), all, func(w *tabwriter.Writer) {
				r.Receipt.print(w)
				switch p := r.Proof; {
				case p != nil:
					fmt.Fprintf(w, "proof\taccepted action %d of %d, root %s\n", p.Index+1, p.Size, p.Root)
				case r.Receipt.Verdict == "accepted":
					fmt.Fprintln(w, "proof\tonce the window is closed")
				}
			})
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&subject, "subject", "", "the user that the action was for")
	return cmd
}

// receipt is what is printed of a receipt.
type receipt struct {
	ID         string    `json:"id"`
	Verdict    string    `json:"verdict"`
	Reason     string    `json:"reason"`
	Order      uint64    `json:"order"` // 0 of one that was refused outside adjudication
	ReceivedAt time.Time `json:"received_at"`
}

func (r *receipt) print(w *tabwriter.Writer) {
	fmt.Fprintf(w, "action\t%s\n", r.ID)
	if r.Order > 0 {
		fmt.Fprintf(w, "order\t%d\n", r.Order)
	}
	verdict := r.Verdict
	if r.Reason != "" {
		verdict += ": " + r.Reason
	}
	fmt.Fprintf(w, "verdict\t%s\n", verdict)
	if !r.ReceivedAt.IsZero() {
		fmt.Fprintf(w, "received\t%s\n", r.ReceivedAt.Format(time.RFC3339Nano))
	}
}
