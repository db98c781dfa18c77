// Command make draws the studio's clips and encodes them with ffmpeg, which must
// have libx264, libvpx and libopus. It takes some minutes and is needed only
// when the picture changes; its output is committed.
//
// Run it by `make clips` or `go generate ./internal/studio/clips`. With -still it writes one
// frame as PNG to standard output instead.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/framelock/relay/internal/studio/clips"
	"github.com/framelock/relay/media/codec"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "make clips:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("make", flag.ContinueOnError)
	dir := flags.String("dir", "internal/studio/clips/media", "where to write the clips")
	only := flags.String("only", "", "make only files whose name contains this")
	still := flags.Int("still", -1, "write this frame of the first clip that matches as PNG to standard output")
	raw := flags.String("raw", "", "keep the drawn frames in this directory, for the next run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	film := film{dir: *raw}
	for _, info := range clips.Catalog() {
		if !strings.Contains(info.File(), *only) {
			continue
		}
		if *still >= 0 {
			return writePNG(out, info, render(info, *still))
		}
		if err := makeClip(filepath.Join(*dir, info.File()), info, film); err != nil {
			return fmt.Errorf("%s: %w", info.File(), err)
		}
	}
	if strings.Contains("tone-opus.ivf", *only) && *still < 0 {
		return makeTone(filepath.Join(*dir, "tone-opus.ivf"))
	}
	return nil
}

func makeClip(path string, info clips.Info, film film) error {
	header := clips.IVFHeader{Width: info.Width, Height: info.Height, Rate: info.FPS}
	var frames [][]byte
	var err error
	switch info.Codec {
	case codec.H264:
		header.FourCC, header.Height = "H264", info.Height-clips.BarRows
		frames, err = encodeH264(info, film)
	case codec.VP8:
		header.FourCC = "VP80"
		frames, err = encodeVP8(info, film)
	default:
		err = fmt.Errorf("there is no encoder for %v", info.Codec)
	}
	if err != nil {
		return err
	}
	if len(frames) != info.Frames {
		return fmt.Errorf("the encoder made %d frames, want %d", len(frames), info.Frames)
	}
	return write(path, clips.WriteIVF(header, frames))
}

// makeTone cuts one second out of the middle of a tone, where the coder has
// settled, so that the loop's seam is as smooth as any other packet boundary.
func makeTone(path string) error {
	packets, err := encodeTone()
	if err != nil {
		return err
	}
	if len(packets) < 2*clips.TonePackets {
		return fmt.Errorf("the encoder made %d packets of tone, want at least %d", len(packets), 2*clips.TonePackets)
	}
	loop := packets[clips.TonePackets : 2*clips.TonePackets]
	return write(path, clips.WriteIVF(clips.IVFHeader{FourCC: "OPUS", Rate: 50}, loop))
}

func write(path string, data []byte) error {
	fmt.Fprintf(os.Stderr, "%s: %d bytes\n", path, len(data))
	return os.WriteFile(path, data, 0o644)
}
