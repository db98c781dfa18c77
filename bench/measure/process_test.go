//go:build linux

package measure

import (
	"os"
	"testing"
	"time"
)

func TestOwnProcess(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for after := before; after-before < 5*time.Millisecond; {
		if time.Now().After(deadline) {
			t.Fatalf("processor time went from %v to %v only", before, after)
		}
		if after, err = CPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if rss, err := RSS(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("memory %d, %v, want more than 1 MiB", rss, err)
	}
}

func TestNoSuchProcess(t *testing.T) {
	const none = 1<<22 + 1 // above the kernel's limit
	if _, err := CPU(none); err == nil {
		t.Error("no error for the processor time of a process that is not there")
	}
	if _, err := RSS(none); err == nil {
		t.Error("no error for the memory of a process that is not there")
	}
}

func TestParse(t *testing.T) {
	earlier, err := parseMachine([]byte("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	later, err := parseMachine([]byte("cpu  160 5 60 900 70 2 3 0 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := later.Since(earlier); got != 0.4 { // 80 of 200 ticks
		t.Errorf("busy share %v, want 0.4", got)
	}
	if got := earlier.Since(earlier); got != 0 {
		t.Errorf("busy share of no time %v, want 0", got)
	}
	if _, err := parseMachine([]byte("intr 1 2 3\n")); err == nil {
		t.Error("no error for a file of another form")
	}
	if got, err := parseRSS([]byte("Name:\tx\nVmRSS:\t    2048 kB\n")); err != nil || got != 2<<20 {
		t.Errorf("memory %d, %v, want 2 MiB", got, err)
	}
	if _, err := parseRSS([]byte("Name:\tx\n")); err == nil {
		t.Error("no error for a status without memory")
	}
}
