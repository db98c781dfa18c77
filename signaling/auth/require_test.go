package auth

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestRequire(t *testing.T) {
	s := load(t, Rule{File: write(t, "game", tokenA, 0o600), Scopes: []Scope{Mark}, Streams: []string{"roulette-*"}})
	mux := http.NewServeMux()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, FromContext(r.Context()).Name)
	})
	mux.Handle("/{stream}", Require(s, Mark, StreamOf)(answer))
	mux.Handle("/", Require(s, Mark, nil)(answer))
	for _, tt := range []struct {
		name, path, header string
		status             int
		body, challenge    string
	}{
		{"allowed", "/roulette-1", "Bearer " + tokenA, 200, "game", ""},
		{"no particular stream", "/", "Bearer " + tokenA, 200, "game", ""},
		{"no token", "/roulette-1", "", 401, "no token: send one as Authorization: Bearer TOKEN", `Bearer realm="relay"`},
		{"wrong token", "/roulette-1", "Bearer " + tokenB, 401, "the token is not valid", `Bearer realm="relay", error="invalid_token"`},
		{"another stream", "/wheel", "Bearer " + tokenA, 403, `\"game\" lacks the scope mark`, `Bearer realm="relay", error="insufficient_scope", scope="mark"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", tt.path, nil)
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("status %d, body %s", w.Code, w.Body)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("challenge %q, want %q", got, tt.challenge)
			}
			if strings.Contains(w.Body.String(), tokenB) {
				t.Error("the answer shows the token")
			}
		})
	}
}

func TestFromContextWithoutRequire(t *testing.T) {
	if FromContext(context.Background()).Allows(Read, "") {
		t.Error("somebody who did not call may read")
	}
}

func TestOpen(t *testing.T) {
	s := load(t, Rule{File: write(t, "game", tokenA, 0o600), Scopes: []Scope{Mark}})
	for _, tt := range []struct {
		name   string
		open   Open
		host   string
		header []string
		want   string // name; empty for refused
		scopes []Scope
	}{
		{"nobody is asked", Open{}, "relay.example", nil, "anonymous", []Scope{View, Mark, Act, Publish, Read}},
		{"a token's name counts", Open{Tokens: s}, "relay.example", []string{"Bearer " + tokenA}, "game", []Scope{Mark}},
		{"a wrong token", Open{Tokens: s}, "relay.example", []string{"Bearer " + tokenB}, "", nil},
		{"two tokens", Open{Tokens: s}, "relay.example", []string{"Bearer " + tokenA, "Bearer " + tokenA}, "", nil},
		{"no token among known ones", Open{Tokens: s}, "relay.example", nil, "anonymous", AnonymousScopes()},
		{"a token where none is known", Open{}, "relay.example", []string{"Bearer " + tokenB}, "anonymous", AnonymousScopes()},
		{"none known, not nil", Open{Tokens: new(Static)}, "relay.example", []string{"Bearer " + tokenB}, "anonymous", AnonymousScopes()},
		{"other scopes", Open{Scopes: Scopes()}, "relay.example", nil, "anonymous", Scopes()},
		{"loopback: localhost", Open{Loopback: true}, "LocalHost:8080", nil, "anonymous", AnonymousScopes()},
		{"loopback: localhost, no port", Open{Loopback: true}, "localhost", nil, "anonymous", AnonymousScopes()},
		{"loopback: IPv4", Open{Loopback: true}, "127.0.0.1:8080", nil, "anonymous", AnonymousScopes()},
		{"loopback: another IPv4", Open{Loopback: true}, "127.8.9.10", nil, "anonymous", AnonymousScopes()},
		{"loopback: IPv6", Open{Loopback: true}, "[::1]:8080", nil, "anonymous", AnonymousScopes()},
		{"loopback: IPv6, no port", Open{Loopback: true}, "[::1]", nil, "anonymous", AnonymousScopes()},
		{"loopback: mapped", Open{Loopback: true}, "[::ffff:127.0.0.1]:1", nil, "anonymous", AnonymousScopes()},
		{"loopback: a name", Open{Loopback: true}, "attacker.example:8080", nil, "", nil},
		{"loopback: a name that begins so", Open{Loopback: true}, "localhost.attacker.example", nil, "", nil},
		{"loopback: another address", Open{Loopback: true}, "192.0.2.1:8080", nil, "", nil},
		{"loopback: no host", Open{Loopback: true}, "", nil, "", nil},
		{"loopback: a name, with a token", Open{Loopback: true, Tokens: s}, "relay.example", []string{"Bearer " + tokenA}, "game", []Scope{Mark}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.header...)
			r.Host = tt.host
			got, err := tt.open.Authenticate(r)
			if (err == nil) != (tt.want != "") || got.Name != tt.want || !slices.Equal(got.Scopes, tt.scopes) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestAnonymousIsNoAdmin(t *testing.T) {
	who, err := Open{}.Authenticate(request())
	if err != nil || who.Allows(Admin, "") || !who.Allows(Publish, "wheel") {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestCORS(t *testing.T) {
	const page = "https://casino.example"
	for _, tt := range []struct {
		name    string
		origins []string
		origin  string
		want    string
	}{
		{"none", nil, page, ""},
		{"exact", []string{"https://other.example", page}, page, page},
		{"another scheme", []string{page}, "http://casino.example", ""},
		{"another port", []string{page}, page + ":8443", ""},
		{"longer", []string{page}, page + ".attacker.example", ""},
		{"a wildcard is no pattern", []string{"https://*.example"}, page, ""},
		{"any", []string{"*"}, page, "*"},
		{"no page", []string{page}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler := CORS(tt.origins, http.MethodDelete)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusNoContent)
			}))
			for _, method := range []string{"OPTIONS", "POST"} {
				r := httptest.NewRequest(method, "/", nil)
				if tt.origin != "" {
					r.Header.Set("Origin", tt.origin)
				}
				if method == "OPTIONS" {
					r.Header.Set("Access-Control-Request-Method", "DELETE")
					r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.want || w.Code != 204 {
					t.Errorf("%s: status %d, allowed origin %q, want %q", method, w.Code, got, tt.want)
				}
				if w.Header().Get("Access-Control-Allow-Credentials") != "" {
					t.Error("cookies are allowed")
				}
				exposed := w.Header().Get("Access-Control-Expose-Headers")
				if method == "POST" && tt.want != "" && exposed != "Location, Etag, Link, Retry-After, Www-Authenticate" {
					t.Errorf("exposed %q", exposed)
				}
				if method == "OPTIONS" && tt.want != "" && (w.Header().Get("Access-Control-Allow-Methods") != "DELETE" ||
					w.Header().Get("Access-Control-Allow-Headers") != "authorization,content-type") {
					t.Errorf("preflight %v", w.Header())
				}
			}
		})
	}
}
