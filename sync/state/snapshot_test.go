package state

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSnapshotJSON(t *testing.T) {
	s := Snapshot{
		Stream: "wheel", Log: 0x9f3c0a77d2e41b05, Seq: 123, Epoch: 1, StateAt: 160000000000000,
		State: json.RawMessage(`{"s":"<&>"}`), Pending: []json.RawMessage{json.RawMessage(`{"seq":122}`)},
		Clock: Clock{
			TS: 160000000000000, CaptureTime: time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.UTC),
			ServerTime: time.Date(2026, 5, 6, 7, 8, 9, 200000000, time.UTC), Source: "sender_report", ErrorMS: 0.4, AudioTS: 85333333333333,
		},
		Tracks: []Track{{Track: "v0", Kind: "video", Codec: "H264", MID: "0", Rate: 90000}, {Track: "a0", Kind: "audio", Codec: "opus", Rate: 48000}},
	}
	const want = `{"type":"snapshot","protocol":{"min":1,"max":1},"stream":"wheel","log":"9f3c0a77d2e41b05","seq":123,"epoch":1,` +
		`"state_at":160000000000000,"state":{"s":"<&>"},"pending":[{"seq":122}],"recent":[],"paused":false,` +
		`"tracks":[{"track":"v0","kind":"video","codec":"H264","mid":"0","rate":90000},{"track":"a0","kind":"audio","codec":"opus","rate":48000}],` +
		`"windows":[],` +
		`"clock":{"ts":160000000000000,"capture_time":"2026-05-06T07:08:09.123456789Z","server_time":"2026-05-06T07:08:09.2Z","hold_ms":0,"source":"sender_report","error_ms":0.4,"audio_ts":85333333333333}}`
	got, err := s.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var back Snapshot
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	s.Recent, s.Windows = []json.RawMessage{}, []Window{}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	const want = `{"type":"snapshot","protocol":{"min":1,"max":1},"stream":"","log":"0000000000000000","seq":0,"epoch":0,` +
		`"state_at":0,"state":{},"pending":[],"recent":[],"paused":false,"tracks":[],"windows":[],"clock":null}`
	if got, err := json.Marshal(Snapshot{}); err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestPartsPutTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc, err := encode(map[string]any{"s": strings.Repeat(rapid.StringOfN(rapid.RuneFrom([]rune("a\"\\\u2028é😀<\x00\x7f")), 0, 40, -1).Draw(t, "text"), rapid.IntRange(0, 30).Draw(t, "times"))})
		if err != nil {
			t.Fatal(err)
		}
		s := Snapshot{Stream: "s", State: doc, Pending: []json.RawMessage{json.RawMessage("{\"raw\":\"\u2028\"}")}}
		size := rapid.IntRange(len(partFrame)+8, 600).Draw(t, "size")
		parts, err := s.Parts(size)
		if err != nil {
			t.Fatal(err)
		}
		var whole strings.Builder
		for i, message := range parts {
			if len(message) > size || !utf8.Valid(message) {
				t.Fatalf("part %d has %d bytes, UTF-8 %v; at most %d", i+1, len(message), utf8.Valid(message), size)
			}
			var p struct {
				Type        string
				Part, Parts int
				Body        string
			}
			if err := json.Unmarshal(message, &p); err != nil || p.Type != "snapshot" || p.Part != i+1 || p.Parts != len(parts) || p.Body == "" {
				t.Fatalf("part %d: %s, %v", i+1, message, err)
			}
			whole.WriteString(p.Body)
		}
		want, err := s.MarshalJSON()
		if err != nil || whole.String() != string(want) {
			t.Fatalf("got %s\nwant %s", whole.String(), want)
		}
	})
}

func TestPartsAreFilled(t *testing.T) {
	s := Snapshot{State: json.RawMessage(`"` + strings.Repeat("x", 64<<10) + `"`)}
	parts, err := s.Parts(8192)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 9 || len(parts[0]) < 8192-12 {
		t.Errorf("%d parts, the first of %d bytes", len(parts), len(parts[0]))
	}
}

func TestPartsRefuse(t *testing.T) {
	if _, err := (Snapshot{}).Parts(len(partFrame) + 7); err == nil {
		t.Error("parts without room are accepted")
	}
	if _, err := (Snapshot{State: json.RawMessage(`{`)}).Parts(8192); err == nil {
		t.Error("a malformed state is accepted")
	}
	broken := []json.RawMessage{json.RawMessage(`"` + strings.Repeat("\x80", 100) + `"`)}
	if _, err := (Snapshot{Pending: broken}).Parts(len(partFrame) + 8); err == nil {
		t.Error("text that is not UTF-8 is accepted")
	}
}

func BenchmarkParts(b *testing.B) {
	s := Snapshot{State: json.RawMessage(`{"s":"` + strings.Repeat("x", 64<<10) + `"}`)}
	for b.Loop() {
		if _, err := s.Parts(8192); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
}
