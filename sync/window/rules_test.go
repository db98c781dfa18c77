package window

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/sync/marker"
)

const rulesText = `{"closes_ts":160000004339000,"grace_ms":300,"max_per_viewer":3,"max_bytes":512,"max_actions":10000,"max_age_ms":2000}`

func TestRulesJSON(t *testing.T) {
	want := Rules{ClosesTS: 160000004339000, Grace: 300 * time.Millisecond, MaxPerViewer: 3, MaxBytes: 512, MaxActions: 10000, MaxAge: 2 * time.Second}
	b, err := json.Marshal(want)
	if err != nil || string(b) != rulesText {
		t.Errorf("got %s, %v; want %s", b, err, rulesText)
	}
	for _, text := range []string{rulesText, ` { "max_age_ms" : 2000, "max_actions":10000,"max_bytes":512,"max_per_viewer":3,"grace_ms":300,"closes_ts":160000004339000 } `} {
		var got Rules
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, r := range []Rules{
		{MaxPerViewer: 1, MaxBytes: 1, MaxActions: 1},
		{ClosesTS: 1<<53 - 1, Grace: MaxGrace, MaxPerViewer: MaxPerViewer, MaxBytes: MaxActionBytes, MaxActions: MaxActions, MaxAge: MaxAge},
	} {
		var got Rules
		if b, err := json.Marshal(r); err != nil || json.Unmarshal(b, &got) != nil || got != r {
			t.Errorf("%+v: %s, %v", r, b, err)
		}
	}
}

// Each error names the member, what was there and what may be.
func TestRulesRefuses(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{`"closes_ts":160000004339000`, `"closes_ts":9007199254740992`, `closes_ts: "9007199254740992" is not accepted; allowed: 0 for none, or a canonical timestamp up to 9007199254740991 (90 kHz) after the open frame`},
		{`"closes_ts":160000004339000`, `"closes_ts":null`, `closes_ts: "null" is not accepted; allowed: 0 for none`},
		{`"grace_ms":300`, `"grace_ms":1001`, `grace_ms: "1001" is not accepted; allowed: an integer from 0 to 1000 (milliseconds)`},
		{`"grace_ms":300`, `"grace_ms":-1`, `grace_ms: "-1"`},
		{`"grace_ms":300`, `"grace_ms":3e2`, `grace_ms: "3e2"`},
		{`"grace_ms":300`, `"grace_ms":300.0`, `grace_ms: "300.0"`},
		{`"grace_ms":300`, `"grace_ms":"300"`, `grace_ms: "\"300\""`},
		{`"grace_ms":300,`, ``, `grace_ms: is missing or empty; allowed: an integer from 0 to 1000`},
		{`"grace_ms":300`, `"grace_ms":300,"grace_ms":300`, `grace_ms: "300" is not accepted; allowed: each member once`},
		{`"grace_ms":300`, `"Grace_ms":300`, `Grace_ms: "300" is not accepted; allowed: no such member; use closes_ts, grace_ms`},
		{`"max_per_viewer":3`, `"max_per_viewer":0`, `max_per_viewer: "0" is not accepted; allowed: an integer from 1 to 1000`},
		{`"max_per_viewer":3`, `"max_per_viewer":1001`, `max_per_viewer: "1001"`},
		{`"max_bytes":512`, `"max_bytes":4097`, `max_bytes: "4097" is not accepted; allowed: an integer from 1 to 4096`},
		{`"max_bytes":512`, `"max_bytes":0`, `max_bytes: "0"`},
		{`"max_actions":10000`, `"max_actions":250001`, `max_actions: "250001" is not accepted; allowed: an integer from 1 to 250000`},
		{`"max_actions":10000`, `"max_actions":18446744073709551617`, `max_actions: "18446744073709551617"`},
		{`"max_age_ms":2000`, `"max_age_ms":10001`, `max_age_ms: "10001" is not accepted; allowed: an integer from 0 to 10000 (milliseconds)`},
		{rulesText, `[]`, `data: "[]" is not accepted; allowed: a JSON object`},
		{rulesText, `7`, `data: "7"`},
		{`"max_bytes":512`, `"max_bytes":"` + strings.Repeat("é", 100) + `"`, "é…\" is not accepted"},
	}
	for _, tt := range tests {
		text := strings.Replace(rulesText, tt.old, tt.new, 1)
		got := Rules{MaxBytes: 77}
		err := json.Unmarshal([]byte(text), &got)
		if fe := (*marker.FieldError)(nil); !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", text, err, tt.want)
		}
		if got != (Rules{MaxBytes: 77}) {
			t.Errorf("%s: a refused text left %+v", text, got)
		}
	}
}

func TestRulesValidate(t *testing.T) {
	good := Rules{MaxPerViewer: 1, MaxBytes: 1, MaxActions: 1}
	for name, change := range map[string]func(*Rules){
		"closes_ts":      func(r *Rules) { r.ClosesTS = 1<<64 - 1 },
		"grace_ms":       func(r *Rules) { r.Grace = time.Millisecond + 1 },
		"max_per_viewer": func(r *Rules) { r.MaxPerViewer = -1 },
		"max_bytes":      func(r *Rules) { r.MaxBytes = MaxActionBytes + 1 },
		"max_actions":    func(r *Rules) { r.MaxActions = MaxActions + 1 },
		"max_age_ms":     func(r *Rules) { r.MaxAge = -time.Millisecond },
	} {
		r := good
		change(&r)
		if fe := (*marker.FieldError)(nil); !errors.As(r.Validate(), &fe) || fe.Field != name || fe.Value == "" {
			t.Errorf("%s: %v", name, r.Validate())
		}
		if _, err := json.Marshal(r); err == nil {
			t.Errorf("%s: invalid rules are written", name)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte(rulesText))
	f.Add([]byte(`{"closes_ts":0,"grace_ms":0,"max_per_viewer":1,"max_bytes":1,"max_actions":1,"max_age_ms":0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Rules
		if err := r.UnmarshalJSON(b); err != nil {
			if fe := (*marker.FieldError)(nil); !errors.As(err, &fe) {
				t.Fatalf("error %v is no FieldError", err)
			}
			return
		}
		again, err := json.Marshal(r)
		var back Rules
		if err != nil || json.Unmarshal(again, &back) != nil || back != r {
			t.Fatalf("%s reads as %+v, written as %s, %v", b, r, again, err)
		}
	})
}
