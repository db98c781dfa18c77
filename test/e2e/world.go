package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/internal/studio/clips"
)

// World is one case's set of programs: a relay with one stream, its studio, its
// publisher. Everything they write is in Dir.
type World struct {
	Dir    string
	Relay  string // the relay's executable
	Stream string
	// MediaOptions are further keys of the configuration's media section.
	MediaOptions string
	// Record has the relay keep what it sends.
	Record bool
	// Grace is drain.grace of the configuration; 1s if empty.
	Grace string
	// StreamOptions are further keys of the stream's configuration, a line each.
	StreamOptions string
	// Backup gives the stream a second encoder's input.
	Backup bool
	// StudioFlags are further flags of the relay's own studio.
	StudioFlags []string
	// Network is what viewers' media and pages go through; none if nil.
	Network *Network

	HTTP            string // address of the viewer-facing listener, once the relay runs
	udp             string // address of the viewers' media
	admin           string // address of the operator's listener
	primary, backup Input  // where the stream's RTP goes

	relay, studio, publisher *Process
}

// config is the relay's configuration. Ports are 0 at first; a relay that is
// started again gets the ones that the first one took. Media is offered on every
// interface: Firefox does not take a relay's word for loopback alone.
func (w *World) config(codec string) string {
	listen := func(s string) string { return cmp.Or(s, "127.0.0.1:0") }
	record := ""
	if w.Record {
		record = filepath.Join(w.Dir, "record")
	}
	options := w.StreamOptions
	if w.Backup {
		options += fmt.Sprintf(`
    backup:
      rtp:
        video: {codec: %s, listen: "%s", payload_type: 96}
        audio: {codec: opus, listen: "%s", payload_type: 111}
`, codec, listen(w.backup.Video), listen(w.backup.Audio))
	}
	return fmt.Sprintf(`http: {listen: "%s"}
media: {udp: "%s", include_loopback: true%s}
admin: {listen: "127.0.0.1:0"}
drain: {grace: %s}
state: {dir: %q}
streams:
  %s:
    rtp:
      video: {codec: %s, listen: "%s", payload_type: 96}
      audio: {codec: opus, listen: "%s", payload_type: 111}
    record: {dir: %q}
    %s
`, listen(w.HTTP), cmp.Or(w.udp, ":0"), w.MediaOptions, cmp.Or(w.Grace, "1s"), filepath.Join(w.Dir, "state"), w.Stream, codec, listen(w.primary.Video), listen(w.primary.Audio), record, options)
}

// StartRelay starts the relay, or starts it again with the addresses that it had.
func (w *World) StartRelay(ctx context.Context, codec string) error {
	file := filepath.Join(w.Dir, "relay.yaml")
	if err := os.WriteFile(file, []byte(w.config(codec)), 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(w.Dir, "state"), 0o700); err != nil {
		return err
	}
	p, err := StartProcess(w.Dir, w.freeName("relay"), w.Relay, "serve", "-c", file, "-o", "json")
	if err != nil {
		return err
	}
	w.relay = p
	return w.readAddresses(ctx, p)
}

// freeName is the name with a number where there is a log of that name already.
func (w *World) freeName(name string) string {
	free := name
	for n := 2; ; n++ {
		if _, err := os.Stat(filepath.Join(w.Dir, free+".log")); errors.Is(err, os.ErrNotExist) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// URL is an address on the relay's viewer-facing listener.
func (w *World) URL(path string) string { return "http://" + w.HTTP + path }

// StudioLog is the file that the studio writes.
func (w *World) StudioLog() string { return filepath.Join(w.Dir, "studio.jsonl") }

// StartStudio starts the relay's own studio.
func (w *World) StartStudio(codec, clip string) error {
	args := append([]string{w.Relay, "studio", "--codec", codec, "--clip", clip,
		"--to", w.primary.Video, "--audio-to", w.primary.Audio, "--log", w.StudioLog()}, w.StudioFlags...)
	p, err := StartProcess(w.Dir, w.freeName("studio"), args...)
	w.studio = p
	return err
}

// StartPublisher starts a game server that knows the studio's clip. It publishes
// the game, and rate test markers a second, all of them named half a second before
// their frame and three of four by capture time.
func (w *World) StartPublisher(rate float64, clip *clips.Info) error {
	var rests []string
	for _, r := range clip.Rounds {
		rests = append(rests, fmt.Sprintf("%d:%d", r.Rest, r.Pocket))
	}
	p, err := StartProcess(w.Dir, w.freeName("publisher"), w.Relay, "croupier", w.Stream, "--url", w.URL(""),
		"--log", w.StudioLog(), "--loop", fmt.Sprint(clip.Frames), "--rests", strings.Join(rests, ","),
		"--lead", "500ms", "--fresh", "200ms", "--rate", fmt.Sprint(rate), "--out", w.publisherLog())
	w.publisher = p
	return err
}

func (w *World) publisherLog() string { return filepath.Join(w.Dir, "publisher.jsonl") }

// StopPublisher ends the publisher. What it was waiting for is cut short, and
// Published leaves it out.
func (w *World) StopPublisher() error { return w.publisher.Stop() }

// Published reads what the publisher wrote so far.
func (w *World) Published() ([]croupier.Record, error) {
	f, err := os.Open(w.publisherLog())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var records []croupier.Record
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		var record croupier.Record
		if err := json.Unmarshal(line, &record); err != nil {
			return nil, fmt.Errorf("publisher's log: %w: %s", err, line)
		}
		if record.Answer == nil && strings.Contains(record.Error, "signal received") {
			continue // the end of the case cut it short
		}
		records = append(records, record)
	}
}

// WaitStream waits until the relay has seen a frame of the stream.
func (w *World) WaitStream(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var ended <-chan struct{} // nil while an Encoder sends
	if w.studio != nil {
		ended = w.studio.Ended()
	}
	for {
		var info struct {
			Epoch uint32 `json:"epoch"`
			Clock struct {
				TS     uint64 `json:"ts"`
				Source string `json:"source"`
			} `json:"clock"`
		}
		err := w.Get(ctx, "/v1/streams/"+w.Stream, &info)
		if err == nil && info.Clock.TS > 0 && info.Clock.Source == "sender_report" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return fmt.Errorf("%s ended: %w\n%s", w.studio.Name, w.studio.endErr, w.studio.Tail(10))
		case <-ctx.Done():
			return fmt.Errorf("stream %s has not come up: %w (last answer %+v, %v)", w.Stream, ctx.Err(), info, err)
		}
	}
}

// Get reads a JSON document from the relay.
func (w *World) Get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL(path), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// readAddresses learns where the relay listens from the line that it prints.
func (w *World) readAddresses(ctx context.Context, p *Process) error {
	var line struct {
		HTTP    string `json:"http"`
		UDP     string `json:"udp"`
		Admin   string `json:"admin"`
		Streams map[string]struct {
			Input
			Backup Input `json:"backup"`
		} `json:"streams"`
	}
	err := p.WaitLine(ctx, "where it listens", func(text string) bool {
		return json.Unmarshal([]byte(text), &line) == nil && line.HTTP != ""
	})
	s := line.Streams[w.Stream]
	w.HTTP, w.udp, w.admin = line.HTTP, line.UDP, line.Admin
	w.primary, w.backup = s.Input, s.Backup
	return err
}

// Close ends every program, the publisher first.
func (w *World) Close() error {
	var errs []error
	for _, p := range []*Process{w.publisher, w.studio, w.relay} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	if w.Network != nil {
		errs = append(errs, w.Network.Close())
	}
	return errors.Join(errs...)
}

// Find returns the first of some programs that is installed.
func Find(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", strings.Join(names, " or "))
}
