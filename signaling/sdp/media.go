package sdp

import (
	"slices"
	"strconv"
	"strings"

	"github.com/framelock/relay/media/codec"
	"github.com/pion/sdp/v3"
)

// Format is a payload type that a viewer offers to receive.
type Format struct {
	PayloadType uint8
	Codec       codec.Codec
	FMTP        string // the value of its a=fmtp line, without the payload type
	RTX         uint8  // the payload type of its retransmissions (RFC 4588); 0 if it has none
}

// Media is an m-line by which a viewer can receive.
type Media struct {
	Kind       string           // "video" or "audio"
	MID        string           // RFC 5888
	Formats    []Format         // those that the relay can forward, in the viewer's order of preference
	Names      []string         // every codec offered, such as "AV1", once each, to tell people
	Extensions map[string]uint8 // header extensions that may be sent to the viewer: URI → id, 1 to 14
}

// Choose returns the format in which to send a track of codec c. profileLevelID
// is the track's, for H.264: six hexadecimal digits, or empty if it is not known.
// H.264 needs packetization-mode=1; the same profile is preferred, then
// constrained baseline, baseline, main and any other. It reports false if the
// viewer offers none.
func (m Media) Choose(c codec.Codec, profileLevelID string) (Format, bool) {
	want, known := parseProfile(profileLevelID)
	var best Format
	score := -1
	for _, f := range m.Formats {
		if f.Codec != c {
			continue
		}
		if c != codec.H264 {
			return f, true
		}
		p := parameters(f.FMTP)
		if p["packetization-mode"] != "1" {
			continue
		}
		offered, ok := parseProfile(p["profile-level-id"])
		if !ok {
			offered = profile{idc: 0x42} // the default (RFC 6184, section 8.1)
		}
		if s := offered.likeness(want, known); s > score {
			best, score = f, s
		}
	}
	return best, score >= 0
}

// encoding is the value of an a=rtpmap line.
type encoding struct {
	name     string
	clock    uint64
	channels string
}

// supported returns the codec, if the relay can forward the encoding. RFC 7587
// fixes opus at 48000 Hz and two channels.
func (e encoding) supported() (codec.Codec, bool) {
	c, err := codec.Parse(e.name)
	if err != nil || e.clock != uint64(c.ClockRate()) || c == codec.Opus && e.channels != "2" {
		return 0, false
	}
	return c, true
}

// formatTable is what a section says of its payload types.
type formatTable struct {
	order     []uint8 // as on the m-line
	encodings map[uint8]encoding
	fmtp      map[uint8]sdp.Attribute // the line itself, for errors
}

// value returns what follows the payload type on its a=fmtp line.
func (t formatTable) value(pt uint8) string {
	_, v, _ := strings.Cut(t.fmtp[pt].Value, " ")
	return strings.TrimSpace(v)
}

// formats reads the payload types of an audio or video section.
func (d description) formats(section int) (formatTable, error) {
	t := formatTable{encodings: make(map[uint8]encoding), fmtp: make(map[uint8]sdp.Attribute)}
	for _, f := range d.MediaDescriptions[section].MediaName.Formats {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			return t, fieldError(d.line(section, "m="), "m=", f, "payload types from 0 to 127")
		}
		t.order = append(t.order, uint8(pt))
	}
	for _, a := range d.attributes(section) {
		if a.Key != "rtpmap" && a.Key != "fmtp" {
			continue
		}
		number, rest, _ := strings.Cut(a.Value, " ")
		pt, err := strconv.ParseUint(number, 10, 7)
		if err != nil || strings.TrimSpace(rest) == "" {
			return t, d.wrong(section, a, "a payload type from 0 to 127, a space and its value")
		}
		if a.Key == "fmtp" {
			if _, again := t.fmtp[uint8(pt)]; !again {
				t.fmtp[uint8(pt)] = a
			}
			continue
		}
		e, ok := parseEncoding(rest)
		if !ok {
			return t, d.wrong(section, a, "name/clock rate, such as 96 H264/90000")
		}
		if _, again := t.encodings[uint8(pt)]; again {
			return t, d.wrong(section, a, "one a=rtpmap for each payload type")
		}
		t.encodings[uint8(pt)] = e
	}
	return t, nil
}

func parseEncoding(s string) (encoding, bool) {
	parts := strings.Split(strings.TrimSpace(s), "/")
	if len(parts) < 2 || parts[0] == "" {
		return encoding{}, false
	}
	clock, err := strconv.ParseUint(parts[1], 10, 32)
	e := encoding{name: parts[0], clock: clock}
	if len(parts) > 2 {
		e.channels = parts[2]
	}
	return e, err == nil
}

// auxiliary are encodings that carry no picture or sound of their own.
var auxiliary = map[string]bool{
	"rtx": true, "red": true, "ulpfec": true, "flexfec": true, "flexfec-03": true, "cn": true, "telephone-event": true,
}

// media reads a section of an offer.
func (d description) media(section int) (*Media, error) {
	m := &Media{Kind: d.MediaDescriptions[section].MediaName.Media}
	m.MID, _ = d.attribute(section, sdp.AttrKeyMID)
	t, err := d.formats(section)
	if err != nil {
		return nil, err
	}
	rtx := make(map[string]uint8)
	for _, pt := range t.order {
		if apt := parameters(t.value(pt))["apt"]; strings.EqualFold(t.encodings[pt].name, "rtx") && apt != "" && rtx[apt] == 0 {
			rtx[apt] = pt
		}
	}
	for _, pt := range t.order {
		e, ok := t.encodings[pt]
		if ok && !auxiliary[strings.ToLower(e.name)] && !slices.Contains(m.Names, e.name) {
			m.Names = append(m.Names, e.name)
		}
		if c, ok := e.supported(); ok && c.Video() == (m.Kind == "video") {
			m.Formats = append(m.Formats, Format{pt, c, t.value(pt), rtx[strconv.Itoa(int(pt))]})
		}
	}
	m.Extensions, err = d.offeredExtensions(section)
	return m, err
}

// encryptedExtension says that an extension is encrypted (RFC 6904), which the
// relay does not do; the extension's own URI follows it.
const encryptedExtension = "urn:ietf:params:rtp-hdrext:encrypt"

// extension is the value of an a=extmap line (RFC 8285, section 5).
type extension struct {
	id        uint64
	direction string // empty means sendrecv
	uri       string
}

func parseExtension(value string) (extension, bool) {
	fields := strings.Fields(value)
	if len(fields) < 2 {
		return extension{}, false
	}
	number, direction, _ := strings.Cut(fields[0], "/")
	id, err := strconv.ParseUint(number, 10, 16)
	return extension{id, direction, fields[1]}, err == nil && id > 0
}

// offeredExtensions returns the header extensions that may be sent to the viewer.
// Ids above 14 are left out: they need the two-byte form or are only there to be
// renumbered, and the relay writes the one-byte form.
func (d description) offeredExtensions(section int) (map[string]uint8, error) {
	byURI := make(map[string]uint8)
	taken := make(map[uint64]bool)
	for _, a := range d.attributes(section) {
		if a.Key != sdp.AttrKeyExtMap {
			continue
		}
		x, ok := parseExtension(a.Value)
		if !ok {
			return nil, d.wrong(section, a, "an id from 1 to 14, a space and a URI")
		}
		if taken[x.id] {
			return nil, d.wrong(section, a, "an id that no other a=extmap of the same m-line has")
		}
		taken[x.id] = true
		if x.id > 14 || x.uri == encryptedExtension || x.direction != "" && x.direction != "sendrecv" && x.direction != "recvonly" {
			continue
		}
		if _, again := byURI[x.uri]; !again {
			byURI[x.uri] = uint8(x.id)
		}
	}
	return byURI, nil
}
