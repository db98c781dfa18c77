package relay

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/framelock/relay/internal/stream"
	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/signaling/sdp"
)

// streamSetup is a stream's configuration in the form in which it is used.
type streamSetup struct {
	stream.Config
	video, audio trackSetup
	profile      string // H.264 profile-level-id; empty if it is not known
}

// trackSetup is where a track comes in.
type trackSetup struct {
	listen string // host:port; empty = the stream has no such track
	mux    bool   // RTCP shares the port
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
	if d.Video != nil {
		s.Video, s.video, s.profile = d.Video.input(sc.RTP), d.Video.trackSetup, d.Video.ProfileLevelID
	}
	if d.Audio != nil {
		s.Audio, s.audio = d.Audio.input(sc.RTP), d.Audio.trackSetup
	}
	return s, nil
}

// described is a track and where it comes in.
type described struct {
	sdp.StudioMedia
	trackSetup
}

func (d *described) input(c RTPConfig) *stream.Input {
	return &stream.Input{
		Codec: d.Codec, PayloadType: d.PayloadType, SSRC: d.SSRC, Allow: c.Allow, ParameterSets: d.ParameterSets,
	}
}

// describe reads how the studio's media comes in, from the SDP or inline. Its
// errors begin with the key below rtp.
func (c *RTPConfig) describe() (d struct{ Video, Audio *described }, err error) {
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
			sdp.StudioMedia{PayloadType: v.PayloadType, SSRC: v.SSRC}, trackSetup{listen: v.Listen},
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
			sdp.StudioMedia{PayloadType: a.PayloadType, SSRC: a.SSRC}, trackSetup{listen: a.Listen},
		}
		if d.Audio.Codec, err = codec.Parse(a.Codec); err != nil {
			return d, fmt.Errorf("audio.codec: %w", err)
		}
	}
	return d, nil
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
	return &described{*m, trackSetup{net.JoinHostPort(host, strconv.Itoa(int(m.Port))), m.RTCPMux}}
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
