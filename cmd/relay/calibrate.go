package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/barcode"
	"github.com/framelock/relay/internal/calibrate"
	"github.com/framelock/relay/internal/watch"
)

// calibration is what the command prints.
type calibration struct {
	Stream   string  `json:"stream"`
	OffsetMS float64 `json:"offset_ms"` // measured now, on top of what is set
	SpreadMS float64 `json:"spread_ms"`
	Samples  int     `json:"samples"`
	Clock    string  `json:"clock"`
	// CaptureOffset is the value for the configuration.
	CaptureOffset string `json:"capture_offset"`
}

func newCalibrateCmd(g *globalFlags) *cobra.Command {
	var client clientFlags
	var out output
	var log, flashes string
	var span, current time.Duration
	cmd := &cobra.Command{
		Use:   "calibrate STREAM (--log FILE | --flashes FILE)",
		Short: "Measure a stream's capture_offset",
		Long: `Watch a stream and measure by how much the capture times that its studio reports
are later than the moments they are of, because the encoder stamps what comes out
of it. The result belongs into the configuration as capture_offset.

What really happened when comes from one of two places:
  --log FILE      the log of relay studio, whose pictures hold their number as a
                  bar code
  --flashes FILE  times in RFC 3339, one a line, at which a light in the picture
                  went on: a lamp that a script switches, or a clapper. Three are
                  needed; more are better. The result is good to half a frame

The clocks of the log or the lamp, of the studio's encoder and of this machine
have to be synchronised. The pictures are decoded by ffmpeg, which must be
installed.`,
		Example: `  relay calibrate wheel --log studio.jsonl --for 10s
  relay calibrate wheel --flashes lamp.txt --for 60s --current 40ms`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			switch {
			case (log == "") == (flashes == ""):
				return usagef("say what really happened: --log FILE or --flashes FILE, one of the two")
			case span < time.Second || span > 10*time.Minute:
				return usagef("--for %v is out of range (allowed: 1s to 10m0s)", span)
			}
			ffmpeg, err := exec.LookPath("ffmpeg")
			if err != nil {
				return fmt.Errorf("pictures are decoded by ffmpeg, which is not installed: apt-get install ffmpeg")
			}
			c, err := client.client()
			if err != nil {
				return err
			}
			logger, err := g.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			var seen recording
			report, err := watch.Run(cmd.Context(), watch.Config{
				URL: c.URL + "/whep/" + url.PathEscape(args[0]), Token: c.Token, HTTP: c.HTTP,
				Duration: span, Logger: logger, Frames: seen.add,
			})
			if err != nil {
				return err
			}
			samples, err := seen.compare(cmd.Context(), ffmpeg, log, flashes)
			if err != nil {
				return err
			}
			r, err := calibrate.Summarise(samples)
			if err != nil {
				return fmt.Errorf("%w (%d of %d seen): check that the file is of this time and stream, or watch longer with --for", err, r.Samples, len(seen.said))
			}
			result := calibration{
				Stream: args[0], OffsetMS: ms(r.Offset), SpreadMS: ms(r.Spread), Samples: r.Samples, Clock: report.Clock.Source,
				CaptureOffset: (current + r.Offset).Round(time.Millisecond).String(),
			}
			return out.print(cmd.OutOrStdout(), result, func(w *tabwriter.Writer) { printCalibration(w, &result) })
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&log, "log", "", "the log of relay studio")
	cmd.Flags().StringVar(&flashes, "flashes", "", "file of times at which a light went on")
	cmd.Flags().DurationVar(&span, "for", 10*time.Second, "how long to watch")
	cmd.Flags().DurationVar(&current, "current", 0, "the stream's capture_offset as it is set now")
	return cmd
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func printCalibration(w io.Writer, c *calibration) {
	fmt.Fprintf(w, "offset\t%s\tthat much later than the truth are the capture times now\n", milliseconds(c.OffsetMS))
	fmt.Fprintf(w, "spread\t%s\tfrom the 5th to the 95th percentile of %d frames\n", milliseconds(c.SpreadMS), c.Samples)
	if c.Clock != "sender_report" {
		fmt.Fprintf(w, "clock\t%s\tthe studio sends no sender reports: the offset changes with the network\n", c.Clock)
	}
	fmt.Fprintf(w, "\nFor the configuration:\n\nstreams:\n  %s:\n    capture_offset: %s\n", c.Stream, c.CaptureOffset)
}

// recording is the newest unbroken run of frames from a keyframe on.
type recording struct {
	codec string
	said  []time.Time // when each frame was captured, as the relay says
	data  [][]byte
}

// add takes a frame. A broken one begins a new run: what follows cannot be decoded.
func (r *recording) add(f watch.Frame) {
	if !f.Complete || f.Captured.IsZero() {
		r.said, r.data = nil, nil
		return
	}
	if len(r.said) == 0 && !f.Key() {
		return
	}
	r.codec = f.Codec
	r.said, r.data = append(r.said, f.Captured), append(r.data, f.Data)
}

// compare decodes the frames and compares them with one of the two files.
func (r *recording) compare(ctx context.Context, ffmpeg, log, flashes string) ([]calibrate.Sample, error) {
	if log != "" {
		drawn, err := readDrawn(log)
		if err != nil {
			return nil, usagef("--log: %w", err)
		}
		pictures, err := r.decode(ctx, ffmpeg, fmt.Sprintf("crop=%d:%d:0:ih-%d,format=gray", barcode.Width, barcode.Cell, barcode.Cell), barcode.Width*barcode.Cell)
		if err != nil {
			return nil, err
		}
		bars := make([]int64, len(pictures))
		for i, p := range pictures {
			bars[i] = -1
			if n, ok := barcode.Read(p, barcode.Width, barcode.Width, barcode.Cell); ok {
				bars[i] = int64(n)
			}
		}
		return calibrate.Bars(r.said, bars, drawn), nil
	}
	lit, err := readFlashes(flashes)
	if err != nil {
		return nil, usagef("--flashes: %w", err)
	}
	const side = 16
	pictures, err := r.decode(ctx, ffmpeg, fmt.Sprintf("scale=%d:%d:flags=area,format=gray", side, side), side*side)
	if err != nil {
		return nil, err
	}
	luma := make([]float64, len(pictures))
	for i, p := range pictures {
		for _, v := range p {
			luma[i] += float64(v) / (side * side)
		}
	}
	return calibrate.Flashes(r.said, luma, lit), nil
}

// decode has ffmpeg make a picture of size bytes of each frame.
func (r *recording) decode(ctx context.Context, ffmpeg, filter string, size int) ([][]byte, error) {
	format, stream := "h264", bytes.Join(r.data, nil)
	if r.codec == "video/VP8" {
		format, stream = "ivf", ivf(r.data)
	}
	cmd := exec.CommandContext(ctx, ffmpeg, "-hide_banner", "-loglevel", "error", "-f", format, "-i", "-",
		"-fps_mode", "passthrough", "-vf", filter, "-f", "rawvideo", "-")
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stream), &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ffmpeg: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	if len(out) != size*len(r.data) {
		return nil, fmt.Errorf("ffmpeg made %d pictures of %d frames: their times are not known", len(out)/size, len(r.data))
	}
	var pictures [][]byte
	for ; len(out) > 0; out = out[size:] {
		pictures = append(pictures, out[:size])
	}
	return pictures, nil
}

// ivf puts VP8 frames into a file that ffmpeg reads.
func ivf(frames [][]byte) []byte {
	head := make([]byte, 32)
	copy(head, "DKIF\x00\x00\x20\x00VP80")
	binary.LittleEndian.PutUint32(head[16:], 30) // any rate
	binary.LittleEndian.PutUint32(head[20:], 1)
	binary.LittleEndian.PutUint32(head[24:], uint32(len(frames)))
	for i, f := range frames {
		head = binary.LittleEndian.AppendUint32(head, uint32(len(f)))
		head = binary.LittleEndian.AppendUint64(head, uint64(i))
		head = append(head, f...)
	}
	return head
}

// readDrawn reads when the pictures with each number were captured. A last line that is
// not whole is left out: the studio may still write.
func readDrawn(name string) (map[int64][]time.Time, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	drawn := map[int64][]time.Time{}
	lines := bytes.SplitAfter(b, []byte{'\n'})
	for n, line := range lines[:len(lines)-1] {
		var frame struct {
			Bar         *int64    `json:"bar"`
			CaptureTime time.Time `json:"capture_time"`
		}
		if err := json.Unmarshal(line, &frame); err != nil {
			return nil, fmt.Errorf("%s:%d: is no line of a studio's log: %w", name, n+1, err)
		}
		if frame.Bar != nil {
			drawn[*frame.Bar] = append(drawn[*frame.Bar], frame.CaptureTime)
		}
	}
	if len(drawn) == 0 {
		return nil, errors.New(name + " holds no frame")
	}
	return drawn, nil
}

func readFlashes(name string) ([]time.Time, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lit []time.Time
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %q is not a time such as 2026-11-22T12:00:00.25Z", name, n, text)
		}
		lit = append(lit, at)
	}
	return lit, lines.Err()
}
