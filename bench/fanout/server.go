//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/framelock/relay/bench/floor"
	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/plainpion"
	"github.com/framelock/relay/bench/report"
)

// setting is one measurement to make.
type setting struct {
	server   string
	pace     load.Pace
	viewers  int // of each stream
	streams  int
	size     int // of a video packet
	channels bool
	markers  bool
	loss     float64       // share of the video that most viewers miss at first
	duration time.Duration // of the measurement
}

// input is what the setting's kind of input is called in reports.
func (s setting) input() string {
	if s.loss > 0 {
		return fmt.Sprintf("%s, %g%% of the video lost", s.pace, 100*s.loss)
	}
	return string(s.pace)
}

// input is the studio's side of a measurement.
type input interface {
	Hold(context.Context) error
	Go(context.Context) error
	Sent(context.Context) ([]uint64, error) // packets by stream, exact while held
	Close() error
}

// receivers are the viewers' side.
type receivers interface {
	Begin() error
	Delivered() ([][]uint64, error)
	Seen() load.Seen
	Broken() error
	Close() error
}

// scene is a running server with its input and its viewers.
type scene struct {
	*process
	setting
	addresses plainpion.Addresses
	input     input
	receivers receivers
	dial      load.Dial // of a server that makes the offer
	idle      int64     // resident bytes before the first viewer
}

// bench knows what all scenes need.
type bench struct {
	dir   string // for configurations and logs
	relay string // the relay's executable
	self  string // this program

	livekit string   // the LiveKit server's executable
	missing []string // servers that cannot be measured here
}

// open starts the setting's server with its input, without viewers.
func (b *bench) open(ctx context.Context, s setting) (*scene, error) {
	if s.server == report.LiveKit {
		return b.openLiveKit(ctx, s)
	}
	sc := &scene{setting: s}
	argv, err := b.command(s)
	if err != nil {
		return nil, err
	}
	if sc.process, err = start(b.dir, s.server, argv...); err != nil {
		return nil, err
	}
	if s.server == report.Floor || s.server == report.FloorSingle {
		err = sc.openFloor(ctx)
	} else {
		err = sc.openServer(ctx)
	}
	if err != nil {
		sc.close()
		return nil, err
	}
	return sc, nil
}

func (b *bench) command(s setting) ([]string, error) {
	switch s.server {
	case report.Floor, report.FloorSingle:
		return []string{b.self, serveFloor}, nil
	case report.Pion, report.PionDefault:
		return []string{b.self, servePion, fmt.Sprint(s.streams), fmt.Sprint(s.server == report.PionDefault)}, nil
	case report.Relay:
		file := filepath.Join(b.dir, "relay.yaml")
		return []string{b.relay, "serve", "-c", file, "-o", "json"}, os.WriteFile(file, []byte(relayConfig(s.streams)), 0o600)
	}
	return nil, fmt.Errorf("%q is no server that can be measured", s.server)
}

// relayConfig is a configuration of the relay with streams s0, s1 and so on.
func relayConfig(streams int) string {
	var b strings.Builder
	b.WriteString(`http: {listen: "127.0.0.1:0"}
media: {udp: "127.0.0.1:0", include_loopback: true}
admin: {listen: "127.0.0.1:0"}
streams:
`)
	for i := range streams {
		fmt.Fprintf(&b, `  s%d:
    rtp:
      video: {codec: h264, listen: "127.0.0.1:0", payload_type: %d, fmtp: "%s"}
      audio: {codec: opus, listen: "127.0.0.1:0", payload_type: %d}
`, i, load.VideoType, load.Format, load.AudioType)
	}
	return b.String()
}

// openServer learns where the server listens, and begins to send to it.
func (sc *scene) openServer(ctx context.Context) error {
	if err := sc.answer(ctx, &sc.addresses); err != nil {
		return err
	}
	var to []load.Destination
	for i := range sc.streams {
		in, ok := sc.addresses.Streams[fmt.Sprintf("s%d", i)]
		if !ok {
			return fmt.Errorf("%s: stream s%d listens nowhere", sc.name, i)
		}
		to = append(to, load.Destination{Video: in.Video, Audio: in.Audio})
	}
	sender, err := load.NewSender(to, sc.pace, sc.size)
	if err != nil {
		return err
	}
	sc.input = sender
	return sender.Go(ctx)
}

// url is a stream's WHEP endpoint.
func (sc *scene) url(stream int) string {
	return fmt.Sprintf("http://%s/whep/s%d", sc.addresses.HTTP, stream)
}

// openFloor gives the floor its receivers, which it has to know from the start.
func (sc *scene) openFloor(ctx context.Context) error {
	sinks, err := load.OpenSinks(sc.streams, sc.viewers)
	if err != nil {
		return err
	}
	sc.receivers = sinks
	config, err := json.Marshal(floor.Config{Ports: sinks.Ports(), Pace: sc.pace, Size: sc.size, Join: sc.server == report.Floor})
	if err != nil {
		return err
	}
	sc.input = &floorInput{process: sc.process}
	if err := sc.ask(ctx, string(config), &floor.Sent{}); err != nil {
		return err
	}
	return sc.input.Go(ctx)
}

// close ends the server first, so that it does not see a thousand viewers leave.
func (sc *scene) close() {
	if sc.input != nil {
		sc.input.Close()
	}
	sc.stop()
	if sc.receivers != nil {
		sc.receivers.Close()
	}
}

// floorInput is the floor's own input, held by word.
type floorInput struct {
	process *process
	sent    floor.Sent
}

func (f *floorInput) Hold(ctx context.Context) error { return f.process.ask(ctx, floor.Hold, &f.sent) }

func (f *floorInput) Go(ctx context.Context) error {
	return f.process.ask(ctx, floor.Go, &floor.Sent{})
}

func (f *floorInput) Sent(context.Context) ([]uint64, error) { return f.sent.Sent, nil }

func (f *floorInput) Close() error { return nil }
