package studio

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Record is one line of the log: a video frame as it is sent.
type Record struct {
	Frame       uint64    `json:"frame"`
	Bar         uint32    `json:"bar"` // the number in the picture
	TS          uint32    `json:"ts"`  // RTP timestamp
	SSRC        uint32    `json:"ssrc"`
	CaptureTime time.Time `json:"capture_time"`
	Key         bool      `json:"key"`
	Timecode    string    `json:"timecode,omitempty"` // that the frame carries
	SEITime     time.Time `json:"sei_time,omitzero"`  // that it carries, in whole microseconds
	Round       *Round    `json:"round,omitempty"`    // on the frame in which the ball comes to rest
}

// Round is the result of a spin.
type Round struct {
	Pocket int `json:"pocket"`
}

// Header is the first line of the log.
type Header struct {
	Codec     string `json:"codec"`
	Clip      string `json:"clip"`
	FPS       int    `json:"fps"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	SSRC      uint32 `json:"ssrc"`
	AudioSSRC uint32 `json:"audio_ssrc,omitempty"`
}

func (s *Studio) header() any {
	h := Header{
		Codec: strings.ToLower(s.pictures.info.Codec.String()), Clip: s.pictures.info.Name, FPS: s.fps,
		Width: s.pictures.info.Width, Height: s.pictures.info.Height, SSRC: s.cfg.Video.SSRC,
	}
	if s.cfg.Audio.To != "" {
		h.AudioSSRC = s.cfg.Audio.SSRC
	}
	return map[string]Header{"studio": h}
}

// writeLine writes v as a line of JSON in one Write.
func writeLine(w io.Writer, v any) error {
	if w == nil {
		return nil
	}
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("studio log: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("studio log: %w", err)
	}
	return nil
}
