package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// fields says, for every key, its default as text and a value that Validate must
// refuse ("" where every value of the type is allowed). A new field must be added
// here; TestEveryKey then asks for the rest.
var fields = map[string]struct{ def, bad string }{
	"http.listen":                            {":8080", "localhost"},
	"http.tls.mode":                          {"", "acme"},
	"http.tls.cert_file":                     {"", "missing.pem"},
	"http.tls.key_file":                      {"", "missing.key"},
	"http.origins":                           {"[]", "casino.example"},
	"media.udp":                              {":7882", "relay.example:7882"},
	"media.public_ips":                       {"[]", "224.0.0.1"},
	"media.max_udp_payload":                  {"1232", "1453"},
	"media.playout_delay.min":                {"0s", "5ms"},
	"media.playout_delay.max":                {"500ms", "41s"},
	"media.gather":                           {"1ms", "6ms"},
	"media.include_loopback":                 {"false", ""},
	"media.join_burst":                       {"true", ""},
	"admin.listen":                           {"127.0.0.1:9090", "0.0.0.0:9090"},
	"auth.insecure":                          {"false", ""},
	"auth.tokens":                            {"[]", "[{file: missing.token, scopes: [mark]}]"},
	"auth.tokens[0].name":                    {"", strings.Repeat("n", 65)},
	"auth.tokens[0].file":                    {"", "missing.token"},
	"auth.tokens[0].scopes":                  {"[]", "[watch]"},
	"auth.tokens[0].streams":                 {"[]", `["[a-"]`},
	"auth.tokens[0].shared":                  {"false", ""},
	"state.dir":                              {"", "config.go"},
	"state.keep_data":                        {"0s", "59m"},
	"state.journal.url":                      {"", "http://nats:4222"},
	"state.journal.credentials_file":         {"", "missing.creds"},
	"state.journal.replicas":                 {"0", "6"},
	"transcript.origin":                      {"framelock.local", "a b"},
	"transcript.key_file":                    {"", "config.go"},
	"transcript.previous_key_file":           {"", "missing.key"},
	"transcript.witness.urls":                {"[]", "[ftp://witness]"},
	"transcript.witness.file":                {"", "missing/notes"},
	"drain.grace":                            {"1s", "301s"},
	"streams.table-1.hold":                   {"0s", "2.1s"},
	"streams.table-1.capture_offset":         {"0s", "-3s"},
	"streams.table-1.history":                {"10s", "999ms"},
	"streams.table-1.state_limit":            {"65536", "1000"},
	"streams.table-1.record.dir":             {"", "config.go"},
	"streams.table-1.record.max_age":         {"24h0m0s", "59s"},
	"streams.table-1.record.max_size":        {"68719476736", "1000"},
	"streams.table-1.rtp.sdp":                {"", "missing.sdp"},
	"streams.table-1.rtp.allow":              {"[]", ""},
	"streams.table-1.rtp.silence":            {"2s", "0s"},
	"streams.table-1.rtp.reorder":            {"20ms", "201ms"},
	"streams.table-1.rtp.video.codec":        {"", "h265"},
	"streams.table-1.rtp.video.listen":       {"127.0.0.1:5004", "127.0.0.1:99999"},
	"streams.table-1.rtp.video.payload_type": {"96", "128"},
	"streams.table-1.rtp.video.ssrc":         {"0", ""},
	"streams.table-1.rtp.video.fmtp":         {"", "a=1\nb=2"},
	"streams.table-1.rtp.audio.codec":        {"opus", "aac"},
	"streams.table-1.rtp.audio.listen":       {"127.0.0.1:5006", "127.0.0.1:5004"},
	"streams.table-1.rtp.audio.payload_type": {"111", "200"},
	"streams.table-1.rtp.audio.ssrc":         {"0", ""},

	"streams.table-1.rtp.second_path.video_listen": {"", "127.0.0.1:5004"},
	"streams.table-1.rtp.second_path.audio_listen": {"", "127.0.0.1:5006"},
	"streams.table-1.rtp.second_path.allow":        {"[]", ""},
	"streams.table-1.rtp.second_path.skew":         {"50ms", "201ms"},
	"streams.table-1.backup.rtp.sdp":               {"", "missing.sdp"},
	"streams.table-1.backup.rtp.allow":             {"[]", ""},
	"streams.table-1.backup.rtp.silence":           {"2s", "0s"},
	"streams.table-1.backup.rtp.reorder":           {"20ms", "201ms"},
	"streams.table-1.backup.switch_after":          {"200ms", "99ms"},
	"streams.table-1.backup.return_after":          {"0s", "61m"},
}

// starters are the keys that the template sets to something else than the default.
var starters = map[string]string{
	"http.listen":                     "127.0.0.1:8080",
	"streams.table-1.rtp.video.codec": "h264",
}

// template returns the configuration that the template holds, with one token so
// that every key is there.
func template(t *testing.T) *Config {
	t.Helper()
	name := filepath.Join(t.TempDir(), "relay.yaml")
	if err := os.WriteFile(name, []byte(ConfigTemplate()), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// leaves calls visit with every key below v that holds no keys of its own.
func leaves(key string, v reflect.Value, visit func(key string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			leaves(key, v.Elem(), visit)
		}
	case isGroup(v.Type()):
		for _, name := range fieldKeys(v.Type()) {
			field, _, _ := fieldByKey(v, name)
			leaves(join(key, name), field, visit)
		}
	case v.Kind() == reflect.Map:
		for _, name := range v.MapKeys() {
			leaves(join(key, name.String()), v.MapIndex(name), visit)
		}
	default:
		visit(key, v)
		if v.Kind() == reflect.Slice && isGroup(v.Type().Elem()) {
			for i := range v.Len() {
				leaves(fmt.Sprintf("%s[%d]", key, i), v.Index(i), visit)
			}
		}
	}
}

// asText spells a value as the environment would.
func asText(v reflect.Value) string {
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return "[]"
	}
	return fmt.Sprint(v.Interface())
}

func TestEveryKey(t *testing.T) {
	doc := ConfigTemplate()
	seen := map[string]bool{}
	c := template(t)
	check := func(key string, v reflect.Value) {
		seen[key] = true
		f, ok := fields[key]
		if !ok {
			t.Errorf("%s: add its default and a bad value to the table of this test", key)
			return
		}
		want := f.def
		if s, ok := starters[key]; ok {
			want = s
		}
		if got := asText(v); got != want {
			t.Errorf("%s: the template says %q, want %q", key, got, want)
		}
		name := key[strings.LastIndexByte(key, '.')+1:]
		if !strings.Contains(doc, name+":") {
			t.Errorf("%s: the template does not explain it", key)
		}
	}
	leaves("", reflect.ValueOf(c).Elem(), check)
	leaves("auth.tokens[0]", reflect.ValueOf(TokenConfig{}), check)
	leaves("streams.table-1.backup", reflect.ValueOf(DefaultBackup()), check)
	leaves("streams.table-1.rtp.second_path", reflect.ValueOf(DefaultSecondPath()), check)
	for key := range fields {
		if !seen[key] {
			t.Errorf("%s: there is no such key", key)
		}
	}
}

func TestDefaultsAreTheTemplate(t *testing.T) {
	want := DefaultConfig()
	video, audio, stream := DefaultVideo(), DefaultAudio(), DefaultStream()
	video.Codec = "h264"
	stream.RTP.Video, stream.RTP.Audio = &video, &audio
	want.HTTP.Listen = "127.0.0.1:8080"
	want.Streams["table-1"] = stream
	opts := []cmp.Option{cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, *template(t), opts...); diff != "" {
		t.Errorf("template and defaults differ (-defaults +template):\n%s", diff)
	}
}

func TestValidateRefusesEachBadValue(t *testing.T) {
	for key, f := range fields {
		if f.bad == "" {
			continue
		}
		t.Run(key, func(t *testing.T) {
			c := template(t)
			if err := c.Validate(); err != nil {
				t.Fatalf("the template is refused: %v", err)
			}
			var err error
			if field, ok := strings.CutPrefix(key, "auth.tokens[0]."); ok {
				token := TokenConfig{}
				v, _, _ := fieldByKey(reflect.ValueOf(&token).Elem(), field)
				l := loader{origins: map[string]string{}, where: func(int) string { return "test" }}
				l.text(key, f.bad, v)
				err = l.errs.orNil()
				c.Auth.Tokens = []TokenConfig{token}
			} else {
				err = c.Set(key, f.bad, "test")
			}
			if err == nil {
				err = c.Validate()
			}
			var errs ConfigError
			if !errors.As(err, &errs) {
				t.Fatalf("%q is accepted", f.bad)
			}
			named := slices.ContainsFunc(errs, func(e FieldError) bool { return strings.HasPrefix(e.Key, key) })
			if !named {
				t.Errorf("no error names the key:\n%v", err)
			}
		})
	}
}

// load loads a file with the given text.
func load(t *testing.T, text string, env ...string) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("relay.yaml", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return LoadConfig("relay.yaml", env)
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"unknown key", "http:\n  lisen: \":80\"\n", `relay.yaml:2: http.lisen: unknown key; did you mean "listen"? (allowed: listen, tls, origins)`},
		{"unknown group", "htpp: {}\n", `relay.yaml:1: htpp: unknown key; did you mean "http"? (allowed: http, media, admin, auth, state, transcript, drain, streams)`},
		{"deep", "streams:\n  wheel:\n    rtp:\n      video:\n        codek: vp8\n", `relay.yaml:5: streams.wheel.rtp.video.codek: unknown key; did you mean "codec"? (allowed: codec, listen, payload_type, ssrc, fmtp)`},
		{"in a list", "auth:\n  tokens:\n    - file: a\n      scope: [mark]\n", `relay.yaml:4: auth.tokens[0].scope: unknown key; did you mean "scopes"? (allowed: name, file, scopes, streams, shared)
relay.yaml:3: auth.tokens[0].file: "a" cannot be read: no such file or directory (allowed: the name of a file)`},
		{"programmatic", "logger: x\n", `relay.yaml:1: logger: unknown key (allowed: http, media, admin, auth, state, transcript, drain, streams)`},
		{"no unit", "streams: {wheel: {hold: 200}}", `relay.yaml:1: streams.wheel.hold: "200" has no unit; write 200s or 200ms`},
		{"not a duration", "streams: {wheel: {hold: soon}}", `relay.yaml:1: streams.wheel.hold: "soon" is not a duration such as "1.5s" or "200ms"`},
		{"not a number", "media:\n  max_udp_payload: big", `relay.yaml:2: media.max_udp_payload: "big" is not a whole number`},
		{"not an address", "media:\n  public_ips:\n    - 1.2.3\n", `relay.yaml:3: media.public_ips[0]: "1.2.3" is not an IP address`},
		{"not a network", "streams: {wheel: {rtp: {allow: [1.2.3.0/33]}}}", `relay.yaml:1: streams.wheel.rtp.allow[0]: "1.2.3.0/33" is not a network such as "192.0.2.0/24"`},
		{"not a bool", "auth: {insecure: yes}", `relay.yaml:1: auth.insecure: "yes" is neither true nor false`},
		{"too large", "streams: {w: {rtp: {video: {ssrc: 4294967296}}}}", `relay.yaml:1: streams.w.rtp.video.ssrc: "4294967296" is not a whole number from 0 to 4294967295`},
		{"list for a value", "http:\n  listen: [a]", "relay.yaml:2: http.listen: must be a single value"},
		{"value for a list", "http:\n  origins: a", "relay.yaml:2: http.origins: must be a list"},
		{"value for a group", "http: 8080", "relay.yaml:1: http: must be a group of keys"},
		{"two documents", "http: {}\n---\nmedia: {}\n", "relay.yaml:3: only one YAML document is read; remove the second"},
		{"control characters", "\"\\e[31m\": 1\n", "relay.yaml:1: �[31m: unknown key (allowed: http, media, admin, auth, state, transcript, drain, streams)"},
		{"merge of nothing", "<<: *h\n", `relay.yaml:1: "h" is an alias of nothing`},
		{"merge of itself", "http: &h\n  <<: *h\n", `relay.yaml:2: http: "<<" merges too much, or itself`},
		{"alias of nothing", "http: *h\n", `relay.yaml:1: "h" is an alias of nothing`},
		{"two errors", "http: {a: 1}\nmedia: {b: 2}\n", "relay.yaml:1: http.a: unknown key (allowed: listen, tls, origins)\nrelay.yaml:2: media.b: unknown key (allowed: udp, public_ips, max_udp_payload, playout_delay, gather, include_loopback, join_burst)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.text)
			if err == nil || err.Error() != test.want {
				t.Errorf("got:  %v\nwant: %s", err, test.want)
			}
		})
	}
	if _, err := load(t, "http: {}\nhttp: {}\n"); err == nil || !strings.HasPrefix(err.Error(), "relay.yaml:2: ") {
		t.Errorf("a duplicate key gives %v", err)
	}
	if _, err := LoadConfig("missing.yaml", nil); err == nil || !strings.Contains(err.Error(), "missing.yaml: cannot be read") {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestPrecedence(t *testing.T) {
	const text = `
streams:
  roulette-1: &table
    rtp: {sdp: tables/one.sdp}
    hold: 100ms
  roulette.2:
    <<: *table
    hold: 300ms
media: {max_udp_payload: 1300}
`
	c, err := load(t, text, "RELAY_MEDIA__MAX_UDP_PAYLOAD=1400", "RELAY_STREAMS__ROULETTE_2__HOLD=50ms",
		"RELAY_HTTP__ORIGINS=https://a.example, https://b.example", "RELAY_STREAMS__NEW__RTP__VIDEO__CODEC=vp8",
		"RELAY_AUTH__TOKENS=[{file: /run/t, scopes: [mark]}]", "RELAY_SERVICE_HOST=10.0.0.1", "PATH=/bin")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set("media.max_udp_payload", "1450", "--max-udp-payload"); err != nil {
		t.Fatal(err)
	}
	if err := c.Set("streams.roulette.2.history", "20s", "--history"); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Media.MaxUDPPayload = 1450
	want.HTTP.Origins = []string{"https://a.example", "https://b.example"}
	want.Auth.Tokens = []TokenConfig{{File: "/run/t", Scopes: []string{"mark"}}}
	one := DefaultStream()
	one.RTP.SDP, one.Hold = filepath.Join("tables", "one.sdp"), 100*time.Millisecond
	two := one
	two.Hold, two.History = 50*time.Millisecond, 20*time.Second
	video := DefaultVideo()
	video.Codec = "vp8"
	added := DefaultStream()
	added.RTP.Video = &video
	want.Streams = map[string]StreamConfig{"roulette-1": one, "roulette.2": two, "new": added}
	if diff := cmp.Diff(want, *c, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnvironmentErrors(t *testing.T) {
	_, err := LoadConfig("", []string{"RELAY_HTTP__LISEN=:80", "RELAY_MEDIA__MAX_UDP_PAYLOAD=x", "RELAY_HTTP__LISTEN__PORT=1"})
	want := `RELAY_HTTP__LISEN: http.LISEN: unknown key; did you mean "listen"? (allowed: listen, tls, origins)
RELAY_HTTP__LISTEN__PORT: http.listen.PORT: has no keys below "http.listen"
RELAY_MEDIA__MAX_UDP_PAYLOAD: media.max_udp_payload: "x" is not a whole number`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestValidateNamesTheOrigin(t *testing.T) {
	c, err := load(t, "http:\n  listen: \":8080\"\nmedia:\n  max_udp_payload: 9000\nstreams:\n  wheel:\n    hold: 3s\n  Wheel: {rtp: {sdp: relay.yaml}}\n",
		"RELAY_MEDIA__UDP=7882")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set("admin.listen", "9090", "--admin"); err != nil {
		t.Fatal(err)
	}
	want := `relay.yaml:2: http.listen: ":8080" can be reached from other machines, and nobody would be asked for a token (allowed: a loopback address such as 127.0.0.1:8080, or any address with auth.tokens or auth.insecure: true)
RELAY_MEDIA__UDP: media.udp: "7882" is not an address (allowed: host:port, as in 127.0.0.1:8080 or :8080)
relay.yaml:4: media.max_udp_payload: "9000" is out of range (allowed: 600 to 1452)
--admin: admin.listen: "9090" is not an address (allowed: host:port, as in 127.0.0.1:8080 or :8080)
relay.yaml:8: streams.Wheel: "Wheel" is not a stream's name (allowed: 1 to 63 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit)
relay.yaml:6: streams.wheel.rtp: has no video (allowed: sdp: FILE, or video: {codec: h264, listen: 127.0.0.1:5004})
relay.yaml:7: streams.wheel.hold: "3s" is out of range (allowed: 0s to 2s)`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestValidateAuthentication(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, mode := range map[string]os.FileMode{"secret.token": 0o600, "open.token": 0o644} {
		if err := os.WriteFile(name, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	token := func(file, scope string) []TokenConfig { return []TokenConfig{{File: file, Scopes: []string{scope}}} }
	for _, test := range []struct {
		name, http, admin string
		auth              AuthConfig
		want              string // key of the only error; empty for none
	}{
		{"loopback", "127.0.0.1:0", "127.0.0.1:0", AuthConfig{}, ""},
		{"loopback, IPv6", "[::1]:0", "", AuthConfig{}, ""},
		{"loopback, by name", "localhost:8080", "", AuthConfig{}, ""},
		{"loopback, mapped", "[::ffff:127.0.0.1]:0", "", AuthConfig{}, ""},
		{"everywhere", ":8080", "", AuthConfig{}, "http.listen"},
		{"a name", "relay.example:8080", "", AuthConfig{}, "http.listen"},
		{"everywhere, insecure", ":8080", ":9090", AuthConfig{Insecure: true}, ""},
		{"everywhere, token", ":8080", "", AuthConfig{Tokens: token("secret.token", "mark")}, ""},
		{"admin everywhere, no admin token", "", ":9090", AuthConfig{Tokens: token("secret.token", "mark")}, "admin.listen"},
		{"admin everywhere, admin token", "", ":9090", AuthConfig{Tokens: token("secret.token", "admin")}, ""},
		{"no listeners", "", "", AuthConfig{}, ""},
		{"readable token", "", "", AuthConfig{Tokens: token("open.token", "mark")}, "auth.tokens[0].file"},
		{"same address", "127.0.0.1:8080", "127.0.0.1:8080", AuthConfig{}, "admin.listen"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := DefaultConfig()
			c.HTTP.Listen, c.Admin.Listen, c.Auth = test.http, test.admin, test.auth
			err := c.Validate()
			var errs ConfigError
			errors.As(err, &errs)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (len(errs) != 1 || errs[0].Key != test.want):
				t.Errorf("got %v, want one error about %s", err, test.want)
			}
		})
	}
}

func TestAllowedNetworks(t *testing.T) {
	c, err := load(t, "streams: {w: {rtp: {allow: [192.0.2.7, \"10.1.2.3/8\", \"2001:db8::/32\"]}}}")
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	if got := c.Streams["w"].RTP.Allow; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLoadNeverPanics(t *testing.T) {
	dir := t.TempDir()
	words := []string{"http", "listen", ":", " ", "\n", "  ", "- ", "[", "]", "{", "}", "&a", "*a", "<<", "streams", "w", "rtp", "video", "null", "\"", "'", "|", ",", "1", "!!str "}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 30).Draw(t, "words"), "")
		name := filepath.Join(dir, "relay.yaml")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if c, err := LoadConfig(name, nil); err == nil {
			_ = c.Validate()
		}
	})
}
