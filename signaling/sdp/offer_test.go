package sdp

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/framelock/relay/media/codec"
	"github.com/google/go-cmp/cmp"
)

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readOffer(t *testing.T, text string) Offer {
	t.Helper()
	o, err := ReadOffer([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestReadOfferOfBrowsers checks offers that browsers made. What is wanted was
// read from the files by eye.
func TestReadOfferOfBrowsers(t *testing.T) {
	chromiumH264 := []Format{
		{102, codec.H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f", 103},
		{104, codec.H264, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f", 107},
		{108, codec.H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", 109},
		{114, codec.H264, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f", 115},
		{116, codec.H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f", 117},
		{39, codec.H264, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f", 40},
		{41, codec.H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f", 42},
		{43, codec.H264, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=f4001f", 44},
	}
	chromiumVideo := &Media{
		Kind: "video", MID: "0", Names: []string{"VP8", "VP9", "H264", "AV1"},
		Formats: append([]Format{{96, codec.VP8, "", 97}}, chromiumH264...),
		Extensions: map[string]uint8{
			"urn:ietf:params:rtp-hdrext:toffset":                                        1,
			"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time":                2,
			"urn:3gpp:video-orientation":                                                3,
			"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 4,
			"http://www.webrtc.org/experiments/rtp-hdrext/playout-delay":                5,
			"http://www.webrtc.org/experiments/rtp-hdrext/video-content-type":           6,
			"http://www.webrtc.org/experiments/rtp-hdrext/video-timing":                 7,
			"http://www.webrtc.org/experiments/rtp-hdrext/color-space":                  8,
			"urn:ietf:params:rtp-hdrext:sdes:mid":                                       9,
			"urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id":                             10,
			"urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id":                    11,
		},
	}
	everyExtension := *chromiumVideo
	everyExtension.Extensions = maps.Clone(chromiumVideo.Extensions)
	everyExtension.Extensions["http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"] = 13
	everyExtension.Extensions["http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00"] = 14
	chromiumAudio := &Media{
		Kind: "audio", MID: "1", Names: []string{"opus", "G722", "PCMU", "PCMA"},
		Formats: []Format{{111, codec.Opus, "minptime=10;useinbandfec=1", 0}},
		Extensions: map[string]uint8{
			"urn:ietf:params:rtp-hdrext:ssrc-audio-level":                               14,
			"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time":                2,
			"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 4,
			"urn:ietf:params:rtp-hdrext:sdes:mid":                                       9,
		},
	}
	firefoxVideo := &Media{
		Kind: "video", MID: "0", Names: []string{"VP8", "VP9", "AV1"},
		Formats: []Format{{120, codec.VP8, "max-fs=12288;max-fr=60", 124}},
		Extensions: map[string]uint8{
			"urn:ietf:params:rtp-hdrext:sdes:mid":                                       3,
			"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time":                4,
			"urn:ietf:params:rtp-hdrext:toffset":                                        5,
			"http://www.webrtc.org/experiments/rtp-hdrext/playout-delay":                6,
			"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 7,
		},
	}
	for name, want := range map[string]Offer{
		"chromium-video-audio-data": {Video: chromiumVideo, Audio: chromiumAudio, Application: true},
		"chromium-video":            {Video: &everyExtension},
		"chromium-data-only":        {Application: true},
		"firefox-video":             {Video: firefoxVideo},
		"firefox-video-audio-data": {Application: true, Video: firefoxVideo, Audio: &Media{
			Kind: "audio", MID: "1", Names: []string{"opus", "G722", "PCMU", "PCMA"},
			Formats: []Format{{109, codec.Opus, "maxplaybackrate=48000;stereo=1;useinbandfec=1", 0}},
			Extensions: map[string]uint8{
				"urn:ietf:params:rtp-hdrext:ssrc-audio-level":                               1,
				"urn:ietf:params:rtp-hdrext:csrc-audio-level":                               2,
				"urn:ietf:params:rtp-hdrext:sdes:mid":                                       3,
				"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 7,
			},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := readOffer(t, read(t, name+".sdp"))
			if got.Hash != "sha-256" || len(got.Fingerprint) != 95 || len(got.Sections) == 0 {
				t.Errorf("transport: %+v", got)
			}
			if !got.Bundle {
				t.Error("not bundled, as all browsers' offers are")
			}
			got.Bundle, got.Hash, got.Fingerprint, got.Sections = false, "", "", nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadOfferSeesTheLastLine(t *testing.T) {
	_, err := ReadOffer([]byte(head + transport + video + "a=ice-lite"))
	checkFieldError(t, err, FieldError{Line: 12, Field: "a=ice-lite", Value: "a=ice-lite"})
}

const transport = "a=ice-ufrag:abcd\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\na=fingerprint:sha-256 00:11\r\na=setup:actpass\r\n"
const head = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
const video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n"

func TestReadOfferDirections(t *testing.T) {
	second := strings.ReplaceAll(video, "mid:0", "mid:1")
	for _, tt := range []struct{ name, body, mid string }{
		{"none stated", video, "0"},
		{"recvonly", video + "a=recvonly\r\n", "0"},
		{"sendrecv", video + "a=sendrecv\r\n", "0"},
		{"sendonly", video + "a=sendonly\r\n", ""},
		{"inactive", video + "a=inactive\r\n", ""},
		{"the session's", "a=sendonly\r\n" + video, ""},
		{"its own over the session's", "a=sendonly\r\n" + video + "a=recvonly\r\n", "0"},
		{"the second receives", video + "a=sendonly\r\n" + second, "1"},
		{"both receive", video + second, "0"},
		{"the first is rejected", strings.Replace(video, "video 9", "video 0", 1) + second, "1"},
		{"bundled only", strings.Replace(video, "video 9", "video 0", 1) + "a=bundle-only\r\n" + second, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mid := ""
			if v := readOffer(t, head+transport+tt.body).Video; v != nil {
				mid = v.MID
			}
			if mid != tt.mid {
				t.Errorf("m-line %q, want %q", mid, tt.mid)
			}
		})
	}
}

func TestReadOfferExtensions(t *testing.T) {
	text := head + transport + video +
		"a=extmap:1 urn:a\r\na=extmap:2/sendrecv urn:b\r\na=extmap:3/recvonly urn:c\r\na=extmap:4/sendonly urn:d\r\n" +
		"a=extmap:5/inactive urn:e\r\na=extmap:14 urn:f\r\na=extmap:15 urn:g\r\na=extmap:4096 urn:h\r\na=extmap:6 urn:a\r\n" +
		"a=extmap:7 urn:framelock:rtp-hdrext:marker:1 with attributes\r\n"
	got := readOffer(t, text).Video.Extensions
	want := map[string]uint8{"urn:a": 1, "urn:b": 2, "urn:c": 3, "urn:f": 14, "urn:framelock:rtp-hdrext:marker:1": 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadOfferRefuses(t *testing.T) {
	good := head + transport + video
	readOffer(t, good)
	for _, tt := range []struct {
		name, text string
		want       FieldError // Allowed is not compared
	}{
		{"empty", "", FieldError{Field: "m="}},
		{"JSON", `{"sdp":"v=0"}`, FieldError{Line: 1, Field: "line", Value: `{"sdp":"v=0"}`}},
		{"a line out of place", head + "v=0\r\n" + video, FieldError{Line: 5, Field: "v=", Value: "0"}},
		{"a bad m-line", head + transport + "m=video 70000 UDP/TLS/RTP/SAVPF 96\r\n", FieldError{Line: 9, Field: "m=", Value: "video 70000 UDP/TLS/RTP/SAVPF 96"}},
		{"no m-line", head + transport, FieldError{Field: "m="}},
		{"17 m-lines", head + transport + strings.Repeat(video, 17), FieldError{Field: "m=", Value: "17 lines"}},
		{"too large", good + strings.Repeat("x", 65537-len(good)), FieldError{Field: "body", Value: "65537 bytes"}},
		{"ICE-lite", head + "a=ice-lite\r\n" + transport + video, FieldError{Line: 5, Field: "a=ice-lite", Value: "a=ice-lite"}},
		{"ICE-lite in a section", good + "a=ice-lite\r\n", FieldError{Line: 12, Field: "a=ice-lite", Value: "a=ice-lite"}},
		{"passive", strings.Replace(good, "actpass", "passive", 1), FieldError{Line: 8, Field: "a=setup", Value: "passive"}},
		{"passive in a later section", good + strings.ReplaceAll(video, "mid:0", "mid:1") + "a=setup:passive\r\n", FieldError{Line: 15, Field: "a=setup", Value: "passive"}},
		{"no ice-ufrag", strings.Replace(good, "a=ice-ufrag", "a=x", 1), FieldError{Field: "a=ice-ufrag"}},
		{"no ice-pwd", strings.Replace(good, "a=ice-pwd", "a=x", 1), FieldError{Field: "a=ice-pwd"}},
		{"no fingerprint", strings.Replace(good, "a=fingerprint", "a=x", 1), FieldError{Field: "a=fingerprint"}},
		{"credentials only after the first m-line", head + video + strings.ReplaceAll(video, "mid:0", "mid:1") + transport, FieldError{Field: "a=ice-ufrag"}},
		{"payload type", strings.ReplaceAll(good, "SAVPF 96", "SAVPF 128"), FieldError{Line: 9, Field: "m=", Value: "128"}},
		{"rtpmap", strings.ReplaceAll(good, "VP8/90000", "VP8"), FieldError{Line: 11, Field: "a=rtpmap", Value: "96 VP8"}},
		{"rtpmap twice", good + "a=rtpmap:96 H264/90000\r\n", FieldError{Line: 12, Field: "a=rtpmap", Value: "96 H264/90000"}},
		{"extmap", good + "a=extmap:0 urn:a\r\n", FieldError{Line: 12, Field: "a=extmap", Value: "0 urn:a"}},
		{"extmap id twice", good + "a=extmap:1 urn:a\r\na=extmap:1 urn:b\r\n", FieldError{Line: 13, Field: "a=extmap", Value: "1 urn:b"}},
		{"a candidate behind a carriage return", head + transport + "a=x\ra=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" + video,
			FieldError{Line: 9, Field: "line", Value: "a=x\ra=candidate:1 1 udp 1 192.0.2.1 9 typ host"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadOffer([]byte(tt.text))
			checkFieldError(t, err, tt.want)
		})
	}
}

func checkFieldError(t *testing.T, err error, want FieldError) {
	t.Helper()
	var got *FieldError
	if !errors.As(err, &got) {
		t.Fatalf("error %v is not a FieldError", err)
	}
	if got.Allowed == "" {
		t.Error("the error does not say what is allowed")
	}
	want.Allowed = got.Allowed
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFieldErrorText(t *testing.T) {
	for want, err := range map[string]error{
		`line 8: a=setup: "passive" is not accepted; allowed: actpass`: fieldError(8, "a=setup", "passive", "actpass"),
		`a=ice-pwd: is missing or empty; allowed: 22 characters`:       fieldError(0, "a=ice-pwd", "", "22 characters"),
	} {
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
	long := fieldError(1, "x", strings.Repeat("é", 40)+"\xff", "y")
	if long.Value != strings.Repeat("é", 32)+"…" {
		t.Errorf("value %q", long.Value)
	}
}

func TestChoose(t *testing.T) {
	chromium := *readOffer(t, read(t, "chromium-video-audio-data.sdp")).Video
	h264 := func(modesAndProfiles ...string) Media {
		m := Media{Kind: "video"}
		for i, s := range modesAndProfiles {
			mode, id, _ := strings.Cut(s, " ")
			f := Format{PayloadType: uint8(96 + i), Codec: codec.H264, FMTP: "packetization-mode=" + mode}
			if id != "" {
				f.FMTP += "; Profile-Level-Id=" + id
			}
			m.Formats = append(m.Formats, f)
		}
		return m
	}
	for _, tt := range []struct {
		name    string
		m       Media
		c       codec.Codec
		profile string
		want    uint8 // 0: none
	}{
		{"Chromium: VP8", chromium, codec.VP8, "", 96},
		{"Chromium: baseline", chromium, codec.H264, "42001f", 102},
		{"Chromium: constrained baseline", chromium, codec.H264, "42e01f", 108},
		{"Chromium: constrained baseline, other bits", chromium, codec.H264, "42c028", 108},
		{"Chromium: main", chromium, codec.H264, "4D0028", 116},
		{"Chromium: high 4:4:4", chromium, codec.H264, "f4000d", 41},
		{"Chromium: high is not there", chromium, codec.H264, "640028", 108},
		{"Chromium: not known", chromium, codec.H264, "", 108},
		{"Chromium: not a profile", chromium, codec.H264, "zz0028", 108},
		{"Chromium: no opus in video", chromium, codec.Opus, "", 0},
		{"mode 0 alone", h264("0 42e01f"), codec.H264, "42e01f", 0},
		{"no mode stated", Media{Formats: []Format{{PayloadType: 96, Codec: codec.H264}}}, codec.H264, "42e01f", 0},
		{"same profile, other constraints", h264("1 640028", "1 4d001f", "1 42001f"), codec.H264, "42e01f", 98},
		{"high before constrained baseline for high", h264("1 42e01f", "1 640c1f"), codec.H264, "64001f", 97},
		{"constrained baseline, then baseline, then main, then any", h264("1 64001f", "1 4d001f", "1 42001f", "1 42e01f"), codec.H264, "", 99},
		{"baseline, then main, then any", h264("1 64001f", "1 4d001f", "1 42001f"), codec.H264, "", 98},
		{"main, then any", h264("1 64001f", "1 4d001f"), codec.H264, "", 97},
		{"any", h264("1 64001f", "1 f4001f"), codec.H264, "42e01f", 96},
		{"no profile stated is baseline", h264("1 4d001f", "1"), codec.H264, "42001f", 97},
		{"nothing offered", Media{}, codec.VP8, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, ok := tt.m.Choose(tt.c, tt.profile)
			if ok != (tt.want != 0) || f.PayloadType != tt.want {
				t.Errorf("payload type %d, %v; want %d", f.PayloadType, ok, tt.want)
			}
		})
	}
}

func FuzzReadOffer(f *testing.F) {
	// Large seeds would make the fuzzer spend its time on making them smaller.
	f.Add([]byte(read(f, "chromium-audio.sdp")))
	f.Add([]byte(read(f, "chromium-data-only.sdp")))
	f.Add([]byte(head + transport + video + "a=bundle-only\r\na=recvonly\r\na=extmap:3/recvonly urn:c\r\n"))
	f.Add([]byte(head + transport + "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\na=rtpmap:96 H264/90000\r\n" +
		"a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 AV1/90000\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ReadOffer(b)
		if err != nil {
			checkFuzzError(t, b, err)
			return
		}
		checkAnswers(t, o)
		for _, m := range []*Media{o.Video, o.Audio} {
			if m == nil {
				continue
			}
			for _, id := range m.Extensions {
				if id < 1 || id > 14 {
					t.Fatalf("extension id %d", id)
				}
			}
			for _, c := range []codec.Codec{codec.H264, codec.VP8, codec.Opus} {
				if got, ok := m.Choose(c, "42e01f"); ok && (got.Codec != c || !slices.Contains(m.Formats, got)) {
					t.Fatalf("chose %+v for %s", got, c)
				}
			}
		}
	})
}

func checkFuzzError(t *testing.T, b []byte, err error) {
	t.Helper()
	var wrong *FieldError
	if !errors.As(err, &wrong) {
		t.Fatalf("%T: %v", err, err)
	}
	if wrong.Line > strings.Count(string(b), "\n")+1 || wrong.Field == "" || wrong.Allowed == "" || len(wrong.Value) > maxEcho+len("…") {
		t.Fatalf("%+v", *wrong)
	}
}
