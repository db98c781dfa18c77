//go:build linux

package main

import (
	"debug/buildinfo"
	"fmt"
	"runtime/debug"
)

// revision says which source an executable was built from, as the Go command noted
// it: figures are of that and of nothing else. The relay is built from the directory
// that this program is run in, which may be another checkout than one thinks.
func revision(executable string) (string, error) {
	info, err := buildinfo.ReadFile(executable)
	if err != nil {
		return "", fmt.Errorf("revision of the relay: %w", err)
	}
	return describe(info.Settings), nil
}

func describe(settings []debug.BuildSetting) string {
	noted := map[string]string{}
	for _, s := range settings {
		noted[s.Key] = s.Value
	}
	text := noted["vcs.revision"]
	if text == "" {
		return "of an unknown revision"
	}
	text = "revision " + text[:min(len(text), 12)]
	if noted["vcs.modified"] == "true" {
		text += " with uncommitted changes"
	}
	return text
}
