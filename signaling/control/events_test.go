package control

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// follow opens an event stream on a real server.
func follow(t *testing.T, s *table, opts Options, path string, header map[string]string) (*http.Response, *bufio.Reader) {
	t.Helper()
	server := httptest.NewServer(Handler(s, people, opts))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer reader")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, bufio.NewReader(response.Body)
}

// message reads up to the next empty line.
func message(t *testing.T, b *bufio.Reader) string {
	t.Helper()
	var text strings.Builder
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", text.String(), err)
		}
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

// ended waits until the subscription's context has.
func ended(t *testing.T, s *table) {
	t.Helper()
	select {
	case <-s.cancelled:
	case <-time.After(20 * time.Second):
		t.Fatal("the subscription goes on")
	}
}

func TestEvents(t *testing.T) {
	s := newTable(t)
	response, body := follow(t, s, Options{}, "/v1/streams/wheel/events", map[string]string{"Last-Event-ID": "122"})
	for k, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := response.Header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if got := message(t, body); got != "retry: 1000\n" {
		t.Errorf("first %q", got)
	}
	for seq := 123; seq < 126; seq++ {
		event := fmt.Sprintf(`{"v":1,"type":"event","seq":%d,"data":{"seq":1}}`, seq)
		s.events <- []byte(event)
		if diff := cmp.Diff(fmt.Sprintf("id: %d\ndata: %s\n", seq, event), message(t, body)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	close(s.events)
	if _, err := body.ReadByte(); err == nil {
		t.Error("the answer goes on although the subscription has ended")
	}
	ended(t, s)
	if diff := cmp.Diff([]uint64{122}, s.after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEventsResume(t *testing.T) {
	for _, tt := range []struct {
		name, path, header string
		want               uint64
	}{
		{"new ones", "/v1/streams/wheel/events", "", Newest},
		{"all that are kept", "/v1/streams/wheel/events?after=0", "", 0},
		{"by the header", "/v1/streams/wheel/events", "9007199254740991", 9007199254740991},
		{"by the query", "/v1/streams/wheel/events?after=7", "", 7},
		{"the header wins", "/v1/streams/wheel/events?after=7", "8", 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newTable(t)
			close(s.events)
			header := map[string]string{}
			if tt.header != "" {
				header["Last-Event-ID"] = tt.header
			}
			_, body := follow(t, s, Options{}, tt.path, header)
			message(t, body)
			ended(t, s)
			if diff := cmp.Diff([]uint64{tt.want}, s.after); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsHeartbeat(t *testing.T) {
	s := newTable(t)
	_, body := follow(t, s, Options{Heartbeat: time.Millisecond}, "/v1/streams/wheel/events", nil)
	message(t, body)
	for range 3 {
		if got := message(t, body); got != ":\n" {
			t.Errorf("got %q", got)
		}
	}
	close(s.events)
	ended(t, s)
}

// Who reads events is told once that the relay stops, and goes on reading.
func TestEventsTellOfTheEnd(t *testing.T) {
	s := newTable(t)
	draining := make(chan struct{})
	_, body := follow(t, s, Options{Draining: draining}, "/v1/streams/wheel/events", nil)
	message(t, body)
	close(draining)
	want := "event: notice\ndata: {\"type\":\"notice\",\"code\":\"draining\",\"text\":\"This relay stops soon.\"}\n"
	if got := message(t, body); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.events <- []byte(`{"seq":7}`)
	if got := message(t, body); got != "id: 7\ndata: {\"seq\":7}\n" {
		t.Errorf("then %q", got)
	}
	close(s.events)
	ended(t, s)
}

func TestEventsEndWithTheCaller(t *testing.T) {
	s := newTable(t)
	response, body := follow(t, s, Options{}, "/v1/streams/wheel/events", nil)
	message(t, body)
	response.Body.Close()
	ended(t, s)
}

func TestEventsThatCannotBeSent(t *testing.T) {
	for _, event := range []string{`{"v":1}`, `{"seq":1,` + "\n" + `"v":1}`, `{"seq":"1"}`, `x`} {
		s := newTable(t)
		_, body := follow(t, s, Options{}, "/v1/streams/wheel/events", nil)
		message(t, body)
		s.events <- []byte(event)
		if rest, err := body.ReadString(0); err == nil || rest != "" {
			t.Errorf("sent %q", rest)
		}
		ended(t, s)
	}
}

func TestEventsHaveAMostOfReaders(t *testing.T) {
	s := newTable(t)
	handler := Handler(s, people, Options{MaxSubscribers: 1})
	server := httptest.NewServer(handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/streams/wheel/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer reader")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	message(t, bufio.NewReader(response.Body))
	second := call{method: "GET", path: "/v1/streams/wheel/events", token: "reader", status: 503,
		want: "too many callers", header: map[string]string{"Retry-After": "5"}}
	_, w := second.do(handler)
	second.check(t, w)
	close(s.events)
	ended(t, s)
}

// TestEventsCutASlowReader has a reader that reads nothing.
func TestEventsCutASlowReader(t *testing.T) {
	s := newTable(t)
	server := httptest.NewServer(Handler(s, people, Options{WriteTimeout: 50 * time.Millisecond}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET /v1/streams/wheel/events HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer reader\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	event := []byte(`{"seq":1,"data":"` + strings.Repeat("x", 1<<20) + `"}`)
	deadline := time.After(20 * time.Second)
	for {
		select {
		case s.events <- event:
		case <-s.cancelled:
			return
		case <-deadline:
			t.Fatal("the reader was not cut")
		}
	}
}
