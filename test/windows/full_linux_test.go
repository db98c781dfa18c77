//go:build linux

package windows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/framelock/relay/sync/window"
)

// mountVar says that this process has mounts of its own.
const mountVar = "WINDOWS_MOUNTS"

// A disk of a few megabytes is full in the middle of a round. The test runs again in a
// process with mounts of its own.
func TestDiskFull(t *testing.T) {
	begin(t)
	if os.Getenv(mountVar) != "" {
		diskFull(t)
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v", "-test.timeout=100s")
	c.Env = append(os.Environ(), mountVar+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("this machine allows no mounts, so that a full disk cannot be had: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "_test.go:") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func diskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	ballast, state := filepath.Join(dir, "ballast"), filepath.Join(dir, "state")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newTable(t, config(state))
	viewer := w.join(true)
	events := w.events()
	w.open("r1")
	if err := viewer.Begin(); err != nil {
		t.Fatal(err)
	}
	p := newPurse(t)

	// Everybody bets until the disk is full, and on.
	act := byAPI(t.Context(), w.wheel, "r1")
	ctx, full := context.WithCancel(t.Context())
	defer full()
	var acting sync.WaitGroup
	for i := range 64 {
		acting.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				b, err := act(fmt.Sprint("bet-", i, "-", n))
				if err != nil {
					t.Error(err)
					return
				}
				if p.add(b) != window.Accepted {
					during(ctx, 5*time.Millisecond)
				}
			}
		})
	}
	var said string
	eventually(t, "the relay says that it is not ready", func() bool {
		status, b := get(t, w.admin+"/readyz")
		said = string(b)
		return status == http.StatusServiceUnavailable
	})
	if !strings.Contains(said, "wheel: ") || !strings.Contains(said, "no space left on device") {
		t.Errorf("/readyz says %q", said)
	}
	durable, before := p.len(), viewer.newest(0)
	for until, n := time.Now().Add(2*time.Second), 0; time.Now().Before(until); n++ { // those who bet before wait
		b, err := act(fmt.Sprint("full-", n))
		if err != nil || p.add(b) != window.ReasonJournalUnavailable {
			t.Fatalf("%s %v", b, err)
		}
		during(t.Context(), 5*time.Millisecond)
	}
	if _, came := viewer.after(before.ts + 1); viewer.newest(0).ts < before.ts+2*60_000 {
		t.Errorf("media has stopped with the journal: frame %d, %d before", viewer.newest(0).ts, came)
	}
	if n := p.len(); n != durable {
		t.Errorf("%d receipts while nothing could become durable", n-durable)
	}
	t.Logf("%d actions were durable when the disk was full; refused until now: %s; /readyz says %q", durable, p.refusals(), strings.TrimSpace(said))

	freed := time.Now()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the relay is ready again", func() bool {
		status, _ := get(t, w.admin+"/readyz")
		return status == http.StatusOK
	})
	ready := time.Since(freed)
	eventually(t, "actions are taken again", func() bool { return p.len() > durable+100 })
	t.Logf("ready %v after space was there, %d more receipts %v after", ms(ready), p.len()-durable, ms(time.Since(freed)))
	full()
	acting.Wait()
	seen := viewer.Seen()
	if seen.Gaps > 0 || seen.Damaged > 0 || seen.Packets == 0 {
		t.Errorf("media: %d packets, %d missing, %d damaged", seen.Packets, seen.Gaps, seen.Damaged)
	}
	for reason := range p.refused {
		if reason != window.ReasonJournalUnavailable && reason != window.ReasonOverloaded {
			t.Errorf("refused: %s", p.refusals())
		}
	}
	if err := w.close("r1"); err != nil {
		t.Fatal(err)
	}
	w.closed(events, "r1")
	h := p.audit(export(t, w.base, "wheel"))
	h.one(t, "r1", p.len())
}
