package marker

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEventEncode(t *testing.T) {
	e := Event{
		Log: 0x9f3c0a77d2e41b05, Stream: "wheel", Track: "v0", Epoch: 1, Seq: 124, Kind: Outcome, ID: "r1",
		TS: 160000000003000, Frame: 48213, CaptureTime: time.Date(2026, 5, 6, 9, 8, 9, 123456789, time.FixedZone("x", 7200)),
		ErrorMS: 0.40049, LateMS: 0, By: "wheel-1", Data: json.RawMessage(` { "pocket": 17, "s": "<&>" } `), Window: "w1", Patch: json.RawMessage(`{"round":null}`),
	}
	const want = `{"v":1,"type":"event","log":"9f3c0a77d2e41b05","stream":"wheel","track":"v0","epoch":1,"seq":124,` +
		`"kind":"outcome","id":"r1","ts":160000000003000,"frame":48213,"capture_time":"2026-05-06T07:08:09.123456789Z",` +
		`"error_ms":0.4,"late_ms":0,"by":"wheel-1","data":{"pocket":17,"s":"<&>"},"window":"w1","patch":{"round":null}}`
	got, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := DecodeEvent(got)
	if err != nil {
		t.Fatal(err)
	}
	e.Version, e.Type, e.ErrorMS = 1, "event", 0.4
	e.Data, e.CaptureTime = json.RawMessage(`{"pocket":17,"s":"<&>"}`), e.CaptureTime.UTC()
	if diff := cmp.Diff(e, back); diff != "" {
		t.Error(diff)
	}
}

func TestEventEncodeBounds(t *testing.T) {
	for ms, want := range map[float64]string{
		-1: "0", math.Inf(-1): "0", 0.0004: "0", 0.0005: "0.001", 33.3666: "33.367",
		86_400_001: "86400000", math.Inf(1): "86400000", math.NaN(): "86400000",
	} {
		b, err := Event{Kind: Marker, ErrorMS: ms}.Encode()
		if err != nil || !strings.Contains(string(b), `"error_ms":`+want+`,`) {
			t.Errorf("%v ms: %s, %v; want %s", ms, b, err, want)
		}
	}
	if _, err := (Event{Kind: Marker, Data: json.RawMessage(`"` + strings.Repeat("x", 900) + `"`)}).Encode(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large event gives %v", err)
	}
	if _, err := (Event{Kind: Marker, Data: json.RawMessage(`{`)}).Encode(); err == nil {
		t.Error("malformed data is accepted")
	}
}

func TestDecodeEventRefuses(t *testing.T) {
	for _, s := range []string{
		``, `{}`, `[]`, `{"v":1,"type":"notice"}`, `{"v":0,"type":"event"}`, `{"v":1,"type":"event","kind":"new"}`,
		`{"v":1,"type":"event","log":"12"}`, `{"v":1,"type":"event","log":"0x00000000000001"}`, `{"v":1,"type":"event","seq":-1}`,
		`{"v":1,"type":"event","id":"` + strings.Repeat("x", 1024) + `"}`,
	} {
		if e, err := DecodeEvent([]byte(s)); err == nil {
			t.Errorf("%.60s: %+v", s, e)
		}
	}
	if _, err := DecodeEvent([]byte(`{"v":2,"type":"event","kind":"marker","later":true}`)); err != nil {
		t.Errorf("an unknown field gives %v", err)
	}
}

// Whatever a request resolves to, its event is no larger than MaxSize says, and
// MaxSize is not wasteful.
func TestMaxSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Request{
			ID:     rapid.StringMatching(`[a-zA-Z0-9._:-]{1,64}`).Draw(t, "id"),
			Kind:   rapid.SampledFrom([]Kind{0, Marker, State, Outcome, Void}).Draw(t, "kind"),
			At:     At{Next: true},
			By:     rapid.StringN(0, 16, 64).Draw(t, "by"),
			Window: rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "window"),
			Patch:  json.RawMessage(`{"a": null}`),
		}
		if data := rapid.String().Draw(t, "data"); data != "" {
			r.Data, _ = json.Marshal(data)
		}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		stream := rapid.StringMatching(`[a-z]{1,64}`).Draw(t, "stream")
		e := Event{
			Log: LogID(rapid.Uint64().Draw(t, "log")), Stream: stream, Track: "v0", Epoch: rapid.Uint32().Draw(t, "epoch"),
			Seq: rapid.Uint64Max(1<<53-1).Draw(t, "seq"), Kind: r.Kind.OrMarker(), ID: r.ID, TS: rapid.Uint64Max(1<<53-1).Draw(t, "ts"),
			Frame: rapid.Uint64Max(1<<53-1).Draw(t, "frame"), CaptureTime: time.Unix(rapid.Int64Range(0, 1e11).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")),
			ErrorMS: rapid.Float64().Draw(t, "error"), LateMS: rapid.Float64().Draw(t, "late"),
			By: r.By, Data: r.Data, Window: r.Window, Patch: r.Patch,
		}
		b, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		if bound := r.MaxSize(stream); len(b) > bound || bound > len(b)+130 {
			t.Fatalf("%d bytes, bound %d", len(b), bound)
		}
	})
}

// The vectors are those of RFC 6962 implementations: the hash of an empty leaf.
func TestLeafHash(t *testing.T) {
	const empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
	got := LeafHash(nil)
	if h := hex.EncodeToString(got[:]); h != empty {
		t.Errorf("got %s, want %s", h, empty)
	}
}

func FuzzDecodeEvent(f *testing.F) {
	b, _ := Event{Stream: "s", Track: "v0", Kind: Marker, Data: []byte(`1`)}.Encode()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEvent(b)
		if err != nil {
			return
		}
		if _, err := e.encode(); err != nil {
			t.Skip("times beyond the year 9999 or data that is not UTF-8 have no canonical form")
		}
	})
}
