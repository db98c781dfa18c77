package relay

import (
	"fmt"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/signaling/sdp"
	"github.com/framelock/relay/signaling/whep"
)

// choice is what a viewer gets of what it offers to receive: the studio's own
// formats, since nothing is transcoded. A nil track is not sent.
type choice struct {
	tracks   [forward.Tracks]*sdp.Sent
	channels bool
}

// choose picks the formats of an offer.
func (s *streamSetup) choose(o sdp.Offer) (choice, error) {
	c := choice{channels: o.Application}
	if s.Video != nil && o.Video != nil {
		f, ok := o.Video.Choose(s.Video.Codec, s.profile)
		if !ok {
			return c, noCodec("video", s.Video.Codec, o.Video.Names)
		}
		c.tracks[forward.Video] = sent(f, o.Video, []string{sdp.PlayoutDelay, sdp.CaptureTime, sdp.Marker, sdp.TransportSequence},
			[]string{"nack", "nack pli", "ccm fir", "transport-cc"})
	}
	if s.Audio != nil && o.Audio != nil {
		f, ok := o.Audio.Choose(s.Audio.Codec, "")
		if !ok {
			return c, noCodec("audio", s.Audio.Codec, o.Audio.Names)
		}
		c.tracks[forward.Audio] = sent(f, o.Audio, []string{sdp.CaptureTime, sdp.TransportSequence}, []string{"transport-cc"})
	}
	if c.tracks == ([forward.Tracks]*sdp.Sent{}) && !c.channels {
		return c, fmt.Errorf("%w: the offer can receive nothing that the stream has; of an offer without a=group:BUNDLE one m-line is served, its video if it has one", whep.ErrNoCodec)
	}
	return c, nil
}

func noCodec(kind string, studio codec.Codec, offered []string) error {
	return fmt.Errorf("%w: the studio sends %s %s, the viewer offers %v", whep.ErrNoCodec, kind, studio, offered)
}

// sent is a track with the extensions and the feedback that both ends know. A
// viewer is answered its NACKs by retransmissions of their own stream, or not at
// all: no two packets may be encrypted under one sequence number (RFC 7714,
// section 9.1).
func sent(f sdp.Format, m *sdp.Media, extensions, feedback []string) *sdp.Sent {
	t := &sdp.Sent{MID: m.MID, Format: f, Extensions: map[string]uint8{}}
	for _, uri := range extensions {
		if id, ok := m.Extensions[uri]; ok {
			t.Extensions[uri] = id
		}
	}
	for _, kind := range feedback {
		if kind != "nack" || f.RTX != 0 {
			t.Feedback = append(t.Feedback, kind)
		}
	}
	return t
}

// offer is what a session needs to know of the viewer's offer.
func (c choice) offer(o sdp.Offer) egress.Offer {
	e := egress.Offer{Fingerprint: egress.Fingerprint{Hash: o.Hash, Value: o.Fingerprint}}
	e.Formats.Channels = c.channels
	for id, t := range c.tracks {
		if t != nil {
			e.Formats.Track[id] = egress.Format{
				PayloadType: t.Format.PayloadType, RTXPayloadType: t.Format.RTX, MID: t.MID,
				PlayoutDelay: t.Extensions[sdp.PlayoutDelay], CaptureTime: t.Extensions[sdp.CaptureTime], Marker: t.Extensions[sdp.Marker],
				TransportSequence: t.Extensions[sdp.TransportSequence],
			}
		}
	}
	return e
}

// answer is what the viewer is told.
func (c choice) answer(a egress.Answer) sdp.Answer {
	for id, t := range c.tracks {
		if t != nil {
			t.SSRC, t.RTXSSRC = a.Formats.Track[id].SSRC, a.Formats.Track[id].RTXSSRC
		}
	}
	return sdp.Answer{
		Ufrag: a.Ufrag, Password: a.Password, Fingerprint: a.Fingerprint, Addresses: a.Addresses, CNAME: egress.CNAME,
		Video: c.tracks[forward.Video], Audio: c.tracks[forward.Audio], Channels: c.channels,
	}
}
