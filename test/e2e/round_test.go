package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/framelock/relay/internal/barcode"
)

// exportedFrame is a frame in frames.json of a round's folder.
type exportedFrame struct {
	Kind, ID        string
	TS              uint64
	Expected, Found string
	Equal           bool
}

// round is the folder of a round that was exported.
type round struct {
	dir     string
	frames  []exportedFrame
	outcome *exportedFrame
	bar     uint64 // the number in the picture that the game server meant
}

// exportRound exports a round when its outcome is on the log, with the hash of its frame.
func (c *scenario) exportRound(window string) (r round) {
	c.Helper()
	w := c.world
	for n := 1; ; n++ {
		r = round{dir: filepath.Join(w.Dir, fmt.Sprint("round-", n))}
		_, err := Output(c.ctx, w.Relay, "round", "export", window, "--stream", w.Stream, "--url", w.URL(""), "-o", r.dir)
		c.must(err)
		b, err := os.ReadFile(filepath.Join(r.dir, "frames.json"))
		c.must(err)
		c.must(json.Unmarshal(b, &r.frames))
		for i, f := range r.frames {
			if f.Kind == "outcome" && f.Expected != "" {
				r.outcome = &r.frames[i]
			}
		}
		if r.outcome != nil {
			break
		}
		select {
		case <-c.ctx.Done():
			c.Fatalf("no outcome with a hash among %+v", r.frames)
		case <-time.After(500 * time.Millisecond):
		}
	}
	published, err := w.Published()
	c.must(err)
	for _, p := range published {
		if p.ID == r.outcome.ID {
			r.bar = p.Bar
			return r
		}
	}
	c.Fatalf("nobody published the outcome %s", r.outcome.ID)
	return r
}

// check has an exported round verified, and has ffmpeg show what is on the frame of its
// outcome: the picture that the studio wrote down for it.
func (r *round) check(c *scenario) {
	c.Helper()
	video := filepath.Join(r.dir, "video.mkv")
	said, err := Output(c.ctx, c.world.Relay, "transcript", "verify", filepath.Join(r.dir, "transcript.ndjson"), "--recording", video)
	c.must(err)
	hashed := 0
	for _, f := range r.frames {
		if f.Expected == "" {
			continue
		}
		if hashed++; !f.Equal {
			c.Errorf("frame %d of the recording has the hash %s, the log says %s", f.TS, f.Found, f.Expected)
		}
	}
	shown := c.pictures(video)
	if bar, ok := shown[r.outcome.TS]; !ok || uint64(bar) != r.bar {
		c.Errorf("the recording shows %d on the outcome's frame (there: %v), the studio sent %d", bar, ok, r.bar)
	}
	c.figure("recording of %d pictures, %d hashes equal, picture %d on the outcome's frame; %.60q", len(shown), hashed, r.bar, said)
}

// pictures has a recording decoded, and returns the number in each picture by its
// canonical timestamp.
func (c *scenario) pictures(video string) map[uint64]uint32 {
	c.Helper()
	var info struct {
		Format  struct{ Tags map[string]string }
		Packets []struct{ PTS int64 }
	}
	b, err := Output(c.ctx, "ffprobe", "-v", "error", "-select_streams", "v", "-show_packets", "-show_format", "-of", "json", video)
	c.must(err)
	c.must(json.Unmarshal(b, &info))
	first, err := strconv.ParseUint(info.Format.Tags["FRAMELOCK_TS"], 10, 64)
	c.must(err)
	const width, height = 640, 16 // the number is at the bottom
	luma, err := Output(c.ctx, "ffmpeg", "-v", "error", "-xerror", "-i", video, "-map", "0:v", "-fps_mode", "passthrough",
		"-vf", "crop=640:16:0:344,format=gray", "-f", "rawvideo", "-")
	c.must(err)
	if len(luma) != width*height*len(info.Packets) {
		c.Fatalf("%d bytes of pictures for %d packets", len(luma), len(info.Packets))
	}
	shown := map[uint64]uint32{}
	for i, p := range info.Packets {
		if bar, ok := barcode.Read(luma[i*width*height:][:width*height], width, width, height); ok {
			shown[first+uint64(p.PTS)] = bar
		}
	}
	return shown
}
