// Package demo runs a whole table on one machine: the relay in this process, and
// a studio and a game server as processes of their own, which speak to it as
// strangers would, by RTP and HTTP. It keeps them running, and lets the demo
// page restart and pause the studio.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	relay "github.com/framelock/relay"
	"github.com/framelock/relay/internal/studio/clips"
)

// Stream is the name of the demo's one stream.
const Stream = "wheel"

// Config says how to run the demo.
type Config struct {
	HTTP  string // address of the page and the API; default 127.0.0.1:8080
	UDP   string // address of the viewers' media; default :7882
	Admin string // address of the operators' listener; default 127.0.0.1:9090
	TLS   bool   // serve HTTPS with a certificate made at start
	Codec string // h264 or vp8; default h264
	Clip  string // name of a studio clip; default 360p30
	// StateDir keeps the stream's log from one run to the next. Empty means a
	// directory that is removed at the end.
	StateDir string
	// Program is the relay's executable, which is also studio and croupier.
	Program string
	// Stderr takes what the studio and the croupier print; discarded if nil.
	Stderr io.Writer
	Logger *slog.Logger
	// Ready, if set, is called once, when the page can be opened.
	Ready func(Info)
}

// Info is where the demo can be reached. Addresses are host:port.
type Info struct {
	URL    string `json:"url"` // of the page
	HTTP   string `json:"http"`
	UDP    string `json:"udp"`
	Admin  string `json:"admin"`
	Stream string `json:"stream"`
	Codec  string `json:"codec"`
	FPS    int    `json:"fps"`
	Video  string `json:"video"` // where the studio's RTP goes
	Audio  string `json:"audio"`
}

// PageInfo is the answer of /demo/info.
type PageInfo struct {
	Stream string `json:"stream"`
	FPS    int    `json:"fps"`
	Codec  string `json:"codec"`
}

// ErrConfig marks errors that are the caller's to correct.
var ErrConfig = errors.New("bad setting")

// fill sets the defaults and returns the clip.
func (c *Config) fill() (clips.Info, error) {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&c.HTTP, "127.0.0.1:8080")
	set(&c.UDP, ":7882")
	set(&c.Admin, "127.0.0.1:9090")
	set(&c.Codec, "h264")
	set(&c.Clip, "360p30")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var codecs, names []string
	for _, clip := range clips.Catalog() {
		name := strings.ToLower(clip.Codec.String())
		codecs = append(codecs, name)
		if name != strings.ToLower(c.Codec) {
			continue
		}
		if clip.Name == c.Clip {
			return clip, nil
		}
		names = append(names, clip.Name)
	}
	if names == nil {
		slices.Sort(codecs)
		return clips.Info{}, fmt.Errorf("%w: --codec %q is not one of the studio's (allowed: %s)", ErrConfig, c.Codec, strings.Join(slices.Compact(codecs), ", "))
	}
	return clips.Info{}, fmt.Errorf("%w: --clip: there is no %s clip %q (allowed: %s)", ErrConfig, c.Codec, c.Clip, strings.Join(names, ", "))
}

// Run runs the demo until the context ends, and returns after everything that it
// started has ended.
func Run(ctx context.Context, cfg Config) (err error) {
	clip, err := cfg.fill()
	if err != nil {
		return err
	}
	dir, remove, err := stateDir(cfg.StateDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()

	feed := newFeed()
	control := &studioControl{feed: feed}
	control.child = &child{name: "studio", log: cfg.Logger, restarted: make(chan struct{})}
	control.child.attach = func(input io.WriteCloser, output io.Reader) {
		control.attached(input)
		feed.from(output)
	}
	relayConfig := cfg.relay(dir)
	relayConfig.Wrap = control.routes(PageInfo{Stream: Stream, FPS: clip.FPS, Codec: strings.ToLower(cfg.Codec)})
	r, err := relay.New(relayConfig)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case <-r.Ready():
	case err := <-ended:
		cancel()
		return err
	}
	info := cfg.info(r.Addrs(), clip)

	var children sync.WaitGroup
	control.child.command = func() *exec.Cmd { return cfg.studio(info) }
	croupier := cfg.croupier(info, clip, feed)
	children.Go(func() { control.child.run(ctx) })
	children.Go(func() { croupier.run(ctx) })
	if cfg.Ready != nil {
		cfg.Ready(info)
	}
	err = <-ended
	cancel()
	children.Wait()
	return err
}

// stateDir returns the directory for the relay's state, and what removes it.
func stateDir(given string) (dir string, remove func() error, err error) {
	if given != "" {
		return given, func() error { return nil }, nil
	}
	base := os.TempDir()
	if cache, err := os.UserCacheDir(); err == nil {
		base = filepath.Join(cache, "framelock-relay")
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", nil, fmt.Errorf("state directory (choose another with --state): %w", err)
	}
	dir, err = os.MkdirTemp(base, "demo-")
	if err != nil {
		return "", nil, fmt.Errorf("state directory (choose another with --state): %w", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// relay is the relay's configuration: one table, open to everybody who can reach
// the demo's addresses.
func (c *Config) relay(dir string) relay.Config {
	r := relay.DefaultConfig()
	r.Logger = c.Logger
	r.HTTP.Listen, r.Media.UDP, r.Admin.Listen = c.HTTP, c.UDP, c.Admin
	if c.TLS {
		r.HTTP.TLS.Mode = relay.TLSSelfSigned
	}
	r.Media.IncludeLoopback = true
	r.Auth.Insecure = true
	r.State.Dir = dir
	// Any page may show the demo, as the README invites to; there is nothing to steal.
	r.HTTP.Origins = []string{"*"}
	s := relay.DefaultStream()
	s.RTP.Silence = 500 * time.Millisecond // a restarted studio has another port
	video, audio := relay.DefaultVideo(), relay.DefaultAudio()
	video.Codec = strings.ToLower(c.Codec)
	video.Listen, audio.Listen = "127.0.0.1:0", "127.0.0.1:0"
	s.RTP.Video, s.RTP.Audio = &video, &audio
	r.Streams[Stream] = s
	return r
}

func (c *Config) info(a relay.Addrs, clip clips.Info) Info {
	scheme := "http"
	if c.TLS {
		scheme = "https"
	}
	return Info{
		URL: scheme + "://" + reachable(a.HTTP) + "/", HTTP: a.HTTP, UDP: a.UDP, Admin: a.Admin,
		Stream: Stream, Codec: strings.ToLower(c.Codec), FPS: clip.FPS,
		Video: a.Streams[Stream].Video, Audio: a.Streams[Stream].Audio,
	}
}

// reachable turns "every interface" into this machine's loopback address.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// studio is the studio's command line.
func (c *Config) studio(info Info) *exec.Cmd {
	return c.program("studio", "--codec", info.Codec, "--clip", c.Clip, "--to", info.Video, "--audio-to", info.Audio,
		"--log", "-", "--stdin-commands")
}

// croupier is the game server, which reads the feed.
func (c *Config) croupier(info Info, clip clips.Info, feed *feed) *child {
	var rests []string
	for _, r := range clip.Rounds {
		rests = append(rests, fmt.Sprintf("%d:%d", r.Rest, r.Pocket))
	}
	args := []string{
		"croupier", Stream, "--url", strings.TrimSuffix(info.URL, "/"), "--log", "-",
		"--loop", strconv.Itoa(clip.Frames), "--rests", strings.Join(rests, ","),
	}
	if c.TLS {
		args = append(args, "--insecure")
	}
	return &child{
		name:      "croupier",
		log:       c.Logger,
		restarted: make(chan struct{}),
		command:   func() *exec.Cmd { return c.program(args...) },
		attach: func(input io.WriteCloser, output io.Reader) {
			gone, written := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(written)
				feed.to(input, gone)
			}()
			_, _ = io.Copy(io.Discard, output)
			close(gone)
			<-written
		},
	}
}

func (c *Config) program(args ...string) *exec.Cmd {
	cmd := exec.Command(c.Program, args...)
	cmd.Stderr = c.Stderr
	return cmd
}
