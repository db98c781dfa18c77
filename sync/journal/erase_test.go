package journal

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// onDisk reports whether a text is in any file below dir.
func onDisk(t testing.TB, dir string, text []byte) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestErasedIsGoneFromTheDisk(t *testing.T) {
	dir := t.TempDir()
	j := open(t, start(t, Options{Dir: dir}))
	appendLines(t, j, text("a", "b"), [][]byte{payload(71), payload(72)})
	appendLines(t, j, text("c"), [][]byte{payload(73)})
	for _, o := range []int{71, 72, 73} {
		if !onDisk(t, dir, payload(o)) {
			t.Fatalf("payload %d is not on the disk: the test shows nothing", o)
		}
	}
	for _, o := range []uint64{72, 73} {
		if err := j.Erase(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if onDisk(t, dir, payload(int(o))) {
			t.Errorf("payload %d is still on the disk", o)
		}
	}
	if want := []string{owner1, "a|" + string(payload(71)), "b", "c"}; !slices.Equal(contents(t, j, 1), want) {
		t.Errorf("got %q, want %q", contents(t, j, 1), want)
	}
}

// Who reads slowly, such as the client of an export, keeps nobody from erasing, and
// nobody else from reading.
func TestErasingDoesNotWaitForReaders(t *testing.T) {
	j := open(t, start(t, Options{Dir: t.TempDir()}))
	const records = 8
	large := strings.Repeat("x", readAhead/records*2)
	for i := range records {
		appendLines(t, j, text(fmt.Sprint(i, large)), [][]byte{payload(i + 1)})
	}
	var got []string
	err := j.Read(t.Context(), 2, func(_ uint64, line, p []byte) error {
		got = append(got, string(line[:1])+string(p))
		if len(got) > 1 {
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := j.EraseBefore(ctx, time.Now().Add(time.Hour)); err != nil {
			return err
		}
		return j.Read(ctx, 1, func(uint64, []byte, []byte) error { return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != records || got[0] != "0"+string(payload(1)) || got[records-1] != fmt.Sprint(records-1) {
		t.Errorf("%q", got)
	}
}

// The relay ends when the lines without a payload are durable and the old record is
// still there.
func TestErasingCutShort(t *testing.T) {
	for name, erase := range map[string]func(*Journal) *replaced{
		"one": func(*Journal) *replaced {
			return &replaced{seqs: []uint64{3}, at: 1, batch: batch{pos: 3, order: 2, lines: text("a", "b"), payloads: [][]byte{nil, payload(2)}}}
		},
		"all before": func(j *Journal) *replaced {
			p, err := j.oldest(context.Background(), time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, Options{Dir: dir})
			j := open(t, s)
			appendLines(t, j, text("a", "b"), [][]byte{payload(1), payload(2)})
			p := erase(j)
			err := j.append(t.Context(), func() (*record, error) {
				return &record{batch: batch{pos: j.pos, order: j.order}, replaced: p}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{owner1, "a", "b"}
			if p.batch.payload(1) != nil {
				want[2] += "|" + string(payload(2))
			}
			if got := contents(t, j, 1); !slices.Equal(got, want) {
				t.Errorf("before the end: got %q, want %q", got, want)
			}
			s.Close()
			if !onDisk(t, dir, payload(1)) {
				t.Fatal("nothing was left to do")
			}
			j = open(t, start(t, Options{Dir: dir}))
			if got, want := contents(t, j, 1), append(want, owner2); !slices.Equal(got, want) {
				t.Errorf("after: got %q, want %q", got, want)
			}
			if m, err := j.get(t.Context(), 3, ""); err != nil || m != nil {
				t.Errorf("the old record is still there: %v %v", m, err)
			}
		})
	}
}

func TestEraseBefore(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	j := open(t, s)
	want := []string{owner1}
	large := strings.Repeat("x", 100<<10)
	for i := 1; i <= 40; i++ {
		line := fmt.Sprintf("line %d %s", i, large[:i*2500])
		want = append(want, line+"|"+string(payload(i)))
		appendLines(t, j, text(line), [][]byte{payload(i)})
	}
	if err := j.Erase(t.Context(), 5, 6); err != nil {
		t.Fatal(err)
	}
	m, err := j.get(t.Context(), 3+29, subjectLines)
	if err != nil || m == nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := j.EraseBefore(t.Context(), m.Time); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i <= 29; i++ {
		want[i], _, _ = strings.Cut(want[i], "|")
	}
	if got := contents(t, j, 1); !slices.Equal(got, want) {
		t.Fatalf("got %.90q, want %.90q", got, want)
	}
	s.Close()
	j = open(t, start(t, Options{Dir: dir}))
	want = append(want, owner2)
	if got := contents(t, j, 11); !slices.Equal(got, want[10:]) {
		t.Fatalf("reopened: got %.90q, want %.90q", got, want[10:])
	}
	if err := j.Erase(t.Context(), 7, 35); err != nil {
		t.Fatal(err)
	}
	if err := j.EraseBefore(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i], _, _ = strings.Cut(want[i], "|")
	}
	if got := contents(t, j, 1); !slices.Equal(got, want) {
		t.Fatalf("all: got %.90q, want %.90q", got, want)
	}
	if n := len(j.old); n > 12 { // 2.1 MB of lines in records of at most 512 KiB, and single ones
		t.Errorf("%d batches", n)
	}
}

// Whatever is appended, erased and reopened in whatever order, lines stay where
// they are and lose the payloads that were erased.
func TestErasingModel(t *testing.T) {
	fewer(t, 10) // each starts servers and waits for a disk
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		s := start(t, Options{Dir: dir})
		j := open(t, s)
		defer func() { s.Close() }()
		want := []string{owner1}
		order := 0
		r.Repeat(map[string]func(*rapid.T){
			"append": func(r *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(r, "lines")
				lines, payloads := make([][]byte, n), make([][]byte, n)
				for i := range n {
					w := fmt.Sprint("line ", len(want))
					lines[i] = []byte(w)
					if rapid.Bool().Draw(r, "payload") {
						order += rapid.IntRange(1, 2).Draw(r, "step")
						payloads[i] = payload(order)
						w += "|" + string(payloads[i])
					}
					want = append(want, w)
				}
				appendLines(t, j, lines, payloads)
			},
			"erase": func(r *rapid.T) {
				if order == 0 {
					return
				}
				orders := rapid.SliceOfN(rapid.Uint64Range(1, uint64(order)), 1, 4).Draw(r, "orders")
				if err := j.Erase(t.Context(), orders...); err != nil {
					r.Fatal(err)
				}
				for i := range want {
					for _, o := range orders {
						want[i], _ = cutPayload(want[i], int(o))
					}
				}
			},
			"erase before": func(r *rapid.T) {
				last := j.Last()
				pos := rapid.Uint64Range(1, last).Draw(r, "position")
				at := time.Now().Add(time.Hour)
				_, replaced := j.old.at(pos)
				if !replaced {
					seq, err := j.search(t.Context(), j.seq, func(r *record) bool { return r.pos >= pos })
					if err != nil {
						r.Fatal(err)
					}
					m, err := j.get(t.Context(), seq, subjectLines)
					if err != nil || m == nil {
						r.Fatal(m, err)
					}
					at = m.Time
					rec, _ := decode(m)
					last = rec.first() - 1
				}
				if err := j.EraseBefore(t.Context(), at); err != nil {
					r.Fatal(err)
				}
				for i := range want[:last] {
					want[i], _, _ = strings.Cut(want[i], "|")
				}
			},
			"reopen": func(r *rapid.T) {
				s.Close()
				s = start(t, Options{Dir: dir})
				j = open(t, s)
				want = append(want, fmt.Sprintf(`{"v":1,"type":"owner","owner":"relay-1","term":%d,"at":"2026-11-22T12:00:00Z"}`, j.Term()))
			},
			"": func(r *rapid.T) {
				from := rapid.Uint64Range(1, uint64(len(want))).Draw(r, "from")
				if got := contents(t, j, from); !slices.Equal(got, want[from-1:]) {
					r.Fatalf("from %d: got %q, want %q", from, got, want[from-1:])
				}
			},
		})
	})
}
