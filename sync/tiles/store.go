package tiles

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
)

// Store is the served form of one log. Full tiles are files; the last, partial ones
// are in memory. Append has one caller at a time, the others any number.
type Store struct {
	dir string // "" keeps everything in memory

	mu         sync.RWMutex
	size       int64
	edge       [][]byte          // by level, from entries on: hashes, or entries, of the partial tile
	kept       map[string][]byte // full tiles that are no files
	unwritten  []string          // of them, those that should be
	bundles    []string          // of them, those of entries
	runs       []run             // which seq is at which index
	note       string            // newest checkpoint
	checkpoint transcript.Checkpoint
}

// run is a run of events without a gap in their seq.
type run struct {
	seq   uint64 // of the first
	index int64
}

// Bounds of what is kept in memory.
const (
	maxUnwritten = 64 // tiles that the disk did not take
	maxBundles   = 64 // bundles of entries of a log that has no folder
)

// Open returns the store of a log, which is empty: Append gives it the log again
// from its beginning, and what is on disk already stays. The folder is
// <state>/tiles/<stream>/<log>; with an empty state folder the log is kept in memory
// alone, and of its entries the newest 16,384 or so.
func Open(state, stream string, log marker.LogID) (*Store, error) {
	s := &Store{kept: make(map[string][]byte)}
	if state == "" {
		return s, nil
	}
	s.dir = filepath.Join(state, "tiles", stream, log.String())
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("state.dir: %w", err)
	}
	return s, nil
}

// Append adds an event by its exact bytes, once it is durable. One call in 256
// writes two files. The error says that the disk did not take a tile; it is served
// from memory then, and written with a later one.
func (s *Store) Append(seq uint64, event []byte) error {
	if len(event) > 0xffff {
		return fmt.Errorf("event %d has %d bytes (allowed in a bundle: 65535)", seq, len(event))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.runs); n == 0 || seq != s.runs[n-1].seq+uint64(s.size-s.runs[n-1].index) {
		s.runs = append(s.runs, run{seq, s.size})
	}
	hash := transcript.LeafHash(event)
	if len(s.edge) == 0 {
		s.edge = make([][]byte, 2)
	}
	s.edge[0] = append(binary.BigEndian.AppendUint16(s.edge[0], uint16(len(event))), event...)
	s.edge[1] = append(s.edge[1], hash[:]...)
	s.size++
	if s.size%width != 0 {
		return nil
	}
	err := s.keep(tlog.Tile{H: height, L: entries, N: s.size/width - 1, W: width}, s.edge[0])
	s.edge[0] = nil
	n := s.size / width
	for level := 0; len(s.edge[level+1]) == width*tlog.HashSize; level++ {
		full := s.edge[level+1]
		s.edge[level+1] = nil
		err = errors.Join(err, s.keep(tlog.Tile{H: height, L: level, N: n - 1, W: width}, full))
		if len(s.edge) == level+2 {
			s.edge = append(s.edge, nil)
		}
		root := rootOf(full)
		s.edge[level+2] = append(s.edge[level+2], root[:]...)
		n /= width
	}
	return errors.Join(err, s.write())
}

// rootOf returns the root of a full tile.
func rootOf(tile []byte) transcript.Hash {
	var t transcript.Tree
	for h := range slices.Chunk(tile, tlog.HashSize) {
		t.Append(transcript.Hash(h))
	}
	return t.Root()
}

// keep takes a full tile, which write brings to the disk.
func (s *Store) keep(t tlog.Tile, content []byte) error {
	path := formatPath(t)
	s.kept[path] = content
	if s.dir == "" {
		if t.L == entries {
			if s.bundles = append(s.bundles, path); len(s.bundles) > maxBundles {
				delete(s.kept, s.bundles[0])
				s.bundles = s.bundles[1:]
			}
		}
		return nil
	}
	if s.unwritten = append(s.unwritten, path); len(s.unwritten) <= maxUnwritten {
		return nil
	}
	lost := s.unwritten[0]
	delete(s.kept, lost)
	s.unwritten = s.unwritten[1:]
	return fmt.Errorf("state.dir: %s could not be written for too long; the next start makes it again", lost)
}

// write brings to the disk what is not there.
func (s *Store) write() error {
	for len(s.unwritten) > 0 {
		path := s.unwritten[0]
		if err := replace(filepath.Join(s.dir, filepath.FromSlash(path)), s.kept[path]); err != nil {
			return fmt.Errorf("state.dir: a tile of the log: %w", err)
		}
		delete(s.kept, path)
		s.unwritten = s.unwritten[1:]
	}
	return nil
}

// replace writes a file whole, unless its content is that already.
func replace(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(tmp.Name()))
	}
	return err
}

// SetCheckpoint makes a signed checkpoint the newest. It covers events that were
// appended.
func (s *Store) SetCheckpoint(c transcript.Checkpoint, note string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Size > uint64(s.size) || c.Size < s.checkpoint.Size {
		return fmt.Errorf("checkpoint of %d events for a log that has %d and a checkpoint of %d", c.Size, s.size, s.checkpoint.Size)
	}
	s.checkpoint, s.note = c, note
	return nil
}

// Checkpoint returns the newest checkpoint, a signed note; ok is false before the
// first.
func (s *Store) Checkpoint() (note string, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.note, s.note != ""
}

// Size returns the number of events.
func (s *Store) Size() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return uint64(s.size)
}

// Read returns the tile or bundle with a path below the log's prefix:
// "tile/0/x001/067", "tile/entries/000.p/5". A partial tile is the beginning of what
// is there by now, of any width up to that. The error wraps ErrPath or ErrNotFound
// where the caller is to blame.
func (s *Store) Read(path string) ([]byte, error) {
	t, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	return s.read(t)
}

func (s *Store) read(t tlog.Tile) ([]byte, error) {
	content, err := s.whole(t)
	if err != nil || t.W == width {
		return content, err
	}
	if t.L != entries {
		return content[:t.W*tlog.HashSize], nil
	}
	end := 0
	for range t.W {
		if len(content) < end+2 || len(content) < end+2+int(binary.BigEndian.Uint16(content[end:])) {
			return nil, fmt.Errorf("%s is damaged; the next start makes it again", formatPath(t))
		}
		end += 2 + int(binary.BigEndian.Uint16(content[end:]))
	}
	return content[:end], nil
}

// whole returns all that there is of a tile, at least as wide as t.
func (s *Store) whole(t tlog.Tile) ([]byte, error) {
	path := formatPath(tlog.Tile{H: height, L: t.L, N: t.N, W: width})
	s.mu.RLock()
	n := s.size // hashes at the level
	for range max(t.L, 0) {
		n /= width
	}
	if t.N > n/width || t.N*width+int64(t.W) > n {
		s.mu.RUnlock()
		return nil, fmt.Errorf("%s: %w", formatPath(t), ErrNotFound)
	}
	content, inMemory := s.kept[path]
	if t.N == n/width {
		content, inMemory = s.edge[t.L+1], true
	}
	// What is in the edge is appended to, never changed; a slice of it stays true.
	content = slices.Clip(content)
	s.mu.RUnlock()
	if inMemory {
		return content, nil
	}
	if s.dir == "" {
		return nil, fmt.Errorf("%s is kept no more: %w", path, ErrNotFound)
	}
	content, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(path)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing until the next start: %w", path, ErrNotFound)
	}
	if err == nil && t.L != entries && len(content) != width*tlog.HashSize {
		err = fmt.Errorf("%s has %d bytes; the next start makes it again", path, len(content))
	}
	return content, err
}

// Proof proves the event with a seq to be in the log of the newest checkpoint. The
// hashes that it is made of are checked against that. The error wraps ErrNotFound if
// there is no such event, or no checkpoint covers it yet.
func (s *Store) Proof(seq uint64) (transcript.EventProof, error) {
	s.mu.RLock()
	i, found := slices.BinarySearchFunc(s.runs, seq, func(r run, seq uint64) int { return cmp.Compare(r.seq, seq) })
	if !found {
		i--
	}
	var index, end int64 = 0, -1
	if i >= 0 {
		index, end = s.runs[i].index+int64(seq-s.runs[i].seq), s.size
	}
	if i >= 0 && i+1 < len(s.runs) {
		end = s.runs[i+1].index
	}
	c, note := s.checkpoint, s.note
	s.mu.RUnlock()
	if index >= end || uint64(index) >= c.Size {
		return transcript.EventProof{}, fmt.Errorf("event %d, of %d that a checkpoint covers: %w", seq, c.Size, ErrNotFound)
	}
	bundle, err := s.read(tlog.Tile{H: height, L: entries, N: index / width, W: int(index%width) + 1})
	if err != nil {
		return transcript.EventProof{}, err
	}
	event := bundle
	for range index%width + 1 {
		n := 2 + int(binary.BigEndian.Uint16(bundle))
		event, bundle = bundle[2:n], bundle[n:]
	}
	head := tlog.Tree{N: int64(c.Size), Hash: tlog.Hash(c.Root)}
	proof, err := transcript.Prove(uint64(index), c.Size, tlog.TileHashReader(head, (*reader)(s)))
	if err != nil {
		return transcript.EventProof{}, fmt.Errorf("prove event %d: %w", seq, err)
	}
	if err := proof.Verify(transcript.LeafHash(event), c.Root); err != nil {
		return transcript.EventProof{}, fmt.Errorf("the bundle of event %d is damaged; the next start makes it again: %w", seq, err)
	}
	return transcript.EventProof{Event: string(event), Proof: proof, Note: note}, nil
}

// reader reads tiles for package tlog, which checks them.
type reader Store

func (r *reader) Height() int { return height }

func (r *reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	contents := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		if contents[i], err = (*Store)(r).read(t); err != nil {
			return nil, err
		}
	}
	return contents, nil
}

func (r *reader) SaveTiles([]tlog.Tile, [][]byte) {}
