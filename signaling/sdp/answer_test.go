package sdp

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"

	"github.com/framelock/relay/media/codec"
)

// everything is an answer that sends all that an offer can receive of H.264, or
// VP8, and Opus.
func everything(o Offer) Answer {
	a := Answer{
		Ufrag: "ours", Password: "a password of the relay!", Fingerprint: "AB:CD", CNAME: "framelock", Channels: true,
		Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:7882"), netip.MustParseAddrPort("[2001:db8::1]:7882")},
	}
	pick := func(m *Media, codecs ...codec.Codec) *Sent {
		if m == nil {
			return nil
		}
		for _, c := range codecs {
			if f, ok := m.Choose(c, "42e01f"); ok {
				s := &Sent{MID: m.MID, Format: f, SSRC: 7 + uint32(len(m.Kind)), Extensions: m.Extensions, Feedback: []string{"nack", "nack pli", "transport-cc"}}
				if f.RTX != 0 {
					s.RTXSSRC = s.SSRC + 100
				}
				return s
			}
		}
		return nil
	}
	a.Video, a.Audio = pick(o.Video, codec.H264, codec.VP8), pick(o.Audio, codec.Opus)
	return a
}

// checkAnswers checks that answers to an offer, with everything and with nothing,
// are descriptions that repeat its m-lines.
func checkAnswers(t *testing.T, o Offer) {
	t.Helper()
	for _, a := range []Answer{everything(o), {Ufrag: "ours", Password: "x", Fingerprint: "AB"}} {
		var d sdp.SessionDescription
		b := o.Answer(a)
		if err := d.Unmarshal(b); err != nil {
			t.Fatalf("%v:\n%s", err, b)
		}
		if len(d.MediaDescriptions) != len(o.Sections) {
			t.Fatalf("%d m-lines for %d", len(d.MediaDescriptions), len(o.Sections))
		}
		accepted := 0
		for i, m := range d.MediaDescriptions {
			s := o.Sections[i]
			mid, _ := m.Attribute("mid")
			if m.MediaName.Media != s.Kind || mid != s.MID || (s.Rejected || !s.Served) && m.MediaName.Port.Value != 0 {
				t.Fatalf("m-line %d: %+v answers %+v", i, m.MediaName, s)
			}
			if m.MediaName.Port.Value != 0 {
				accepted++
			}
		}
		if _, group := d.Attribute("group"); group && !o.Bundle || accepted > 1 && !group {
			t.Fatalf("%d m-lines accepted, of a bundle: %v:\n%s", accepted, o.Bundle, b)
		}
	}
}

// What a browser's offer is answered with. What is wanted was written by hand, from
// the offers.
func TestAnswersToBrowsers(t *testing.T) {
	transport := []string{
		"a=ice-ufrag:ours", "a=ice-pwd:a password of the relay!", "a=setup:passive",
		"a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host", "a=candidate:2 1 udp 2130706175 2001:db8::1 7882 typ host", "a=end-of-candidates",
	}
	for name, want := range map[string][]string{
		"chromium-video-audio-data": {
			"a=group:BUNDLE 0 1 2", "a=ice-lite", "a=fingerprint:sha-256 AB:CD",
			"m=video 9 UDP/TLS/RTP/SAVPF 108 109", "a=mid:0", "a=sendonly", "a=rtcp-mux", "a=rtcp-rsize", "a=rtpmap:108 H264/90000",
			"a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
			"a=rtcp-fb:108 nack", "a=rtcp-fb:108 nack pli", "a=rtcp-fb:108 transport-cc", "a=rtpmap:109 rtx/90000", "a=fmtp:109 apt=108",
			"a=ssrc-group:FID 12 112", "a=ssrc:12 cname:framelock", "a=ssrc:112 cname:framelock",
			"m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:1", "a=rtpmap:111 opus/48000/2", "a=rtcp-fb:111 transport-cc",
			"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:2", "a=sctp-port:5000", "a=max-message-size:4096",
		},
		// It bundles nothing, and has audio first.
		"gstreamer-audio-video": {
			"m=audio 0 UDP/TLS/RTP/SAVPF 0", "a=mid:audio0", "a=inactive",
			"m=video 9 UDP/TLS/RTP/SAVPF 102", "a=mid:video1", "a=sendonly", "a=rtpmap:102 H264/90000", "a=rtcp-fb:102 nack pli",
		},
		"firefox-video": {
			"a=group:BUNDLE 0", "m=video 9 UDP/TLS/RTP/SAVPF 120 124", "a=rtpmap:120 VP8/90000", "a=fmtp:120 max-fs=12288;max-fr=60",
			"a=rtpmap:124 rtx/90000", "a=fmtp:124 apt=120",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := readOffer(t, read(t, name+".sdp"))
			lines := strings.Split(string(o.Answer(everything(o))), "\r\n")
			for _, line := range append(want, transport...) {
				if !slices.Contains(lines, line) {
					t.Errorf("%q is missing", line)
				}
			}
			if t.Failed() {
				t.Log(strings.Join(lines, "\n"))
			}
		})
	}
}

// What is not sent is rejected.
func TestAnswerRejects(t *testing.T) {
	o := readOffer(t, read(t, "chromium-video-audio-data.sdp"))
	a := everything(o)
	a.Audio, a.Channels = nil, false
	text := string(o.Answer(a))
	for _, want := range []string{"a=group:BUNDLE 0\r\n", "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n", "m=application 0 "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
