package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"relay": main})
}

func TestScripts(t *testing.T) {
	relay := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(relay.Close) // the scripts run after this function has returned
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { takenUDP.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	testscript.Run(t, testscript.Params{
		Dir:      "testdata/script",
		Deadline: time.Now().Add(time.Minute),
		Setup: func(env *testscript.Env) error {
			env.Setenv("RELAY", relay.URL)
			env.Setenv("TAKEN", taken.Addr().String())
			env.Setenv("TAKEN_UDP", takenUDP.LocalAddr().String())
			env.Setenv("NOBODY", takenUDP.LocalAddr().String())
			env.Setenv("CLOSED", "http://"+closed.Addr().String())
			env.Setenv("XDG_CACHE_HOME", env.WorkDir)
			for name, file := range map[string]string{"KEY": "key.txt", "NEXT_KEY": "key-next.txt"} {
				key, err := os.ReadFile(filepath.Join(transcripts, file))
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(key)))
			}
			return os.CopyFS(filepath.Join(env.WorkDir, "transcripts"), os.DirFS(transcripts))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "mode": mode, "ready": ready,
		},
	})
}

// transcripts has an export of a log and what a viewer kept of it (sync/transcript).
const transcripts = "../../testdata/transcript"

// answer is a relay with one stream and ready answers.
func answer(w http.ResponseWriter, r *http.Request) {
	const info = `{"name":"wheel","log":"9f3c0a77d2e41b05","seq":124,"epoch":1,"paused":true,"hold_ms":0,"viewers":3,` +
		`"clock":{"capture_time":"2026-11-22T12:00:00Z","source":"sender_report","error_ms":0.4},` +
		`"tracks":[{"track":"v0","codec":"H264","ssrc":7,"source":"127.0.0.1:4000","packets":9,"lost":1},{"track":"a0","codec":"opus"}],"health":[]}`
	switch r.URL.Path {
	case "/v1/streams":
		io.WriteString(w, `{"streams":[`+info+`]}`)
	case "/v1/streams/wheel":
		io.WriteString(w, info)
	case "/v1/streams/wheel/markers":
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":"r1","seq":124,"epoch":1,"ts":160000000000000,"frame":48213,`+
			`"capture_time":"2026-11-22T12:00:00.25Z","error_ms":0.4,"late_ms":12.5,"clock":"sender_report"}`)
	case "/v1/streams/wheel/inputs", "/v1/streams/wheel/inputs/switch":
		io.WriteString(w, `{"active":"backup","reason":"operator","since":"2026-11-22T12:00:00Z","inputs":[`+
			`{"input":"primary","state":"silent","tracks":[{"track":"v0","ssrc":7,"packets":9,"foreign":1}]},`+
			`{"input":"backup","state":"on","tracks":[{"track":"v0","ssrc":8,"source":"127.0.0.1:4000","packets":5,"foreign":0,`+
			`"paths":[{"packets":5,"first":4,"differ":0},{"packets":4,"first":1,"differ":0}]}]}]}`)
	case "/v1/streams/wheel/windows":
		if r.Method == http.MethodGet {
			io.WriteString(w, `{"windows":[{"window":"r1","phase":"open","open_ts":160000000000000,"remaining_ms":4200,"rules":{}},`+
				`{"window":"r0","phase":"closed","open_ts":159999990000000,"remaining_ms":0,"rules":{},"accepted":12,"rejected":1}]}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":"open:r1","seq":7,"epoch":1,"ts":160000000000000,"frame":48213,"capture_time":"2026-11-22T12:00:00.25Z",`+
			`"error_ms":0.4,"late_ms":0,"clock":"sender_report","window":"r1","closes_ts":160000000900000}`)
	case "/v1/streams/wheel/windows/r1/close", "/v1/streams/wheel/windows/r1/void":
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":"close:r1","seq":8,"epoch":1,"ts":160000000090000,"frame":48243,"capture_time":"2026-11-22T12:00:01.25Z",`+
			`"error_ms":0.4,"late_ms":0,"clock":"sender_report"}`)
	case "/v1/streams/wheel/windows/r1/actions":
		io.WriteString(w, `{"type":"receipt","v":1,"id":"a1","window":"r1","verdict":"rejected","reason":"window_closed","order":3,`+
			`"received_at":"2026-11-22T12:00:02Z","seen":0,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","commitment":"00"}`)
	case "/v1/streams/wheel/windows/r1/receipts/a1":
		io.WriteString(w, `{"receipt":{"type":"receipt","v":1,"id":"a1","window":"r1","verdict":"accepted","order":3,`+
			`"received_at":"2026-11-22T12:00:02Z","seen":0,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","commitment":"00"},`+
			`"action":{"v":1,"type":"action"},"proof":{"index":2,"size":9,"root":"ab01","hashes":[]}}`)
	case "/v1/streams/wheel/windows/r1/receipts/a2":
		io.WriteString(w, `{"receipt":{"type":"receipt","v":1,"id":"a2","window":"r1","verdict":"accepted","order":4},"action":{},"proof":null}`)
	case "/v1/streams/wheel/windows/again/close":
		io.WriteString(w, `{"id":"close:again","seq":8,"epoch":1,"ts":160000000090000,"frame":48243,"capture_time":"2026-11-22T12:00:01.25Z",`+
			`"error_ms":0.4,"late_ms":0,"clock":"sender_report"}`)
	case "/v1/streams/wheel/log/erase":
		w.WriteHeader(http.StatusNoContent)
	case "/v1/streams/wheel/log/export":
		w.Header().Set("Content-Type", "application/x-ndjson")
		http.ServeFile(w, r, filepath.Join(transcripts, "wheel.ndjson"))
	case "/v1/streams/wheel/recording":
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"type":"about:blank","title":"Not Found","status":404,"detail":"no recording of that time"}`)
	case "/v1/streams/cut/log/export":
		w.Header().Set("Content-Length", "1000000")
		io.WriteString(w, "{")
	case "/v1/streams/secret/markers":
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"type":"about:blank","title":"Unauthorized","status":401}`)
	default:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no stream \"gone\""}`)
	}
}

// status runs a command and checks its exit code: status CODE COMMAND ARGS...
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// mode checks a file's permissions: mode 0600 FILE
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode MODE FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%#o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("mode %s, want %s", got, args[0])
	}
}

// ready runs a server until it has printed its first line, which becomes stdout,
// then terminates it and checks that it ends well: ready COMMAND ARGS...
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: ready COMMAND ARGS...")
	}
	program, err := exec.LookPath(args[0])
	ts.Check(err)
	cmd := exec.Command(program, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "XDG_CACHE_HOME", "GOCOVERDIR",
		"RELAY_STREAMS__TABLE_1__RTP__VIDEO__LISTEN", "RELAY_STREAMS__TABLE_1__RTP__AUDIO__LISTEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	out := bufio.NewReader(stdout)
	line, _ := out.ReadString('\n')
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil || line == "" {
		ts.Fatalf("%v\n%s%s", err, line, stderr.String())
	}
	fmt.Fprint(ts.Stdout(), line)
	ts.Logf("%s", strings.TrimSpace(stderr.String()))
}
