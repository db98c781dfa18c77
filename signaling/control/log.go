package control

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/framelock/relay/signaling/auth"
	"github.com/framelock/relay/signaling/problem"
	"github.com/framelock/relay/sync/tiles"
	"github.com/framelock/relay/sync/transcript"
)

// Logs are the logs that are served.
type Logs interface {
	// Log returns a stream's log; ok is false if there is no such stream, or it keeps
	// none.
	Log(stream string) (log Log, ok bool)
}

// Log is one of them, as *tiles.Store has it.
type Log interface {
	// Checkpoint returns the newest signed checkpoint, if there is one.
	Checkpoint() (note string, ok bool)
	// Read returns a tile or bundle by its path. The error wraps tiles.ErrPath or
	// tiles.ErrNotFound where the caller is to blame.
	Read(path string) ([]byte, error)
	// Proof proves the event with a seq; tiles.ErrNotFound as with Read.
	Proof(seq uint64) (transcript.EventProof, error)
}

// log returns the log that the path names, or answers 404.
func (h *handler) log(w http.ResponseWriter, r *http.Request) (Log, bool) {
	name := auth.StreamOf(r)
	log, ok := h.opts.Logs.Log(name)
	if !ok {
		problem.Write(w, http.StatusNotFound, "no such stream, or it keeps no log; GET /v1/streams lists those there are",
			problem.Field("stream", name, "a stream of this relay"))
	}
	return log, ok
}

// logCheckpoint serves the newest checkpoint (C2SP tlog-tiles).
func (h *handler) logCheckpoint(w http.ResponseWriter, r *http.Request) {
	log, ok := h.log(w, r)
	if !ok {
		return
	}
	note, ok := log.Checkpoint()
	if !ok {
		problem.Write(w, http.StatusNotFound, "the log has no checkpoint yet; the first comes with its first events")
		return
	}
	writeBytes(w, "text/plain; charset=utf-8", "private, max-age=1", []byte(note))
}

// logTile serves a tile of hashes or a bundle of events. Neither ever changes.
func (h *handler) logTile(w http.ResponseWriter, r *http.Request) {
	log, ok := h.log(w, r)
	if !ok {
		return
	}
	path := r.PathValue("path")
	content, err := log.Read("tile/" + path)
	switch {
	case errors.Is(err, tiles.ErrPath):
		problem.Write(w, http.StatusBadRequest, "that is no path of a tile",
			problem.Field("path", path, "LEVEL/INDEX or entries/INDEX, such as 0/x001/067 or entries/000.p/5"))
	case errors.Is(err, tiles.ErrNotFound):
		problem.Write(w, http.StatusNotFound, "the log has no such tile; its checkpoint says how large it is",
			problem.Field("path", path, "a tile of a tree of the checkpoint's size"))
	case err != nil:
		h.fail(w, r, err)
	default:
		writeBytes(w, "application/octet-stream", "private, max-age=31536000, immutable", content)
	}
}

// logProof proves that an event is in the log of the newest checkpoint.
func (h *handler) logProof(w http.ResponseWriter, r *http.Request) {
	log, ok := h.log(w, r)
	if !ok {
		return
	}
	text := r.PathValue("seq")
	field := problem.Field("seq", text, "the seq of an event that a checkpoint covers, from 1 to 9007199254740991")
	seq, err := strconv.ParseUint(text, 10, 53)
	if err != nil || seq == 0 {
		problem.Write(w, http.StatusBadRequest, "that is no seq", field)
		return
	}
	proof, err := log.Proof(seq)
	switch {
	case errors.Is(err, tiles.ErrNotFound):
		problem.Write(w, http.StatusNotFound, "there is no such event, or no checkpoint covers it yet; ask again in a second", field)
	case err != nil:
		h.fail(w, r, err)
	default:
		h.writeJSON(w, r, http.StatusOK, proof)
	}
}

// writeBytes answers with bytes that may be cached as told.
func writeBytes(w http.ResponseWriter, kind, cache string, b []byte) {
	head := w.Header()
	head.Set("Content-Type", kind)
	head.Set("Content-Length", strconv.Itoa(len(b)))
	head.Set("Cache-Control", cache)
	head.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(b) // the caller has gone if it fails
}
