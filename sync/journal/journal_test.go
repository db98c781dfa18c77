package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

var testTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Dir == "" && o.URL == "" {
		o.Dir = t.TempDir()
	}
	if o.Owner == "" {
		o.Owner = "relay-1"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func open(t testing.TB, s *Server) *Journal {
	t.Helper()
	j, err := s.Open(t.Context(), "wheel", testTime)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// contents reads a whole journal as "line" or "line|payload".
func contents(t testing.TB, j *Journal, from uint64) []string {
	t.Helper()
	var all []string
	err := j.Read(t.Context(), from, func(pos uint64, line, payload []byte) error {
		if pos != from+uint64(len(all)) {
			return fmt.Errorf("position %d after %d lines from %d", pos, len(all), from)
		}
		text := string(line)
		if payload != nil {
			text += "|" + string(payload)
		}
		all = append(all, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func payload(order int) []byte {
	return fmt.Appendf(nil, `{"v":1,"type":"payload","order":%d,"salt":"c2FsdA==","data":{"bet":%d}}`, order, order)
}

func appendLines(t testing.TB, j *Journal, lines, payloads [][]byte) uint64 {
	t.Helper()
	last, err := j.Append(t.Context(), lines, payloads)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func text(s ...string) [][]byte {
	var b [][]byte
	for _, s := range s {
		b = append(b, []byte(s))
	}
	return b
}

const owner1 = `{"v":1,"type":"owner","owner":"relay-1","term":1,"at":"2026-11-22T12:00:00Z"}`
const owner2 = `{"v":1,"type":"owner","owner":"relay-1","term":2,"at":"2026-11-22T12:00:00Z"}`

func TestAppendReadReopen(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	j := open(t, s)
	if last := appendLines(t, j, text("a", "b", "c"), [][]byte{nil, payload(1), nil}); last != 4 {
		t.Fatalf("last %d, want 4", last)
	}
	appendLines(t, j, text("d"), nil)
	want := []string{owner1, "a", "b|" + string(payload(1)), "c", "d"}
	if got := contents(t, j, 1); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, start(t, Options{Dir: dir}))
	want = append(want, owner2)
	for from := range want {
		if got := contents(t, j, uint64(from)+1); !slices.Equal(got, want[from:]) {
			t.Errorf("from %d: got %q, want %q", from+1, got, want[from:])
		}
	}
	if j.Last() != 6 || j.Term() != 2 {
		t.Errorf("last %d, term %d", j.Last(), j.Term())
	}
}

func TestSecondOwnerFences(t *testing.T) {
	s := start(t, Options{})
	a := open(t, s)
	appendLines(t, a, text("a"), nil)
	b := open(t, s)
	for range 2 {
		if _, err := a.Append(t.Context(), text("late"), nil); !errors.Is(err, ErrFenced) {
			t.Fatalf("the owner before appended: %v", err)
		}
	}
	appendLines(t, b, text("b"), nil)
	if got, want := contents(t, b, 1), []string{owner1, "a", owner2, "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEraseKeepsLines(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	j := open(t, s)
	want := []string{owner1}
	order := 0
	for range 20 {
		var lines, payloads [][]byte
		for i := range 3 {
			line := fmt.Sprintf("line %d", len(want))
			lines, want = append(lines, []byte(line)), append(want, line)
			if i == 1 {
				payloads = append(payloads, nil)
				continue
			}
			order++
			payloads = append(payloads, payload(order))
			want[len(want)-1] += "|" + string(payload(order))
		}
		appendLines(t, j, lines, payloads)
	}
	for _, erase := range [][]uint64{{1}, {40}, {17, 18, 3, 40}, {2, 19}} {
		if err := j.Erase(t.Context(), erase...); err != nil {
			t.Fatal(err)
		}
		for _, o := range erase {
			for i := range want {
				if line, ok := cutPayload(want[i], int(o)); ok {
					want[i] = line
				}
			}
		}
		if got := contents(t, j, 1); !slices.Equal(got, want) {
			t.Fatalf("after %v: got %q, want %q", erase, got, want)
		}
	}
	if err := j.Erase(t.Context(), 41); err == nil {
		t.Error("an order that was never used was erased")
	}
	appendLines(t, j, text("after"), nil)
	want = append(want, "after", owner2)
	s.Close()
	j = open(t, start(t, Options{Dir: dir}))
	if got := contents(t, j, 1); !slices.Equal(got, want) {
		t.Errorf("reopened: got %q, want %q", got, want)
	}
	if got := contents(t, j, 30); !slices.Equal(got, want[29:]) {
		t.Errorf("from the middle: got %q, want %q", got, want[29:])
	}
}

func cutPayload(s string, order int) (string, bool) {
	end := "|" + string(payload(order))
	if len(s) > len(end) && s[len(s)-len(end):] == end {
		return s[:len(s)-len(end)], true
	}
	return s, false
}

type entry1 struct {
	line    string
	durable func(uint64, error)
}

func (e entry1) Encode() (line, payload []byte)     { return []byte(e.line), nil }
func (e entry1) Durable(position uint64, err error) { e.durable(position, err) }

func TestWriterCommitsInOrder(t *testing.T) {
	j := open(t, start(t, Options{}))
	w := NewWriter(j, WriterOptions{})
	const n = 1000
	var at []uint64
	for i := range n {
		if !w.Put(entry1{fmt.Sprint(i), func(pos uint64, err error) {
			if err != nil {
				t.Error(err)
			}
			at = append(at, pos)
		}}) {
			t.Fatal("full")
		}
	}
	w.Close()
	if err := w.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := contents(t, j, 2)
	if len(got) != n || len(at) != n {
		t.Fatalf("%d lines, %d reports", len(got), len(at))
	}
	for i := range n {
		if got[i] != fmt.Sprint(i) || at[i] != uint64(i)+2 {
			t.Fatalf("line %d: %q at %d", i, got[i], at[i])
		}
	}
}

func TestFolderIsHeldByOne(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	if other, err := Start(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another relay") {
		t.Fatalf("two servers have one folder: %v %v", other, err)
	}
	s.Close()
	s.Close()
	open(t, start(t, Options{Dir: dir}))
}

func TestOptionsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{}, {Dir: "a", URL: "nats://b"}, {Dir: file}, {URL: "nats://localhost", Replicas: 7}, {URL: "no address: at all"},
	} {
		if s, err := Start(o); err == nil {
			t.Errorf("%+v was taken", o)
			s.Close()
		}
	}
}

func TestAppendRefused(t *testing.T) {
	j := open(t, start(t, Options{}))
	appendLines(t, j, text("a"), [][]byte{payload(5)})
	large := make([]byte, maxRecord)
	for name, c := range map[string]struct{ lines, payloads [][]byte }{
		"nothing":               {},
		"too large":             {[][]byte{large}, nil},
		"payloads and lines":    {text("a"), [][]byte{nil, nil}},
		"not a payload":         {text("a"), text(`{"order":6}`)},
		"without a number":      {text("a"), text(`{"v":1,"type":"payload","order":"6"}`)},
		"an order used before":  {text("a"), [][]byte{payload(5)}},
		"orders that come back": {text("a", "b"), [][]byte{payload(7), payload(6)}},
	} {
		if _, err := j.Append(t.Context(), c.lines, c.payloads); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if last := appendLines(t, j, [][]byte{large[:maxRecord-100]}, nil); last != 3 {
		t.Errorf("the largest line is at %d", last)
	}
}

func TestLimitOfAJournal(t *testing.T) {
	s := start(t, Options{MaxBytes: 200 << 10})
	j, err := s.Open(t.Context(), "wheel.of-fortune_1", testTime)
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for err == nil {
		if _, err = j.Append(t.Context(), [][]byte{make([]byte, 50<<10)}, nil); err == nil {
			stored++
		}
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "maximum bytes") || stored != 3 {
		t.Errorf("after %d lines: %v", stored, err)
	}
	if n := len(contents(t, j, 1)); n != 1+stored {
		t.Errorf("%d lines, want %d", n, 1+stored)
	}
}

// The operator of a cluster gives an account more room: until then nothing is durable,
// and then the relay goes on by itself.
func TestLimitOfAnAccount(t *testing.T) {
	n, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Start()
	t.Cleanup(func() { n.Shutdown(); n.WaitForShutdown() })
	if !n.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	room := func(bytes int64) {
		t.Helper()
		limits := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: bytes, MaxStreams: -1, MaxConsumers: -1}
		if err := n.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
			t.Fatal(err)
		}
	}
	room(200 << 10)
	j := open(t, start(t, Options{URL: n.ClientURL(), Replicas: 1}))
	line := [][]byte{make([]byte, 50<<10)}
	for err == nil {
		_, err = j.Append(t.Context(), line, nil)
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "limits exceeded") {
		t.Fatalf("%v", err)
	}
	before := len(contents(t, j, 1))
	room(1 << 20)
	if _, err := j.Append(t.Context(), line, nil); err != nil {
		t.Fatal(err)
	}
	if got := len(contents(t, j, 1)); got != before+1 {
		t.Errorf("%d lines, want %d", got, before+1)
	}
}
