package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// StudioFrame is one line of a studio's log: a video frame as it was sent.
type StudioFrame struct {
	Frame       uint64    `json:"frame"`
	Bar         int64     `json:"bar"` // the number in the picture
	TS          uint32    `json:"ts"`  // RTP timestamp of the studio's own line
	SSRC        uint32    `json:"ssrc"`
	CaptureTime time.Time `json:"capture_time"`
	Key         bool      `json:"key"`
}

// StudioInfo is the first line of a studio's log.
type StudioInfo struct {
	Codec  string `json:"codec"`
	FPS    int    `json:"fps"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	SSRC   uint32 `json:"ssrc"`
}

// StudioLog is a studio's log as far as it has been written.
type StudioLog struct {
	Info   StudioInfo
	Frames []StudioFrame
}

// ReadStudioLog reads a log that may still grow: a last line that is not whole
// is left out.
func ReadStudioLog(name string) (*StudioLog, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("studio log: %w", err)
	}
	defer f.Close()
	var l StudioLog
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return &l, nil
		}
		if err != nil {
			return nil, fmt.Errorf("studio log: %w", err)
		}
		var line struct {
			Studio *StudioInfo `json:"studio"`
			StudioFrame
		}
		if err := json.Unmarshal(text, &line); err != nil {
			return nil, fmt.Errorf("studio log, line %d: %w", n, err)
		}
		if line.Studio != nil {
			l.Info = *line.Studio
			continue
		}
		l.Frames = append(l.Frames, line.StudioFrame)
	}
}
