package record

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/framelock/relay/media/evidence"
	"github.com/framelock/relay/media/forward"
)

// Recording is what somebody has of a stream: a folder of segments, one segment,
// or a Matroska file that was cut from them. One goroutine uses it.
type Recording struct {
	segments []segment
	read     map[string]hashes // by segment
	recent   []string          // segments in read, newest last
	frames   hashes            // of a Matroska file
}

// hashes are the frame hashes of video, by canonical timestamp.
type hashes map[uint64][sha256.Size]byte

// keptSegments is how many segments' hashes are kept, about 10 minutes' worth.
const keptSegments = 64

// Open opens a recording.
func Open(name string) (*Recording, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	r := &Recording{read: map[string]hashes{}}
	switch {
	case info.IsDir():
		if r.segments, err = list(name); err == nil && len(r.segments) == 0 {
			err = fmt.Errorf("%s holds no segments (files such as %s); name the folder of one stream", name, segmentName(160578720000000))
		}
	case strings.HasSuffix(name, suffix):
		r.segments = []segment{{path: name, size: info.Size()}}
	default:
		err = r.openMatroska(name)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Recording) openMatroska(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r.frames = hashes{}
	if err := evidence.ReadMatroska(f, func(f evidence.Frame) bool { r.frames.add(f); return true }); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (h hashes) add(f evidence.Frame) {
	if f.Track == forward.Video {
		h[f.TS] = f.Hash
	}
}

// FrameHash returns the hash of the frame of video with a canonical timestamp. ok
// is false if the recording does not have the whole of it.
func (r *Recording) FrameHash(ts uint64) (hash [sha256.Size]byte, ok bool, err error) {
	if r.frames != nil {
		hash, ok = r.frames[ts]
		return hash, ok, nil
	}
	all := between(r.segments, ts, ts)
	if len(all) == 0 {
		return hash, false, nil
	}
	h := r.read[all[0].path]
	if h == nil {
		if h, err = r.hash(all); err != nil {
			return hash, false, err
		}
	}
	hash, ok = h[ts]
	return hash, ok, nil
}

// hash reads the first of the segments. The others only show whether its last frame
// is whole.
func (r *Recording) hash(all []segment) (hashes, error) {
	h := hashes{}
	for f, err := range evidence.Frames(records(context.Background(), all)) {
		if err != nil {
			return nil, err
		}
		if len(all) > 1 && f.Track == forward.Video && f.TS >= all[1].ts {
			break
		}
		h.add(f)
	}
	if len(r.recent) == keptSegments {
		delete(r.read, r.recent[0])
		r.recent = slices.Delete(r.recent, 0, 1)
	}
	r.read[all[0].path] = h
	r.recent = append(r.recent, all[0].path)
	return h, nil
}
