package control

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/framelock/relay/signaling/problem"
)

// Why there is nothing to answer with.
var (
	// ErrNotRecorded: the stream is not recorded.
	ErrNotRecorded = errors.New("this stream is not recorded; set its record.dir")
	// ErrNoRecording: nothing was recorded at that time, or it is kept no more.
	ErrNoRecording = errors.New("no recording of that time")
)

// videoRate is how many canonical timestamps of video there are in a second.
const videoRate = 90000

// maxRecording is how long a piece of a recording may be, in timestamps.
const maxRecording = 3600 * videoRate

// recording answers with what viewers were sent from one timestamp to another, as a
// Matroska file.
func (h *handler) recording(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	from, ok := timestamp(w, r, "from")
	if !ok {
		return
	}
	to, ok := timestamp(w, r, "to")
	if !ok {
		return
	}
	if to < from || to-from > maxRecording {
		problem.Write(w, http.StatusBadRequest, "that is no piece of a recording",
			problem.Field("to", strconv.FormatUint(to, 10), "from "+strconv.FormatUint(from, 10)+" to an hour (324000000) later"))
		return
	}
	if !h.beginReading(w) {
		return
	}
	defer h.readers.Add(-1)
	body := h.download(w, r, "video/matroska")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	err := s.Recording(ctx, from, to, body)
	switch {
	case err == nil || errors.Is(err, errOnlyHead):
	case body.begun:
		h.opts.Logger.Error("a recording was sent in part", "path", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler) // so that the caller does not take it for whole
	case errors.Is(err, ErrNotRecorded), errors.Is(err, ErrNoRecording):
		problem.Write(w, http.StatusNotFound, err.Error())
	default:
		h.fail(w, r, err)
	}
}

// beginReading takes a place among those who read recordings and transcripts, or
// answers 503.
func (h *handler) beginReading(w http.ResponseWriter) bool {
	if n := h.readers.Add(1); n <= int64(h.opts.MaxReaders) {
		return true
	}
	h.readers.Add(-1)
	problem.Write(w, http.StatusServiceUnavailable, "too many callers read recordings or transcripts; come back later", problem.RetryAfter(5*time.Second))
	return false
}

// timestamp reads a canonical timestamp, or answers 400.
func timestamp(w http.ResponseWriter, r *http.Request, field string) (uint64, bool) {
	text := r.URL.Query().Get(field)
	ts, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "that is no canonical timestamp",
			problem.Field(field, text, "the ts of a frame of video, from 0 to 9007199254740991"))
		return 0, false
	}
	return ts, true
}
