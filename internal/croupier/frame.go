package croupier

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Studio is the first line of a studio's log, and again after each restart.
type Studio struct {
	Codec string `json:"codec"`
	FPS   int    `json:"fps"`
	SSRC  uint32 `json:"ssrc"`
}

// Frame is one line of a studio's log: a video frame as it was sent.
type Frame struct {
	Frame       uint64    `json:"frame"` // count since the studio's start
	Bar         uint64    `json:"bar"`   // the number that is in the picture
	TS          uint32    `json:"ts"`    // RTP timestamp on the wire, 90 kHz
	SSRC        uint32    `json:"ssrc"`
	CaptureTime time.Time `json:"capture_time"`
	Round       *struct {
		Pocket int `json:"pocket"`
	} `json:"round"` // on the frame in which the ball comes to rest
}

// line is a line of the log: one of the two.
type line struct {
	Studio *Studio `json:"studio"`
	Frame
}

// maxLine is the longest line of a log, in bytes.
const maxLine = 64 << 10

// readLog sends each line of a log until it ends or stop is closed.
func readLog(r io.Reader, lines chan<- line, stop <-chan struct{}) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	for n := 1; scanner.Scan(); n++ {
		if len(scanner.Bytes()) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return fmt.Errorf("studio log, line %d: %w", n, err)
		}
		select {
		case lines <- l:
		case <-stop:
			return nil
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("studio log: %w", err)
	}
	return nil
}
