package sdp

import (
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
)

// Offer is a WHEP offer: what a viewer can receive.
type Offer struct {
	// Video and Audio are the first m-line of the kind that can receive; nil if
	// there is none.
	Video, Audio *Media
	// Application reports whether the viewer asks for data channels.
	Application bool
	// SDP is the offer without its ICE candidates. The relay is an ICE-lite agent,
	// which never sends to an address that has not sent to it first.
	SDP string
}

// ReadOffer reads a WHEP offer. It refuses what cannot be answered safely: an
// ICE-lite or DTLS-passive viewer (the relay is both itself), and a description
// without ICE credentials or fingerprint. Every error is a *FieldError. The
// result shares no memory with b.
func ReadOffer(b []byte) (Offer, error) {
	d, err := parse(b)
	if err != nil {
		return Offer{}, err
	}
	if err := d.checkTransport(); err != nil {
		return Offer{}, err
	}
	var o Offer
	if o.SDP, err = d.withoutCandidates(); err != nil {
		return Offer{}, err
	}
	for i, m := range d.MediaDescriptions {
		if d.rejected(i) {
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

// checkTransport checks what ICE and DTLS need, everywhere it may stand.
func (d description) checkTransport() error {
	for section := session; section < len(d.MediaDescriptions); section++ {
		for _, a := range d.attributes(section) {
			switch {
			case a.Key == sdp.AttrKeyICELite:
				return fieldError(d.line(section, "a=ice-lite"), "a=ice-lite", "a=ice-lite", "full ICE: the relay is the lite side")
			case a.Key == sdp.AttrKeyConnectionSetup && a.Value != "actpass" && a.Value != "active":
				return d.wrong(section, a, "actpass or active: the relay is the DTLS server")
			}
		}
	}
	first := 0 // the m-line whose transport a bundle uses
	for first < len(d.MediaDescriptions)-1 && d.rejected(first) {
		first++
	}
	for _, need := range []struct{ key, allowed string }{
		{"ice-ufrag", "4 to 256 characters (RFC 8839, section 5.4)"},
		{"ice-pwd", "22 to 256 characters (RFC 8839, section 5.4)"},
		{"fingerprint", "a hash function and the certificate's fingerprint (RFC 8122)"},
	} {
		if v, _ := d.attribute(first, need.key); v == "" {
			return fieldError(0, "a="+need.key, "", need.allowed)
		}
	}
	return nil
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

// withoutCandidates writes what was understood, and not the viewer's own text:
// another reader could find candidates there that this one takes for something
// else. It takes the candidates out of d.
func (d description) withoutCandidates() (string, error) {
	for _, m := range d.MediaDescriptions {
		m.Attributes = slices.DeleteFunc(m.Attributes, isCandidate)
	}
	d.Attributes = slices.DeleteFunc(d.Attributes, isCandidate)
	b, err := d.Marshal()
	if err == nil {
		err = new(sdp.SessionDescription).Unmarshal(b)
	}
	if err != nil {
		return "", fieldError(0, "body", strings.Join(d.lines, "\n"), "each line with all its fields (RFC 8866)")
	}
	return string(b), nil
}

func isCandidate(a sdp.Attribute) bool {
	return a.Key == sdp.AttrKeyCandidate || a.Key == sdp.AttrKeyEndOfCandidates || a.Key == "remote-candidates"
}
