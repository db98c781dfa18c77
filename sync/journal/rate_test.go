package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// actionLine is as long as the facts of one action, with its payload.
func actionLine(i int) (line, payload []byte) {
	line = fmt.Appendf(nil, `{"v":1,"type":"action","order":%d,"window":"round-000042","id":"a-%08d","subject":"c4a9f3b2d1e0f7a8","session":"7d1f2e3c4b5a6978","received_at":"2026-11-22T12:00:00.123456789Z","seen":160000000000000,"sent":[[159999999100000,160000000000000]],"rtt_ms":23.4,"size":64,"commitment":"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9","verdict":"accepted"}`, i, i)
	payload = fmt.Appendf(nil, `{"v":1,"type":"payload","order":%d,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","data":{"bet":"red","stake":2500,"currency":"EUR","note":"seat 4"}}`, i)
	return line, payload
}

// rates are entries that became durable in a second.
type rates struct{ writer, each, group float64 }

// measure writes for d with each of three: the Writer over a Journal; one
// JetStream message and fsync for each entry; and write and fsync of a plain file
// for every 256.
func measure(t testing.TB, dir string, d time.Duration) rates {
	var r rates
	s := start(t, Options{Dir: filepath.Join(dir, "nats")})
	r.writer = rateOfWriter(t, open(t, s), d)
	r.each = rateOfEach(t, s, d)
	r.group = rateOfFile(t, filepath.Join(dir, "file"), d)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

type action struct {
	order int
	done  func(error)
}

func (a *action) Encode() (line, payload []byte) { return actionLine(a.order) }
func (a *action) Durable(_ uint64, err error)    { a.done(err) }

func rateOfWriter(t testing.TB, j *Journal, d time.Duration) float64 {
	w := NewWriter(j, WriterOptions{MaxBacklog: 8192})
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(context.Background()); err != nil {
			t.Error(err)
		}
	})
	durable := 0
	room := make(chan struct{}, 4096)
	begin := time.Now()
	order := 0
	for time.Since(begin) < d {
		room <- struct{}{}
		order++
		if !w.Put(&action{order, func(err error) {
			if err == nil {
				durable++
			}
			<-room
		}}) {
			t.Fatal("refused")
		}
	}
	w.Close()
	running.Wait()
	if durable != order {
		t.Errorf("%d of %d durable", durable, order)
	}
	return float64(durable) / time.Since(begin).Seconds()
}

func rateOfEach(t testing.TB, s *Server, d time.Duration) float64 {
	js := s.life.js
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "each", Subjects: []string{"each"}}); err != nil {
		t.Fatal(err)
	}
	begin, n := time.Now(), 0
	for ; time.Since(begin) < d; n++ {
		line, payload := actionLine(n)
		if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "each", Data: append(line, payload...)}); err != nil {
			t.Fatal(err)
		}
	}
	return float64(n) / time.Since(begin).Seconds()
}

func rateOfFile(t testing.TB, path string, d time.Duration) float64 {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begin, n := time.Now(), 0
	var b []byte
	for time.Since(begin) < d {
		b = b[:0]
		for range 256 {
			line, payload := actionLine(n)
			b = append(append(b, line...), payload...)
			n++
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	return float64(n) / time.Since(begin).Seconds()
}

// The writer is worth its framing if one fsync for many entries shows: against one
// message for each, and against the least that a disk can be asked for. A machine
// that does other things at the same time slows a round down; one undisturbed round
// shows it.
func TestRate(t *testing.T) {
	rounds, d := 10, 300*time.Millisecond
	if testing.Verbose() {
		rounds, d = 5, 2*time.Second
	}
	shown := false
	for range rounds {
		r := measure(t, t.TempDir(), d)
		each, group := r.writer/r.each, r.writer/r.group
		t.Logf("entries/s durable: writer %.0f, one message each %.0f (x%.1f), write+fsync of 256 %.0f (x%.2f)",
			r.writer, r.each, each, r.group, group)
		shown = shown || each >= 10 && group >= 0.5
		if shown && !testing.Verbose() {
			return
		}
	}
	if !shown {
		t.Error("no round with 10 times one message each and half of write+fsync of the same entries")
	}
}
