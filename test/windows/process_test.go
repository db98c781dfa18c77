//go:build linux

package windows

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/bench/load"
)

// roleVar holds the plan of a relay that this binary is to be, instead of a test.
const roleVar = "WINDOWS_RELAY"

// plan is what a relay in a process of its own is told.
type plan struct {
	Dir, HTTP, UDP, Admin, Video, Audio string
	Journal                             string // URL of a cluster, if not in Dir
	Crowd                               bool   // embed a crowd beside the relay, which takes turns from standard input
}

// newPlan picks addresses that nothing listens to. They are the same for every life
// of the relay, as its studio knows no others.
func newPlan(t *testing.T, dir string) plan {
	t.Helper()
	p := plan{Dir: dir}
	for _, to := range []*string{&p.HTTP, &p.Admin} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		*to = l.Addr().String()
	}
	for _, to := range []*string{&p.UDP, &p.Video, &p.Audio} {
		// The port after a studio's is for its reports.
		for *to == "" {
			first, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			port := first.LocalAddr().(*net.UDPAddr).Port
			if second, err := net.ListenPacket("udp", fmt.Sprint("127.0.0.1:", port+1)); err == nil {
				defer second.Close()
				*to = first.LocalAddr().String()
			}
		}
	}
	return p
}

// serve is the process of a relay.
func serve(text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	cfg := config(p.Dir)
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = p.HTTP, p.UDP, p.Admin
	s := cfg.Streams["wheel"]
	s.RTP.Video.Listen, s.RTP.Audio.Listen = p.Video, p.Audio
	cfg.State.Journal.URL = p.Journal
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	r, err := relay.New(cfg)
	if err != nil {
		return err
	}
	if p.Crowd {
		go embed(r, os.Stdin, os.Stdout)
	}
	return r.Run(context.Background())
}

// process is a relay that can be killed, and what it is asked over HTTP.
type process struct {
	*testing.T
	plan
	cmd    *exec.Cmd
	ended  chan error
	client *http.Client
	crowd  *remote // nil if it has none
}

// launch starts a relay and waits until it takes events. The first frame that came is
// one too.
func launch(t *testing.T, p plan) *process {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	r := &process{T: t, plan: p, cmd: exec.Command(os.Args[0]), ended: make(chan error, 1), client: &http.Client{
		Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
	r.cmd.Env = append(os.Environ(), roleVar+"="+string(text))
	r.cmd.Stderr = t.Output()
	if p.Crowd {
		r.crowd = newRemote(t, r.cmd)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(r.kill)
	r.awake()
	return r
}

// awake waits until the relay takes events.
func (r *process) awake() {
	r.Helper()
	eventually(r.T, "the relay takes events", func() bool {
		status, _, err := r.call("POST", "/v1/streams/wheel/markers", map[string]any{"id": "begun-" + fmt.Sprint(time.Now().UnixNano()), "kind": "marker", "at": map[string]any{"next": true}})
		return err == nil && status == http.StatusCreated
	})
}

// kill ends the process as a power failure would; more than once is no more.
func (r *process) kill() {
	r.cmd.Process.Kill()
	err := <-r.ended
	r.ended <- err
	r.client.CloseIdleConnections()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		r.Errorf("the relay ended by itself: %v", err)
	}
}

func (r *process) call(method, path string, body any) (status int, answer []byte, err error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, "http://"+r.HTTP+path, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// must is call, for what cannot fail.
func (r *process) must(method, path string, body any, want int) []byte {
	r.Helper()
	status, b, err := r.call(method, path, body)
	if err != nil || status != want {
		r.Fatalf("%s %s: %d %s %v", method, path, status, b, err)
	}
	return b
}

// act takes an action of a user of its own. An answer that is none is an error.
func (r *process) act(name, id string) ([]byte, error) {
	status, b, err := r.call("POST", "/v1/streams/wheel/windows/"+name+"/actions", map[string]any{
		"id": id, "subject": "user-" + id, "data": map[string]any{"bet": "red", "amount": 2500},
	})
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, b)
	}
	return b, err
}

// open opens a window that is closed by hand.
func (r *process) open(name string) {
	r.Helper()
	r.must("POST", "/v1/streams/wheel/windows", map[string]any{"window": name, "at": map[string]any{"next": true}}, http.StatusCreated)
}

// windows returns the phase of each window.
func (r *process) windows() map[string]string {
	r.Helper()
	var list struct {
		Windows []struct{ Window, Phase string }
	}
	if err := json.Unmarshal(r.must("GET", "/v1/streams/wheel/windows", nil, http.StatusOK), &list); err != nil {
		r.Fatal(err)
	}
	phases := map[string]string{}
	for _, w := range list.Windows {
		phases[w.Window] = w.Phase
	}
	return phases
}

// film has a studio send to the relay, whether it lives or not.
func film(t *testing.T, p plan) {
	t.Helper()
	play(t, []load.Destination{{Video: p.Video, Audio: p.Audio}})
}
