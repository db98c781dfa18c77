//go:build linux

package main

import (
	"os"
	"path/filepath"

	"github.com/framelock/relay/bench/report"
)

// Files below the directory of documents.
const (
	document = "performance.md"
	chart    = "images/fanout.svg"
)

// writeReport writes the tables into the document of performance, and the chart.
func writeReport(dir string, result *report.Result) error {
	text, err := os.ReadFile(filepath.Join(dir, document))
	if err != nil {
		return err
	}
	picture := report.Chart(result, result.Settings()[0].Input)
	path := ""
	if picture != "" {
		path = chart
		if err := os.WriteFile(filepath.Join(dir, chart), []byte(picture), 0o644); err != nil {
			return err
		}
	}
	whole, err := report.Insert(string(text), report.Markdown(result, path))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, document), []byte(whole), 0o644)
}
