package journal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrShort means that a journal does not hold what a signed checkpoint promised.
var ErrShort = errors.New("the journal does not hold what was signed")

// Guard remembers, in a file of its own beside the journal, the newest checkpoint
// that was signed for a stream's log. A journal that holds less, because an old
// copy was restored, may not be gone on with: it would sign a second history.
// One goroutine uses it.
type Guard struct {
	path string
	head head
}

type head struct {
	Log  string `json:"log"`
	Size uint64 `json:"size"` // event leaves that the checkpoint covers
	Root string `json:"root"` // hex, RFC 6962 root over them
}

// OpenGuard reads the guard of a stream in a folder, which is made if it is not
// there.
func OpenGuard(dir, stream string) (*Guard, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state.dir: %w", err)
	}
	g := &Guard{path: filepath.Join(dir, stream+".checkpoint.json")}
	b, err := os.ReadFile(g.path)
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state.dir: %w", err)
	}
	if err := json.Unmarshal(b, &g.head); err != nil {
		return nil, fmt.Errorf("state.dir: %s is damaged; restore it from a backup: %w", g.path, err)
	}
	if root, err := hex.DecodeString(g.head.Root); err != nil || len(root) != 32 || g.head.Size == 0 || g.head.Log == "" {
		return nil, fmt.Errorf("state.dir: %s is damaged; restore it from a backup: it names no log, size or root", g.path)
	}
	return g, nil
}

// Size returns how many event leaves the newest signed checkpoint covers, 0 if none
// was signed.
func (g *Guard) Size() uint64 { return g.head.Size }

// Check compares the newest signed checkpoint with a journal that holds leaves
// event leaves of the log with this id. root is the root over the first Size of
// them; it does not matter if there are fewer. The error is ErrShort.
func (g *Guard) Check(log string, leaves uint64, root [32]byte) error {
	h, found := g.head, hex.EncodeToString(root[:])
	switch {
	case h.Size == 0:
		return nil
	case h.Log != log:
		return fmt.Errorf("%w: it is of log %s, and a checkpoint of log %s with %d events was signed; %s",
			ErrShort, log, h.Log, h.Size, g.advice())
	case leaves < h.Size:
		return fmt.Errorf("%w: it holds %d events of log %s, and a checkpoint over %d was signed; %s",
			ErrShort, leaves, log, h.Size, g.advice())
	case found != h.Root:
		return fmt.Errorf("%w: its first %d events of log %s have the root %s, and the root %s was signed; %s",
			ErrShort, h.Size, log, found, h.Root, g.advice())
	}
	return nil
}

func (g *Guard) advice() string {
	return "restore the journal, or move it and " + g.path + " away to begin a new log"
}

// Advance makes a checkpoint durable as the newest, before it is shown to anybody.
// Its size must not be less than the one before.
func (g *Guard) Advance(log string, size uint64, root [32]byte) error {
	next := head{Log: log, Size: size, Root: hex.EncodeToString(root[:])}
	h := g.head
	if size == 0 || h.Size > 0 && (h.Log != log || h.Size > size || h.Size == size && h.Root != next.Root) {
		return fmt.Errorf("checkpoint over %d events of log %s: %d of log %s were signed before", size, log, h.Size, h.Log)
	}
	if next == h {
		return nil
	}
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := replaceFile(g.path, append(b, '\n')); err != nil {
		return fmt.Errorf("state.dir: a checkpoint could not be written: %w", err)
	}
	g.head = next
	return nil
}

// replaceFile writes a file so that after a crash either the old or the new content
// is there, whole.
func replaceFile(path string, b []byte) error {
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
