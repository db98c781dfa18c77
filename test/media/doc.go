// Package media holds whole-system cases in which ffmpeg is the judge: what the
// relay records of a studio must decode to the pictures that the studio sent.
// `go run ./tools/runtests media` runs them.
package media
