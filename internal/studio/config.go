// Package studio plays a table that is not there: a clip of a roulette wheel as
// RTP, with sender reports, as a studio's encoder would send it. It writes down
// every frame that it sends, with the number that is in the picture, so that
// what viewers saw can be compared with what happened.
//
// Frame n shows frame n of the clip, modulo its length. It is captured at
// start + (n - first)/FPS, and leaves at that moment, all its packets together;
// the schedule is absolute and does not drift. A studio that could not run for more
// than a second passes over what it missed, and goes on with the next keyframe.
package studio

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/framelock/relay/internal/studio/clips"
	"github.com/framelock/relay/media/codec"
)

// Config says what to send, and where. Default returns one in which only the
// destinations are missing.
type Config struct {
	Codec string // of the video: h264 or vp8, in any letter case
	Clip  string // name of a clip of that codec: 360p30 or, for H.264, 1080p60
	FPS   int    // frames a second, 1 to 120; 0 is the clip's own

	Video Track
	Audio Track // a tone of 440 Hz in Opus; not sent if To is empty

	// PacketSize is the largest RTP packet in bytes, its header included and
	// without IP and UDP headers: 200 to 1460.
	PacketSize int
	// RTCPMux sends RTCP to the RTP port (RFC 5761) instead of the next one.
	RTCPMux bool
	// SenderReports sends an RTCP sender report with the first packet of a track
	// and every second from then on. Each pairs a capture time with its timestamp.
	SenderReports bool
	// EncoderDelay is how much later than its capture a frame is said to be captured
	// by the sender reports, as by encoders that stamp what comes out: -2 s to 2 s.
	EncoderDelay time.Duration
	// SDPParameterSets leaves H.264 parameter sets out of the stream: they are in
	// the SDP alone.
	SDPParameterSets bool
	// SEITimes writes the timecode of each frame, counted in UTC, and its capture time
	// as a MISP precision time stamp into the H.264 stream, and into the log.
	SEITimes bool
	// ObeyPLI answers a PLI with a keyframe: the clip skips to its next one. Without
	// it keyframes come at the clip's own interval.
	ObeyPLI bool
	CNAME   string // of both tracks; 1 to 255 bytes

	// StartFrame is the number of the first frame, rounded up to the clip's next
	// keyframe. The number in an H.264 picture is the frame's modulo 2^24.
	StartFrame uint32
	Frames     uint64 // frames to send, held ones included; 0 is no limit
	Impair     Impair // what goes wrong on the way

	// Log takes a line of JSON for the studio and one per video frame, each in one
	// Write, before the frame is sent. Nil for none. An error ends the run.
	Log io.Writer
	// OnFrame is called for every video frame when it is logged, by the goroutine
	// that sends: it must not block. Nil for none.
	OnFrame func(Record)
	// Dial opens a datagram connection from local (empty: any) to a host:port.
	// Nil means UDP.
	Dial func(ctx context.Context, local, to string) (net.Conn, error)
}

// Track is one RTP stream. Every value is used as it is, zero too.
type Track struct {
	To          string // host:port to send to
	Local       string // host:port to send from, RTCP from the port after it; empty is any
	PayloadType uint8  // 96 to 127
	SSRC        uint32
	Seq         uint16 // of the first packet
	Timestamp   uint32 // of the first frame
}

// Impair damages the RTP packets of both tracks on purpose. Each rate is a
// probability per packet, 0 to 1.
type Impair struct {
	Seed      uint64  // the same seed damages the same packets
	Loss      float64 // not sent at all
	Duplicate float64 // sent twice
	Reorder   float64 // sent after the track's next packet
}

// Default returns the configuration of an H.264 studio with random SSRCs,
// sequence numbers and timestamps (RFC 3550, section 5.1).
func Default() Config {
	track := func(payloadType uint8) Track {
		return Track{PayloadType: payloadType, SSRC: rand.Uint32(), Seq: uint16(rand.Uint32()), Timestamp: rand.Uint32()}
	}
	return Config{
		Codec: "h264", Clip: "360p30", Video: track(96), Audio: track(111),
		PacketSize: 1150, SenderReports: true, CNAME: "studio",
	}
}

// FieldError is a setting that is not allowed.
type FieldError struct {
	Field   string // name in Config, such as Video.To
	Value   any
	Allowed string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("studio: %s is %#v, want %s", e.Field, e.Value, e.Allowed)
}

// Validate returns a *FieldError for the first setting that is not allowed.
func (c Config) Validate() error {
	if _, err := c.ClipInfo(); err != nil {
		return err
	}
	check := func(ok bool, field string, value any, allowed string) error {
		if ok {
			return nil
		}
		return &FieldError{field, value, allowed}
	}
	rate := func(v float64) bool { return v >= 0 && v <= 1 }
	checks := []error{
		check(c.FPS >= 0 && c.FPS <= 120, "FPS", c.FPS, "1 to 120, or 0 for the clip's own"),
		check(c.PacketSize >= 200 && c.PacketSize <= 1460, "PacketSize", c.PacketSize, "200 to 1460 bytes"),
		check(len(c.CNAME) >= 1 && len(c.CNAME) <= 255, "CNAME", c.CNAME, "1 to 255 bytes"),
		check(c.EncoderDelay.Abs() <= 2*time.Second, "EncoderDelay", c.EncoderDelay, "-2s to 2s"),
		check(!c.SEITimes || strings.EqualFold(c.Codec, codec.H264.String()), "SEITimes", c.SEITimes, "false, or codec h264"),
		check(rate(c.Impair.Loss), "Impair.Loss", c.Impair.Loss, "0 to 1"),
		check(rate(c.Impair.Duplicate), "Impair.Duplicate", c.Impair.Duplicate, "0 to 1"),
		check(rate(c.Impair.Reorder), "Impair.Reorder", c.Impair.Reorder, "0 to 1"),
		c.Video.validate("Video", c.RTCPMux),
	}
	if c.Audio.To != "" {
		checks = append(checks,
			c.Audio.validate("Audio", c.RTCPMux),
			check(c.Audio.SSRC != c.Video.SSRC, "Audio.SSRC", c.Audio.SSRC, "another than Video.SSRC"),
			check(c.Audio.PayloadType != c.Video.PayloadType, "Audio.PayloadType", c.Audio.PayloadType, "another than Video.PayloadType"))
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t Track) validate(name string, mux bool) error {
	last := 65534
	if mux {
		last = 65535
	}
	allowed := fmt.Sprintf("host:port with a port of 1 to %d", last)
	if port, ok := portOf(t.To); !ok || port < 1 || port > last {
		return &FieldError{name + ".To", t.To, allowed}
	}
	if port, ok := portOf(t.Local); t.Local != "" && (!ok || port > last) {
		return &FieldError{name + ".Local", t.Local, allowed + ", or 0 for any"}
	}
	if t.PayloadType < 96 || t.PayloadType > 127 {
		return &FieldError{name + ".PayloadType", t.PayloadType, "96 to 127"}
	}
	return nil
}

func portOf(address string) (int, bool) {
	host, port, err := net.SplitHostPort(address)
	n, bad := strconv.ParseUint(port, 10, 16)
	return int(n), err == nil && bad == nil && host != ""
}

// ClipInfo returns the clip that the configuration names.
func (c Config) ClipInfo() (clips.Info, error) {
	var names []string
	for _, info := range clips.Catalog() {
		name := strings.ToLower(info.Codec.String())
		if !strings.EqualFold(c.Codec, name) {
			continue
		}
		if info.Name == c.Clip {
			return info, nil
		}
		names = append(names, info.Name)
	}
	if names != nil {
		return clips.Info{}, &FieldError{"Clip", c.Clip, strings.Join(names, " or ")}
	}
	return clips.Info{}, &FieldError{"Codec", c.Codec, strings.ToLower(codec.H264.String() + " or " + codec.VP8.String())}
}

func (c Config) fps(info clips.Info) int {
	if c.FPS == 0 {
		return info.FPS
	}
	return c.FPS
}
