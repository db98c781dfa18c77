package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoTestCounts runs go test over a module made for it, so that the events are
// the ones that this Go version really writes.
func TestGoTestCounts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module " + module + "\n\ngo 1.26\n",
		"a/a_test.go": `package a
import "testing"
func TestGood(t *testing.T) { t.Log("quiet") }
func TestTable(t *testing.T) {
	t.Run("one", func(t *testing.T) {})
	t.Run("two", func(t *testing.T) { t.Error("loud") })
	t.Run("three", func(t *testing.T) { t.Skip("no such thing here") })
}
`,
		"b/b_test.go": "package b\nimport \"testing\"\nfunc TestBroken(t *testing.T) { undefined() }\n",
		"c/c_test.go": "package c\nimport \"testing\"\nfunc TestPanic(t *testing.T) { panic(\"oh\") }\n",
		"d/d_test.go": "package d\nimport (\n\"os\"\n\"testing\")\nfunc TestMain(m *testing.M) { m.Run(); println(`9 passed, 0 failed`); os.Exit(3) }\nfunc TestFine(t *testing.T) {}\n",
		"e/e.go":      "package e\n",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "")
	var all tally
	var out bytes.Buffer
	if err := goTest(context.Background(), &all, &out, "", nil, "./..."); err != nil {
		t.Fatal(err)
	}
	want := tally{
		passed: 3, failed: 4, skipped: 1,
		failures: []string{"a TestTable/two", "b", "c TestPanic", "d"},
		skips:    []string{"a TestTable/three: a_test.go:7: no such thing here"},
	}
	slices.Sort(all.failures) // packages end in any order
	if diff := cmp.Diff(want, all, cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("(-want +got):\n%s\noutput:\n%s", diff, &out)
	}
	for _, s := range []string{"loud", "undefined: undefined", "panic: oh"} {
		if !strings.Contains(out.String(), s) {
			t.Errorf("output lacks %q:\n%s", s, &out)
		}
	}
	for _, s := range []string{"quiet", "9 passed"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("output has %q:\n%s", s, &out)
		}
	}
}

func TestCountVitest(t *testing.T) {
	var all tally
	err := countVitest([]byte(`{"numTotalTests":3,"testResults":[
		{"name":"/w/web/test/line.test.ts","status":"failed","assertionResults":[
			{"fullName":"line extends","status":"passed"},
			{"fullName":"line wraps","status":"failed"},
			{"fullName":"line later","status":"pending"}]},
		{"name":"/w/web/test/none.test.ts","status":"failed","message":"does not load","assertionResults":[]}]}`), &all)
	if err != nil {
		t.Fatal(err)
	}
	want := tally{
		passed: 1, failed: 2, skipped: 1,
		failures: []string{"web line.test.ts line wraps", "web none.test.ts: does not load"},
		skips:    []string{"web line.test.ts line later"},
	}
	if diff := cmp.Diff(want, all, cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if countVitest([]byte("nothing"), &all) == nil {
		t.Error("no error for a report that is none")
	}
}

func TestClosingLine(t *testing.T) {
	var all tally
	all.pass()
	all.skip("phone")
	if got, want := all.String(), "1 passed, 0 failed, 1 skipped"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	all.skipsFail()
	if got, want := all.String(), "1 passed, 1 failed, 0 skipped"; got != want {
		t.Errorf("a step that has to be complete: got %q, want %q", got, want)
	}
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  []string
	}{
		{nil, []string{"check", "unit", "web", "fuzz", "race", "network", "source", "windows", "fanout", "media", "readme", "browser"}},
		{[]string{"race", "check"}, []string{"check", "race"}},
		{[]string{"e2e"}, []string{"e2e"}},
		{[]string{"rice"}, nil},
		{[]string{"race", "race"}, nil},
	} {
		chosen, err := choose(tt.names)
		var got []string
		for _, s := range chosen {
			got = append(got, s.name)
		}
		if (err != nil) != (tt.want == nil) || err == nil && !cmp.Equal(got, tt.want) {
			t.Errorf("choose(%v) = %v, %v, want %v", tt.names, got, err, tt.want)
		}
	}
}

func TestUnknownStepFails(t *testing.T) {
	if err := run(context.Background(), []string{"rice"}, io.Discard); err == nil || errors.Is(err, errFailed) {
		t.Errorf("error %v, want one about the step", err)
	}
}
