package relay

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With tokens configured nobody publishes without one, wherever the call seems to
// come from.
func TestOutcomesCannotBeForged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "game-server")
	const token = "correct-horse-battery-staple"
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens := func(c *Config) {
		c.Auth.Tokens = []TokenConfig{{File: file, Scopes: []string{"mark"}}}
	}
	insecure := func(c *Config) { c.Auth.Insecure = true }
	for _, c := range []struct {
		name          string
		change        []func(*Config)
		header, value string
		mark, list    int
	}{
		{"a developer's own machine", nil, "", "", 201, 200},
		{"behind a proxy that says so", nil, "X-Forwarded-For", "203.0.113.9", 401, 401},
		{"loopback, tokens", []func(*Config){tokens}, "", "", 403, 200},
		{"open, tokens", []func(*Config){tokens, insecure}, "X-Forwarded-For", "203.0.113.9", 403, 200},
		{"the game server", []func(*Config){tokens}, "Authorization", "Bearer " + token, 201, 403},
		{"a wrong token", []func(*Config){tokens}, "Authorization", "Bearer " + token + "x", 401, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.change...)
			r.film()
			ask := func(method, path, body string) int {
				q, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				q.Header.Set("Content-Type", "application/json")
				if c.header != "" {
					q.Header.Set(c.header, c.value)
				}
				answer, err := http.DefaultClient.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				return answer.StatusCode
			}
			if got := ask("POST", "/v1/streams/wheel/markers", `{"id":"x","kind":"outcome","at":{"next":true}}`); got != c.mark {
				t.Errorf("mark: %d, want %d", got, c.mark)
			}
			if got := ask("GET", "/v1/streams", ""); got != c.list {
				t.Errorf("list: %d, want %d", got, c.list)
			}
		})
	}
}
