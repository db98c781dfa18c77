package journal

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ack is an entry that its writer was told is durable.
type ack struct{ entry, pos uint64 }

// numbered is an entry that says which one it is.
type numbered struct {
	n    uint64
	told func(pos uint64, err error)
}

func (e *numbered) Encode() (line, payload []byte) {
	line = fmt.Appendf(nil, `{"v":1,"type":"action","order":%d}`, e.n)
	if e.n%3 > 0 {
		payload = fmt.Appendf(nil, `{"v":1,"type":"payload","order":%d,"data":%q}`, e.n, strings.Repeat("x", int(e.n%700)))
	}
	return line, payload
}

func (e *numbered) Durable(pos uint64, err error) { e.told(pos, err) }

// checkNumbered reads a journal and fails if not every acknowledged entry is there,
// once and in order. It returns how many entries there are.
func checkNumbered(t testing.TB, j *Journal, acks []ack) uint64 {
	t.Helper()
	at := map[uint64]uint64{}
	var n, last uint64
	err := j.Read(t.Context(), 1, func(pos uint64, line, payload []byte) error {
		if pos != last+1 {
			return fmt.Errorf("position %d comes after %d", pos, last)
		}
		last = pos
		e := &numbered{n: n + 1}
		if want, data := e.Encode(); string(line) == string(want) {
			if string(payload) != string(data) {
				return fmt.Errorf("entry %d has the payload %.80q", n+1, payload)
			}
			n++
			at[n] = pos
		} else if !strings.Contains(string(line), `"type":"owner"`) {
			return fmt.Errorf("position %d: %q where entry %d was expected", pos, line, n+1)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acks {
		if at[a.entry] != a.pos {
			t.Fatalf("entry %d was acknowledged at %d; it is at %d of %d lines", a.entry, a.pos, at[a.entry], last)
		}
	}
	return n
}

// actRelay writes entries in bursts for ever, and tells the parent which of them
// are durable.
func actRelay() {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	first, err := strconv.ParseUint(os.Args[2], 10, 64)
	fail(err)
	s, err := Start(Options{Dir: os.Args[1], Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	fail(err)
	j, err := s.Open(context.Background(), "wheel", time.Now())
	fail(err)
	fmt.Println("open")
	w := NewWriter(j, WriterOptions{MaxBacklog: 2000})
	go func() {
		room := make(chan struct{}, 1000)
		for n := first; ; n++ {
			room <- struct{}{}
			w.Put(&numbered{n, func(pos uint64, err error) {
				fail(err)
				fmt.Println(n, pos)
				<-room
			}})
		}
	}()
	fail(w.Run(context.Background()))
}

// A relay is killed at a random moment of a burst, again and again.
// SOAK in the environment asks for 200 times.
func TestKilledInABurst(t *testing.T) {
	kills := 10
	if os.Getenv("SOAK") != "" {
		kills = 200
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var dir string
	var acks []ack
	var n, entries, acknowledged uint64
	for i := range kills {
		if i%20 == 0 { // a journal that is read after each kill may not grow for ever
			dir, acks, n = t.TempDir(), nil, 0
		}
		before, had := n, len(acks)
		c := self(t, "relay", dir, fmt.Sprint(n+1))
		c.Stderr = t.Output()
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := random.IntN(3000); left > 0 && lines.Scan(); left-- {
			acks = addAck(t, acks, lines.Text())
		}
		c.Process.Kill()
		for lines.Scan() { // what it said before it died
			acks = addAck(t, acks, lines.Text())
		}
		if err := c.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the relay ended by itself: %v", err)
		}
		s := start(t, Options{Dir: dir})
		n = checkNumbered(t, open(t, s), acks)
		s.Close()
		entries, acknowledged = entries+n-before, acknowledged+uint64(len(acks)-had)
	}
	t.Logf("%d entries, %d of them acknowledged, over %d kills", entries, acknowledged, kills)
	if acknowledged == 0 {
		t.Error("nothing was acknowledged: the test shows nothing")
	}
}

func addAck(t *testing.T, acks []ack, line string) []ack {
	var a ack
	if line == "open" {
		return acks
	}
	if n, err := fmt.Sscan(line, &a.entry, &a.pos); n != 2 {
		t.Fatalf("the relay said %q: %v", line, err)
	}
	return append(acks, a)
}
