//go:build linux

package plainpion_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/plainpion"
)

// serve starts a server with one stream and returns where it listens.
func serve(t *testing.T) plainpion.Addresses {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- plainpion.Serve(ctx, plainpion.Config{
			Streams: 1, Format: load.Format, VideoType: load.VideoType, AudioType: load.AudioType}, w)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var a plainpion.Addresses
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// until polls for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not in time: ", what)
		}
	}
}

// TestKernelCountsWhatIsDecrypted holds what the kernel counts at one viewer against
// what another decrypts, and both against what was sent. Plain pion loses packets on a
// busy machine, and a round that lost some is not judged, as in the bench itself.
func TestKernelCountsWhatIsDecrypted(t *testing.T) {
	for range 3 {
		if countsAgree(t) {
			return
		}
	}
	t.Error("packets were lost in each of three rounds")
}

// countsAgree reports whether no packet was lost; then it has compared all counts.
func countsAgree(t *testing.T) bool {
	t.Helper()
	a := serve(t)
	ctx := t.Context()
	sender, err := load.NewSender([]load.Destination{{Video: a.Streams["s0"].Video, Audio: a.Streams["s0"].Audio}}, load.Burst, load.DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	audience := load.NewAudience(1, 2)
	defer audience.Close()
	url := func(int) string { return "http://" + a.HTTP + "/whep/s0" }
	if err := audience.Join(ctx, 2, 1, load.Viewing{}, url, func() {}); err != nil {
		t.Fatal(err)
	}
	delivered := func() []uint64 {
		counts, err := audience.Delivered()
		if err != nil {
			t.Fatal(err)
		}
		return counts[0]
	}
	if err := audience.Begin(); err != nil {
		t.Fatal(err)
	}
	if err := sender.Go(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, "some packets of both tracks", func() bool { return delivered()[0] > 100 })
	if err := sender.Hold(ctx); err != nil {
		t.Fatal(err)
	}
	sent, err := sender.Sent(ctx)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); ; <-tick.C {
		if d := delivered(); d[0] == sent[0] && d[1] == sent[0] {
			break
		}
		if time.Now().After(deadline) {
			t.Logf("%v of %d packets came", delivered(), sent[0])
			return false
		}
	}
	seen := audience.Seen()
	if seen.Packets != sent[0] || seen.Gaps != 0 || seen.Damaged != 0 || seen.Untimed != 0 || len(seen.Latency) < 100 {
		t.Errorf("decrypted %d of %d packets, %d gaps, %d damaged, %d without a time, %d latencies",
			seen.Packets, sent[0], seen.Gaps, seen.Damaged, seen.Untimed, len(seen.Latency))
	}
	for _, d := range seen.Latency {
		if d <= 0 {
			t.Fatalf("a packet arrived %v after it was sent", d)
		}
	}
	if err := audience.Broken(); err != nil {
		t.Error(err)
	}
	return true
}
