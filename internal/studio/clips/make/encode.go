package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/framelock/relay/internal/barcode"
	"github.com/framelock/relay/internal/studio/clips"
)

// encodeH264 returns the access units of a clip in Annex B form, without the
// bar. One reference picture, one slice and no SEI keep the bitstream as plain
// as the bar's slices need it.
func encodeH264(info clips.Info, film film) ([][]byte, error) {
	params := fmt.Sprintf("keyint=%d:min-keyint=%d:scenecut=0:bframes=0:ref=1:weightp=0:slices=1:sliced-threads=0:"+
		"repeat-headers=1:aud=0:nal-hrd=none:fullrange=off:colorprim=smpte170m:transfer=iec61966-2-1:colormatrix=smpte170m",
		info.KeyInterval, info.KeyInterval)
	crf, level := "29", "3.0"
	if info.Width > 640 {
		crf, level = "32", "4.2"
	}
	stream, err := ffmpeg(rawVideo(info, info.Height-clips.BarRows), []string{
		"-vf", "addroi=0:ih-32:iw:32:-0.8", // fine from the first: nothing is left for later pictures to mend
		"-c:v", "libx264", "-profile:v", "baseline", "-level", level, "-preset", "veryslow", "-crf", crf,
		"-x264-params", params, "-bsf:v", "filter_units=remove_types=6", "-f", "h264",
	}, func(w io.Writer) error {
		for n := range info.Frames {
			picture, err := film.frame(info, n)
			if err != nil {
				return err
			}
			if _, err := w.Write(picture); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return accessUnits(stream), nil
}

// accessUnits splits a stream of one-slice pictures behind each slice.
func accessUnits(stream []byte) [][]byte {
	var units [][]byte
	start, slice := 0, false
	for i := 0; i+3 < len(stream); i++ {
		if stream[i] != 0 || stream[i+1] != 0 || stream[i+2] != 1 {
			continue
		}
		if slice {
			end := i
			if stream[i-1] == 0 { // a four-byte start code
				end--
			}
			units, start = append(units, stream[start:end]), end
		}
		kind := stream[i+3] & 0x1F
		slice = kind == 1 || kind == 5
	}
	return append(units, stream[start:])
}

// encodeVP8 returns the frames of a clip whose pictures carry the bar of their
// place in the clip.
func encodeVP8(info clips.Info, film film) ([][]byte, error) {
	stream, err := ffmpeg(rawVideo(info, info.Height), []string{
		"-c:v", "libvpx", "-deadline", "good", "-cpu-used", "1", "-auto-alt-ref", "0", "-lag-in-frames", "0",
		"-g", strconv.Itoa(info.KeyInterval), "-keyint_min", strconv.Itoa(info.KeyInterval),
		"-b:v", "430k", "-qmin", "8", "-qmax", "48", "-undershoot-pct", "95", "-f", "ivf",
	}, func(w io.Writer) error {
		for n := range info.Frames {
			picture, err := film.frame(info, n)
			if err != nil {
				return err
			}
			if _, err := w.Write(withBar(info, picture, uint32(n))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	_, frames, err := clips.ReadIVF(stream)
	return frames, err
}

// withBar adds the rows of the bar below a picture.
func withBar(info clips.Info, picture []byte, frame uint32) []byte {
	size, bar := info.Width*(info.Height-clips.BarRows), info.Width*clips.BarRows
	out := append(make([]byte, 0, (size+bar)*3/2), picture[:size]...)
	out = append(out, make([]byte, bar)...)
	barcode.Draw(out, info.Width, info.Width, info.Height, clips.BarRows, frame)
	for plane := range 2 {
		out = append(out, picture[size+plane*size/4:size+(plane+1)*size/4]...)
		out = append(out, bytes.Repeat([]byte{128}, bar/4)...)
	}
	return out
}

func rawVideo(info clips.Info, height int) []string {
	return []string{
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", info.Width, height),
		"-r", strconv.Itoa(info.FPS), "-i", "-",
	}
}

// encodeTone returns Opus packets of 20 ms.
func encodeTone() ([][]byte, error) {
	stream, err := ffmpeg(
		[]string{"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3"},
		[]string{
			"-ac", "2", "-c:a", "libopus", "-b:a", "32k", "-vbr", "off", "-frame_duration", "20",
			"-map_metadata", "-1", "-f", "ogg",
		},
		func(io.Writer) error { return nil })
	if err != nil {
		return nil, err
	}
	packets, err := oggPackets(stream)
	if err != nil || len(packets) < 2 {
		return nil, errors.Join(err, errors.New("the tone has no packets"))
	}
	return packets[2:], nil // behind OpusHead and OpusTags (RFC 7845, section 3)
}

// oggPackets returns the packets of an Ogg stream (RFC 3533, section 6).
func oggPackets(b []byte) ([][]byte, error) {
	var packets [][]byte
	var packet []byte
	for len(b) > 0 {
		if len(b) < 27 || string(b[:4]) != "OggS" || len(b) < 27+int(b[26]) {
			return nil, errors.New("not an Ogg stream")
		}
		lacing, body := b[27:27+int(b[26])], b[27+int(b[26]):]
		for _, n := range lacing {
			if int(n) > len(body) {
				return nil, errors.New("the Ogg stream is cut short")
			}
			packet, body = append(packet, body[:n]...), body[n:]
			if n < 255 {
				packets, packet = append(packets, packet), nil
			}
		}
		b = body
	}
	return packets, nil
}

// ffmpeg runs the encoder on what feed writes and returns what it wrote.
func ffmpeg(input, output []string, feed func(io.Writer) error) ([]byte, error) {
	args := append([]string{"-hide_banner", "-loglevel", "error"}, input...)
	args = append(args, output...)
	cmd := exec.Command("ffmpeg", append(args, "-")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("install ffmpeg with libx264, libvpx and libopus: %w", err)
	}
	fed := errors.Join(feed(pipe), pipe.Close())
	if err := errors.Join(fed, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("ffmpeg %v: %w", args, err)
	}
	return out.Bytes(), nil
}
