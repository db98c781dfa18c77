//go:build linux

package windows

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// amount is how much to test: nothing, a little or all.
var amount = os.Getenv("WINDOWS")

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(roleVar); ok {
		if err := serve(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	switch amount {
	case "", "1", "full":
		goleak.VerifyTestMain(m)
	default:
		fmt.Fprintf(os.Stderr, "WINDOWS=%s: want 1 (short) or full\n", amount)
		os.Exit(2)
	}
}

// begin skips a case that is not wanted.
func begin(t *testing.T) {
	t.Helper()
	if amount == "" {
		t.Skip("set WINDOWS=1 or WINDOWS=full to run the cases of windows and actions")
	}
}

// onlyFull skips a case that only full runs have.
func onlyFull(t *testing.T) {
	t.Helper()
	if begin(t); amount != "full" {
		t.Skip("set WINDOWS=full to run this case")
	}
}

// ofFull is the size of a case: the first in a full run, the second in a short one.
func ofFull[T any](long, short T) T {
	if amount == "full" {
		return long
	}
	return short
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// during lets things happen for a while.
func during(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// share returns the value below which the given share of the values is.
func share(values []time.Duration, s float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(float64(len(values))*s))]
}
