package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

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

// What is durable is announced in the cluster: events and accepted actions, with their
// positions.
func TestTheClusterHearsOfWhatIsDurable(t *testing.T) {
	url := startNATS(t)
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	heard := make(chan *nats.Msg, 64)
	if _, err := conn.ChanSubscribe("framelock.out.wheel.>", heard); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) {
		c.State.Dir, c.State.Journal.URL, c.State.Journal.Replicas = t.TempDir(), url, 1
	})
	r.film()
	if _, _, err := r.wheel.OpenWindow(t.Context(), Window{Window: "r1", At: Next()}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"bet-1", "bet-1", "bet-2"} {
		if _, err := r.wheel.Act(t.Context(), Action{ID: id, Window: "r1", Data: json.RawMessage(`17`)}, "anna"); err != nil {
			t.Fatal(err)
		}
	}
	lines := map[string]string{} // by position
	ctx, cancel := context.WithCancel(t.Context())
	err = r.wheel.Follow(ctx, 1, func(pos uint64, line, _ []byte) error {
		lines[strconv.FormatUint(pos, 10)] = string(line)
		if strings.Contains(string(line), `"id":"bet-2"`) {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	actions := 0
	for actions < 2 {
		select {
		case m := <-heard:
			if want := lines[m.Header.Get(journal.PositionHeader)]; want != string(m.Data) {
				t.Fatalf("position %s: %s, want %s", m.Header.Get(journal.PositionHeader), m.Data, want)
			}
			if m.Subject == "framelock.out.wheel.action" {
				actions++
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d of 2 actions were announced", actions)
		}
	}
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

// A relay that knows people by other names takes nothing from one that is well.
func TestARelayWithOtherPseudonymsTakesNoStream(t *testing.T) {
	url := startNATS(t)
	share := func(c *Config) { c.State.Journal.URL, c.State.Journal.Replicas = url, 1 }
	first := start(t, share, func(c *Config) { c.State.Dir = t.TempDir() })
	first.film()
	_, err := newRelay(func(c *Config) { share(c); c.State.Dir = t.TempDir() })
	if !errors.Is(err, journal.ErrPeople) || !strings.Contains(err.Error(), "pseudonym.key") {
		t.Errorf("a relay with another pseudonym.key: %v", err)
	}
	if _, err := first.wheel.Mark(t.Context(), Marker{ID: "m1", At: Next()}); err != nil {
		t.Errorf("the owner: %v", err)
	}
}
