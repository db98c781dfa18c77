package signing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// web is the net of a test: it notes what is posted when, and answers as told.
type web struct {
	start  time.Time
	mu     sync.Mutex
	posts  []string
	answer func(n int) (int, error) // of the nth post
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if kind := r.Header.Get("Content-Type"); r.Method != "POST" || kind != "text/plain; charset=utf-8" {
		return nil, fmt.Errorf("%s of %s", r.Method, kind)
	}
	w.mu.Lock()
	w.posts = append(w.posts, fmt.Sprintf("%v %s %s", time.Since(w.start), r.URL.Host, strings.ReplaceAll(string(b), "\n", " ")))
	status, err := w.answer(len(w.posts) - 1)
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if status == 0 { // never
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Body: io.NopCloser(strings.NewReader("x"))}, nil
}

// run gives a script to witnesses in virtual time, and returns what was posted.
func run(t *testing.T, o WitnessOptions, answer func(int) (int, error), script func(*Witnesses)) []string {
	t.Helper()
	var posts []string
	synctest.Test(t, func(t *testing.T) {
		net := &web{start: time.Now(), answer: answer}
		o.Client = &http.Client{Transport: net}
		w, err := NewWitnesses(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		synctest.Wait()
		script(w)
		cancel()
		<-done
		posts = net.posts
	})
	return posts
}

func good(int) (int, error) { return 200, nil }

func TestWitnessGetsTheNewest(t *testing.T) {
	got := run(t, WitnessOptions{URLs: []string{"https://w.example/add"}}, good, func(w *Witnesses) {
		time.Sleep(time.Minute)
		for i := range 25 { // one a second
			w.Push(fmt.Sprintf("a\n%d\n", i))
			time.Sleep(time.Second)
		}
		w.Push("b\n0\n")
		time.Sleep(time.Minute)
	})
	want := []string{"1m0s w.example a 0 ", "1m10s w.example a 10 ", "1m20s w.example a 20 ", "1m30s w.example a 24 ", "1m30s w.example b 0 "}
	// Which of two pushes at one instant is seen first is open.
	for i := range got {
		got[i] = strings.NewReplacer(" a 9 ", " a 10 ", " a 19 ", " a 20 ").Replace(got[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A witness that knows one log and not another gets those of the one.
func TestWitnessThatRefusesOneLog(t *testing.T) {
	n := 0
	got := run(t, WitnessOptions{URLs: []string{"https://w.example/add"}, Retry: time.Hour}, func(int) (int, error) {
		n++
		return []int{404, 200}[(n-1)%2], nil
	}, func(w *Witnesses) {
		w.Push("a\n0\n")
		w.Push("b\n0\n")
		time.Sleep(time.Minute)
	})
	if len(got) < 2 || got[1] != "0s w.example b 0 " {
		t.Errorf("a log that is refused keeps the others back: %q", got)
	}
}

func TestWitnessThatFails(t *testing.T) {
	var seen []bool
	o := WitnessOptions{URLs: []string{"https://w.example/add"}, Observe: func(_ string, err error) { seen = append(seen, err == nil) }}
	got := run(t, o, func(n int) (int, error) {
		switch n {
		case 0:
			return 0, errors.New("no route")
		case 1:
			return 503, nil
		case 2:
			return 0, nil // no answer at all
		}
		return 204, nil
	}, func(w *Witnesses) {
		time.Sleep(10 * time.Second)
		w.Push("a\n0\n")
		time.Sleep(2 * time.Second)
		w.Push("a\n1\n")
		time.Sleep(time.Minute)
	})
	// Retries after 1 s, 2 s, and 4 s from the end of the 5 s that it did not answer.
	want := []string{"10s w.example a 0 ", "11s w.example a 0 ", "13s w.example a 1 ", "22s w.example a 1 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, false, false, true}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The last checkpoint is brought even if everything ends just then, and an end does
// not wait for a witness that does not answer.
func TestWitnessAtTheEnd(t *testing.T) {
	got := run(t, WitnessOptions{URLs: []string{"https://w.example/add"}}, good, func(w *Witnesses) {
		time.Sleep(10 * time.Second)
		w.Push("a\n0\n")
		time.Sleep(time.Second)
		w.Push("a\n1\n")
	})
	if diff := cmp.Diff([]string{"10s w.example a 0 ", "11s w.example a 1 "}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	start := time.Duration(0)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w, err := NewWitnesses(WitnessOptions{URLs: []string{"https://w.example/add"}, Client: &http.Client{Transport: &web{start: began, answer: func(int) (int, error) { return 0, nil }}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.Push("a\n0\n")
		w.Run(ctx)
		start = time.Since(began)
	})
	if start > lastTry {
		t.Errorf("the end took %v", start)
	}
}

func TestWitnessesDoNotWaitForEachOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "witness.jsonl")
	got := run(t, WitnessOptions{URLs: []string{"https://dead.example", "https://w.example"}, File: file}, func(int) (int, error) {
		return 503, nil
	}, func(w *Witnesses) {
		time.Sleep(10 * time.Second)
		w.Push("a\n0\n\n— é +<&>\n")
		time.Sleep(1500 * time.Millisecond)
	})
	if len(got) != 6 {
		t.Errorf("%d posts to two witnesses, want each 3 times: %q", len(got), got)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"note":"a\n0\n\n— é +<&>\n"}`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestNewWitnessesRefuses(t *testing.T) {
	for _, u := range []string{"", "w.example", "ftp://w.example", "https://", "https://user:secret@w.example", "://"} {
		if _, err := NewWitnesses(WitnessOptions{URLs: []string{u}}); err == nil {
			t.Errorf("%q is taken", u)
		}
	}
}
