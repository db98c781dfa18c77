package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// feed carries the studio's log to the croupier, over restarts of both. A croupier
// that comes later is told the studio's first line again; one that does not read
// loses lines rather than holding up the studio.
type feed struct {
	mu     sync.Mutex
	header []byte      // the running studio's first line
	reader chan []byte // the running croupier; nil if there is none
	began  chan struct{}
}

// feedDepth is how many lines a croupier may lag behind.
const feedDepth = 512

func newFeed() *feed { return &feed{began: make(chan struct{})} }

// from reads a studio's log until it ends.
func (f *feed) from(output io.Reader) {
	scanner := bufio.NewScanner(output)
	for scanner.Scan() {
		line := append(bytes.Clone(scanner.Bytes()), '\n')
		var first struct {
			Studio json.RawMessage `json:"studio"`
		}
		isHeader := bytes.HasPrefix(line, []byte(`{"studio"`)) && json.Unmarshal(line, &first) == nil && first.Studio != nil
		f.mu.Lock()
		if isHeader {
			f.header = line
			close(f.began)
			f.began = make(chan struct{})
		}
		if f.reader != nil {
			select {
			case f.reader <- line:
			default:
			}
		}
		f.mu.Unlock()
	}
}

// to writes the log to a croupier until it stops reading or gone is closed.
func (f *feed) to(input io.Writer, gone <-chan struct{}) {
	lines := make(chan []byte, feedDepth)
	f.mu.Lock()
	f.reader = lines
	if f.header != nil {
		lines <- f.header
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.reader = nil
		f.mu.Unlock()
	}()
	for {
		select {
		case <-gone:
			return
		case line := <-lines:
			if _, err := input.Write(line); err != nil {
				return
			}
		}
	}
}

// next returns a channel that is closed when the next studio begins.
func (f *feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.began
}
