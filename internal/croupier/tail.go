package croupier

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// tailPoll is how often a log is looked at for more, and so the most that
// tailing adds to a marker's delay.
const tailPoll = 2 * time.Millisecond

// Tail reads a file that grows, as `tail -F`: it waits for the file to be made,
// for more at its end, and begins again when it is replaced or cut.
type Tail struct {
	name   string
	file   *os.File
	offset int64
	closed chan struct{}
	once   sync.Once
}

// NewTail returns a reader of the named file, which need not be there yet.
func NewTail(name string) *Tail { return &Tail{name: name, closed: make(chan struct{})} }

// Close makes Read return io.EOF. It may be called from another goroutine.
func (t *Tail) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

// Read waits until there is something to read. Only one goroutine may call it.
func (t *Tail) Read(p []byte) (int, error) {
	ticker := time.NewTicker(tailPoll)
	defer ticker.Stop()
	for {
		n, err := t.read(p)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-t.closed:
			if t.file != nil {
				t.file.Close()
			}
			return 0, io.EOF
		case <-ticker.C:
		}
	}
}

// read returns what there is, or 0 and nil.
func (t *Tail) read(p []byte) (int, error) {
	if t.file == nil {
		file, err := os.Open(t.name)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		t.file, t.offset = file, 0
	}
	n, err := t.file.Read(p)
	t.offset += int64(n)
	if n > 0 || err != io.EOF {
		return n, err
	}
	now, err := os.Stat(t.name)
	if err != nil {
		return 0, nil // moved away; the next one will come
	}
	old, err := t.file.Stat()
	if err != nil {
		return 0, err
	}
	if !os.SameFile(now, old) || now.Size() < t.offset {
		t.file.Close()
		t.file = nil
	}
	return 0, nil
}
