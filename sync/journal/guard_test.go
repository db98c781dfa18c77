package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	g, err := OpenGuard(dir, "wheel")
	if err != nil {
		t.Fatal(err)
	}
	a, b := [32]byte{1}, [32]byte{2}
	if err := g.Check("log-a", 0, a); err != nil || g.Size() != 0 {
		t.Fatalf("a new guard: size %d, %v", g.Size(), err)
	}
	if err := errors.Join(g.Advance("log-a", 10, a), g.Advance("log-a", 10, a), g.Advance("log-a", 12, b)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		log  string
		size uint64
		root [32]byte
	}{{"log-a", 11, a}, {"log-a", 12, a}, {"log-b", 13, a}, {"log-a", 0, a}} {
		if g.Advance(c.log, c.size, c.root) == nil {
			t.Errorf("advanced to %v", c)
		}
	}
	if g, err = OpenGuard(dir, "wheel"); err != nil || g.Size() != 12 {
		t.Fatalf("again: size %d, %v", g.Size(), err)
	}
	for _, c := range []struct {
		log    string
		leaves uint64
		root   [32]byte
		want   string // in the error, "" for none
	}{
		{"log-a", 12, b, ""},
		{"log-a", 900, b, ""},
		{"log-a", 11, b, "holds 11 events"},
		{"log-a", 0, b, "holds 0 events"},
		{"log-a", 12, a, "have the root 01"},
		{"log-b", 12, b, "is of log log-b"},
	} {
		err := g.Check(c.log, c.leaves, c.root)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrShort) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v", c, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.json.*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestDamagedGuardIsRefused(t *testing.T) {
	for _, content := range []string{"", "{", "{}", `{"log":"a","size":3,"root":"00"}`, `{"log":"a","size":-1}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "wheel.checkpoint.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenGuard(dir, "wheel"); err == nil {
			t.Errorf("content %q was taken for a checkpoint", content)
		}
	}
}
