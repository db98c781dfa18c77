package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/framelock/relay/media/evidence"
)

const (
	suffix    = ".rtpdump"
	videoRate = 90000 // ticks of the canonical line of video in a second
	headSize  = 64    // bytes; a shorter file was cut in its beginning
)

// segmentName is the name of a segment's file: the canonical timestamp of its first
// packet of video, with as many digits as keep names in order.
func segmentName(ts uint64) string { return fmt.Sprintf("%016d%s", ts, suffix) }

// segment is a file of a recording.
type segment struct {
	path string
	ts   uint64
	size int64
}

// list returns the segments in a directory, oldest first.
func list(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		ts, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || e.Name() != segmentName(ts) {
			continue // somebody else's
		}
		info, err := e.Info()
		if err != nil {
			continue // it has just been removed
		}
		all = append(all, segment{filepath.Join(dir, e.Name()), ts, info.Size()})
	}
	slices.SortFunc(all, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// expired returns the segments to remove, the oldest: those that ended, with the
// beginning of the next, longer ago than age, and those beyond size bytes in all.
// The newest stays.
func expired(all []segment, now time.Time, age time.Duration, size int64) []segment {
	var total int64
	for _, s := range all {
		total += s.size
	}
	n := 0
	for ; n < len(all)-1; n++ {
		ended := time.Unix(int64(all[n+1].ts/videoRate), 0)
		if now.Sub(ended) <= age && total <= size {
			break
		}
		total -= all[n].size
	}
	return all[:n]
}

// between returns the segments that frames of a time may be in.
func between(all []segment, from, to uint64) []segment {
	first := 0
	for i, s := range all {
		if s.ts > to {
			// Its first packets may show that the last frame before is whole.
			return all[first : i+1]
		}
		if s.ts <= from {
			first = i
		}
	}
	return all[first:]
}

// records reads segments one after the other, until ctx ends. One that was removed
// meanwhile is passed over.
func records(ctx context.Context, segments []segment) evidence.Records {
	return func(yield func(evidence.Record, error) bool) {
		for _, s := range segments {
			goOn, err := s.read(ctx, yield)
			if err != nil {
				yield(evidence.Record{}, fmt.Errorf("%s: %w", s.path, err))
				return
			}
			if !goOn {
				return
			}
		}
	}
}

// read calls yield for every record of a segment. It reports whether yield wants
// more.
func (s segment) read(ctx context.Context, yield func(evidence.Record, error) bool) (goOn bool, err error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	r, err := evidence.NewReader(f)
	if err != nil {
		if s.size < headSize {
			return true, nil
		}
		return false, err
	}
	for ctx.Err() == nil {
		rec, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return true, nil
			}
			return false, err
		}
		if !yield(rec, nil) {
			return false, nil
		}
	}
	return false, ctx.Err()
}
