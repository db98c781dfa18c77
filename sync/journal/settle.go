package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// settle makes durable what a run that was killed left unsynced in the files below
// dir: what is read from now on stays.
func settle(dir string) error {
	return eachBlock(dir, (*os.File).Sync)
}

// forget has the files below dir read from the disk again. After a write or an
// fsync that failed, memory may hold what the disk does not, and look clean.
func forget(dir string) error { return eachBlock(dir, drop) }

func eachBlock(dir string, do func(*os.File) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".blk") {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(do(f), f.Close())
	})
}
