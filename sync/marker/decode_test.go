package marker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/framelock/relay/sync/timeline"
)

func TestDecodeRequest(t *testing.T) {
	shot := time.Date(2030, 1, 2, 2, 4, 5, 123456789, time.UTC)
	tests := []struct {
		name, body string
		want       Request
	}{
		{"least", `{"id":"r1","at":{"next":true}}`, Request{ID: "r1", Kind: Marker, At: At{Next: true}}},
		{"everything", ` {"id":"a.B_c:9-","kind":"outcome","at":{"track":"v0","ts":160000000000000},"data":{ "pocket" : 17 },"patch":{"round":null},"window":"w1","timeout_ms":10000} `,
			Request{ID: "a.B_c:9-", Kind: Outcome, At: At{Track: "v0", TS: 160000000000000},
				Data: []byte(`{ "pocket" : 17 }`), Patch: []byte(`{"round":null}`), Window: "w1", Timeout: 10 * time.Second}},
		{"source", `{"id":"r","kind":"void","at":{"source":{"ssrc":4294967295,"ts":0}}}`,
			Request{ID: "r", Kind: Void, At: At{Source: &SourceTime{SSRC: 4294967295}}}},
		{"capture time", `{"id":"r","kind":"state","patch":{},"at":{"capture_time":"2030-01-02T03:04:05.123456789+01:00"}}`,
			Request{ID: "r", Kind: State, Patch: []byte(`{}`), At: At{CaptureTime: shot}}},
		{"timecode", `{"id":"r","at":{"timecode":"10:11:12:13"}}`,
			Request{ID: "r", Kind: Marker, At: At{Timecode: &timeline.Timecode{Hours: 10, Minutes: 11, Seconds: 12, Frames: 13}}}},
		{"drop-frame timecode", `{"id":"r","at":{"timecode":"00:00:00;00","track":"v0"}}`,
			Request{ID: "r", Kind: Marker, At: At{Timecode: &timeline.Timecode{Drop: true}, Track: "v0"}}},
		{"SEI time", `{"id":"r","at":{"sei_time":"2030-01-02T03:04:05.123456789+01:00"}}`,
			Request{ID: "r", Kind: Marker, At: At{SEITime: shot}}},
		{"largest ts", `{"id":"r","at":{"ts":9007199254740991},"data":null,"timeout_ms":0}`,
			Request{ID: "r", Kind: Marker, At: At{TS: 1<<53 - 1}, Data: []byte(`null`)}},
		{"name of 64", `{"id":"` + strings.Repeat("x", 64) + `","at":{"next":true}}`,
			Request{ID: strings.Repeat("x", 64), Kind: Marker, At: At{Next: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeRequest([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	tests := []struct{ body, field string }{
		{``, "body"},
		{`null`, "body"},
		{`[]`, "body"},
		{`{"id":"r","at":{"next":true}`, "body"},
		{`{"id":"r","at":{"next":true}} {}`, "body"},
		{`{"id":"r","at":{"next":true}}x`, "body"},
		{`{"id":"r","id":"r","at":{"next":true}}`, "body"},
		{`{"id":"r","at":{"next":true,"next":true}}`, "body"},
		{`{"id":"r","at":{"next":true},"data":[{"a":1,"a":2}]}`, "body"},
		{"{\"id\":\"r\xff\",\"at\":{\"next\":true}}", "body"},
		{`{"id":"r","at":{"next":true},"data":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`, "body"},
		{`{"at":{"next":true}}`, "id"},
		{`{"id":"","at":{"next":true}}`, "id"},
		{`{"id":null,"at":{"next":true}}`, "id"},
		{`{"id":1,"at":{"next":true}}`, "id"},
		{`{"id":"a b","at":{"next":true}}`, "id"},
		{`{"id":"é","at":{"next":true}}`, "id"},
		{`{"id":"` + strings.Repeat("x", 65) + `","at":{"next":true}}`, "id"},
		{`{"ID":"r","at":{"next":true}}`, "ID"},
		{`{"id":"r","at":{"next":true},"extra":1}`, "extra"},
		{`{"id":"r","kind":"heartbeat","at":{"next":true}}`, "kind"},
		{`{"id":"r","kind":"window.open","at":{"next":true}}`, "kind"},
		{`{"id":"r","kind":"","at":{"next":true}}`, "kind"},
		{`{"id":"r","kind":1,"at":{"next":true}}`, "kind"},
		{`{"id":"r"}`, "at"},
		{`{"id":"r","at":null}`, "at"},
		{`{"id":"r","at":{}}`, "at"},
		{`{"id":"r","at":{"next":true,"ts":1}}`, "at"},
		{`{"id":"r","at":{"next":false}}`, "at.next"},
		{`{"id":"r","at":{"next":1}}`, "at.next"},
		{`{"id":"r","at":{"when":1}}`, "at.when"},
		{`{"id":"r","at":{"ts":0}}`, "at.ts"},
		{`{"id":"r","at":{"ts":-1}}`, "at.ts"},
		{`{"id":"r","at":{"ts":1.0}}`, "at.ts"},
		{`{"id":"r","at":{"ts":1e3}}`, "at.ts"},
		{`{"id":"r","at":{"ts":"1"}}`, "at.ts"},
		{`{"id":"r","at":{"ts":9007199254740992}}`, "at.ts"},
		{`{"id":"r","at":{"next":true,"track":"a0"}}`, "at.track"},
		{`{"id":"r","at":{"next":true,"track":"v1"}}`, "at.track"},
		{`{"id":"r","at":{"source":{"ssrc":1}}}`, "at.source.ts"},
		{`{"id":"r","at":{"source":{"ts":1}}}`, "at.source.ssrc"},
		{`{"id":"r","at":{"source":{"ssrc":4294967296,"ts":1}}}`, "at.source.ssrc"},
		{`{"id":"r","at":{"source":{"ssrc":1,"ts":1,"rate":1}}}`, "at.source.rate"},
		{`{"id":"r","at":{"source":[]}}`, "at.source"},
		{`{"id":"r","at":{"capture_time":"yesterday"}}`, "at.capture_time"},
		{`{"id":"r","at":{"capture_time":"2030-01-02T03:04:05"}}`, "at.capture_time"},
		{`{"id":"r","at":{"capture_time":"2030-01-02T03:04:05,5Z"}}`, "at.capture_time"},
		{`{"id":"r","at":{"capture_time":"1969-12-31T23:59:59Z"}}`, "at.capture_time"},
		{`{"id":"r","at":{"capture_time":"9999-12-31T23:59:59Z"}}`, "at.capture_time"},
		{`{"id":"r","at":{"timecode":"24:00:00:00"}}`, "at.timecode"},
		{`{"id":"r","at":{"timecode":"10:11:12.13"}}`, "at.timecode"},
		{`{"id":"r","at":{"timecode":101112}}`, "at.timecode"},
		{`{"id":"r","at":{"timecode":null}}`, "at.timecode"},
		{`{"id":"r","at":{"timecode":"10:11:12:13","next":true}}`, "at"},
		{`{"id":"r","at":{"sei_time":"yesterday"}}`, "at.sei_time"},
		{`{"id":"r","at":{"sei_time":"1969-12-31T23:59:59Z"}}`, "at.sei_time"},
		{`{"id":"r","at":{"sei_time":"2030-01-02T03:04:05Z","ts":5}}`, "at"},
		{`{"id":"r","kind":"state","at":{"next":true}}`, "patch"},
		{`{"id":"r","at":{"next":true},"patch":null}`, "patch"},
		{`{"id":"r","at":{"next":true},"patch":[]}`, "patch"},
		{`{"id":"r","at":{"next":true},"window":""}`, "window"},
		{`{"id":"r","at":{"next":true},"window":"a/b"}`, "window"},
		{`{"id":"r","at":{"next":true},"timeout_ms":10001}`, "timeout_ms"},
		{`{"id":"r","at":{"next":true},"timeout_ms":-1}`, "timeout_ms"},
		{`{"id":"r","at":{"next":true},"timeout_ms":null}`, "timeout_ms"},
	}
	for _, tt := range tests {
		_, err := DecodeRequest([]byte(tt.body))
		var fe *FieldError
		if !errors.As(err, &fe) {
			t.Errorf("%s: error %v, want a FieldError", tt.body, err)
			continue
		}
		if fe.Field != tt.field || fe.Allowed == "" {
			t.Errorf("%s: %v, want field %q", tt.body, err, tt.field)
		}
		if len(fe.Value) > 80 {
			t.Errorf("%.80s: the error repeats %d bytes", tt.body, len(fe.Value))
		}
	}
}

func TestValidateRequestsOfTheLibrary(t *testing.T) {
	next := At{Next: true}
	tests := []struct {
		r     Request
		field string
	}{
		{Request{ID: "r", At: next}, ""},
		{Request{ID: "r", At: next, Kind: FrameHash}, "kind"},
		{Request{ID: "r", At: next, Data: []byte(`{`)}, "data"},
		{Request{ID: "r", At: next, Data: []byte(``)}, "data"},
		{Request{ID: "r", At: next, Data: []byte("\"\xff\"")}, "data"},
		{Request{ID: "r", At: next, Data: []byte(`1 2`)}, "data"},
		{Request{ID: "r", At: next, Patch: []byte(`{"a":1,"a":1}`)}, "patch"},
		{Request{ID: "r", At: next, Patch: []byte(` `)}, "patch"},
		{Request{ID: "r", At: next, By: strings.Repeat("x", 65)}, "by"},
		{Request{ID: "r", At: next, By: "\xff"}, "by"},
		{Request{ID: "r", At: next, Timeout: -1}, "timeout_ms"},
		{Request{ID: "r", At: next, Timeout: MaxTimeout + 1}, "timeout_ms"},
		{Request{ID: "r", At: At{TS: 1, CaptureTime: time.Unix(5, 0)}}, "at"},
		{Request{ID: "r", At: At{TS: 1 << 53}}, "at.ts"},
		{Request{ID: "r", At: At{CaptureTime: time.Unix(-1, 0)}}, "at.capture_time"},
		{Request{ID: "r", At: At{SEITime: time.Unix(-1, 0)}}, "at.sei_time"},
		{Request{ID: "r", At: At{Timecode: &timeline.Timecode{Seconds: 60}}}, "at.timecode"},
	}
	for _, tt := range tests {
		err := tt.r.Validate()
		var fe *FieldError
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("%+v: %v", tt.r, err)
		case tt.field != "" && (!errors.As(err, &fe) || fe.Field != tt.field):
			t.Errorf("%+v: error %v, want field %q", tt.r, err, tt.field)
		}
	}
}

func TestFieldErrorReads(t *testing.T) {
	_, err := DecodeRequest([]byte(`{"id":"r","at":{"next":true,"track":"a0"}}`))
	if got, want := err.Error(), `at.track: "a0" is not accepted; allowed: v0`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, err = DecodeRequest([]byte(`{"at":{"next":true}}`))
	if got, want := err.Error(), `id: is missing or empty; allowed: 1 to 64 letters, digits or . _ : -`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDigest(t *testing.T) {
	base := Request{ID: "r", Kind: Outcome, At: At{CaptureTime: time.Unix(1e9, 5)}, Data: []byte(`{"a":1}`), Patch: []byte(`{}`), Window: "w", By: "x", Timeout: 1}
	change := func(f func(*Request)) [32]byte {
		r := base
		f(&r)
		return r.Digest()
	}
	for name, f := range map[string]func(*Request){
		"white space": func(r *Request) { r.Data, r.Patch = []byte(` { "a" : 1 } `), []byte(`{ }`) },
		"time zone":   func(r *Request) { r.At.CaptureTime = r.At.CaptureTime.In(time.FixedZone("x", 3600)) },
		"track":       func(r *Request) { r.At.Track = "v0" },
		"publisher":   func(r *Request) { r.By = "y" },
		"timeout":     func(r *Request) { r.Timeout = 2 },
	} {
		if change(f) != base.Digest() {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, f := range map[string]func(*Request){
		"id":           func(r *Request) { r.ID = "s" },
		"kind":         func(r *Request) { r.Kind = Marker },
		"capture time": func(r *Request) { r.At.CaptureTime = time.Unix(1e9, 6) },
		"timecode":     func(r *Request) { r.At = At{Timecode: &timeline.Timecode{}} },
		"drop-frame":   func(r *Request) { r.At = At{Timecode: &timeline.Timecode{Drop: true}} },
		"SEI time":     func(r *Request) { r.At = At{SEITime: base.At.CaptureTime} },
		"next":         func(r *Request) { r.At = At{Next: true} },
		"ts":           func(r *Request) { r.At = At{TS: 5} },
		"source":       func(r *Request) { r.At = At{Source: &SourceTime{1, 2}} },
		"data":         func(r *Request) { r.Data = []byte(`{"a":2}`) },
		"no data":      func(r *Request) { r.Data = nil },
		"patch":        func(r *Request) { r.Patch = []byte(`{"a":2}`) },
		"window":       func(r *Request) { r.Window = "" },
	} {
		if change(f) == base.Digest() {
			t.Errorf("%s does not change the digest", name)
		}
	}
	if (Request{ID: "r", At: At{Next: true}}).Digest() != (Request{ID: "r", Kind: Marker, At: At{Next: true}}).Digest() {
		t.Error("the default kind has a digest of its own")
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"id":"r1","kind":"outcome","at":{"track":"v0","ts":160000000000000},"data":{"pocket":17},"patch":{"round":null},"window":"w1","timeout_ms":10000}`))
	f.Add([]byte(`{"id":"r","at":{"source":{"ssrc":1,"ts":2}}}`))
	f.Add([]byte(`{"id":"r","at":{"capture_time":"2030-01-02T03:04:05.5Z"}}`))
	f.Add([]byte(`{"id":"r","at":{"timecode":"10:11:12;13"}}`))
	f.Add([]byte(`{"id":"r","at":{"sei_time":"2030-01-02T03:04:05.5Z"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRequest(b)
		if err != nil {
			if fe := (*FieldError)(nil); !errors.As(err, &fe) {
				t.Fatalf("error %v is no FieldError", err)
			}
			return
		}
		if err := r.Validate(); err != nil {
			t.Fatalf("decoded request is not valid: %v", err)
		}
		r.Digest()
		if _, err := (Event{Kind: r.Kind, ID: r.ID, Data: r.Data, Patch: r.Patch, Window: r.Window}).encode(); err != nil {
			t.Fatalf("decoded request cannot be encoded: %v", err)
		}
	})
}
