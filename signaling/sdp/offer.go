package sdp

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// Offer is a WHEP offer: what a viewer can receive. Its ICE credentials and
// candidates are not kept: the relay is an ICE-lite agent, which sends no checks.
type Offer struct {
	// Video and Audio are the first m-line of the kind that is served and can
	// receive; nil if there is none.
	Video, Audio *Media
	// Application reports whether the viewer asks for data channels on the transport
	// that is served.
	Application bool
	// Bundle reports whether the m-lines that are served are a BUNDLE group of the
	// offer (RFC 9143).
	Bundle bool
	// Hash and Fingerprint are what the viewer says of its certificate (RFC 8122).
	Hash, Fingerprint string
	// Sections are all m-lines, in order.
	Sections []Section
}

// Section is what an answer has to repeat of an m-line (RFC 3264, section 6).
type Section struct {
	Kind, Protocol, MID string
	Format              string // the first that is offered
	Rejected            bool   // by the viewer itself
	Served              bool   // on the one transport that a viewer has
	// Feedback is the RTCP feedback that the viewer can give of a payload type, as
	// in a=rtcp-fb (RFC 4585, section 4.2).
	Feedback map[uint8][]string
}

// ReadOffer reads a WHEP offer. It refuses what cannot be answered safely: an
// ICE-lite or DTLS-passive viewer (the relay is both itself), and a description
// without ICE credentials or fingerprint. What an offer that does not bundle all
// of its m-lines is served, is decided here: see Section. Every error is a *FieldError. The
// result shares no memory with b.
func ReadOffer(b []byte) (Offer, error) {
	d, err := parse(b)
	if err != nil {
		return Offer{}, err
	}
	o, err := d.transport()
	if err != nil {
		return Offer{}, err
	}
	for i, m := range d.MediaDescriptions {
		if s := o.Sections[i]; s.Rejected || !s.Served {
			continue
		}
		var slot **Media
		switch m.MediaName.Media {
		case "video":
			slot = &o.Video
		case "audio":
			slot = &o.Audio
		case "application":
			o.Application = true
			continue
		default:
			continue
		}
		if *slot != nil || !d.receives(i) {
			continue
		}
		if *slot, err = d.media(i); err != nil {
			return Offer{}, err
		}
	}
	return o, nil
}

// transport reads what ICE and DTLS need, and checks it everywhere it may stand.
func (d description) transport() (Offer, error) {
	for section := session; section < len(d.MediaDescriptions); section++ {
		for _, a := range d.attributes(section) {
			switch {
			case a.Key == sdp.AttrKeyICELite:
				return Offer{}, fieldError(d.line(section, "a=ice-lite"), "a=ice-lite", "a=ice-lite", "full ICE: the relay is the lite side")
			case a.Key == sdp.AttrKeyConnectionSetup && a.Value != "actpass" && a.Value != "active":
				return Offer{}, d.wrong(section, a, "actpass or active: the relay is the DTLS server")
			}
		}
	}
	served, bundle := d.served()
	first := slices.Index(served, true) // the m-line whose transport a bundle uses
	for i, ok := range served {
		if ok && !d.rejected(i) {
			first = i
			break
		}
	}
	const fingerprintAllowed = "a hash function (sha-256, sha-384 or sha-512) and the certificate's fingerprint (RFC 8122)"
	for _, need := range []struct{ key, allowed string }{
		{"ice-ufrag", "4 to 256 characters (RFC 8839, section 5.4)"},
		{"ice-pwd", "22 to 256 characters (RFC 8839, section 5.4)"},
		{"fingerprint", fingerprintAllowed},
	} {
		if v, _ := d.attribute(first, need.key); v == "" {
			return Offer{}, fieldError(0, "a="+need.key, "", need.allowed)
		}
	}
	o := Offer{Bundle: bundle}
	value, _ := d.attribute(first, "fingerprint")
	o.Hash, o.Fingerprint, _ = strings.Cut(value, " ")
	o.Hash = strings.ToLower(o.Hash)
	if o.Fingerprint = strings.TrimSpace(o.Fingerprint); !slices.Contains(hashes, o.Hash) || o.Fingerprint == "" {
		return Offer{}, fieldError(d.line(first, "a=fingerprint"), "a=fingerprint", value, fingerprintAllowed)
	}
	for i := range d.MediaDescriptions {
		s := d.section(i)
		s.Served = served[i]
		o.Sections = append(o.Sections, s)
	}
	return o, nil
}

// hashes are the functions by which a certificate may be named.
var hashes = []string{"sha-256", "sha-384", "sha-512"}

// section reads what an answer repeats of an m-line.
func (d description) section(i int) Section {
	m := d.MediaDescriptions[i]
	s := Section{
		Kind: m.MediaName.Media, Protocol: strings.Join(m.MediaName.Protos, "/"), Rejected: d.rejected(i),
		Feedback: map[uint8][]string{},
	}
	s.MID, _ = m.Attribute(sdp.AttrKeyMID)
	if len(m.MediaName.Formats) > 0 {
		s.Format = m.MediaName.Formats[0]
	}
	for _, a := range m.Attributes {
		if a.Key != "rtcp-fb" {
			continue
		}
		number, value, _ := strings.Cut(a.Value, " ")
		if pt, err := strconv.ParseUint(number, 10, 7); err == nil {
			s.Feedback[uint8(pt)] = append(s.Feedback[uint8(pt)], strings.TrimSpace(value))
		} else if number == "*" {
			for _, f := range m.MediaName.Formats {
				if pt, err := strconv.ParseUint(f, 10, 7); err == nil {
					s.Feedback[uint8(pt)] = append(s.Feedback[uint8(pt)], strings.TrimSpace(value))
				}
			}
		}
	}
	return s
}

// rejected reports whether an m-line is turned off (RFC 3264, section 6), which
// port 0 alone does not say of one that is only ever bundled (RFC 9143).
func (d description) rejected(section int) bool {
	m := d.MediaDescriptions[section]
	_, bundled := m.Attribute("bundle-only")
	return m.MediaName.Port.Value == 0 && !bundled
}

// receives reports whether the viewer is to receive by an m-line.
func (d description) receives(section int) bool {
	for _, s := range []int{section, session} {
		for _, a := range d.attributes(s) {
			switch a.Key {
			case sdp.AttrKeyRecvOnly, sdp.AttrKeySendRecv:
				return true
			case sdp.AttrKeySendOnly, sdp.AttrKeyInactive:
				return false
			}
		}
	}
	return true // RFC 8866, section 6.7
}
