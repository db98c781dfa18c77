// Package watch is a native viewer that trusts nobody: it joins a stream by
// WHEP, as a browser does, and checks what a browser cannot see.
//
// It reads the marker header extension off the RTP packets and the events off
// the data channels, and asks of every event whether both say the same of the
// same frame; it rebuilds every frame from its packets and compares the hash of
// its coded bytes with the frame_hash event; it measures latency, loss, gaps
// and doubles. All parsing here is written from docs/protocol.md and shares no
// code with the relay, so that a mistake there is not repeated here.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/pion/webrtc/v4"
)

// Config says what to watch and for how long.
type Config struct {
	// URL is the stream's WHEP endpoint, http(s)://HOST/whep/STREAM.
	URL string
	// Token is the bearer token; none is sent if empty.
	Token string
	// Duration ends the watch that long after the first frame's arrival (or
	// after the join, if no frame comes); 0 means until the context ends.
	Duration time.Duration
	// Frames, if set, is given every video frame in order. It runs on the
	// watch's own goroutine: a slow one delays the analysis, not the arrival times.
	Frames func(Frame)
	// Packets and Messages, if set, are given every RTP packet and every message of
	// a data channel as they come. They run where Frames does.
	Packets  func(Packet)
	Messages func(Message)
	// Capture, if set, takes a pcap file of all RTP packets, decrypted, as they come.
	Capture io.Writer
	// TransportFeedback has the watch tell the relay when each packet arrived, as
	// browsers do (draft-holmer-rmcat-transport-wide-cc-extensions-01).
	TransportFeedback bool
	// Logger takes what happens during the watch; nothing is logged if nil.
	Logger *slog.Logger
	// HTTP is the client for signaling; a client with a 10 s timeout if nil.
	HTTP *http.Client
	// Settings, if set, may change the WebRTC engine, for example to put it on a
	// virtual network.
	Settings func(*webrtc.SettingEngine)
}

// Packet is one RTP packet as it came over the wire.
type Packet struct {
	Video        bool
	Repair       bool // it came by RTX
	Sequence     uint16
	RTPTimestamp uint32
	Payload      []byte
	Arrival      time.Time
}

// Message is one message of a data channel (docs/protocol.md, section 4).
type Message struct {
	Channel uint16
	Data    []byte
	Arrival time.Time
}

// ErrNoMedia says that a watch ended without one complete video frame.
var ErrNoMedia = errors.New("no complete video frame arrived")

// ErrDisconnected says that the relay or the network ended the session.
var ErrDisconnected = errors.New("the session ended before its time")

// Run watches one stream until the context ends, the duration has passed or the
// session breaks. The report covers what was seen in every case; the context's
// end is no error once the session has been joined.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.fill(); err != nil {
		return Report{}, err
	}
	s, err := newSession(cfg)
	if err != nil {
		return Report{}, err
	}
	started := time.Now()
	obs := newObserver(cfg, started)
	err = s.join(ctx)
	if err == nil {
		err = s.observe(ctx, obs)
	}
	ended := time.Now()
	closeErr := s.close()
	report := obs.report(ended)
	if err == nil && report.Video.Complete == 0 {
		err = ErrNoMedia
	}
	if obs.capture != nil && obs.capture.err != nil {
		err = errors.Join(err, fmt.Errorf("watch: capture: %w", obs.capture.err))
	}
	return report, errors.Join(err, closeErr)
}

func (c *Config) fill() error {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("watch: URL %q: want http(s)://HOST/whep/STREAM", c.URL)
	}
	if c.Duration < 0 {
		return fmt.Errorf("watch: duration %v: want 0 or more", c.Duration)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	return nil
}
