package relay

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/framelock/relay/sync/journal"
)

// startNATS starts a server that keeps journals, and returns its address.
func startNATS(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, SyncAlways: true, StoreDir: t.TempDir(), JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: 1 << 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no NATS server")
	}
	return s.ClientURL()
}

// readiness returns what /readyz says.
func (r *running) readiness() (int, string) {
	r.t.Helper()
	res, err := http.Get("http://" + r.Addrs().Admin + "/readyz")
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// A relay that starts takes its streams over, with their open windows; the one
// before says so, and promises nothing more.
func TestARelayThatStartsTakesItsStreams(t *testing.T) {
	url := startNATS(t)
	share := func(c *Config) { c.State.Journal.URL, c.State.Journal.Replicas = url, 1 }
	first := start(t, share, func(c *Config) { c.State.Dir = t.TempDir() })
	first.film()
	if _, _, err := first.wheel.OpenWindow(t.Context(), Window{Window: "r1", At: Next()}); err != nil {
		t.Fatal(err)
	}
	bet := Action{ID: "bet-1", Window: "r1", Data: json.RawMessage(`17`)}
	if b, err := first.wheel.Act(t.Context(), bet, "user-1"); err != nil || !strings.Contains(string(b), `"verdict":"accepted"`) {
		t.Fatalf("%s %v", b, err)
	}
	if status, text := first.readiness(); status != http.StatusOK || text != "ready\n" {
		t.Errorf("the owner: %d %s", status, text)
	}

	second := start(t, share)
	first.ends = journal.ErrFenced
	second.film()
	windows, err := second.wheel.Windows(t.Context())
	if err != nil || len(windows) != 1 || windows[0].Name != "r1" || windows[0].Phase.String() != "open" || windows[0].Accepted != 1 {
		t.Errorf("after the take-over: %+v %v", windows, err)
	}
	if status, body := second.call("GET", "/v1/streams/wheel/log/export", ""); status != http.StatusNotFound || !strings.Contains(body["detail"].(string), "set state.dir") {
		t.Errorf("an export that nobody signs: %d %v", status, body)
	}

	if _, err := first.wheel.Mark(t.Context(), Marker{ID: "late", At: Next()}); !errors.Is(err, ErrNotOwner) {
		t.Errorf("an event on the relay before: %v", err)
	}
	if status, text := first.readiness(); status != http.StatusServiceUnavailable || !strings.HasPrefix(text, "wheel: not_owner") {
		t.Errorf("the relay before: %d %s", status, text)
	}
	if status, body := first.call("GET", "/v1/streams/wheel/log/export", ""); status != http.StatusServiceUnavailable || !strings.HasPrefix(body["detail"].(string), "not_owner") {
		t.Errorf("an export of the relay before: %d %v", status, body)
	}
	if _, err := second.wheel.Mark(t.Context(), Marker{ID: "on", At: Next()}); err != nil {
		t.Errorf("an event on the relay that took over: %v", err)
	}
}
