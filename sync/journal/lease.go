// Package journal keeps on disk what a stream may never forget.
package journal

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/framelock/relay/sync/marker"
)

// SeqBlock is how many seq numbers a lease takes at once.
const SeqBlock = 4096

// Lease is what a stream has claimed for good: no later run of the relay uses a
// seq up to SeqEnd, an epoch up to Epoch, or a timestamp that is behind.
type Lease struct {
	Log     marker.LogID  `json:"log"`
	SeqEnd  uint64        `json:"seq_end"`  // the last seq that may be in use
	Epoch   uint32        `json:"epoch"`    // of the video track, the newest in use
	AheadBy time.Duration `json:"ahead_ns"` // lead of the timeline over the wall clock
}

// LeaseFile holds one stream's lease. A nil LeaseFile keeps nothing.
type LeaseFile struct{ path string }

// OpenLease reads the lease of a stream in a folder, which is made if it is not
// there. resumed is false if the stream never ran before: then the lease has a
// new log id. With an empty folder name nothing is kept.
func OpenLease(dir, stream string) (f *LeaseFile, l Lease, resumed bool, err error) {
	if dir == "" {
		return nil, Lease{Log: newLog()}, false, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Lease{}, false, fmt.Errorf("state.dir: %w", err)
	}
	f = &LeaseFile{filepath.Join(dir, stream+".lease.json")}
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		l = Lease{Log: newLog()}
		return f, l, false, f.Write(l)
	}
	if err != nil {
		return nil, Lease{}, false, fmt.Errorf("state.dir: %w", err)
	}
	if err := json.Unmarshal(b, &l); err != nil || l.Log == 0 {
		return nil, Lease{}, false, fmt.Errorf("state.dir: %s is damaged; restore it from a backup, or remove it to begin a new log: %w",
			f.path, errors.Join(err, errors.New("no log id")))
	}
	return f, l, true, nil
}

// Write makes a lease durable: it returns once the file is on the disk.
func (f *LeaseFile) Write(l Lease) error {
	if f == nil {
		return nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := replace(f.path, append(b, '\n')); err != nil {
		return fmt.Errorf("state.dir: the lease of a stream could not be written: %w", err)
	}
	return nil
}

// replace writes a file so that after a crash either the old or the new content
// is there, whole.
func replace(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func newLog() marker.LogID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return marker.LogID(binary.BigEndian.Uint64(b[:]) | 1)
}
