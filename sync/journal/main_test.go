package journal

import (
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleVar makes a process of this test's binary act a part instead of testing.
const roleVar = "JOURNAL_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) == "relay" {
		actRelay()
	}
	goleak.VerifyTestMain(m)
}

// self returns a command that runs this binary again.
func self(t testing.TB, role string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), roleVar+"="+role)
	return c
}

// eventually waits until something holds that happens in another goroutine.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// fewer has rapid make n runs in this test, unless the command line says how many.
func fewer(t testing.TB, n int) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	was := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set("rapid.checks", was) })
}
