package relay

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPseudonyms(t *testing.T) {
	dir := t.TempDir()
	first, err := loadPseudonyms(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadPseudonyms(dir)
	if err != nil || first.of("user", "anna") != again.of("user", "anna") || first.of("user", "anna") == first.of("user", "bert") {
		t.Errorf("after a restart anna is %s, before %s (%v)", again.of("user", "anna"), first.of("user", "anna"), err)
	}
	name := filepath.Join(dir, "pseudonym.key")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := loadPseudonyms(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadPseudonyms(dir); err == nil {
		t.Error("a key that is cut is taken")
	}
}
