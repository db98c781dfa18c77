package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	tokenA = "aaaaaaaaaaaaaaaa" // 16 characters, the fewest
	tokenB = "b-._~+/BBBBBBBBBBB=="
)

// write makes a token file and returns its path.
func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://relay.example/v1/streams", nil)
	for _, v := range authorization {
		r.Header.Add("Authorization", v)
	}
	return r
}

func load(t *testing.T, rules ...Rule) *Static {
	t.Helper()
	s, err := Load(rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuthenticate(t *testing.T) {
	game := write(t, "game-server.token", "# rotated\n\n "+tokenA+" \r\n"+strings.Repeat("c", 4096), 0o400)
	screen := write(t, "screen", tokenB, 0o600)
	s := load(t,
		Rule{File: game, Scopes: []Scope{Mark, Read}, Streams: []string{"roulette-*", "wheel"}},
		Rule{File: screen, Name: "wall screen", Scopes: []Scope{View}})
	if s.Len() != 3 {
		t.Errorf("%d tokens, want 3", s.Len())
	}
	gameServer := Identity{Name: "game-server", Scopes: []Scope{Mark, Read}, Streams: []string{"roulette-*", "wheel"}}
	for _, tt := range []struct {
		name    string
		headers []string
		want    Identity
		err     error
	}{
		{"first", []string{"Bearer " + tokenA}, gameServer, nil},
		{"scheme in another case", []string{"bEARER " + tokenA}, gameServer, nil},
		{"more spaces", []string{"Bearer   " + tokenA}, gameServer, nil},
		{"second of the file", []string{"Bearer " + strings.Repeat("c", 4096)}, gameServer, nil},
		{"every character", []string{"Bearer " + tokenB}, Identity{Name: "wall screen", Scopes: []Scope{View}}, nil},
		{"none", nil, Identity{}, ErrNoToken},
		{"empty", []string{""}, Identity{}, ErrBadToken},
		{"not known", []string{"Bearer aaaaaaaaaaaaaaab"}, Identity{}, ErrBadToken},
		{"a part of it", []string{"Bearer " + tokenA[:15]}, Identity{}, ErrBadToken},
		{"more than it", []string{"Bearer " + tokenA + "a"}, Identity{}, ErrBadToken},
		{"another scheme", []string{"Basic " + tokenA}, Identity{}, ErrBadToken},
		{"no scheme", []string{tokenA}, Identity{}, ErrBadToken},
		{"a comment of the file", []string{"Bearer # rotated"}, Identity{}, ErrBadToken},
		{"twice", []string{"Bearer " + tokenA, "Bearer " + tokenA}, Identity{}, ErrBadToken},
		{"two in one", []string{"Bearer " + tokenA + " " + tokenB}, Identity{}, ErrBadToken},
		{"too long", []string{"Bearer " + strings.Repeat("c", 4097)}, Identity{}, ErrBadToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Authenticate(request(tt.headers...))
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	r := httptest.NewRequest("GET", "/?access_token="+tokenA, nil)
	r.AddCookie(&http.Cookie{Name: "access_token", Value: tokenA})
	if _, err := s.Authenticate(r); !errors.Is(err, ErrNoToken) {
		t.Errorf("a token in the query or a cookie: %v", err)
	}
	if strings.Contains(fmt.Sprintf("%+v %#v", *s, *s), tokenA) {
		t.Error("the tokens themselves are kept")
	}
}

func TestLoadRefuses(t *testing.T) {
	good := write(t, "good", tokenA, 0o600)
	spaced := write(t, "it's.token", tokenA, 0o640)
	open := write(t, "open", tokenA, 0o604)
	read := []Scope{Read}
	for _, tt := range []struct {
		name  string
		rules []Rule
		want  []string // parts of the error
	}{
		{"not there", []Rule{{File: "nowhere/at/all", Scopes: read}}, []string{`token file "nowhere/at/all": no such file or directory`}},
		{"a directory", []Rule{{File: t.TempDir(), Scopes: read}}, []string{"is not a regular file"}},
		{"others may read", []Rule{{File: open, Scopes: read}}, []string{"mode 0604 gives others access; run: chmod 600 " + open}},
		{"the group may read", []Rule{{File: spaced, Scopes: read}}, []string{"mode 0640 gives others access; run: chmod 600 '" + filepath.Dir(spaced) + `/it'\''s.token'`}},
		{"empty", []Rule{{File: write(t, "x", "\n# nothing\n", 0o600), Scopes: read}}, []string{"holds no token; `relay token create` makes one"}},
		{"short", []Rule{{File: write(t, "x", "# a\nshort-secret-15", 0o600), Scopes: read}}, []string{"line 2: a token has 16 to 4096 characters"}},
		{"two on a line", []Rule{{File: write(t, "x", tokenA+" "+tokenB, 0o600), Scopes: read}}, []string{"line 1: a token has"}},
		{"only padding", []Rule{{File: write(t, "x", strings.Repeat("=", 16), 0o600), Scopes: read}}, []string{"line 1: a token has"}},
		{"too large", []Rule{{File: write(t, "x", strings.Repeat("#\n", 32<<10)+"#", 0o600), Scopes: read}}, []string{"is larger than 65536 bytes"}},
		{"no scopes", []Rule{{File: good}}, []string{"no scopes: allowed: [view mark act publish read admin]"}},
		{"a scope", []Rule{{File: good, Scopes: []Scope{"write"}}}, []string{`scope "write": allowed: [view mark`}},
		{"a pattern", []Rule{{File: good, Scopes: read, Streams: []string{"a", "b["}}}, []string{`streams: "b[": allowed: a stream's name`}},
		{"an empty pattern", []Rule{{File: good, Scopes: read, Streams: []string{""}}}, []string{`streams: ""`}},
		{"a name", []Rule{{File: good, Scopes: read, Name: strings.Repeat("n", 65)}}, []string{"allowed: at most 64 bytes of UTF-8"}},
		{"in two files", []Rule{{File: good, Scopes: read}, {File: write(t, "x", tokenA, 0o600), Scopes: read}}, []string{"line 1: the token is also in", good}},
		{"all at once", []Rule{{File: open, Scopes: read}, {File: "nowhere", Scopes: read}}, []string{"chmod 600", "no such file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Load(tt.rules)
			if err == nil || s != nil {
				t.Fatal("accepted")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got  %v\nwant …%s…", err, part)
				}
			}
			for _, secret := range []string{tokenA, tokenB, "short-secret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("shows a token: %v", err)
				}
			}
		})
	}
}

func TestRuleName(t *testing.T) {
	for file, want := range map[string]string{
		"tokens/game-server": "game-server", "tokens/game-server.token": "game-server",
		"/etc/relay/a.b.txt": "a.b", ".token": ".token",
	} {
		got, err := Rule{File: file, Scopes: []Scope{Read}}.identity()
		if err != nil || got.Name != want {
			t.Errorf("%s: %q, %v; want %q", file, got.Name, err, want)
		}
	}
}

func TestAllows(t *testing.T) {
	all := Identity{Scopes: []Scope{Read, Mark}}
	some := Identity{Scopes: []Scope{Mark}, Streams: []string{"roulette-?", "wheel", "[", "bac*"}}
	for _, tt := range []struct {
		who    Identity
		scope  Scope
		stream string
		want   bool
	}{
		{all, Read, "wheel", true},
		{all, Mark, "", true},
		{all, Admin, "", false},
		{all, View, "wheel", false},
		{some, Mark, "wheel", true},
		{some, Mark, "roulette-1", true},
		{some, Mark, "roulette-12", false},
		{some, Mark, "baccarat", true},
		{some, Mark, "bac/x", false},
		{some, Mark, "[", false},
		{some, Mark, "Wheel", false},
		{some, Mark, "", true},
		{some, Read, "wheel", false},
		{Identity{}, Read, "", false},
	} {
		if got := tt.who.Allows(tt.scope, tt.stream); got != tt.want {
			t.Errorf("%+v allows %s to %q: %v", tt.who, tt.scope, tt.stream, got)
		}
	}
}

func TestNewToken(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		token := NewToken()
		if len(token) != 43 || !validToken(token) || seen[token] {
			t.Fatalf("token %q", token)
		}
		seen[token] = true
	}
	s := load(t, Rule{File: write(t, "x", NewToken()+"\n", 0o600), Scopes: []Scope{View}})
	if s.Len() != 1 {
		t.Error("a new token cannot be loaded")
	}
}
