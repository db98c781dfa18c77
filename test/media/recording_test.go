//go:build media

package media

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/barcode"
	"github.com/framelock/relay/internal/studio"
)

const (
	width, height = 640, 360
	frames        = 240
)

// TestRecordingDecodes records a studio of each codec, cuts a piece out over HTTP and
// has ffmpeg decode it: every frame, with the number in the picture that the studio
// wrote down for it, at its canonical timestamp, and with the bytes that its
// frame_hash event says.
func TestRecordingDecodes(t *testing.T) {
	for _, codec := range []string{"h264", "vp8"} {
		t.Run(codec, func(t *testing.T) {
			dir := t.TempDir()
			log, events, file := recorded(t, codec, dir)
			if err := os.WriteFile(filepath.Join(dir, "video.mkv"), file, 0o600); err != nil {
				t.Fatal(err)
			}
			packets := probe(t, filepath.Join(dir, "video.mkv"))
			pictures := decode(t, filepath.Join(dir, "video.mkv"))
			if len(packets) != frames || len(pictures) != frames || len(log) != frames {
				t.Fatalf("%d packets, %d pictures, %d frames in the studio's log; want %d", len(packets), len(pictures), len(log), frames)
			}
			for n, f := range log {
				if want := int64(f.TS - log[0].TS); packets[n] != want {
					t.Fatalf("packet %d is at %d ticks, the studio's frame at %d", n, packets[n], want)
				}
				if bar, ok := barcode.Read(pictures[n], width, width, height); !ok || bar != f.Bar {
					t.Fatalf("picture %d shows %d, %v; the studio sent %d", n, bar, ok, f.Bar)
				}
			}
			compareHashes(t, events, filepath.Join(dir, "video.mkv"))
			compareHashes(t, events, filepath.Join(dir, "wheel"))
		})
	}
}

// recorded runs a studio and a relay, and returns the studio's log, the events and
// the recording.
func recorded(t *testing.T, codec, dir string) (log []studio.Record, events []relay.Event, file []byte) {
	t.Helper()
	cfg := relay.DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", ""
	s, v, a := relay.DefaultStream(), relay.DefaultVideo(), relay.DefaultAudio()
	v.Codec, v.Listen, a.Listen = codec, "127.0.0.1:0", "127.0.0.1:0"
	s.RTP.Video, s.RTP.Audio, s.Record.Dir = &v, &a, dir
	cfg.Streams["wheel"] = s
	r, err := relay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-r.Ready()
	wheel, _ := r.Stream("wheel")
	feed, err := wheel.Subscribe(ctx, relay.Newest)
	if err != nil {
		t.Fatal(err)
	}

	c := studio.Default()
	c.Codec, c.Frames = codec, frames+10 // so that the last that counts has left whole
	c.Video.To, c.Audio.To = r.Addrs().Streams["wheel"].Video, r.Addrs().Streams["wheel"].Audio
	var marks sync.WaitGroup
	c.OnFrame = func(f studio.Record) {
		log = append(log, f)
		if f.Frame%40 == 20 {
			marks.Go(func() { mark(t, wheel, f) })
		}
	}
	st, err := studio.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Run(ctx); err != nil {
		t.Fatal(err)
	}
	marks.Wait()
	for len(events) < 2*(frames/40) {
		e, err := relay.DecodeEvent(<-feed)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	log = log[:frames]
	last := sentAll(t, wheel, events[0], log)
	url := fmt.Sprintf("http://%s/v1/streams/wheel/recording?from=%d&to=%d", r.Addrs().HTTP, last-90000*20, last)
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if file, err = io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %d, %v: %.200s", url, res.StatusCode, err, file)
	}
	http.DefaultClient.CloseIdleConnections()
	return log, events, file
}

// sentAll waits until a frame after the log's last has been forwarded, and returns the
// canonical timestamp of the last. The event is on frame 20.
func sentAll(t *testing.T, wheel *relay.Stream, e relay.Event, log []studio.Record) (last uint64) {
	t.Helper()
	last = e.TS + uint64(log[len(log)-1].TS-log[20].TS)
	for {
		s, err := wheel.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.StateAt > last {
			return last
		}
		<-time.After(5 * time.Millisecond)
	}
}

func mark(t *testing.T, wheel *relay.Stream, f studio.Record) {
	_, err := wheel.Mark(t.Context(), relay.Marker{
		ID: fmt.Sprint("frame-", f.Frame), Kind: relay.Outcome, At: relay.AtSource(f.SSRC, f.TS), Timeout: 2 * time.Second,
	})
	if err != nil {
		t.Error(err)
	}
}

// compareHashes compares the frame_hash events with what a recording has.
func compareHashes(t *testing.T, events []relay.Event, name string) {
	t.Helper()
	rec, err := relay.OpenRecording(name)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, e := range events {
		var data struct{ Hash string }
		if json.Unmarshal(e.Data, &data) != nil || data.Hash == "" {
			continue
		}
		got, ok, err := rec.FrameHash(e.TS)
		if err != nil || !ok || hex.EncodeToString(got[:]) != data.Hash {
			t.Errorf("%s, frame %d: hash %x, %v, %v; the event says %s", filepath.Base(name), e.TS, got, ok, err, data.Hash)
		}
		compared++
	}
	if compared != frames/40 {
		t.Errorf("%d hashes compared, want %d", compared, frames/40)
	}
}

// probe returns the times of the video packets, in ticks of the file.
func probe(t *testing.T, name string) (times []int64) {
	t.Helper()
	var found struct {
		Packets []struct {
			PTS int64 `json:"pts"`
		} `json:"packets"`
		Streams []struct {
			CodecType string `json:"codec_type"`
			CodecName string `json:"codec_name"`
			Width     int    `json:"width"`
		} `json:"streams"`
	}
	text := run(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_packets", "-show_streams", "-of", "json", name)
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	if len(found.Streams) != 1 || found.Streams[0].Width != width {
		t.Errorf("streams %+v", found.Streams)
	}
	for _, p := range found.Packets {
		times = append(times, p.PTS)
	}
	sound := run(t, "ffprobe", "-v", "error", "-select_streams", "a", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", name)
	var packets int
	if _, err := fmt.Sscanf(strings.TrimSpace(string(sound)), "opus,%d", &packets); err != nil || packets < frames/30*50-60 {
		t.Errorf("sound: %q, %v", sound, err)
	}
	return times
}

// decode returns the luma and chroma planes of every picture. Any complaint of the
// decoder is a failure.
func decode(t *testing.T, name string) (pictures [][]byte) {
	t.Helper()
	out := run(t, "ffmpeg", "-v", "error", "-xerror", "-i", name, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	run(t, "ffmpeg", "-v", "error", "-xerror", "-i", name, "-map", "0:a", "-f", "null", "-")
	for size := width * height * 3 / 2; len(out) >= size; out = out[size:] {
		pictures = append(pictures, out[:size])
	}
	return pictures
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(name + " is not installed")
	}
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Fatalf("%s: %v: %.500s", name, err, complaints.String())
	}
	return out.Bytes()
}
