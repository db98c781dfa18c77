// Package e2e tests the whole way, from a studio's encoder to the pixels on a
// browser's screen, with every part a process of its own.
//
// The tests run only if the environment variable E2E is set: to 1 for the short
// cases of `make test`, to full for the long ones of `make e2e`. They need
// Chromium, Firefox, ffmpeg, tshark, GStreamer and Node.js; a case whose program is missing is
// skipped with a word on what to install, and the run as a whole then fails.
//
// The verdict on "exactly on its frame" joins three logs that were written by
// three programs: what the studio sent (frame, timestamp, capture time, and the
// number in the picture), what the publisher meant (marker, frame) and what the
// page drew (marker, number read back from the pixels). See Judge.
package e2e
