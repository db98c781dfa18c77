package control

import (
	"errors"
	"net/http"
	"time"
)

// errOnlyHead ends the answer to a HEAD request.
var errOnlyHead = errors.New("only the head was asked for")

// download is an answer of any length. It begins when there is something to say, so
// that what fails before can still be answered otherwise.
type download struct {
	w       http.ResponseWriter
	kind    string // content type
	control *http.ResponseController
	timeout time.Duration // for each write
	head    bool
	begun   bool
}

func (h *handler) download(w http.ResponseWriter, r *http.Request, kind string) *download {
	return &download{
		w: w, kind: kind, control: http.NewResponseController(w), timeout: h.opts.WriteTimeout, head: r.Method == http.MethodHead,
	}
}

// Write implements io.Writer.
func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		head := d.w.Header()
		head.Set("Content-Type", d.kind)
		head.Set("Cache-Control", "no-store")
		head.Set("X-Content-Type-Options", "nosniff")
		d.w.WriteHeader(http.StatusOK)
	}
	if d.head {
		return 0, errOnlyHead
	}
	// The server's own deadline is for whole answers.
	_ = d.control.SetWriteDeadline(time.Now().Add(d.timeout))
	return d.w.Write(p)
}
