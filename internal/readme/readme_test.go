package readme

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBlocks(t *testing.T) {
	got, err := Blocks(strings.ReplaceAll(`# Page
<!-- check: demo -->
'''sh
make demo
'''

<!-- check: lost -->

'''
a picture
<!-- check: inside -->
'''
'''go
package a
'''
`, "'''", "```"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{
		{Line: 3, Language: "sh", Check: "demo", Text: "make demo\n"},
		{Line: 9, Text: "a picture\n<!-- check: inside -->\n"},
		{Line: 13, Language: "go", Text: "package a\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Blocks("a\n```sh\nmake\n"); err == nil {
		t.Error("no error for a block that does not end")
	}
}

// TestEveryBlockHasACheck keeps an untested command from coming into the README.
func TestEveryBlockHasACheck(t *testing.T) {
	for _, b := range page(t) {
		switch {
		case b.Runnable() && b.Check == "":
			t.Errorf("README.md:%d: this %s block has no check", b.Line, b.Language)
		case b.Check != "" && !known[b.Check]:
			t.Errorf("README.md:%d: check %q is not one of internal/readme", b.Line, b.Check)
		}
	}
}

// known are the checks that run_test.go performs.
var known = map[string]bool{"demo": true, "test": true, "html": true, "go": true, "ffmpeg": true}

func page(t *testing.T) []Block {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Blocks(string(text))
	if err != nil {
		t.Fatal("README.md: ", err)
	}
	return blocks
}
