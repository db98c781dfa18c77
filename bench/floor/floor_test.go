//go:build linux

package floor

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/framelock/relay/bench/load"
)

// TestFloorSendsToEverybody counts at the sinks what the floor says it sent.
func TestFloorSendsToEverybody(t *testing.T) {
	for _, join := range []bool{true, false} {
		t.Run(fmt.Sprintf("join %v", join), func(t *testing.T) {
			const streams, viewers = 2, 3
			sinks, err := load.OpenSinks(streams, viewers)
			if err != nil {
				t.Fatal(err)
			}
			defer sinks.Close()
			in, words := io.Pipe()
			answers, out := io.Pipe()
			served := make(chan error, 1)
			go func() { served <- Serve(t.Context(), in, out) }()
			lines := bufio.NewScanner(answers)
			say := func(word string) (s Sent) {
				t.Helper()
				fmt.Fprintln(words, word)
				if !lines.Scan() || json.Unmarshal(lines.Bytes(), &s) != nil {
					t.Fatalf("answer to %q: %q", word, lines.Text())
				}
				return s
			}
			config, err := json.Marshal(Config{Ports: sinks.Ports(), Pace: load.Burst, Size: load.DefaultSize, Join: join})
			if err != nil {
				t.Fatal(err)
			}
			say(string(config))
			say(Go)
			least := func() uint64 {
				counts, err := sinks.Delivered()
				if err != nil {
					t.Fatal(err)
				}
				return counts[streams-1][viewers-1]
			}
			deadline, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
			defer tick.Stop()
			for least() < 50 {
				select {
				case <-tick.C:
				case <-deadline:
					t.Fatalf("%d packets arrived", least())
				}
			}
			sent := say(Hold).Sent
			counts, err := sinks.Delivered() // loopback delivers within the system call
			if err != nil {
				t.Fatal(err)
			}
			for i := range counts {
				for j, n := range counts[i] {
					if n != sent[i] {
						t.Errorf("viewer %d of stream %d got %d packets of %d", j, i, n, sent[i])
					}
				}
			}
			words.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}
