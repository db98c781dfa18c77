//go:build !unix

package journal

import "os"

// lock only makes the file: where there is no flock, whoever runs the relays sees to
// it that no two have one folder.
func lock(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }
