package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test runs again in a process with mounts of its own, on a disk of a few
// megabytes.
func TestDiskFull(t *testing.T) {
	if os.Getenv(roleVar) == "disk" {
		diskFull(t)
		return
	}
	c := self(t, "disk", "-test.run=^TestDiskFull$", "-test.v", "-test.timeout=60s")
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
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, 0)
	ballast := filepath.Join(dir, "ballast")
	state := filepath.Join(dir, "state")
	if err := os.WriteFile(ballast, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}

	s := start(t, Options{Dir: state})
	j := open(t, s)
	w := NewWriter(j, WriterOptions{MaxBacklog: 600})
	var mu sync.Mutex
	var acks []ack
	acknowledged := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acks)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
	var n uint64
	refused := 0
	put := func() {
		n++
		entry := n
		ok := w.Put(&numbered{n, func(pos uint64, err error) {
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			acks = append(acks, ack{entry, pos})
		}})
		if !ok {
			n--
			refused++
		}
	}
	var err error
	eventually(t, "the disk is full", func() bool {
		for range 100 {
			put()
		}
		err = w.Health().Err
		return err != nil && refused > 0
	})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no space left on device") {
		t.Fatalf("the writer's health is %v", err)
	}
	if _, err := j.Append(t.Context(), text(strings.Repeat("x", 900<<10)), nil); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("Append on a full disk: %v", err)
	}
	full := acknowledged()
	t.Logf("full after %d acknowledged, backlog %d; %v", full, w.Backlog(), err)

	freed := time.Now()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "entries are durable again", func() bool { return acknowledged() > full && w.Health().Err == nil })
	t.Logf("durable again %v after space was there", time.Since(freed).Round(time.Millisecond))
	w.Close()
	running.Wait()
	if got := acknowledged(); uint64(got) != n {
		t.Errorf("%d of %d entries acknowledged", got, n)
	}
	s.Close()
	s = start(t, Options{Dir: state})
	if got := checkNumbered(t, open(t, s), acks); got != n {
		t.Errorf("%d entries in the journal, %d were put", got, n)
	}
	s.Close()
}
