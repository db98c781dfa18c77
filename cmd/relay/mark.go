package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/croupier"
)

func newMarkCmd() *cobra.Command {
	var client clientFlags
	var out output
	var m croupier.Mark
	var at, data, patch string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "mark STREAM",
		Short: "Publish an event on a frame",
		Long: `Publish an event on the frame of a stream that --at names, and print the frame
that it was bound to. Every viewer shows the event in that very frame.

Frames are named in one of six ways:
  next                   the next frame that comes (the default)
  ts:N                   by the stream's own timestamp, as events and clocks give it
  capture:TIME           the first frame captured at or after a time, in RFC 3339
  source:SSRC/TS         by the SSRC and RTP timestamp that the studio sends
  timecode:HH:MM:SS:FF   by the SMPTE timecode that its video carries; HH:MM:SS;FF
                         for drop-frame
  sei:TIME               by the precision time stamp (MISP) that its video carries
The last two need an encoder that writes them; relay streams show says what comes.
A frame that has not come yet is waited for; one that has left can still be named
while the relay remembers it.

An --id makes repeating safe: the same id and event again gives the same answer.`,
		Example: `  relay mark wheel --kind outcome --data '{"pocket":17}'
  relay mark wheel --id r1 --at capture:2026-11-22T12:00:00.25Z --patch '{"phase":"result"}'
  relay mark wheel --at source:3735928559/90000 --data '"goal"' -o json
  relay mark wheel --at timecode:10:11:12:13 --kind outcome --data '{"pocket":17}'`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if err := completeMark(&m, at, data, patch, timeout); err != nil {
				return err
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			r, status, err := c.Mark(cmd.Context(), args[0], m)
			if err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), r, func(w *tabwriter.Writer) { printResolved(w, r, status == 200) })
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&m.ID, "id", "", "name of the event (default: a random one)")
	cmd.Flags().StringVar(&m.Kind, "kind", "marker", "marker, state, outcome or void")
	cmd.Flags().StringVar(&at, "at", "next", "the frame: next, ts:N, capture:TIME, source:SSRC/TS, timecode:HH:MM:SS:FF or sei:TIME")
	cmd.Flags().StringVar(&data, "data", "", "the event's data, as JSON")
	cmd.Flags().StringVar(&patch, "patch", "", "what it changes in the stream's state, as a JSON merge patch")
	cmd.Flags().StringVar(&m.Window, "window", "", "the window that it belongs to")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Second, "how long to wait for a frame that has not come, at most 10s")
	return cmd
}

// completeMark adds what the flags say in their own notation.
func completeMark(m *croupier.Mark, at, data, patch string, timeout time.Duration) (err error) {
	if m.At, err = parseAt(at); err != nil {
		return err
	}
	if m.Data, err = jsonFlag("--data", data); err != nil {
		return err
	}
	if m.Patch, err = jsonFlag("--patch", patch); err != nil {
		return err
	}
	if m.TimeoutMS = timeout.Milliseconds(); timeout < 0 || timeout > 10*time.Second {
		return usagef("--timeout %v is out of range (allowed: 0s to 10s)", timeout)
	}
	if m.ID == "" {
		m.ID = "cli-" + strings.ToLower(rand.Text()[:12])
	}
	return nil
}

func printResolved(w *tabwriter.Writer, r croupier.Resolved, again bool) {
	fmt.Fprintf(w, "event\t%s\tseq %d", r.ID, r.Seq)
	if again {
		fmt.Fprint(w, ", published before")
	}
	fmt.Fprintf(w, "\nframe\t%d\tts %d, epoch %d\n", r.Frame, r.TS, r.Epoch)
	fmt.Fprintf(w, "captured\t%s\twithin %s, by %s\n", r.CaptureTime.Format(time.RFC3339Nano), milliseconds(r.ErrorMS), r.Clock)
	if r.Timecode != "" {
		fmt.Fprintf(w, "timecode\t%s\tthat the frame carries\n", r.Timecode)
	}
	if !r.SEITime.IsZero() {
		fmt.Fprintf(w, "SEI time\t%s\tthat the frame carries\n", r.SEITime.Format(time.RFC3339Nano))
	}
	if r.LateMS > 0 {
		fmt.Fprintf(w, "late\t%s\tthe frame had left already\n", milliseconds(r.LateMS))
	}
}

// parseAt reads the --at flag.
func parseAt(text string) (croupier.At, error) {
	const allowed = "(allowed: next, ts:N, capture:TIME, source:SSRC/TS, timecode:HH:MM:SS:FF, sei:TIME)"
	kind, value, _ := strings.Cut(text, ":")
	switch kind {
	case "next":
		if value == "" {
			return croupier.At{Next: true}, nil
		}
	case "ts":
		if n, err := strconv.ParseUint(value, 10, 53); err == nil && n > 0 {
			return croupier.At{TS: n}, nil
		}
		return croupier.At{}, usagef("--at %q: %q is not a timestamp %s", text, value, allowed)
	case "timecode":
		if _, ok := relay.ParseTimecode(value); ok {
			return croupier.At{Timecode: value}, nil
		}
		return croupier.At{}, usagef("--at %q: %q is not a timecode such as 10:11:12:13, or 10:11:12;13 for drop-frame %s", text, value, allowed)
	case "capture", "sei":
		t, err := time.Parse(time.RFC3339Nano, value)
		if err == nil && kind == "sei" {
			return croupier.At{SEITime: &t}, nil
		}
		if err == nil {
			return croupier.At{CaptureTime: &t}, nil
		}
		return croupier.At{}, usagef("--at %q: %q is not a time such as 2026-11-22T12:00:00.25Z %s", text, value, allowed)
	case "source":
		ssrc, ts, _ := strings.Cut(value, "/")
		a, errSSRC := strconv.ParseUint(ssrc, 0, 32)
		b, errTS := strconv.ParseUint(ts, 0, 32)
		if errSSRC == nil && errTS == nil {
			return croupier.At{Source: &croupier.SourceTime{SSRC: uint32(a), TS: uint32(b)}}, nil
		}
		return croupier.At{}, usagef("--at %q: SSRC and TS are numbers from 0 to 4294967295 %s", text, allowed)
	}
	return croupier.At{}, usagef("--at %q names no frame %s", text, allowed)
}

// jsonFlag reads a flag that holds JSON.
func jsonFlag(name, text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	if !json.Valid([]byte(text)) {
		return nil, usagef(`%s %s is not JSON; a text needs its own quotes, as in '"red"'`, name, text)
	}
	return json.RawMessage(text), nil
}
