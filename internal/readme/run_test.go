//go:build readme

package readme

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait; a build from an empty cache is the longest.
const patience = 3 * time.Minute

// TestREADME runs every block of the README that has a check.
func TestREADME(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]func(*testing.T, string, string){
		"demo": checkDemo, "test": checkTest, "html": checkHTML, "go": checkGo, "ffmpeg": checkFFmpeg,
	}
	for _, b := range page(t) {
		if b.Check != "" {
			t.Run(fmt.Sprintf("line %d %s", b.Line, b.Check), func(t *testing.T) { checks[b.Check](t, root, b.Text) })
		}
	}
}

// checkDemo starts the demo as the README says, on free ports, until it has a
// stream with media.
func checkDemo(t *testing.T, root, text string) {
	url := startDemo(t, root, text)
	if status := get(t, url, nil); status != http.StatusOK {
		t.Errorf("the page answers %d", status)
	}
	waitForMedia(t, url)
}

// checkTest looks at the target only: its recipe is what runs this test.
func checkTest(t *testing.T, root, text string) {
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.TrimSpace(text)+" --dry-run")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "runtests") {
		t.Errorf("%v: %s", err, out)
	}
}

// checkGo builds and vets the program in a module of its own that requires this one.
func checkGo(t *testing.T, root, text string) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "embed", "main.go"), text)
	version := strings.TrimPrefix(runtime.Version(), "go")
	write(t, filepath.Join(dir, "embed", "go.mod"), "module example.com/embed\n\ngo "+version+"\n")
	write(t, filepath.Join(dir, "go.work"), fmt.Sprintf("go %s\n\nuse (\n\t./embed\n\t%q\n)\n", version, root))
	for _, args := range [][]string{{"vet", "."}, {"build", "-o", filepath.Join(dir, "bin"), "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = filepath.Join(dir, "embed")
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "GOFLAGS=-mod=readonly")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
}

// checkFFmpeg runs the commands as they stand but for the ports, until the relay
// has ffmpeg's pictures, and watches them.
func checkFFmpeg(t *testing.T, root, text string) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Fatal("install ffmpeg: ", err)
	}
	build := exec.CommandContext(t.Context(), "make", "build")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	dir := t.TempDir() // the commands write files
	if err := os.Symlink(filepath.Join(root, "bin"), filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	text, port := movePorts(t, text)
	start(t, dir, text)
	url := "http://127.0.0.1:" + port
	waitForMedia(t, url)
	watch := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "relay"), "watch", "camera", "--url", url, "--for", "3s")
	if out, err := watch.CombinedOutput(); err != nil {
		t.Errorf("a viewer of the stream: %v\n%s", err, out)
	}
}

// checkHTML puts the page on a server of its own, beside the demo, and opens it in
// Chromium: the player must play and bring events.
func checkHTML(t *testing.T, root, text string) {
	browser := chromium(t)
	relay := startDemo(t, root, "make demo")
	waitForMedia(t, relay)
	text = strings.ReplaceAll(text, "http://localhost:8080", strings.TrimRight(relay, "/"))
	result := make(chan string, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			b, _ := io.ReadAll(r.Body)
			result <- string(b)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, probe+text)
	}))
	defer server.Close()
	cmd := fmt.Sprintf("exec %q --headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"+
		" --autoplay-policy=no-user-gesture-required --user-data-dir=%q %q", browser, t.TempDir(), server.URL)
	start(t, root, cmd)
	deadline := time.After(time.Minute)
	for {
		select {
		case line := <-result:
			if line == "played" {
				return
			}
			t.Log(line)
		case <-deadline:
			t.Fatal("no event was drawn within a minute")
		}
	}
}

// probe goes before the page's own text and reports to its server what the page
// writes to the console, errors, and the first event that fired on a frame.
const probe = `<!doctype html><script>
const tell = text => fetch('/', {method: 'POST', body: String(text)});
addEventListener('error', e => tell(e.message), true);
addEventListener('unhandledrejection', e => tell(e.reason));
for (const level of ['log', 'warn', 'error']) { console[level] = (...a) => tell(a.join(' ')); }
addEventListener('framelock-event', () => tell('played'), true);
</script>
`

// startDemo runs the command on free ports and returns the address that it prints.
func startDemo(t *testing.T, root, text string) string {
	args := "ARGS=--http 127.0.0.1:0 --udp 127.0.0.1:0 --admin 127.0.0.1:0"
	out := start(t, root, strings.TrimSpace(text)+" '"+args+"'")
	return out.wait(t, regexp.MustCompile(`http://127\.0\.0\.1:\d+`))
}

// movePorts replaces the ports in the text by free ones, and returns the one that
// stands for 8080.
func movePorts(t *testing.T, text string) (moved, http string) {
	t.Helper()
	for _, port := range []string{"8080", "7882", "9090", "5004", "5006"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, free, _ := net.SplitHostPort(l.Addr().String())
		text = strings.ReplaceAll(text, ":"+port, ":"+free)
		if port == "8080" {
			http = free
		}
	}
	return text, http
}

// waitForMedia polls the relay until one of its streams has packets.
func waitForMedia(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var list struct {
			Streams []struct {
				Tracks []struct{ Packets uint64 }
			}
		}
		if get(t, strings.TrimRight(url, "/")+"/v1/streams", &list) == http.StatusOK {
			for _, s := range list.Streams {
				for _, track := range s.Tracks {
					if track.Packets > 0 {
						return
					}
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s has no stream with media", url)
		}
	}
}

// get returns the status of a GET, 0 if there is no answer, and decodes JSON into v.
func get(t *testing.T, url string, v any) int {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if v != nil && response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(v); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	return response.StatusCode
}

// output collects what a command prints.
type output struct {
	mu   sync.Mutex
	text []byte
	more chan struct{} // closed and replaced when text grows
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	close(o.more)
	o.more = make(chan struct{})
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// wait returns the first match in the output.
func (o *output) wait(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		match, more := pattern.Find(o.text), o.more
		o.mu.Unlock()
		if match != nil {
			return string(match)
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s did not appear", pattern)
		}
	}
}

// start runs a shell command in a process group of its own, and interrupts, then
// kills the group at the end of the test.
func start(t *testing.T, dir, command string) *output {
	t.Helper()
	out := &output{more: make(chan struct{})}
	cmd := exec.Command("bash", "-ec", command)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("did not end within 10 s of an interrupt: %s", command)
		}
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s\nprinted:\n%s", command, out)
		}
	})
	return out
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Fatal("install chromium")
	return ""
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
