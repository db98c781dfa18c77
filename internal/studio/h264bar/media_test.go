//go:build media

package h264bar_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"

	"github.com/framelock/relay/internal/barcode"
	"github.com/framelock/relay/internal/studio/clips"
	"github.com/framelock/relay/internal/studio/h264bar"
	"github.com/framelock/relay/media/codec"
)

// decode returns the planar pictures that ffmpeg makes of a stream.
func decode(t *testing.T, format string, stream []byte, size int) [][]byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-err_detect", "explode", "-f", format, "-i", "-",
		"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stream), &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 || len(out)%size != 0 {
		t.Fatalf("ffmpeg: %v; %d bytes of pictures of %d\n%s", err, len(out), size, complaints.String())
	}
	var pictures [][]byte
	for len(out) > 0 {
		pictures, out = append(pictures, out[:size]), out[size:]
	}
	return pictures
}

// TestDecodedByFFmpeg plays each H.264 clip beyond its end with large frame
// numbers: every bar must read as its number, and the rows above it must be those
// of the clip alone.
func TestDecodedByFFmpeg(t *testing.T) {
	for _, info := range clips.Catalog() {
		if info.Codec != codec.H264 {
			continue
		}
		t.Run(info.Name, func(t *testing.T) {
			units, err := clips.Load(info)
			if err != nil {
				t.Fatal(err)
			}
			w, err := h264bar.NewWriter(units[0], clips.BarRows)
			if err != nil {
				t.Fatal(err)
			}
			const from = int(barcode.Max) - 100
			var alone, barred []byte
			count, bytesOfBars := info.Frames+30, 0
			for n := range count {
				unit := units[n%len(units)]
				nals, key, err := w.Picture(unit, uint32(from+n))
				if err != nil {
					t.Fatal(err)
				}
				if key {
					sps, pps := w.ParameterSets()
					barred = h264bar.AppendAnnexB(barred, sps, pps)
				}
				alone, barred = append(alone, unit...), h264bar.AppendAnnexB(barred, nals...)
				bytesOfBars += len(nals[1])
			}
			height := info.Height - clips.BarRows
			size := info.Width * info.Height
			got := decode(t, "h264", barred, size*3/2)
			want := decode(t, "h264", alone, info.Width*height*3/2)
			if len(got) != count || len(want) != count {
				t.Fatalf("%d and %d pictures, want %d", len(got), len(want), count)
			}
			for n := range count {
				number, ok := barcode.Read(got[n], info.Width, info.Width, info.Height)
				if !ok || number != uint32(from+n)%barcode.Max {
					t.Errorf("picture %d shows %d, %v; want %d", n, number, ok, uint32(from+n)%barcode.Max)
				}
				if err := sameAbove(got[n], want[n], info.Width, info.Height, height); err != nil {
					t.Fatalf("picture %d: %v", n, err)
				}
				if err := exactBar(got[n], info.Width, info.Height, uint32(from+n)); err != nil {
					t.Fatalf("picture %d: %v", n, err)
				}
			}
			t.Logf("%d pictures; %d bytes of bars a picture", count, bytesOfBars/count)
		})
	}
}

// sameAbove compares the rows above the bar in all three planes.
func sameAbove(got, want []byte, width, height, rows int) error {
	for p, scale := range [...]int{1, 2, 2} {
		w, h, above := width/scale, height/scale, rows/scale
		for y := range above {
			if !bytes.Equal(got[y*w:(y+1)*w], want[y*w:(y+1)*w]) {
				return fmt.Errorf("plane %d, row %d differs from the clip alone", p, y)
			}
		}
		got, want = got[w*h:], want[w*above:]
	}
	return nil
}

// exactBar checks every sample of the bar, colour included.
func exactBar(got []byte, width, height int, frame uint32) error {
	want := make([]byte, width*height)
	barcode.Draw(want, width, width, height, clips.BarRows, frame)
	at := width * (height - clips.BarRows)
	if !bytes.Equal(got[at:width*height], want[at:]) {
		return fmt.Errorf("the bar's luma is not exact")
	}
	for p := range 2 {
		plane := got[width*height+p*width*height/4:][:width*height/4]
		for i, v := range plane[width/2*(height-clips.BarRows)/2:] {
			if v != 128 {
				return fmt.Errorf("chroma sample %d of the bar is %d, want 128", i, v)
			}
		}
	}
	return nil
}

// TestVP8Clips reads every bar of the VP8 clips as they lie in their files.
func TestVP8Clips(t *testing.T) {
	for _, info := range clips.Catalog() {
		if info.Codec != codec.VP8 {
			continue
		}
		frames, err := clips.Load(info)
		if err != nil {
			t.Fatal(err)
		}
		file := clips.WriteIVF(clips.IVFHeader{FourCC: "VP80", Width: info.Width, Height: info.Height, Rate: info.FPS}, frames)
		pictures := decode(t, "ivf", file, info.Width*info.Height*3/2)
		if len(pictures) != info.Frames {
			t.Fatalf("%s: %d pictures, want %d", info.Name, len(pictures), info.Frames)
		}
		for n, picture := range pictures {
			if number, ok := barcode.Read(picture, info.Width, info.Width, info.Height); !ok || number != uint32(n) {
				t.Errorf("%s: picture %d shows %d, %v", info.Name, n, number, ok)
			}
		}
	}
}
