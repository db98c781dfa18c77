package sdp

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// What is served of an offer that bundles nothing, or not everything. Letters stand
// for m-lines: A audio, V video, D data; a small letter is one that sends only.
func TestServed(t *testing.T) {
	lines := map[rune]string{
		'A': "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n",
		'V': "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
		'D': "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n",
	}
	for _, tt := range []struct {
		name, sections, groups string // groups of m-lines by their index, separated by commas
		accepted, group        string // indices, and the group line of the answer
		certificate            string // index of the m-line that it is from
	}{
		{"all in one group", "AVD", "0 1 2", "012", "0 1 2", "0"},
		{"no group: the video, although audio comes first", "AVD", "", "1", "", "1"},
		{"no group, no video", "AD", "", "0", "", "0"},
		{"no group, data alone", "D", "", "0", "", "0"},
		{"no group, the first video sends only", "vAV", "", "2", "", "2"},
		{"a group without the video", "AVD", "0 2", "1", "", "1"},
		{"the group with the video", "AVD", "1 2", "12", "1 2", "1"},
		{"two groups", "ADV", "0 1,2", "2", "2", "2"},
		{"a group of which nothing receives video", "vAD", "0 1", "1", "1", "0"},
		{"a group that names nobody", "AV", "7 8", "1", "", "1"},
		{"video and data of a group in another order", "DAV", "2 0", "02", "0 2", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := head
			for group := range strings.SplitSeq(tt.groups, ",") {
				if group != "" {
					text += "a=group:BUNDLE " + group + "\r\n"
				}
			}
			for i, kind := range tt.sections {
				index := string(rune('0' + i))
				text += lines[unicode.ToUpper(kind)] + "a=mid:" + index + "\r\n" + strings.Replace(transport, "00:11", "00:1"+index, 1)
				if kind >= 'a' {
					text += "a=sendonly\r\n"
				}
			}
			o := readOffer(t, text)
			checkAnswers(t, o)
			answer := string(o.Answer(everything(o)))
			accepted := ""
			for i, m := range regexp.MustCompile(`(?m)^m=\w+ (\d+)`).FindAllStringSubmatch(answer, -1) {
				if m[1] != "0" {
					accepted += string(rune('0' + i))
				}
			}
			group := ""
			if m := regexp.MustCompile(`a=group:BUNDLE (.*)\r`).FindStringSubmatch(answer); m != nil {
				group = m[1]
			}
			if accepted != tt.accepted || group != tt.group {
				t.Errorf("m-lines %q in group %q, want %q in %q\n%s", accepted, group, tt.accepted, tt.group, answer)
			}
			if want := "00:1" + tt.certificate; o.Fingerprint != want {
				t.Errorf("fingerprint %s, want %s", o.Fingerprint, want)
			}
		})
	}
}
