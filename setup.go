package relay

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/framelock/relay/internal/stream"
	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/signaling/sdp"
)

// streamSetup is a stream's configuration in the form in which it is used.
type streamSetup struct {
	stream.Config
	tracks  [forward.Encoders][forward.Tracks]trackSetup
	profile string // H.264 profile-level-id; empty if it is not known
}

// trackSetup is where a track comes in.
type trackSetup struct {
	listen [forward.Paths]string // host:port; empty = there is no such track or path
	mux    bool                  // RTCP shares the port
}

// stream turns the configuration of a stream, which is valid, into its setup.
func (c *Config) stream(name string, number int) (streamSetup, error) {
	sc := c.Streams[name]
	s := streamSetup{Config: stream.Config{
		Name: name, Number: number, Hold: sc.Hold, CaptureOffset: sc.CaptureOffset, History: sc.History,
		Reorder: sc.RTP.Reorder, Silence: sc.RTP.Silence, MaxPayload: c.Media.MaxUDPPayload,
		StateLimit: sc.StateLimit, JoinBurst: c.Media.JoinBurst, Gather: c.Media.Gather,
	}}
	d, err := sc.RTP.describe()
	if err != nil {
		return s, fmt.Errorf("streams.%s.rtp.%w", name, err)
	}
	s.Video, s.Audio = d.Video.input(&sc.RTP), d.Audio.input(&sc.RTP)
	s.tracks[forward.Primary] = d.setup(&sc.RTP)
	if d.Video != nil {
		s.profile = d.Video.ProfileLevelID
	}
	if sc.Backup == nil {
		return s, nil
	}
	return s, s.addBackup(d, sc.Backup)
}

// addBackup sets up the second encoder. A viewer that has been told what the first
// one sends must be able to decode it.
func (s *streamSetup) addBackup(primary description, c *BackupConfig) error {
	d, err := c.RTP.describe()
	if err != nil {
		return fmt.Errorf("streams.%s.backup.rtp.%w", s.Name, err)
	}
	if diff := primary.differs(d); diff != "" {
		return ConfigError{{
			Key: "streams." + s.Name + ".backup.rtp", Problem: "does not send what the primary encoder sends: " + diff,
			Allowed: "the same tracks, codecs and H.264 profile",
		}}
	}
	s.Backup = &stream.Backup{
		Video: d.Video.input(&c.RTP), Audio: d.Audio.input(&c.RTP), Reorder: c.RTP.Reorder, Silence: c.RTP.Silence,
		After: c.SwitchAfter, ReturnAfter: c.ReturnAfter,
	}
	s.tracks[forward.Backup] = d.setup(&c.RTP)
	return nil
}

// description is what one encoder sends. A nil track is not sent.
type description struct{ Video, Audio *described }

// differs says in what another encoder's description differs where it must not.
func (d description) differs(o description) string {
	switch {
	case (d.Video == nil) != (o.Video == nil):
		return "video"
	case (d.Audio == nil) != (o.Audio == nil):
		return "audio"
	case d.Video != nil && d.Video.Codec != o.Video.Codec:
		return fmt.Sprintf("%s, and not %s", o.Video.Codec, d.Video.Codec)
	case d.Video != nil && d.Video.ProfileLevelID != "" && o.Video.ProfileLevelID != "" && d.Video.ProfileLevelID != o.Video.ProfileLevelID:
		return fmt.Sprintf("profile-level-id %s, and not %s", o.Video.ProfileLevelID, d.Video.ProfileLevelID)
	}
	return ""
}

// setup says where an encoder's tracks come in.
func (d description) setup(c *RTPConfig) (tracks [forward.Tracks]trackSetup) {
	for id, t := range [forward.Tracks]*described{d.Video, d.Audio} {
		if t == nil {
			continue
		}
		tracks[id] = trackSetup{listen: [forward.Paths]string{t.listen}, mux: t.mux}
		if p := c.SecondPath; p != nil {
			tracks[id].listen[1] = [forward.Tracks]string{p.VideoListen, p.AudioListen}[id]
		}
	}
	return tracks
}

// described is a track and where it comes in.
type described struct {
	sdp.StudioMedia
	listen string // host:port
	mux    bool
}

// input is the track as the stream takes it; nil for a track that is not sent.
func (d *described) input(c *RTPConfig) *stream.Input {
	if d == nil {
		return nil
	}
	in := &stream.Input{
		Codec: d.Codec, PayloadType: d.PayloadType, SSRC: d.SSRC, Allow: c.Allow, ParameterSets: d.ParameterSets,
	}
	if p := c.SecondPath; p != nil && (d.Codec != codec.Opus || p.AudioListen != "") {
		in.Second = &stream.SecondPath{Allow: p.Allow, Skew: p.Skew}
	}
	return in
}

// describe reads how the studio's media comes in, from the SDP or inline. Its
// errors begin with the key below rtp.
func (c *RTPConfig) describe() (d description, err error) {
	if c.SDP != "" {
		b, err := os.ReadFile(c.SDP)
		if err != nil {
			return d, fmt.Errorf("sdp: %w", err)
		}
		studio, err := sdp.ParseStudio(b)
		if err != nil {
			return d, fmt.Errorf("sdp: %s: %w", c.SDP, err)
		}
		d.Video, d.Audio = listening(studio.Video), listening(studio.Audio)
		return d, nil
	}
	if v := c.Video; v != nil {
		d.Video = &described{
			StudioMedia: sdp.StudioMedia{PayloadType: v.PayloadType, SSRC: v.SSRC}, listen: v.Listen,
		}
		if d.Video.Codec, err = codec.Parse(v.Codec); err != nil {
			return d, fmt.Errorf("video.codec: %w", err)
		}
		if err := d.Video.parameters(v.Fmtp); err != nil {
			return d, fmt.Errorf("video.fmtp: %w", err)
		}
	}
	if a := c.Audio; a != nil {
		d.Audio = &described{
			StudioMedia: sdp.StudioMedia{PayloadType: a.PayloadType, SSRC: a.SSRC}, listen: a.Listen,
		}
		if d.Audio.Codec, err = codec.Parse(a.Codec); err != nil {
			return d, fmt.Errorf("audio.codec: %w", err)
		}
	}
	return d, nil
}

// Listen returns where the studio's tracks come in, host:port, whether an SDP file or
// the configuration itself says so; empty for a track that the stream does not have.
// An error names the key below rtp.
func (c *RTPConfig) Listen() (video, audio string, err error) {
	d, err := c.describe()
	if err != nil {
		return "", "", err
	}
	if d.Video != nil {
		video = d.Video.listen
	}
	if d.Audio != nil {
		audio = d.Audio.listen
	}
	return video, audio, nil
}

// listening says where the relay receives what an SDP describes: at the address
// that the studio sends to.
func listening(m *sdp.StudioMedia) *described {
	if m == nil {
		return nil
	}
	host := ""
	if m.Address.IsValid() {
		host = m.Address.String()
	}
	return &described{*m, net.JoinHostPort(host, strconv.Itoa(int(m.Port))), m.RTCPMux}
}

// parameters reads the value of an a=fmtp line.
func (d *described) parameters(fmtp string) error {
	if d.Codec != codec.H264 || strings.TrimSpace(fmtp) == "" {
		return nil
	}
	p, err := sdp.ParseH264(fmtp)
	if err != nil {
		return err
	}
	d.ParameterSets, d.ProfileLevelID = p.ParameterSets, p.ProfileLevelID
	return nil
}
