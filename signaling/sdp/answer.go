package sdp

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/framelock/relay/media/codec"
)

// The header extensions that the relay sends, where viewers offer them.
const (
	PlayoutDelay      = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	CaptureTime       = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	Marker            = "urn:framelock:rtp-hdrext:marker:1"
	TransportSequence = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)

// Answer is what the relay answers an offer with.
type Answer struct {
	Ufrag, Password string
	Fingerprint     string           // of the relay's certificate, by SHA-256
	Addresses       []netip.AddrPort // where the relay is
	CNAME           string           // of all that the relay sends (RFC 3550, section 6.5.1)
	// Video and Audio are what the relay sends by the m-lines of the offer that have
	// the same MID; nil if it sends none.
	Video, Audio *Sent
	Channels     bool // the data channels are there, if the viewer has offered them
}

// Sent is a track that the relay sends.
type Sent struct {
	MID           string
	Format        Format
	SSRC, RTXSSRC uint32           // RTXSSRC 0: no retransmissions
	Extensions    map[string]uint8 // by URI
	Feedback      []string         // that the relay listens to, if the viewer offers it
}

// maxMessage is the largest message that the relay reads, in bytes.
const maxMessage = 4 << 10

// Answer writes the answer to an offer (RFC 8829, section 5.3): ICE-lite, DTLS
// passive, everything on one transport. What is not served or not sent is rejected.
func (o Offer) Answer(a Answer) []byte {
	var sections strings.Builder
	var group []string
	for _, s := range o.Sections {
		sent := a.sent(s)
		if s.Rejected || !s.Served || sent == nil && !(s.Kind == "application" && a.Channels) {
			fmt.Fprintf(&sections, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\n%sa=inactive\r\n", s.Kind, s.Protocol, s.placeholder(), s.mid())
			// Nobody needs them here (RFC 8829, section 5.3.1), but GStreamer takes no
			// answer without them.
			a.writeCredentials(&sections)
			continue
		}
		group = append(group, s.MID)
		if sent != nil {
			sent.write(&sections, s, a.CNAME)
		} else {
			fmt.Fprintf(&sections, "m=application 9 %s webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n%sa=sctp-port:5000\r\na=max-message-size:%d\r\n",
				s.Protocol, s.mid(), maxMessage)
		}
		a.writeTransport(&sections)
	}
	var b strings.Builder
	b.WriteString("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")
	if o.Bundle && len(group) > 0 {
		fmt.Fprintf(&b, "a=group:BUNDLE %s\r\n", strings.Join(group, " "))
	}
	fmt.Fprintf(&b, "a=extmap-allow-mixed\r\na=ice-lite\r\na=msid-semantic: WMS *\r\na=fingerprint:sha-256 %s\r\n", a.Fingerprint)
	return []byte(b.String() + sections.String())
}

// mid returns the line that names an m-line, if the viewer has named it.
func (s Section) mid() string {
	if s.MID == "" {
		return ""
	}
	return "a=mid:" + s.MID + "\r\n"
}

// placeholder is the format of a rejected m-line, which needs one that can be
// understood without an rtpmap.
func (s Section) placeholder() string {
	if s.Kind == "audio" || s.Kind == "video" {
		return "0"
	}
	return s.Format
}

func rtpmap(c codec.Codec) string {
	if c == codec.Opus { // RFC 7587, section 7: whatever it carries
		return "opus/48000/2"
	}
	return fmt.Sprintf("%s/%d", c, c.ClockRate())
}

// sent returns what is sent by an m-line, or nil.
func (a *Answer) sent(s Section) *Sent {
	for _, sent := range []*Sent{a.Video, a.Audio} {
		if sent != nil && sent.MID == s.MID && sent.Format.Codec.Video() == (s.Kind == "video") && s.Kind != "application" {
			return sent
		}
	}
	return nil
}

func (a *Answer) writeCredentials(b *strings.Builder) {
	fmt.Fprintf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=setup:passive\r\n", a.Ufrag, a.Password)
}

// writeTransport writes the attributes of the one transport.
func (a *Answer) writeTransport(b *strings.Builder) {
	a.writeCredentials(b)
	for i, address := range a.Addresses {
		// Host candidates, each less preferred than the one before (RFC 8445, section
		// 5.1.2.1).
		priority := 126<<24 | uint32(65535-i)<<8 | 255
		fmt.Fprintf(b, "a=candidate:%d 1 udp %d %s %d typ host\r\n", i+1, priority, address.Addr(), address.Port())
	}
	b.WriteString("a=end-of-candidates\r\n")
}

// write writes the m-line of a track, up to its transport.
func (t *Sent) write(b *strings.Builder, s Section, cname string) {
	pt, rtx := t.Format.PayloadType, t.Format.RTX
	if t.RTXSSRC == 0 {
		rtx = 0
	}
	formats := fmt.Sprint(pt)
	if rtx != 0 {
		formats += fmt.Sprintf(" %d", rtx)
	}
	fmt.Fprintf(b, "m=%s 9 %s %s\r\nc=IN IP4 0.0.0.0\r\n%sa=sendonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n", s.Kind, s.Protocol, formats, s.mid())
	fmt.Fprintf(b, "a=rtpmap:%d %s\r\n", pt, rtpmap(t.Format.Codec))
	if t.Format.FMTP != "" {
		fmt.Fprintf(b, "a=fmtp:%d %s\r\n", pt, t.Format.FMTP)
	}
	for _, f := range t.Feedback {
		if slices.Contains(s.Feedback[pt], f) {
			fmt.Fprintf(b, "a=rtcp-fb:%d %s\r\n", pt, f)
		}
	}
	if rtx != 0 {
		fmt.Fprintf(b, "a=rtpmap:%d rtx/%d\r\na=fmtp:%d apt=%d\r\n", rtx, t.Format.Codec.ClockRate(), rtx, pt)
	}
	for _, uri := range slices.Sorted(maps.Keys(t.Extensions)) {
		fmt.Fprintf(b, "a=extmap:%d %s\r\n", t.Extensions[uri], uri)
	}
	fmt.Fprintf(b, "a=msid:%s %s\r\n", cname, s.Kind)
	if rtx != 0 {
		fmt.Fprintf(b, "a=ssrc-group:FID %d %d\r\n", t.SSRC, t.RTXSSRC)
	}
	fmt.Fprintf(b, "a=ssrc:%d cname:%s\r\n", t.SSRC, cname)
	if rtx != 0 {
		fmt.Fprintf(b, "a=ssrc:%d cname:%s\r\n", t.RTXSSRC, cname)
	}
}
