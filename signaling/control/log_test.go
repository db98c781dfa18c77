package control

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/framelock/relay/sync/tiles"
	"github.com/framelock/relay/sync/transcript"
)

// oneLog serves a store as every stream's log.
type oneLog struct{ *tiles.Store }

func (l oneLog) Log(string) (Log, bool) { return l.Store, true }

// webReader reads tiles over HTTP, as a monitor of the log would.
type webReader struct {
	t      *testing.T
	prefix string
}

func (r webReader) get(path string) []byte {
	r.t.Helper()
	req, err := http.NewRequest("GET", r.prefix+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer reader")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		r.t.Fatalf("%s: %s %s %v", path, res.Status, b, err)
	}
	return b
}

func (r webReader) Height() int { return 8 }

func (r webReader) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var contents [][]byte
	for _, t := range list {
		contents = append(contents, r.get(strings.Replace(t.Path(), "tile/8/", "tile/", 1)))
	}
	return contents, nil
}

func (r webReader) SaveTiles([]tlog.Tile, [][]byte) {}

// Package tlog, the reader of other logs, accepts this one over HTTP: every event is
// in it, and each of its checkpoints is consistent with the next.
func TestServedLogIsOneForTlog(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	const origin = "relay.example.com/wheel/9f3c0a77d2e41b05"
	signer, err := transcript.NewSigner(origin, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	store, err := tiles.Open(t.TempDir(), "wheel", 0x9f3c0a77d2e41b05)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(Handler(newTable(t), people, Options{Logs: oneLog{store}}))
	t.Cleanup(server.Close)
	monitor := webReader{t, server.URL + "/v1/streams/wheel/log/"}
	var tree transcript.Tree
	var before tlog.Tree
	for _, size := range []uint64{1, 255, 256, 257, 700} {
		for tree.Size() < size {
			event := fmt.Appendf(nil, "event %d", tree.Size())
			tree.Append(transcript.LeafHash(event))
			if err := store.Append(tree.Size(), event); err != nil {
				t.Fatal(err)
			}
		}
		note, err := signer.Sign(size, tree.Root())
		if err == nil {
			err = store.SetCheckpoint(transcript.Checkpoint{Origin: origin, Size: size, Root: tree.Root()}, note)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := transcript.OpenCheckpoint(monitor.get("checkpoint"), origin, signer.VerifierKey())
		if err != nil {
			t.Fatal(err)
		}
		head := tlog.Tree{N: int64(c.Size), Hash: tlog.Hash(c.Root)}
		hashes := tlog.TileHashReader(head, monitor)
		if before.N > 0 {
			proof, err := tlog.ProveTree(head.N, before.N, hashes)
			if err == nil {
				err = tlog.CheckTree(proof, head.N, head.Hash, before.N, before.Hash)
			}
			if err != nil {
				t.Errorf("%d events do not go on from %d: %v", head.N, before.N, err)
			}
		}
		before = head
		for _, i := range []int64{0, head.N / 2, head.N - 1} {
			proof, err := tlog.ProveRecord(head.N, i, hashes)
			if err == nil {
				err = tlog.CheckRecord(proof, head.N, head.Hash, i, tlog.RecordHash(fmt.Appendf(nil, "event %d", i)))
			}
			if err != nil {
				t.Errorf("event %d of %d: %v", i, head.N, err)
			}
		}
	}
	if got := string(monitor.get("tile/entries/002.p/2")); got != "\x00\x09event 512\x00\x09event 513" {
		t.Errorf("bundle %q", got)
	}
}
