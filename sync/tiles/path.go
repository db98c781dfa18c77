// Package tiles keeps a stream's log in the form in which others read logs: tiles of
// hashes and bundles of entries (C2SP tlog-tiles). All of it can be made again from
// the journal, so nothing here is fsynced.
package tiles

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Errors of Read and Proof.
var (
	// ErrPath means that a path names no resource of a log.
	ErrPath = errors.New("not a path of a log's tile (allowed: tile/LEVEL/INDEX, tile/entries/INDEX, with .p/WIDTH where it is partial)")
	// ErrNotFound means that there is no such resource yet, or no more.
	ErrNotFound = errors.New("the log has no such tile")
)

const (
	height = 8 // levels of hashes that a tile spans
	width  = 1 << height
	// entries is the level that stands for bundles of entries, as in package tlog.
	entries  = -1
	maxLevel = 63
)

// parsePath reads the path of a tile or bundle below the log's prefix.
func parsePath(path string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if after, isEntries := strings.CutPrefix(rest, "entries/"); isEntries {
		rest = "data/" + after
	} else if strings.HasPrefix(rest, "data/") {
		ok = false
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", height, rest))
	if !ok || err != nil || t.L > maxLevel {
		return tlog.Tile{}, fmt.Errorf("%.80q: %w", path, ErrPath)
	}
	return t, nil
}

// formatPath is the inverse of parsePath. Package tlog has the height in its paths.
func formatPath(t tlog.Tile) string {
	rest := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
	if after, isEntries := strings.CutPrefix(rest, "data/"); isEntries {
		rest = "entries/" + after
	}
	return "tile/" + rest
}
