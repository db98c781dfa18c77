package tiles

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
)

const log = marker.LogID(0x9f3c0a77d2e41b05)

var origin = transcript.Origin("relay.example.com", "wheel", log)

// filled is a store of n events, of which every 1,000th follows a gap in seq, and
// the tree of package tlog over the same events.
type filled struct {
	*Store
	signer *transcript.Signer
	seqs   []uint64
	stored []tlog.Hash
}

func (f *filled) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = f.stored[x]
	}
	return out, nil
}

func entry(n int) []byte { return []byte(strings.Repeat(fmt.Sprint("event ", n, " "), 1+n%7)) }

func open(t testing.TB, state string) *filled {
	t.Helper()
	s, err := Open(state, "wheel", log)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := transcript.NewSigner(origin, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return &filled{Store: s, signer: signer}
}

func (f *filled) fill(t testing.TB, n int) *filled {
	t.Helper()
	seq := uint64(0)
	for i := range n {
		if seq++; i%1000 == 999 {
			seq += 4096
		}
		f.seqs = append(f.seqs, seq)
		if err := f.Append(seq, entry(i)); err != nil {
			t.Fatal(err)
		}
		hashes, err := tlog.StoredHashes(int64(i), entry(i), f)
		if err != nil {
			t.Fatal(err)
		}
		f.stored = append(f.stored, hashes...)
	}
	return f
}

func (f *filled) root(t testing.TB, n int) transcript.Hash {
	t.Helper()
	root, err := tlog.TreeHash(int64(n), f)
	if err != nil {
		t.Fatal(err)
	}
	return transcript.Hash(root)
}

func (f *filled) sign(t testing.TB, n int) {
	t.Helper()
	c := transcript.Checkpoint{Origin: origin, Size: uint64(n), Root: f.root(t, n)}
	note, err := f.signer.Sign(c.Size, c.Root)
	if err == nil {
		err = f.SetCheckpoint(c, note)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Every tile of every level is the one that package tlog makes of the same log, with
// any width that a checkpoint may ask for. 70,000 is the example of the
// specification: 273 full tiles and one of 112 at level 0, 1 and 17 at level 1, and
// one of 1 at level 2.
func TestTilesAreThoseOfTlog(t *testing.T) {
	const n = 70_000
	f := open(t, t.TempDir()).fill(t, n)
	full := map[string]int{}
	for _, tile := range tlog.NewTiles(height, 0, n) {
		want, err := tlog.ReadTileData(tile, f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Read(formatPath(tile))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes, %v; want %d", formatPath(tile), len(got), err, len(want))
		}
		full[fmt.Sprintf("%d.%d", tile.L, tile.W)]++
	}
	for key, want := range map[string]int{"0.256": 273, "0.112": 1, "1.256": 1, "1.17": 1, "2.1": 1} {
		if full[key] != want {
			t.Errorf("%d tiles of level and width %s, want %d", full[key], key, want)
		}
	}
	for _, path := range []string{"tile/0/000.p/3", "tile/0/273.p/111", "tile/1/000.p/255", "tile/1/001.p/1"} {
		tile, err := parsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tlog.ReadTileData(tile, f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Read(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", path, len(got), err, len(want))
		}
	}
	for _, path := range []string{"tile/0/273", "tile/0/273.p/113", "tile/0/274.p/1", "tile/1/001.p/18", "tile/2/000.p/2", "tile/3/000.p/1", "tile/entries/273.p/113", "tile/63/000", "tile/0/x999/x999/x999/x999/999"} {
		if got, err := f.Read(path); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
}

// bundle reads the entries of a bundle.
func bundle(t *testing.T, b []byte) (list [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := int(binary.BigEndian.Uint16(b))
		list, b = append(list, b[2:2+n]), b[2+n:]
	}
	return list
}

func TestBundles(t *testing.T) {
	f := open(t, t.TempDir()).fill(t, 600)
	for path, want := range map[string][2]int{
		"tile/entries/000": {0, 256}, "tile/entries/001": {256, 512}, "tile/entries/002.p/88": {512, 600},
		"tile/entries/002.p/1": {512, 513}, "tile/entries/000.p/7": {0, 7},
	} {
		b, err := f.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		got := bundle(t, b)
		if len(got) != want[1]-want[0] {
			t.Fatalf("%s has %d entries, want %v", path, len(got), want)
		}
		for i, e := range got {
			if !bytes.Equal(e, entry(want[0]+i)) {
				t.Errorf("%s: entry %d is %q", path, i, e)
			}
		}
	}
}

// What was made again from the journal is what was there, damage mended, and what
// was right is not written again.
func TestRebuilt(t *testing.T) {
	state := t.TempDir()
	open(t, state).fill(t, 600)
	dir := filepath.Join(state, "tiles", "wheel", log.String(), "tile")
	damaged, missing, right := filepath.Join(dir, "0", "000"), filepath.Join(dir, "entries", "001"), filepath.Join(dir, "0", "001")
	if err := errors.Join(os.WriteFile(damaged, []byte("x"), 0o600), os.Remove(missing), os.Chmod(right, 0o400)); err != nil {
		t.Fatal(err)
	}
	f := open(t, state).fill(t, 600)
	fresh := open(t, t.TempDir()).fill(t, 600)
	for _, path := range []string{"tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001", "tile/1/000.p/2"} {
		got, err := f.Read(path)
		want, _ := fresh.Read(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", path, len(got), err, len(want))
		}
	}
	if info, err := os.Stat(right); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("a tile that was right was written again: %v, %v", info, err)
	}
	err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), ".tmp") {
			t.Errorf("%s was left behind", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestProof(t *testing.T) {
	f := open(t, t.TempDir()).fill(t, 3000)
	if _, err := f.Proof(1); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first checkpoint: %v", err)
	}
	if _, ok := f.Checkpoint(); ok {
		t.Error("there is a checkpoint before the first")
	}
	f.sign(t, 2500)
	for _, i := range []int{0, 1, 255, 256, 998, 999, 1000, 1998, 1999, 2047, 2048, 2499} {
		p, err := f.Proof(f.seqs[i])
		if err != nil {
			t.Fatalf("seq %d: %v", f.seqs[i], err)
		}
		if err := p.Verify(origin, f.signer.VerifierKey()); err != nil || p.Event != string(entry(i)) || p.Index != uint64(i) {
			t.Errorf("seq %d: event %d %q, %v", f.seqs[i], p.Index, p.Event, err)
		}
	}
	for _, seq := range []uint64{0, f.seqs[998] + 1, f.seqs[999] - 1, f.seqs[2500], f.seqs[2999] + 1, 1 << 60} {
		if p, err := f.Proof(seq); !errors.Is(err, ErrNotFound) {
			t.Errorf("seq %d: %+v, %v", seq, p, err)
		}
	}
	// Damage on the disk is never told to anybody as a proof.
	dir := filepath.Join(f.dir, "tile")
	for _, path := range []string{"0/001", "entries/001"} {
		path = filepath.Join(dir, path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for i := 256; i < 512; i++ {
			if p, err := f.Proof(f.seqs[i]); err != nil {
				failed++
			} else if err := p.Verify(origin, f.signer.VerifierKey()); err != nil {
				t.Errorf("a false proof of seq %d: %v", f.seqs[i], err)
			}
		}
		if failed == 0 {
			t.Errorf("%s is damaged and all proofs were made", path)
		}
	}
}

func TestSetCheckpointRefuses(t *testing.T) {
	f := open(t, "").fill(t, 10)
	f.sign(t, 8)
	for _, size := range []uint64{7, 11} {
		if err := f.SetCheckpoint(transcript.Checkpoint{Size: size}, "x"); err == nil {
			t.Errorf("a checkpoint of %d events is taken after one of 8 of 10", size)
		}
	}
	if note, ok := f.Checkpoint(); !ok || !strings.HasPrefix(note, origin+"\n8\n") || f.Size() != 10 {
		t.Errorf("%q, %v, %d", note, ok, f.Size())
	}
}

// Without a folder the hashes stay, and of the entries the newest.
func TestInMemory(t *testing.T) {
	const n = (maxBundles + 3) * width
	f := open(t, "").fill(t, n)
	f.sign(t, n)
	if _, err := f.Read("tile/entries/000"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the first bundle: %v", err)
	}
	if _, err := f.Read("tile/0/000"); err != nil {
		t.Error(err)
	}
	if p, err := f.Proof(f.seqs[n-1]); err != nil || p.Verify(origin, f.signer.VerifierKey()) != nil {
		t.Errorf("the last event: %v", err)
	}
	if len(f.kept) > maxBundles+n/width+2 {
		t.Errorf("%d tiles in memory", len(f.kept))
	}
}

// While the disk takes nothing, memory serves, within bounds; what has not been lost
// is written later.
func TestDiskThatTakesNothing(t *testing.T) {
	state := t.TempDir()
	f := open(t, state)
	blocked := filepath.Join(f.dir, "tile")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil { // a file where a folder must be
		t.Fatal(err)
	}
	failed := 0
	n := 0
	add := func(count int) {
		for range count {
			n++
			if f.Append(uint64(n), entry(n-1)) != nil {
				failed++
			}
		}
	}
	add(20 * width)
	if failed != 20 {
		t.Errorf("%d errors for 20 pairs of tiles", failed)
	}
	if _, err := f.Read("tile/entries/000"); err != nil {
		t.Error(err)
	}
	add(30 * width)
	if len(f.kept) > maxUnwritten {
		t.Errorf("%d tiles in memory", len(f.kept))
	}
	if _, err := f.Read("tile/0/000"); err == nil {
		t.Error("a tile that was lost is served")
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	failed = 0
	add(width)
	if failed > 1 || len(f.kept) != 0 { // one more may have been lost before the disk took the rest
		t.Errorf("%d errors, %d tiles still in memory", failed, len(f.kept))
	}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]tlog.Tile{
		"tile/0/x001/x234/067":   {H: 8, L: 0, N: 1234067, W: 256},
		"tile/63/000":            {H: 8, L: 63, N: 0, W: 256},
		"tile/entries/x001/067":  {H: 8, L: -1, N: 1067, W: 256},
		"tile/entries/000.p/255": {H: 8, L: -1, N: 0, W: 255},
		"tile/2/999.p/1":         {H: 8, L: 2, N: 999, W: 1},
	} {
		got, err := parsePath(path)
		if err != nil || got != want || formatPath(want) != path {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for _, path := range []string{
		"", "tile", "tile/", "/tile/0/000", "tile/0/00", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256",
		"tile/0/000.p/01", "tile/0/000/", "tile/data/000", "tile/8/0/000", "tile/0/../../000", "tile/0/x001", "checkpoint", "tile/entries", "tile/0/1000", "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
	} {
		if got, err := parsePath(path); !errors.Is(err, ErrPath) {
			t.Errorf("%q: %+v, %v", path, got, err)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, path := range []string{"tile/0/x001/x234/067", "tile/entries/000.p/255", "tile/data/000", "tile/8/0/000"} {
		f.Add(path)
	}
	s := open(f, f.TempDir()).fill(f, 300)
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := parsePath(path)
		if err == nil && formatPath(tile) != path {
			t.Fatalf("%q is taken for %q", path, formatPath(tile))
		}
		if b, err := s.Read(path); err == nil && len(b) == 0 {
			t.Fatalf("%q is empty", path)
		}
	})
}

// Readers get whole tiles while the log grows.
func TestReadersAndWriter(t *testing.T) {
	f := open(t, t.TempDir())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			if err := f.Append(uint64(i+1), entry(i)); err != nil {
				t.Error(err)
			}
		}
	}()
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		n := int(f.Size())
		if n == 0 {
			continue
		}
		tile := tlog.Tile{H: height, L: entries, N: int64(n-1) / width, W: (n-1)%width + 1}
		b, err := f.read(tile)
		if err != nil {
			t.Fatal(err)
		}
		list := bundle(t, b)
		if !slices.Equal(list[len(list)-1], entry(n-1)) {
			t.Fatalf("entry %d is %q", n-1, list[len(list)-1])
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	s, err := Open(b.TempDir(), "wheel", log)
	if err != nil {
		b.Fatal(err)
	}
	event := bytes.Repeat([]byte("x"), 500)
	seq := uint64(0)
	for b.Loop() {
		seq++
		if err := s.Append(seq, event); err != nil {
			b.Fatal(err)
		}
	}
}
