package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/framelock/relay/internal/watch"
	"github.com/framelock/relay/media/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a relay with one stream on free ports.
type running struct {
	*Relay
	t     *testing.T
	wheel *Stream
	stop  func()
	base  string
	ends  error // that Run returns
}

func start(t *testing.T, change ...func(*Config)) *running {
	t.Helper()
	cfg := DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s := DefaultStream()
	v := DefaultVideo()
	v.Codec, v.Listen = "h264", "127.0.0.1:0"
	s.RTP.Video = &v
	cfg.Streams["wheel"] = s
	for _, f := range change {
		f(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case <-r.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	wheel, _ := r.Stream("wheel")
	run := &running{Relay: r, t: t, wheel: wheel, base: "http://" + r.Addrs().HTTP}
	stopped := false
	run.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; !errors.Is(err, run.ends) {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
	t.Cleanup(run.stop)
	return run
}

// film sends 50 frames a second to the relay until the test ends; every 25th is a
// keyframe.
func (r *running) film() {
	r.t.Helper()
	conn, err := net.Dial("udp", r.Addrs().Streams["wheel"].Video)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := uint32(0); ; n++ {
			b := packet.AppendHeader(nil, 96, uint16(n), n*1800, 7)
			b[1] |= 0x80
			nal := byte(0x41)
			if n%25 == 0 {
				nal = 0x65
			}
			_, _ = conn.Write(append(b, nal, byte(n)))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	r.t.Cleanup(func() { cancel(); <-done; conn.Close() })
	for {
		s, err := r.wheel.Snapshot(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if s.StateAt != 0 {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (r *running) call(method, path, body string) (int, map[string]any) {
	r.t.Helper()
	q, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(path, "/whep/") {
		q.Header.Set("Content-Type", "application/sdp")
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var v map[string]any
	_ = json.Unmarshal(b, &v)
	return answer.StatusCode, v
}

func TestBadInputIsAnswered(t *testing.T) {
	r := start(t)
	next := `{"id":"a","kind":"outcome","at":{"next":true}}`
	if status, v := r.call("POST", "/v1/streams/wheel/markers", next); status != 409 {
		t.Errorf("nothing is being sent: %d %v", status, v)
	}
	r.film()
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		field                    string
	}{
		{"unknown stream", "POST", "/v1/streams/none/markers", next, 404, ""},
		{"unknown stream to play", "POST", "/whep/none", "v=0", 400, ""},
		{"malformed SDP", "POST", "/whep/wheel", "nonsense", 400, "*"},
		{"malformed JSON", "POST", "/v1/streams/wheel/markers", `{"id"`, 400, "*"},
		{"unknown field", "POST", "/v1/streams/wheel/markers", `{"id":"x","kind":"outcome","at":{"next":true},"colour":1}`, 400, "colour"},
		{"bad time", "POST", "/v1/streams/wheel/markers", `{"id":"x","kind":"outcome","at":{"capture_time":"noon"}}`, 400, "at.capture_time"},
		{"unknown source", "POST", "/v1/streams/wheel/markers", `{"id":"x","kind":"outcome","at":{"source":{"ssrc":9,"ts":1}}}`, 409, ""},
		{"too large", "POST", "/v1/streams/wheel/markers", `{"id":"x","kind":"outcome","at":{"next":true},"data":"` + strings.Repeat("x", 1100) + `"}`, 413, ""},
		{"frame that never comes", "POST", "/v1/streams/wheel/markers", fmt.Sprintf(`{"id":"x","kind":"outcome","timeout_ms":50,"at":{"ts":%d}}`, r.ahead(5)), 409, ""},
		{"no such page", "GET", "/nothing", "", 404, ""},
		{"admin is not public", "GET", "/metrics", "", 404, ""},
	} {
		status, v := r.call(c.method, c.path, c.body)
		if status != c.status {
			t.Errorf("%s: %d %v, want %d", c.name, status, v, c.status)
		}
		if field, _ := v["field"].(string); c.field == "*" && field == "" || c.field != "" && c.field != "*" && field != c.field {
			t.Errorf("%s: field %q in %v, want %q", c.name, field, v, c.field)
		}
	}
	if status, v := r.call("POST", "/v1/streams/wheel/markers", next); status != 201 || v["seq"] != 1. {
		t.Errorf("a good one: %d %v", status, v)
	}
	if status, v := r.call("POST", "/v1/streams/wheel/markers", next); status != 200 || v["seq"] != 1. {
		t.Errorf("again: %d %v", status, v)
	}
}

// ahead returns a canonical timestamp some seconds from now.
func (r *running) ahead(seconds uint64) uint64 {
	s, err := r.wheel.Snapshot(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s.StateAt + seconds*90000
}

func TestGarbageDoesNotStopAStream(t *testing.T) {
	r := start(t)
	r.film()
	for _, to := range []string{r.Addrs().Streams["wheel"].Video, r.Addrs().UDP} {
		conn, err := net.Dial("udp", to)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			b := make([]byte, i*3+1)
			for j := range b {
				b[j] = byte(i*31 + j*17)
			}
			_, _ = conn.Write(b)
		}
		conn.Close()
	}
	report, err := watch.Run(t.Context(), watch.Config{URL: r.base + "/whep/wheel", Duration: 500 * time.Millisecond})
	if err != nil || report.Video.Complete < 20 || report.Video.Incomplete > 1 {
		t.Errorf("%+v %v", report.Video, err)
	}
}

// metricsText is what operators' tools get.
func (r *running) metricsText() string {
	r.t.Helper()
	answer, err := http.Get("http://" + r.Addrs().Admin + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func TestMetricsTellWhatViewersSee(t *testing.T) {
	r := start(t)
	r.film()
	if _, err := watch.Run(t.Context(), watch.Config{URL: r.base + "/whep/wheel", Duration: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	const ended = `relay_sessions_ended_total{reason="deleted",stream="wheel"} 1`
	b := r.metricsText()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(b, ended) && time.Now().Before(deadline); b = r.metricsText() {
		<-time.After(5 * time.Millisecond) // the session ends a little after its DELETE was answered
	}
	for _, want := range []string{
		`relay_join_seconds_count{snapshot="yes",stream="wheel"} 1`, `relay_input_packets_total{stream="wheel",track="v0"} `,
		ended, `relay_stream_paused{stream="wheel"} 0`,
		`relay_input_malformed_total{stream="wheel",track="v0"} 0`, "relay_build_info{",
	} {
		if !strings.Contains(b, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if answer, err := http.Get("http://" + r.Addrs().Admin + path); err != nil || answer.StatusCode != 200 {
			t.Errorf("%s: %v %v", path, answer, err)
		} else {
			answer.Body.Close()
		}
	}
}

func TestATakenPortSaysWhichSettingToChange(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for key, set := range map[string]func(*Config){
		"http.listen":  func(c *Config) { c.HTTP.Listen = tcp.Addr().String() },
		"admin.listen": func(c *Config) { c.Admin.Listen = tcp.Addr().String() },
		"media.udp":    func(c *Config) { c.Media.UDP = udp.LocalAddr().String() },
		"streams.wheel.rtp.video.listen": func(c *Config) {
			c.Streams["wheel"].RTP.Video.Listen = udp.LocalAddr().String()
		},
	} {
		cfg := DefaultConfig()
		cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		s := DefaultStream()
		v := DefaultVideo()
		v.Codec, v.Listen = "h264", "127.0.0.1:0"
		s.RTP.Video = &v
		cfg.Streams["wheel"] = s
		set(&cfg)
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), key+": ") || !strings.Contains(err.Error(), "set "+key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestARestartGoesOnForward(t *testing.T) {
	dir := t.TempDir()
	var last Resolved
	for i := range 3 {
		r := start(t, func(c *Config) { c.State.Dir = dir })
		r.film()
		m, err := r.wheel.Mark(t.Context(), Marker{ID: fmt.Sprint("m", i), At: Next()})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && (m.Seq <= last.Seq || m.TS <= last.TS || m.Epoch <= last.Epoch) {
			t.Errorf("run %d: %+v is not after %+v", i, m, last)
		}
		last = m
		r.stop()
	}
}

func TestARelayRunsOnce(t *testing.T) {
	r := start(t)
	r.stop()
	if err := r.Run(t.Context()); err == nil {
		t.Error("it ran twice")
	}
	if _, err := r.wheel.Mark(t.Context(), Marker{ID: "x", At: Next()}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a mark on a relay that has ended: %v", err)
	}
}

func TestStoppingEndsSessions(t *testing.T) {
	r := start(t)
	r.film()
	watching := make(chan error, 1)
	go func() {
		_, err := watch.Run(t.Context(), watch.Config{URL: r.base + "/whep/wheel", Duration: 20 * time.Second})
		watching <- err
	}()
	for {
		info, err := r.wheel.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.Viewers == 1 {
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	r.stop()
	if err := <-watching; !errors.Is(err, watch.ErrDisconnected) && !errors.Is(err, watch.ErrNoMedia) {
		t.Errorf("the viewer ended with %v", err)
	}
}
