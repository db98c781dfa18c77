package window

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/framelock/relay/sync/marker"
)

const (
	viewerLine = `{"v":1,"type":"action","order":7,"window":"w57","id":"a-1","subject":"s.9f3c","session":"n:41",` +
		`"received_at":"2030-01-01T12:00:00.123456789Z","seen":160000004339000,"sent":[[160000004300000,160000004330000],[160000004333000,160000004342000]],` +
		`"superseded":"2030-01-01T12:00:00.1Z","rtt_ms":20.125,"size":14,` +
		`"commitment":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","verdict":"accepted"}`
	serverLine = `{"v":1,"type":"action","order":8,"window":"w57","id":"a-1","subject":"house","session":"",` +
		`"received_at":"2030-01-01T12:00:01Z","seen":0,"sent":[],"rtt_ms":0,"size":1,` +
		`"commitment":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","verdict":"rejected","reason":"window_full"}`
)

func TestActionEncode(t *testing.T) {
	viewer := &Action{
		V: 1, Type: "action", Order: 7, Window: "w57", ID: "a-1", Subject: "s.9f3c", Session: "n:41",
		ReceivedAt: time.Date(2030, 1, 1, 12, 0, 0, 123456789, time.UTC), Seen: 160000004339000,
		Sent:       []Span{{160000004300000, 160000004330000}, {160000004333000, 160000004342000}},
		Superseded: time.Date(2030, 1, 1, 12, 0, 0, 100e6, time.UTC), RTTMS: 20.125, Size: 14,
		Commitment: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Verdict: "accepted",
	}
	server := &Action{
		V: 1, Type: "action", Order: 8, Window: "w57", ID: "a-1", Subject: "house",
		ReceivedAt: time.Date(2030, 1, 1, 12, 0, 1, 0, time.UTC), Sent: []Span{}, Size: 1,
		Commitment: viewer.Commitment, Verdict: "rejected", Reason: "window_full",
	}
	for line, want := range map[string]*Action{viewerLine: viewer, serverLine: server} {
		if got := string(want.Encode()); got != line {
			t.Errorf("encodes to %s\nwant       %s", got, line)
		}
		got, err := DecodeAction([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if b, err := json.Marshal(got); err != nil || string(b) != line {
			t.Errorf("encoding/json gives %s, %v\nwant %s", b, err, line)
		}
	}
}

func TestDecodeActionRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{`"v":1`, `"v":2`},
		{`"type":"action"`, `"type":"event"`},
		{`"order":7`, `"order":0`},
		{`"order":7`, `"order":9007199254740992`},
		{`"order":7`, `"order":7.0`},
		{`"order":7`, `"order":07`},
		{`"order":7`, `"Order":7`},
		{`"order":7`, `"order":7,"order":7`},
		{`"order":7`, `"order":7,"x":1`},
		{`"order":7`, `"order": 7`},
		{`"order":7,"window":"w57"`, `"window":"w57","order":7`},
		{`"window":"w57"`, `"window":""`},
		{`"window":"w57"`, `"window":"w\u0035\u0037"`},
		{`"window":"w57"`, `"window":"` + strings.Repeat("w", 65) + `"`},
		{`"id":"a-1"`, `"id":"a 1"`},
		{`"id":"a-1"`, `"id":null`},
		{`"subject":"s.9f3c"`, `"subject":""`},
		{`"session":"n:41"`, `"session":""`},
		{`"session":"n:41"`, `"session":"é"`},
		{`.123456789Z`, `.123456789+00:00`},
		{`.123456789Z`, `.1234567890Z`},
		{`T12:00:00.123456789Z`, `T14:00:00.123456789+02:00`},
		{`2030-01-01T12:00:00.123456789Z`, `1969-01-01T12:00:00Z`},
		{`"seen":160000004339000`, `"seen":-1`},
		{`"seen":160000004339000`, `"seen":1.6e14`},
		{`"seen":160000004339000`, `"seen":9007199254740992`},
		{`"sent":[[`, `"sent":[[1,2,3],[`},
		{`"sent":[[`, `"sent":[[1],[`},
		{`"sent":[[`, `"sent":[[2,1],[`},
		{`"sent":[[`, `"sent":[[160000004300000,160000004300000],[`},
		{`"sent":[[`, `"sent":[[1,1],[2,2],[3,3],[4,4],[5,5],[6,6],[7,7],[`},
		{`"sent":[[160000004300000,160000004330000],[160000004333000,160000004342000]]`, `"sent":null`},
		{`.1Z`, `.100Z`},
		{`.1Z`, `.123456790Z`},
		{`"superseded":"2030-01-01T12:00:00.1Z"`, `"superseded":"0001-01-01T00:00:00Z"`},
		{`"superseded":"2030-01-01T12:00:00.1Z"`, `"superseded":null`},
		{`"rtt_ms":20.125`, `"rtt_ms":20.1250`},
		{`"rtt_ms":20.125`, `"rtt_ms":20.1251`},
		{`"rtt_ms":20.125`, `"rtt_ms":-1`},
		{`"rtt_ms":20.125`, `"rtt_ms":-0`},
		{`"rtt_ms":20.125`, `"rtt_ms":86400000.001`},
		{`"size":14`, `"size":0`},
		{`"size":14`, `"size":1048577`},
		{`"commitment":"9f`, `"commitment":"9F`},
		{`"commitment":"9f`, `"commitment":"`},
		{`"verdict":"accepted"`, `"verdict":"accepted","reason":""`},
		{`"verdict":"accepted"`, `"verdict":"accepted","reason":"window_full"`},
		{`"verdict":"accepted"`, `"verdict":"rejected"`},
		{`"verdict":"accepted"`, `"verdict":"rejected","reason":"overloaded"`},
		{`"verdict":"accepted"`, `"verdict":"rejected","reason":"malformed"`},
		{`"verdict":"accepted"`, `"verdict":"Accepted"`},
		{`"accepted"}`, `"accepted"} `},
		{`"accepted"}`, `"accepted"}{}`},
		{`"accepted"}`, `"accepted"`},
	} {
		line := strings.Replace(viewerLine, c[0], c[1], 1)
		if line == viewerLine {
			t.Fatalf("%s is not in the line", c[0])
		}
		if _, err := DecodeAction([]byte(line)); err == nil {
			t.Errorf("%s for %s is taken", c[1], c[0])
		}
	}
	if _, err := DecodeAction([]byte(strings.Replace(serverLine, `"seen":0`, `"seen":1`, 1))); err == nil {
		t.Error("a server's action with a frame is taken")
	}
}

// What could not be recorded cannot be smuggled into a line either.
func TestActionEncodeIsClosed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := action("a")
		a.ID = rapid.String().Draw(t, "id")
		a.Subject = rapid.String().Draw(t, "subject")
		a.Order, a.Verdict, a.Reason = 1, Rejected, ReasonWindowFull
		got, err := DecodeAction(a.Encode())
		if err == nil && (got.ID != a.ID || got.Subject != a.Subject || got.Verdict != Rejected) {
			t.Fatalf("%s reads as %+v", a.Encode(), got)
		}
		if good := marker.ValidName(a.ID) && marker.ValidName(a.Subject); good != (err == nil) {
			t.Fatalf("%s: %v", a.Encode(), err)
		}
	})
}

func TestJudgeNormalises(t *testing.T) {
	s := newTable(t)
	s.open("w", 0, usual)
	a := action("a")
	a.ReceivedAt = ms(110).In(time.FixedZone("x", 7200))
	a.RTTMS = math.NaN()
	if got := s.judge(a); got != "" {
		t.Fatal(got)
	}
	b := action("b")
	b.ReceivedAt = ms(90) // the clock went back
	b.RTTMS, b.Superseded = math.Inf(1), ms(300)
	s.book.Judge(&b)
	for _, line := range []struct {
		order int
		want  string
	}{{0, `"received_at":"2030-01-01T12:00:00.11Z"`}, {0, `"rtt_ms":0,`}, {1, `"received_at":"2030-01-01T12:00:00.11Z"`}, {1, `"superseded":"2030-01-01T12:00:00.11Z"`}, {1, `"rtt_ms":86400000,`}} {
		if got := string(s.book.Actions("w")[line.order].Encode()); !strings.Contains(got, line.want) {
			t.Errorf("no %s in %s", line.want, got)
		}
	}
	for _, a := range s.book.Actions("w") {
		if _, err := DecodeAction(a.Encode()); err != nil {
			t.Error(err)
		}
	}
	if got := s.book.Time(ms(0)); !got.Equal(ms(110)) {
		t.Errorf("time is %v", got)
	}
}

func TestPayload(t *testing.T) {
	data := []byte(`{"pocket": 17}`)
	salt := [SaltSize]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	p := Payload{Order: 7, Salt: salt, Data: data}
	const line = `{"v":1,"type":"payload","order":7,"salt":"AAECAwQFBgcICQoLDA0ODw==","data":{"pocket": 17}}`
	if got := string(p.Encode()); got != line {
		t.Errorf("got %s, want %s", got, line)
	}
	back, err := DecodePayload([]byte(line))
	if diff := cmp.Diff(p, back); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	// printf '\000\001…\017{"pocket": 17}' | sha256sum
	sum := sha256.Sum256(append(salt[:], data...))
	a := Action{Order: 7, Size: len(data), Commitment: hex.EncodeToString(sum[:])}
	if err := back.Open(&a); err != nil || a.Digest != sha256.Sum256(data) {
		t.Errorf("%v, digest %x", err, a.Digest)
	}
	for name, change := range map[string]func(*Payload){
		"order": func(p *Payload) { p.Order++ },
		"size":  func(p *Payload) { p.Data = []byte(`{"pocket":17}`) },
		"data":  func(p *Payload) { p.Data = []byte(`{"pocket": 18}`) },
		"salt":  func(p *Payload) { p.Salt[0]++ },
	} {
		q := p
		change(&q)
		fresh := Action{Order: 7, Size: len(data), Commitment: a.Commitment}
		if q.Open(&fresh) == nil || fresh.Digest != [32]byte{} {
			t.Errorf("a payload with another %s opens", name)
		}
	}
	for _, bad := range []string{
		``, `{}`, `{"v":1,"type":"payload","order":7,"salt":"AAEC","data":1}`, strings.Replace(line, `"v":1`, `"v":2`, 1),
		strings.Replace(line, `"order":7`, `"order":7,"x":1`, 1), line + " ", strings.Replace(line, "payload", "action", 1),
		strings.Replace(line, `"data":{"pocket": 17}`, `"data":1,"data":{"pocket": 17}`, 1),
	} {
		if _, err := DecodePayload([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzDecodeAction(f *testing.F) {
	f.Add([]byte(viewerLine))
	f.Add([]byte(serverLine))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAction(b)
		if err != nil {
			return
		}
		var plain Action
		if quick, ok := parseAction(b); ok && (json.Unmarshal(b, &plain) != nil || !reflect.DeepEqual(normal(quick), normal(&plain))) {
			t.Fatalf("%s\nreads as %+v, by the standard library as %+v", b, quick, plain)
		}
		if again := a.Encode(); string(again) != string(b) {
			t.Fatalf("%s\nencodes to\n%s", b, again)
		}
		book := NewBook()
		book.Judge(a)
		if a.Reason != ReasonWindowUnknown {
			t.Fatalf("a fresh book says %q", a.Reason)
		}
		if _, err := DecodeAction(a.Encode()); err != nil {
			t.Fatal(err)
		}
	})
}

// normal is an action with its times in one form.
func normal(a *Action) Action {
	n := *a
	n.ReceivedAt, n.Superseded, n.RTTMS = a.ReceivedAt.UTC(), a.Superseded.UTC(), boundRTT(a.RTTMS)
	return n
}

func FuzzDecodePayload(f *testing.F) {
	f.Add([]byte(`{"v":1,"type":"payload","order":7,"salt":"AAECAwQFBgcICQoLDA0ODw==","data":{"pocket": 17}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePayload(b)
		if err != nil {
			return
		}
		if !json.Valid(p.Data) || string(p.Encode()) != string(b) {
			t.Fatalf("%s reads as %+v", b, p)
		}
		if p.Open(&Action{Order: p.Order + 1}) == nil {
			t.Fatal("opens another action")
		}
	})
}
