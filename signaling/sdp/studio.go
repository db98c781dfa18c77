package sdp

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/framelock/relay/media/codec"
	"github.com/pion/sdp/v3"
)

// Studio is a description of a studio's plain RTP, as encoders write it.
type Studio struct {
	Video, Audio *StudioMedia // nil if there is none; at least one is there
}

// StudioMedia is one RTP stream of a studio.
type StudioMedia struct {
	Codec             codec.Codec
	PayloadType       uint8
	Address           netip.Addr // where the studio sends to; the zero Addr if it is unspecified
	Port              uint16
	RTCPPort          uint16 // 0 if RTCP has no port of its own
	RTCPMux           bool   // RTCP comes on Port
	ParameterSets     [][]byte
	ProfileLevelID    string // H.264: six hexadecimal digits; empty if not stated
	PacketizationMode int    // H.264: 0 or 1
	SSRC              uint32 // 0 if not stated
	Extensions        map[uint8]string
}

// ParseStudio reads the description of a studio's plain RTP: at most one video
// and one audio m-line, sent to a unicast address. Other kinds of media are
// passed over. Every error is a *FieldError.
func ParseStudio(b []byte) (Studio, error) {
	d, err := parse(b)
	if err != nil {
		return Studio{}, err
	}
	var s Studio
	for i, m := range d.MediaDescriptions {
		var slot **StudioMedia
		switch m.MediaName.Media {
		case "video":
			slot = &s.Video
		case "audio":
			slot = &s.Audio
		default:
			continue
		}
		if *slot != nil {
			return Studio{}, fieldError(d.start[i]+1, "m=", "a second "+m.MediaName.Media, "one video and one audio m-line")
		}
		if *slot, err = d.studioMedia(i); err != nil {
			return Studio{}, err
		}
	}
	if s.Video == nil && s.Audio == nil {
		return Studio{}, fieldError(0, "m=", "", "one video and one audio m-line")
	}
	return s, nil
}

func (d description) studioMedia(section int) (*StudioMedia, error) {
	name := d.MediaDescriptions[section].MediaName
	at := d.start[section] + 1
	if proto := strings.Join(name.Protos, "/"); proto != "RTP/AVP" && proto != "RTP/AVPF" {
		return nil, fieldError(at, "m=", proto, "RTP/AVP or RTP/AVPF: plain RTP over UDP")
	}
	if name.Port.Value < 1 || name.Port.Value > 65535 || name.Port.Range != nil {
		return nil, fieldError(at, "m=", "port "+name.Port.String(), "one UDP port from 1 to 65535")
	}
	m := &StudioMedia{Port: uint16(name.Port.Value)}
	for _, read := range []func(int, *StudioMedia) error{d.studioFormat, d.studioAddress, d.studioRTCP, d.studioSSRC, d.studioExtensions} {
		if err := read(section, m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// studioFormat takes the first payload type that the relay can forward.
func (d description) studioFormat(section int, m *StudioMedia) error {
	t, err := d.formats(section)
	if err != nil {
		return err
	}
	video := d.MediaDescriptions[section].MediaName.Media == "video"
	var names []string
	for _, pt := range t.order {
		e := t.encodings[pt]
		if c, ok := e.supported(); ok && c.Video() == video {
			m.Codec, m.PayloadType = c, pt
			break
		}
		if e.name != "" {
			names = append(names, e.name+"/"+strconv.FormatUint(e.clock, 10))
		}
	}
	switch {
	case m.Codec == 0 && video:
		return fieldError(d.line(section, "a=rtpmap"), "a=rtpmap", strings.Join(names, ", "), "H264/90000 or VP8/90000")
	case m.Codec == 0:
		return fieldError(d.line(section, "a=rtpmap"), "a=rtpmap", strings.Join(names, ", "), "opus/48000/2")
	case m.Codec != codec.H264:
		return nil
	}
	h, err := ParseH264(t.value(m.PayloadType))
	if wrong := (*FieldError)(nil); errors.As(err, &wrong) {
		a := t.fmtp[m.PayloadType]
		wrong.Line = d.line(section, "a=fmtp:"+a.Value)
		wrong.Field = "a=fmtp: " + wrong.Field
		return wrong
	}
	m.ParameterSets, m.ProfileLevelID, m.PacketizationMode = h.ParameterSets, h.ProfileLevelID, h.PacketizationMode
	return nil
}

func (d description) studioAddress(section int, m *StudioMedia) error {
	where, c := section, d.MediaDescriptions[section].ConnectionInformation
	if c == nil {
		where, c = session, d.ConnectionInformation
	}
	if c == nil || c.Address == nil {
		return nil
	}
	text, _, _ := strings.Cut(c.Address.Address, "/") // a multicast address goes on with its TTL
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return fieldError(d.line(where, "c="), "c=", text, "an IP address of this relay, such as IN IP4 192.0.2.1")
	case addr.IsMulticast():
		return fieldError(d.line(where, "c="), "c=", text, "a unicast address: multicast is not supported; send to an address of this relay")
	case !addr.IsUnspecified():
		m.Address = addr.Unmap()
	}
	return nil
}

func (d description) studioRTCP(section int, m *StudioMedia) error {
	_, m.RTCPMux = d.MediaDescriptions[section].Attribute(sdp.AttrKeyRTCPMux)
	if m.RTCPMux {
		return nil
	}
	if m.Port < 65535 {
		m.RTCPPort = m.Port + 1
	}
	for _, a := range d.attributes(section) {
		if a.Key != "rtcp" {
			continue
		}
		text, _, _ := strings.Cut(a.Value, " ") // an address may follow (RFC 3605)
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return d.wrong(section, a, "a UDP port from 1 to 65535, or 0 for none")
		}
		m.RTCPPort = uint16(port)
	}
	return nil
}

func (d description) studioSSRC(section int, m *StudioMedia) error {
	for _, a := range d.attributes(section) {
		if a.Key != sdp.AttrKeySSRC {
			continue
		}
		text, _, _ := strings.Cut(a.Value, " ")
		ssrc, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return d.wrong(section, a, "an SSRC from 0 to 4294967295")
		}
		m.SSRC = uint32(ssrc)
		return nil
	}
	return nil
}

func (d description) studioExtensions(section int, m *StudioMedia) error {
	for _, a := range d.attributes(section) {
		if a.Key != sdp.AttrKeyExtMap {
			continue
		}
		x, ok := parseExtension(a.Value)
		if !ok || x.id > 255 || x.id == 15 {
			return d.wrong(section, a, "an id from 1 to 14, or 16 to 255 in the two-byte form, a space and a URI")
		}
		if _, again := m.Extensions[uint8(x.id)]; again {
			return d.wrong(section, a, "an id that no other a=extmap of the same m-line has")
		}
		if x.uri == encryptedExtension {
			continue
		}
		if m.Extensions == nil {
			m.Extensions = make(map[uint8]string)
		}
		m.Extensions[uint8(x.id)] = x.uri
	}
	return nil
}
