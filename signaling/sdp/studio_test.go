package sdp

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/framelock/relay/media/codec"
	"github.com/google/go-cmp/cmp"
)

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestParseStudioOfFFmpeg checks what ffmpeg writes with -sdp_file.
func TestParseStudioOfFFmpeg(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	for name, want := range map[string]Studio{
		"ffmpeg-h264-opus": {
			Video: &StudioMedia{Codec: codec.H264, PayloadType: 96, Address: loopback, Port: 15004, RTCPPort: 15005, PacketizationMode: 1},
			Audio: &StudioMedia{Codec: codec.Opus, PayloadType: 111, Address: loopback, Port: 15006, RTCPPort: 15007},
		},
		"ffmpeg-vp8": {
			Video: &StudioMedia{Codec: codec.VP8, PayloadType: 96, Address: loopback, Port: 15004, RTCPPort: 15005},
		},
		"ffmpeg-h264-parameter-sets": {
			Video: &StudioMedia{Codec: codec.H264, PayloadType: 96, Address: loopback, Port: 15004, RTCPPort: 15005,
				PacketizationMode: 1, ProfileLevelID: "f4000d", ParameterSets: [][]byte{
					// base64 -d of the file's two values
					unhex(t, "67f4000d919681419f8dc044000003000400000300f03c50aa80"),
					unhex(t, "68ce0f1920"),
				}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseStudio([]byte(read(t, name+".sdp")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, compareAddr); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

const plainVideo = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n" +
	"m=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"

func TestParseStudioLines(t *testing.T) {
	base := StudioMedia{Codec: codec.H264, PayloadType: 96, Address: netip.MustParseAddr("192.0.2.7"), Port: 5004, RTCPPort: 5005, PacketizationMode: 1}
	for _, tt := range []struct {
		name, old, new string
		change         func(*StudioMedia)
	}{
		{"as it is", "", "", func(*StudioMedia) {}},
		{"LF", "\r\n", "\n", func(*StudioMedia) {}},
		{"no address", "c=IN IP4 192.0.2.7\r\n", "", func(m *StudioMedia) { m.Address = netip.Addr{} }},
		{"unspecified address", "192.0.2.7", "0.0.0.0", func(m *StudioMedia) { m.Address = netip.Addr{} }},
		{"IPv6", "IP4 192.0.2.7", "IP6 2001:db8::7", func(m *StudioMedia) { m.Address = netip.MustParseAddr("2001:db8::7") }},
		{"the section's own address", "a=rtpmap", "c=IN IP4 192.0.2.8\r\na=rtpmap", func(m *StudioMedia) { m.Address = netip.MustParseAddr("192.0.2.8") }},
		{"mode 0", "mode=1", "mode=0", func(m *StudioMedia) { m.PacketizationMode = 0 }},
		{"no fmtp", "a=fmtp:96 packetization-mode=1\r\n", "", func(m *StudioMedia) { m.PacketizationMode = 0 }},
		{"profile", "mode=1", "mode=1;profile-level-id=42E01F", func(m *StudioMedia) { m.ProfileLevelID = "42e01f" }},
		{"rtcp", "a=rtpmap", "a=rtcp:6000 IN IP4 192.0.2.9\r\na=rtpmap", func(m *StudioMedia) { m.RTCPPort = 6000 }},
		{"no rtcp", "a=rtpmap", "a=rtcp:0\r\na=rtpmap", func(m *StudioMedia) { m.RTCPPort = 0 }},
		{"rtcp-mux", "a=rtpmap", "a=rtcp-mux\r\na=rtpmap", func(m *StudioMedia) { m.RTCPPort, m.RTCPMux = 0, true }},
		{"the last port", "5004", "65535", func(m *StudioMedia) { m.Port, m.RTCPPort = 65535, 0 }},
		{"SSRC", "a=rtpmap", "a=ssrc:4294967295 cname:a\r\na=ssrc:5 cname:a\r\na=rtpmap", func(m *StudioMedia) { m.SSRC = 4294967295 }},
		{"extensions", "a=rtpmap", "a=extmap:1 urn:a\r\na=extmap:200/sendonly urn:b\r\na=rtpmap", func(m *StudioMedia) {
			m.Extensions = map[uint8]string{1: "urn:a", 200: "urn:b"}
		}},
		{"another payload type first", "AVP 96", "AVPF 33 96", func(*StudioMedia) {}},
		{"other media", "m=video", "m=application 5010 RTP/AVP 107\r\nm=video", func(*StudioMedia) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := plainVideo
			if tt.old != "" {
				text = strings.ReplaceAll(text, tt.old, tt.new)
			}
			got, err := ParseStudio([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			want := base
			tt.change(&want)
			if diff := cmp.Diff(Studio{Video: &want}, got, compareAddr); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseStudioRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           FieldError // Allowed is not compared
	}{
		{"printed with a title", "v=0", "SDP:\r\nv=0", FieldError{Line: 1, Field: "line", Value: "SDP:"}},
		{"multicast", "192.0.2.7", "224.2.1.1/127", FieldError{Line: 4, Field: "c=", Value: "224.2.1.1"}},
		{"multicast in a section", "a=rtpmap", "c=IN IP6 ff15::101\r\na=rtpmap", FieldError{Line: 7, Field: "c=", Value: "ff15::101"}},
		{"a name", "192.0.2.7", "studio.example", FieldError{Line: 4, Field: "c=", Value: "studio.example"}},
		{"interleaved", "mode=1", "mode=2", FieldError{Line: 8, Field: "a=fmtp: packetization-mode", Value: "2"}},
		{"no mode", "mode=1", "mode=x", FieldError{Line: 8, Field: "a=fmtp: packetization-mode", Value: "x"}},
		{"profile", "mode=1", "mode=1; profile-level-id=42", FieldError{Line: 8, Field: "a=fmtp: profile-level-id", Value: "42"}},
		{"parameter sets", "mode=1", "mode=1; sprop-parameter-sets=Z0,!", FieldError{Line: 8, Field: "a=fmtp: sprop-parameter-sets", Value: "Z0"}},
		{"parameter sets of another type", "mode=1", "mode=1; sprop-parameter-sets=ZQ==", FieldError{Line: 8, Field: "a=fmtp: sprop-parameter-sets", Value: "ZQ=="}},
		{"codec", "H264/90000", "H265/90000", FieldError{Line: 7, Field: "a=rtpmap", Value: "H265/90000"}},
		{"clock", "H264/90000", "H264/48000", FieldError{Line: 7, Field: "a=rtpmap", Value: "H264/48000"}},
		{"no rtpmap", "a=rtpmap:96 H264/90000\r\n", "", FieldError{Field: "a=rtpmap"}},
		{"mono opus", "m=video", "m=audio 5006 RTP/AVP 97\r\na=rtpmap:97 opus/48000\r\nm=video", FieldError{Line: 7, Field: "a=rtpmap", Value: "opus/48000"}},
		{"opus as video", "H264/90000", "opus/48000/2", FieldError{Line: 7, Field: "a=rtpmap", Value: "opus/48000"}},
		{"encrypted", "RTP/AVP", "RTP/SAVP", FieldError{Line: 6, Field: "m=", Value: "RTP/SAVP"}},
		{"port 0", "video 5004", "video 0", FieldError{Line: 6, Field: "m=", Value: "port 0"}},
		{"ports", "video 5004", "video 5004/2", FieldError{Line: 6, Field: "m=", Value: "port 5004/2"}},
		{"two cameras", "m=video", "m=video 6000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=video", FieldError{Line: 8, Field: "m=", Value: "a second video"}},
		{"no picture or sound", "m=video", "m=text", FieldError{Field: "m="}},
		{"rtcp", "a=rtpmap", "a=rtcp:70000\r\na=rtpmap", FieldError{Line: 7, Field: "a=rtcp", Value: "70000"}},
		{"ssrc", "a=rtpmap", "a=ssrc:4294967296 cname:a\r\na=rtpmap", FieldError{Line: 7, Field: "a=ssrc", Value: "4294967296 cname:a"}},
		{"extmap 15", "a=rtpmap", "a=extmap:15 urn:a\r\na=rtpmap", FieldError{Line: 7, Field: "a=extmap", Value: "15 urn:a"}},
		{"extmap 256", "a=rtpmap", "a=extmap:256 urn:a\r\na=rtpmap", FieldError{Line: 7, Field: "a=extmap", Value: "256 urn:a"}},
		{"extmap twice", "a=rtpmap", "a=extmap:1 urn:a\r\na=extmap:1 urn:b\r\na=rtpmap", FieldError{Line: 8, Field: "a=extmap", Value: "1 urn:b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseStudio([]byte(strings.Replace(plainVideo, tt.old, tt.new, 1)))
			checkFieldError(t, err, tt.want)
		})
	}
}

func TestMulticastSaysWhatToDo(t *testing.T) {
	_, err := ParseStudio([]byte(strings.Replace(plainVideo, "192.0.2.7", "239.1.2.3", 1)))
	const want = `line 4: c=: "239.1.2.3" is not accepted; allowed: a unicast address: multicast is not supported; send to an address of this relay`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParseStudio(f *testing.F) {
	for _, name := range []string{"ffmpeg-h264-opus", "ffmpeg-vp8", "ffmpeg-h264-parameter-sets", "firefox-video"} {
		f.Add([]byte(read(f, name+".sdp")))
	}
	f.Add([]byte(plainVideo + "a=rtcp-mux\r\na=ssrc:1 cname:a\r\na=extmap:200/sendonly urn:b\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseStudio(b)
		if err != nil {
			checkFuzzError(t, b, err)
			return
		}
		if s.Video == nil && s.Audio == nil {
			t.Fatal("neither video nor audio")
		}
		for _, m := range []*StudioMedia{s.Video, s.Audio} {
			if m == nil {
				continue
			}
			if m.Codec.Video() != (m == s.Video) || m.Port == 0 || m.PayloadType > 127 {
				t.Fatalf("%+v", *m)
			}
			if m.Address.IsMulticast() || m.Address.IsValid() && m.Address.IsUnspecified() || m.Address.Is4In6() {
				t.Fatalf("address %s", m.Address)
			}
			if m.RTCPMux && m.RTCPPort != 0 || m.PacketizationMode < 0 || m.PacketizationMode > 1 {
				t.Fatalf("%+v", *m)
			}
			for _, nal := range m.ParameterSets {
				if len(nal) == 0 {
					t.Fatal("empty parameter set")
				}
			}
		}
	})
}
