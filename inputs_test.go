package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/framelock/relay/internal/stream"
)

// withBackup is a configuration with two encoders and a second path, all on free
// ports of loopback.
func withBackup() Config {
	cfg := DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s, b, p := DefaultStream(), DefaultBackup(), DefaultSecondPath()
	for _, rtp := range []*RTPConfig{&s.RTP, &b.RTP} {
		video, audio := DefaultVideo(), DefaultAudio()
		video.Codec, video.Listen, audio.Listen = "h264", "127.0.0.1:0", "127.0.0.1:0"
		rtp.Video, rtp.Audio = &video, &audio
	}
	p.VideoListen = "127.0.0.1:0"
	s.Backup, s.RTP.SecondPath = &b, &p
	cfg.Streams["wheel"] = s
	return cfg
}

func TestInputsOverHTTP(t *testing.T) {
	r, err := New(withBackup())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	a := r.Addrs()
	in := a.Streams["wheel"]
	if in.Video == "" || in.Audio == "" || in.SecondVideo == "" || in.SecondAudio != "" || in.Backup.Video == "" || in.Backup.Audio == "" || in.Backup.SecondVideo != "" {
		t.Errorf("%+v", in)
	}
	call := func(host, method, path, body string) (int, string) {
		t.Helper()
		q, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	defer http.DefaultClient.CloseIdleConnections()
	const inputs = "/v1/streams/wheel/inputs"
	for _, c := range []struct {
		name, host, method, path, body string
		status                         int
		want                           string
	}{
		{"list", a.HTTP, "GET", inputs, "", 200, `{"active":"primary","inputs":[{"input":"primary","state":"silent"`},
		{"switch without the scope", a.HTTP, "POST", inputs + "/switch", `{"input":"backup"}`, 403, "lacks the scope admin"},
		{"switch to a silent one", a.Admin, "POST", inputs + "/switch", `{"input":"backup"}`, 409, "input_silent"},
		{"switch to what is on", a.Admin, "POST", inputs + "/switch", `{"input":"primary"}`, 200, `"active":"primary"`},
		{"publish on the admin listener", a.Admin, "POST", "/v1/streams/wheel/markers", `{"id":"a","at":{"next":true}}`, 403, "lacks the scope mark"},
		{"health", a.HTTP, "GET", "/v1/streams/wheel", "", 200, `"code":"no_input","track":"v0"`},
		{"metrics", a.Admin, "GET", "/metrics", "", 200, `relay_stream_problem{code="standby_silent",stream="wheel"} 1`},
		{"metrics of inputs", a.Admin, "GET", "/metrics", "", 200, `relay_input_path_packets_total{input="primary",path="second",stream="wheel",track="v0"} 0`},
		{"metrics of actions", a.Admin, "GET", "/metrics", "", 200, `relay_viewer_actions_in_grace_total{stream="wheel"} 0`},
		{"actions", a.HTTP, "GET", "/v1/streams/wheel", "", 200, `"actions":{"accepted":0,"in_grace":0,"rtt_rises":0,"suspects":0}`},
	} {
		if status, text := call(c.host, c.method, c.path, c.body); status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s, want %d …%s…", c.name, status, text, c.status, c.want)
		}
	}
}

func TestABackupMustSendTheSame(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*BackupConfig)
		want   string
	}{
		{"codec", func(b *BackupConfig) { b.RTP.Video.Codec = "vp8" }, "VP8, and not H264"},
		{"no sound", func(b *BackupConfig) { b.RTP.Audio = nil }, "audio"},
	} {
		cfg := withBackup()
		c.change(cfg.Streams["wheel"].Backup)
		_, err := New(cfg)
		var wrong ConfigError
		if !errors.As(err, &wrong) || wrong[0].Key != "streams.wheel.backup.rtp" || !strings.Contains(wrong[0].Problem, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Every health code is explained where operators look.
func TestHealthCodesAreExplained(t *testing.T) {
	doc, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range stream.HealthCodes() {
		if !strings.Contains(string(doc), "| `"+code+"` |") {
			t.Errorf("docs/operations.md does not explain %s", code)
		}
	}
}
