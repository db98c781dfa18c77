package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/framelock/relay/internal/studio/clips"
)

// film draws the frames of clips. With a directory it keeps them there, since
// clips of one name differ only in their codec.
type film struct{ dir string }

// frame returns one frame as planar YUV 4:2:0 without the bar.
func (f film) frame(info clips.Info, n int) ([]byte, error) {
	path := filepath.Join(f.dir, fmt.Sprintf("%s-%d.yuv", info.Name, n))
	width, height := info.Width, info.Height-clips.BarRows
	if f.dir != "" {
		if picture, err := os.ReadFile(path); err == nil {
			drawLine(picture, width, height)
			return picture, nil
		}
	}
	picture := toYUV(render(info, n), width, height)
	if f.dir != "" {
		if err := os.WriteFile(path, picture, 0o644); err != nil {
			return nil, err
		}
	}
	drawLine(picture, width, height)
	return picture, nil
}

// drawLine draws a thin gold line above the bar. It has a purpose: with an edge
// in the last rows the encoder has no reason to let a motion vector reach below
// them, where the bar will be.
func drawLine(picture []byte, width, height int) {
	u, v := picture[width*height:width*height*5/4], picture[width*height*5/4:]
	for x := range width {
		picture[(height-2)*width+x], picture[(height-1)*width+x] = 100, 100
		u[(height/2-1)*width/2+x/2], v[(height/2-1)*width/2+x/2] = 104, 141
	}
}

// toYUV converts linear RGB to narrow-range BT.601, chroma averaged over 2 x 2
// pixels: the luma plane, then U, then V.
func toYUV(picture []vec, width, height int) []byte {
	out := make([]byte, width*height*3/2)
	u, v := out[width*height:width*height*5/4], out[width*height*5/4:]
	for y := 0; y < height; y += 2 {
		for x := 0; x < width; x += 2 {
			var cb, cr float64
			for _, at := range [...]int{y*width + x, y*width + x + 1, (y+1)*width + x, (y+1)*width + x + 1} {
				r, g, b := encodeGamma(picture[at].x), encodeGamma(picture[at].y), encodeGamma(picture[at].z)
				luma := 0.299*r + 0.587*g + 0.114*b
				out[at] = byte(16.5 + 219*luma)
				cb += (b - luma) / 1.772
				cr += (r - luma) / 1.402
			}
			u[y/2*width/2+x/2] = byte(128.5 + 56*cb)
			v[y/2*width/2+x/2] = byte(128.5 + 56*cr)
		}
	}
	return out
}

// encodeGamma is the transfer function of sRGB (IEC 61966-2-1).
func encodeGamma(v float64) float64 {
	v = min(1, v)
	if v <= 0.0031308 {
		return 12.92 * v
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

func writePNG(w io.Writer, info clips.Info, picture []vec) error {
	img := image.NewRGBA(image.Rect(0, 0, info.Width, info.Height-clips.BarRows))
	for i, c := range picture {
		level := func(v float64) uint8 { return uint8(255*encodeGamma(v) + 0.5) }
		img.Set(i%info.Width, i/info.Width, color.RGBA{level(c.x), level(c.y), level(c.z), 255})
	}
	return png.Encode(w, img)
}
