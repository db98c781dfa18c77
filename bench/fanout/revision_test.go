//go:build linux

package main

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	const hash = "563de8b0123456789abcdef0123456789abcdef0"
	for want, settings := range map[string][]debug.BuildSetting{
		"of an unknown revision":                         {{Key: "GOOS", Value: "linux"}},
		"revision 563de8b01234":                          {{Key: "vcs.revision", Value: hash}, {Key: "vcs.modified", Value: "false"}},
		"revision 563de8b01234 with uncommitted changes": {{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: hash}},
	} {
		if got := describe(settings); got != want {
			t.Errorf("%v: %q, want %q", settings, got, want)
		}
	}
}

func TestRevisionOfNoProgram(t *testing.T) {
	if _, err := revision(os.DevNull); err == nil {
		t.Error("no error for a file that is no program")
	}
}
