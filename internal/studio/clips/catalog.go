// Package clips holds the studio's media: short loops of a roulette wheel and a
// tone, encoded once by the make command and embedded, so that a studio needs
// neither a camera nor an encoder.
//
// Every file is an IVF container (ivf.go). VP8 frames carry the bar code of
// their place in the clip. H.264 pictures lack the bottom rows in which the bar
// goes: the studio adds them with the real frame number (package h264bar).
// Every clip begins with a keyframe and loops without a seam.
package clips

import (
	"embed"
	"fmt"
	"strings"

	"github.com/framelock/relay/media/codec"
)

//go:generate go run ./make -dir media

//go:embed media
var files embed.FS

// BarRows is the visible height of the bar at the bottom of every picture, in
// luma rows.
const BarRows = 24

// Info describes a clip.
type Info struct {
	Name          string // as users name it, such as 360p30; unique per codec
	Codec         codec.Codec
	Width, Height int // of the picture that viewers see, bar included
	FPS           int
	Frames        int // in the loop
	KeyInterval   int // frames from one keyframe to the next
	Turns         int // whole turns of the wheel in the loop
	Rounds        []Round
}

// Round is one spin of the ball. Frames are counted from the clip's first.
type Round struct {
	Launch int // the frame on which the ball appears
	Rest   int // the first frame on which the ball lies still in its pocket
	End    int // the frame on which the ball has been taken away
	Pocket int // the number of the pocket, 0 to 36
}

// RestsAt returns the pocket in which the ball comes to rest on the given frame
// of the clip, if it does so on that frame.
func (i Info) RestsAt(frame int) (pocket int, ok bool) {
	for _, r := range i.Rounds {
		if r.Rest == frame {
			return r.Pocket, true
		}
	}
	return 0, false
}

// File returns the name of the file that holds the clip.
func (i Info) File() string {
	return fmt.Sprintf("wheel-%s-%s.ivf", strings.ToLower(i.Codec.String()), i.Name)
}

// Catalog returns every video clip.
func Catalog() []Info {
	slow := Info{
		Name: "360p30", Width: 640, Height: 360, FPS: 30, Frames: 720, KeyInterval: 60, Turns: 3,
		Rounds: []Round{
			{Launch: 0, Rest: 125, End: 180, Pocket: 17},
			{Launch: 180, Rest: 311, End: 360, Pocket: 32},
			{Launch: 360, Rest: 482, End: 540, Pocket: 0},
			{Launch: 540, Rest: 668, End: 720, Pocket: 26},
		},
	}
	fast := Info{
		Name: "1080p60", Codec: codec.H264, Width: 1920, Height: 1080, FPS: 60, Frames: 360, KeyInterval: 120, Turns: 1,
		Rounds: []Round{{Launch: 0, Rest: 253, End: 360, Pocket: 23}},
	}
	h264, vp8 := slow, slow
	h264.Codec, vp8.Codec = codec.H264, codec.VP8
	return []Info{h264, fast, vp8}
}

// Load returns the clip's coded frames, one per picture: an H.264 access unit in
// Annex B form, or a VP8 frame. The caller must not change them.
func Load(i Info) ([][]byte, error) { return load(i.File(), i.Frames) }

// TonePackets is the number of packets in the tone's loop.
const TonePackets = 50

// Tone returns a loop of Opus packets of 20 ms, 48 kHz, stereo: a quiet sine of
// 440 Hz that continues from the last packet into the first.
func Tone() ([][]byte, error) { return load("tone-opus.ivf", TonePackets) }

func load(name string, want int) ([][]byte, error) {
	data, err := files.ReadFile("media/" + name)
	if err != nil {
		return nil, fmt.Errorf("embedded clip: %w", err)
	}
	_, frames, err := ReadIVF(data)
	if err != nil {
		return nil, fmt.Errorf("embedded clip %s: %w", name, err)
	}
	if len(frames) != want {
		return nil, fmt.Errorf("embedded clip %s has %d frames, want %d; make the clips again", name, len(frames), want)
	}
	return frames, nil
}
