package studio

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/framelock/relay/media/codec"
)

// SDP describes what the configuration sends (RFC 8866), for a receiver that
// listens at its destinations.
func SDP(c Config) (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	p, err := newPictures(c)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0\r\no=- %d 1 IN %s\r\ns=studio\r\nt=0 0", c.Video.SSRC, connection(c.Video.To))
	media := func(kind string, t Track, format string) {
		port, _ := portOf(t.To)
		line("m=%s %d RTP/AVP %d\r\nc=IN %s\r\na=rtpmap:%d %s", kind, port, t.PayloadType, connection(t.To), t.PayloadType, format)
		if c.RTCPMux {
			line("a=rtcp-mux")
		}
		line("a=ssrc:%d cname:%s\r\na=sendonly", t.SSRC, c.CNAME)
	}
	media("video", c.Video, fmt.Sprintf("%s/%d", p.info.Codec, p.info.Codec.ClockRate()))
	line("a=framerate:%d", c.fps(p.info))
	if p.bars != nil {
		sps, pps := p.bars.ParameterSets()
		line("a=fmtp:%d packetization-mode=1;profile-level-id=%x;sprop-parameter-sets=%s,%s", c.Video.PayloadType,
			sps[1:4], base64.StdEncoding.EncodeToString(sps), base64.StdEncoding.EncodeToString(pps))
	}
	if c.Audio.To != "" {
		media("audio", c.Audio, fmt.Sprintf("%s/%d/2", codec.Opus, codec.Opus.ClockRate()))
		line("a=fmtp:%d sprop-stereo=1\r\na=ptime:20", c.Audio.PayloadType)
	}
	return b.String(), nil
}

// connection is the address type and address of a host:port.
func connection(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() && !ip.Is4In6() {
		return "IP6 " + ip.String()
	}
	return "IP4 " + host
}
