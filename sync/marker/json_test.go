package marker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkByToken is checkJSON by the standard library's tokens.
func checkByToken(b []byte) error {
	if !utf8.Valid(b) || !json.Valid(b) {
		return errJSON
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := checkTokens(dec, maxDepth); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

func checkTokens(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == 0 {
		return errJSON
	}
	names := map[string]bool{}
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil || names[name.(string)] {
				return errJSON
			}
			names[name.(string)] = true
		}
		if err := checkTokens(dec, depth-1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// members returns an object with n names, and one more.
func members(n int, extra string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"n%d":{"n%d":%d},`, i, i, i)
	}
	return "{" + b.String() + extra + `:[]}`
}

var checked = []struct {
	json string
	ok   bool
}{
	{`{"bet":"red","amount":2500}`, true},
	{`{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}`, true},
	{`{"a":1,"b":{"a":1},"a":[]}`, false},
	{`{"a":1,"\u0061":2}`, false},
	{`{"a\"":1,"a\\":2,"a\\\"":"\\"}`, true},
	{`{"\ud800":1,"\ufffd":2}`, false}, // half a pair is read as U+FFFD
	{`{"a":"a","b":"a"}`, true},
	{`["a","a",{"a":"a"},"a"]`, true},
	{`{"a":["a","b"],"b":"a"}`, true},
	{`{"":1,"":2}`, false},
	{`"a"`, true},
	{` [ ] `, true},
	{``, false},
	{`{} {}`, false},
	{`{"a":1,}`, false},
	{"\"\xff\"", false},
	{members(40, `"m"`), true},
	{members(40, `"n3"`), false},
	{members(15, `"n14"`), false},
	{members(16, `"n15"`), false},
	{members(17, `"n0"`), false},
	{strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), true},
	{strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), false},
}

func TestCheckJSON(t *testing.T) {
	for _, c := range checked {
		if err := checkJSON([]byte(c.json)); (err == nil) != c.ok {
			t.Errorf("%.60s: %v, want accepted %v", c.json, err, c.ok)
		}
	}
	bet := []byte(checked[0].json)
	if n := testing.AllocsPerRun(100, func() { _ = checkJSON(bet) }); n != 0 {
		t.Errorf("%v allocations for a bet", n)
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, c := range checked {
		f.Add([]byte(c.json))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := checkJSON(b), checkByToken(b); (got == nil) != (want == nil) {
			t.Errorf("%q: %v, and by tokens %v", b, got, want)
		}
	})
}

func BenchmarkCheckJSON(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = checkJSON([]byte(`{"bet":"red","amount":2500}`))
	}
}
