package journal

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLeaseSurvives(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	f, l, resumed, err := OpenLease(dir, "wheel")
	if err != nil || resumed || l.Log == 0 || l.SeqEnd != 0 {
		t.Fatalf("first: %+v resumed=%v err=%v", l, resumed, err)
	}
	want := Lease{Log: l.Log, SeqEnd: 2 * SeqBlock, Epoch: 7, AheadBy: 3 * time.Millisecond}
	if err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	_, got, resumed, err := OpenLease(dir, "wheel")
	if err != nil || !resumed || got != want {
		t.Fatalf("second: %+v resumed=%v err=%v, want %+v", got, resumed, err, want)
	}
	if _, other, _, _ := OpenLease(dir, "other"); other.Log == l.Log {
		t.Error("two streams share a log id")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.json.*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestDamagedLeaseIsRefused(t *testing.T) {
	for _, content := range []string{"", "{", "{}", `{"log":"zz"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "wheel.lease.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := OpenLease(dir, "wheel"); err == nil {
			t.Errorf("content %q was taken for a lease", content)
		}
	}
}

func TestLeaseFileThatCannotBeWritten(t *testing.T) {
	f := &LeaseFile{filepath.Join(t.TempDir(), "gone", "x.json")}
	if err := f.Write(Lease{Log: 1}); err == nil {
		t.Error("no error for a folder that is not there")
	}
	if err := (*LeaseFile)(nil).Write(Lease{}); err != nil {
		t.Error(err)
	}
}
