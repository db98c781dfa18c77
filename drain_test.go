package relay

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/internal/watch"
)

// watcher is a viewer that watches until leave is called.
type watcher struct {
	leave   func()
	ended   chan error
	begun   chan struct{} // it is sent the stream
	notices chan string   // every one, as it came
}

// comes returns a viewer that is on its way.
func (r *running) comes() *watcher {
	ctx, leave := context.WithCancel(r.t.Context())
	w := &watcher{leave: leave, ended: make(chan error, 1), begun: make(chan struct{}, 1), notices: make(chan string, 16)}
	go func() {
		_, err := watch.Run(ctx, watch.Config{URL: r.base + "/whep/wheel", Frames: func(watch.Frame) {
			select {
			case w.begun <- struct{}{}:
			default:
			}
		}, Messages: func(m watch.Message) {
			if strings.Contains(string(m.Data), `"notice"`) {
				w.notices <- string(m.Data)
			}
		}})
		w.ended <- err
	}()
	r.t.Cleanup(leave)
	return w
}

// watch returns a viewer that is being sent the stream.
func (r *running) watch() *watcher {
	r.t.Helper()
	w := r.comes()
	select {
	case <-w.begun:
	case err := <-w.ended:
		r.t.Fatal(err)
	}
	return w
}

// told waits for the notice that the relay drains.
func (w *watcher) told(t *testing.T) {
	t.Helper()
	select {
	case n := <-w.notices:
		if !strings.Contains(n, `"code":"draining"`) {
			t.Errorf("the viewer is told %s", n)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the viewer is told nothing")
	}
}

func TestDraining(t *testing.T) {
	r := start(t, func(c *Config) { c.Drain.Grace = time.Minute })
	r.film()
	first, last := r.watch(), r.watch()
	stream, err := http.Get(r.base + "/v1/streams/wheel/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	began := time.Now()
	stopped := make(chan struct{})
	go func() { defer close(stopped); r.stop() }()
	first.told(t)
	last.told(t)

	events := bufio.NewScanner(stream.Body)
	for events.Scan() && events.Text() != "event: notice" {
	}
	if !events.Scan() || !strings.Contains(events.Text(), `"code":"draining"`) {
		t.Errorf("readers of events are told %q", events.Text())
	}
	if status, text := r.readiness(); status != http.StatusServiceUnavailable || text != "draining\n" {
		t.Errorf("/readyz: %d %q", status, text)
	}
	if _, err := watch.Run(t.Context(), watch.Config{URL: r.base + "/whep/wheel"}); err == nil || !strings.Contains(err.Error(), errStopping.Error()) {
		t.Errorf("a new viewer: %v, want %q", err, errStopping)
	}
	if _, err := r.wheel.Mark(t.Context(), Marker{ID: "m1", At: Next()}); err != nil {
		t.Errorf("the stream is there no more: %v", err)
	}

	first.leave()
	if err := <-first.ended; err != nil {
		t.Errorf("the first viewer ended with %v", err)
	}
	select {
	case <-stopped:
		t.Fatal("the relay stopped while somebody watched")
	case err := <-last.ended:
		t.Fatalf("the last viewer ended with %v", err)
	default:
	}
	last.leave()
	<-stopped
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the relay stopped %v after it was told, although all had left", took)
	}
}

// Who does not leave is sent off at the end of the grace.
func TestTheGraceIsBounded(t *testing.T) {
	r := start(t, func(c *Config) { c.Drain.Grace = 300 * time.Millisecond })
	r.film()
	w := r.watch()
	began := time.Now()
	r.stop()
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("the relay stopped after %v", took)
	}
	w.told(t)
	if err := <-w.ended; err == nil {
		t.Error("the viewer was not sent off")
	}
}

// Viewers who come as the relay begins to drain are refused, or told like the others.
func TestWhoComesAsItDrainsIsTold(t *testing.T) {
	r := start(t, func(c *Config) { c.Drain.Grace = 3 * time.Second })
	r.film()
	crowd := make([]*watcher, 16)
	for i := range crowd {
		crowd[i] = r.comes()
	}
	for r.sessions.count() < len(crowd)/2 { // none of them has connected
		<-time.After(time.Millisecond)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); r.stop() }()
	refused := 0
	for _, w := range crowd {
		select {
		case n := <-w.notices:
			if !strings.Contains(n, `"code":"draining"`) {
				t.Errorf("a viewer is told %s", n)
			}
			w.leave()
			<-w.ended
		case err := <-w.ended:
			if refused++; err == nil || !strings.Contains(err.Error(), errStopping.Error()) {
				t.Errorf("a viewer was told nothing, and ended with %v", err)
			}
		}
	}
	<-stopped
	t.Logf("%d told, %d refused", len(crowd)-refused, refused)
}
