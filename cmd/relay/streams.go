package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// streamInfo is what is printed of a stream; -o json and yaml print all that the
// relay says.
type streamInfo struct {
	Name    string  `json:"name"`
	Seq     uint64  `json:"seq"`
	Epoch   uint32  `json:"epoch"`
	Log     string  `json:"log"`
	Viewers int     `json:"viewers"`
	HoldMS  float64 `json:"hold_ms"`
	Paused  bool    `json:"paused"`
	Health  []struct {
		Code  string    `json:"code"`
		Track string    `json:"track"`
		Text  string    `json:"text"`
		Mend  string    `json:"mend"`
		Since time.Time `json:"since"`
	} `json:"health"`
	Inputs inputsInfo `json:"inputs"`
	Clock  *struct {
		CaptureTime time.Time `json:"capture_time"`
		Source      string    `json:"source"`
		ErrorMS     float64   `json:"error_ms"`
	} `json:"clock"`
	Tracks []struct {
		Track   string `json:"track"`
		Codec   string `json:"codec"`
		SSRC    uint32 `json:"ssrc"`
		Source  string `json:"source"`
		Packets uint64 `json:"packets"`
		Lost    uint64 `json:"lost"`
		Foreign uint64 `json:"foreign"`

		Timecode string    `json:"timecode"`
		SEITime  time.Time `json:"sei_time"`
	} `json:"tracks"`
}

// health names what hurts viewers, or says that nothing does.
func (s *streamInfo) health() string {
	var codes []string
	if s.Paused {
		codes = append(codes, "paused")
	}
	for _, p := range s.Health {
		if s.Paused && p.Code == "paused" {
			continue
		}
		if code := p.Track + " " + p.Code; !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	if len(codes) == 0 {
		return "good"
	}
	return strings.Join(codes, ", ")
}

func newStreamsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "streams",
		Short: "Show the streams of a running relay",
	}
	group(cmd)
	cmd.AddCommand(newStreamsLsCmd(), newStreamsShowCmd())
	return cmd
}

func newStreamsLsCmd() *cobra.Command {
	return newStreamsQuery("ls", cobra.NoArgs, "List the streams", `  relay streams ls
  relay streams ls -o json | jq -r '.streams[].name'`,
		func(w *tabwriter.Writer, all []byte) error {
			var list struct {
				Streams []streamInfo `json:"streams"`
			}
			if err := json.Unmarshal(all, &list); err != nil {
				return err
			}
			fmt.Fprintln(w, "NAME\tTRACKS\tVIEWERS\tEVENTS\tHEALTH")
			for _, s := range list.Streams {
				var codecs []string
				for _, t := range s.Tracks {
					codecs = append(codecs, t.Codec)
				}
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", s.Name, strings.Join(codecs, "+"), s.Viewers, s.Seq, s.health())
			}
			return nil
		})
}

func newStreamsShowCmd() *cobra.Command {
	return newStreamsQuery("show STREAM", cobra.ExactArgs(1), "Show one stream: tracks, clock, viewers, health",
		"  relay streams show wheel",
		func(w *tabwriter.Writer, all []byte) error {
			var s streamInfo
			if err := json.Unmarshal(all, &s); err != nil {
				return err
			}
			printStream(w, &s)
			return nil
		})
}

// newStreamsQuery is a command that reads a document about all streams or one.
func newStreamsQuery(use string, args cobra.PositionalArgs, short, example string, table func(*tabwriter.Writer, []byte) error) *cobra.Command {
	var client clientFlags
	var out output
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: example,
		Args:    usageArgs(args),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			path := "/v1/streams"
			if len(args) == 1 {
				path += "/" + url.PathEscape(args[0])
			}
			var all json.RawMessage
			if err := c.Get(cmd.Context(), path, &all); err != nil {
				return err
			}
			var tableErr error
			err = out.print(cmd.OutOrStdout(), all, func(w *tabwriter.Writer) { tableErr = table(w, all) })
			return firstError(tableErr, err)
		},
	}
	client.add(cmd)
	out.add(cmd)
	return cmd
}

func printStream(w *tabwriter.Writer, s *streamInfo) {
	fmt.Fprintf(w, "stream\t%s\n", s.Name)
	fmt.Fprintf(w, "health\t%s\n", s.health())
	for _, p := range s.Health {
		fmt.Fprintf(w, "  %s %s\tsince %s: %s\n", p.Track, p.Code, p.Since.Local().Format(time.TimeOnly), p.Text)
		fmt.Fprintf(w, "\tmend: %s\n", p.Mend)
	}
	fmt.Fprintf(w, "viewers\t%d\n", s.Viewers)
	fmt.Fprintf(w, "events\t%d in log %s\n", s.Seq, s.Log)
	if c := s.Clock; c != nil {
		fmt.Fprintf(w, "clock\tby %s, within %s\n", c.Source, milliseconds(c.ErrorMS))
	}
	fmt.Fprintf(w, "epoch\t%d\n", s.Epoch)
	if len(s.Inputs.Inputs) > 1 {
		fmt.Fprintf(w, "input\t%s\n", s.Inputs.on())
	}
	fmt.Fprintf(w, "hold\t%s\n", milliseconds(s.HoldMS))
	for _, t := range s.Tracks {
		fmt.Fprintf(w, "track %s\t%s, SSRC %d from %s: %d packets, %d lost\n", t.Track, t.Codec, t.SSRC, t.Source, t.Packets, t.Lost)
		if t.Timecode != "" {
			fmt.Fprintf(w, "\ttimecode %s\n", t.Timecode)
		}
		if !t.SEITime.IsZero() {
			fmt.Fprintf(w, "\tSEI time %s\n", t.SEITime.Format(time.RFC3339Nano))
		}
	}
}
