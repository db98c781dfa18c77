package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/audit"
	"github.com/framelock/relay/internal/croupier"
)

func newRoundCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "round",
		Short: "Keep the evidence of a round: its video, its log, its actions",
	}
	group(cmd)
	cmd.AddCommand(newRoundExportCmd())
	return cmd
}

// roundExport is one export of a round.
type roundExport struct {
	client        *croupier.Client
	stream, name  string
	dir           string
	before, after time.Duration
	payloads      bool
}

// The files of a round's folder.
const (
	fileVideo      = "video.mkv"
	fileEvents     = "events.ndjson"
	fileTranscript = "transcript.ndjson"
	fileReceipts   = "receipts.ndjson"
	fileFrames     = "frames.json"
	fileReadme     = "README.txt"
)

func newRoundExportCmd() *cobra.Command {
	var client clientFlags
	var x roundExport
	cmd := &cobra.Command{
		Use:   "export ROUND",
		Short: "Write everything about a round into a folder",
		Long: `Write everything about a round, which is a window, into a new folder: the video that
viewers were sent, from before the window opened until after its last event, the
round's events and actions, the whole log, which proves them, and a comparison of
every marked frame with its hash in the log. README.txt in the folder says what
each file is and how to check it all, offline.

The stream has to be recorded (record.dir). The exit code is 1 if the video is not
there, or if a marked frame is not the one that the log says.`,
		Example: `  relay round export r7 --stream wheel -o evidence/r7
  relay transcript verify evidence/r7/transcript.ndjson --recording evidence/r7/video.mkv --key "$(cat wheel.vkey)"`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			x.name = args[0]
			if err := x.check(); err != nil {
				return err
			}
			var err error
			if x.client, err = client.client(); err != nil {
				return err
			}
			x.client.HTTP.Timeout = 0 // a long log takes its time
			return x.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	client.add(cmd)
	cmd.Flags().StringVar(&x.stream, "stream", "", "the stream that the round was on")
	cmd.Flags().StringVarP(&x.dir, "out", "o", "", "the folder, which must be empty or not there")
	cmd.Flags().DurationVar(&x.before, "before", 5*time.Second, "video before the window opened, 0s to 60s")
	cmd.Flags().DurationVar(&x.after, "after", 5*time.Second, "video after the last event, 0s to 60s")
	cmd.Flags().BoolVar(&x.payloads, "payloads", false, "with what viewers sent, as far as it was not erased")
	return cmd
}

// check reports wrong flags.
func (x *roundExport) check() error {
	for name, d := range map[string]time.Duration{"before": x.before, "after": x.after} {
		if d < 0 || d > time.Minute {
			return usagef("--%s %s is out of range (allowed: 0s to 60s)", name, d)
		}
	}
	switch entries, err := os.ReadDir(x.dir); {
	case x.stream == "":
		return usagef("--stream is missing: say which stream the round was on; relay streams ls lists them")
	case x.dir == "":
		return usagef("-o is missing: name a folder for the export, as in -o evidence/%s", x.name)
	case err == nil && len(entries) > 0:
		return usagef("-o %s is not empty; name another folder", x.dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return usagef("-o %s: %w", x.dir, err)
	}
	return nil
}

func (x *roundExport) run(ctx context.Context, out io.Writer) error {
	if err := os.MkdirAll(x.dir, 0o700); err != nil {
		return err
	}
	base := "/v1/streams/" + url.PathEscape(x.stream)
	path := base + "/log/export"
	if x.payloads {
		path += "?payloads=true"
	}
	if err := x.download(ctx, path, fileTranscript); err != nil {
		return err
	}
	round, err := x.read()
	if err != nil {
		return err
	}
	from := round.From - min(round.From, uint64(x.before.Seconds()*90000))
	to := round.To + uint64(x.after.Seconds()*90000)
	recording := x.download(ctx, fmt.Sprintf("%s/recording?from=%d&to=%d", base, from, to), fileVideo)
	equal, err := x.compare(round, recording == nil)
	if err != nil {
		return err
	}
	frames, err := json.MarshalIndent(round.Frames, "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		fileEvents: joined(round.Events), fileReceipts: joined(round.Actions), fileFrames: append(frames, '\n'), fileReadme: x.readme(),
	} {
		if err := os.WriteFile(filepath.Join(x.dir, name), text, 0o600); err != nil {
			return err
		}
	}
	hashed := 0
	for _, f := range round.Frames {
		if f.Expected != "" {
			hashed++
		}
	}
	fmt.Fprintf(out, "%s: %d events on %d marked frames, of which %d have a hash in the log and %d are equal in the video\n",
		x.dir, len(round.Events), len(round.Frames), hashed, equal)
	switch {
	case recording != nil:
		return fmt.Errorf("the export has no video: %w", recording)
	case equal < hashed:
		return fmt.Errorf("%d marked frames are not in the video as the log has them; see %s", hashed-equal, filepath.Join(x.dir, fileFrames))
	}
	return nil
}

func (x *roundExport) download(ctx context.Context, path, name string) error {
	return writeWhole(filepath.Join(x.dir, name), func(w io.Writer) error { return x.client.Download(ctx, path, w) })
}

func (x *roundExport) read() (*audit.Round, error) {
	f, err := os.Open(filepath.Join(x.dir, fileTranscript))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return audit.ReadRound(f, x.name)
}

// compare compares the round's frames with the video, if it is there.
func (x *roundExport) compare(round *audit.Round, there bool) (equal int, err error) {
	if !there {
		return 0, nil
	}
	recording, err := frameHashes(filepath.Join(x.dir, fileVideo))
	if err != nil {
		return 0, err
	}
	for i := range round.Frames {
		if round.Frames[i].Compare(recording); round.Frames[i].Equal {
			equal++
		}
	}
	return equal, nil
}

// frameHashes returns what gives the hashes of a recording's frames. A segment that
// cannot be read has none.
func frameHashes(name string) (func(track string, ts uint64) ([32]byte, bool), error) {
	r, err := relay.OpenRecording(name)
	if err != nil {
		return nil, err
	}
	return func(track string, ts uint64) ([32]byte, bool) {
		if track != "v0" {
			return [32]byte{}, false
		}
		hash, ok, err := r.FrameHash(ts)
		return hash, ok && err == nil
	}, nil
}

func joined(lines [][]byte) []byte {
	if len(lines) == 0 {
		return nil
	}
	return append(bytes.Join(lines, []byte{'\n'}), '\n')
}

func (x *roundExport) readme() []byte {
	return fmt.Appendf(nil, `Evidence of round %q on stream %q.

video.mkv          What viewers were sent, without transcoding: any player shows it.
                   Time 0 is the canonical timestamp in the tag FRAMELOCK_TS, and a
                   tick is one of the 90 kHz line.
events.ndjson      The events of the round, the exact bytes that viewers got.
receipts.ndjson    The facts of every action of the round on which its verdict stands,
                   and behind each what the viewer sent, where that was asked for and
                   is still there.
transcript.ndjson  The whole log of the stream, signed.
frames.json        Every marked frame: the hash that the log has for it, the hash of
                   the frame in video.mkv, and whether they are equal.

To check it all offline, with the log's key from whoever publishes it:

  relay transcript verify transcript.ndjson --recording video.mkv --key KEY

To prove one event, or the actions of a viewer's receipts, to somebody who does not
have the log:

  relay transcript prove transcript.ndjson --seq N
  relay transcript prove transcript.ndjson --receipt FILE
`, x.name, x.stream)
}
