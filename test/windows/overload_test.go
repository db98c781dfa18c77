//go:build linux

package windows

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/sync/window"
)

// Far more acts than the journal takes, which is far away. Who waits for a receipt hears so, and neither
// the pictures nor the relay's other table notice.
func TestOverload(t *testing.T) {
	begin(t)
	cfg := config(t.TempDir())
	cfg.Streams["other"] = streamConfig()
	line := startWire(t, startCluster(t, 1).nodes[0])
	cfg.State.Journal.URL, cfg.State.Journal.Replicas = line.url(), 1
	w := newTable(t, cfg)
	viewers := w.audience(2, 2)
	events := w.events()
	w.open("r1", func(r *relay.Window) { r.MaxActions = 250_000 })
	other, _ := w.relay.Stream("other")
	if _, _, err := other.OpenWindow(t.Context(), relay.Window{Window: "r1", At: relay.Next()}); err != nil {
		t.Fatal(err)
	}
	if err := viewers.Begin(); err != nil {
		t.Fatal(err)
	}
	line.set(false, 100*time.Millisecond)
	p, quiet := newPurse(t), newPurse(t)
	ctx, stop := context.WithCancel(t.Context())
	var acting sync.WaitGroup
	acting.Go(func() { flood(ctx, w.wheel) })
	act := byAPI(t.Context(), w.wheel, "r1")
	acting.Go(func() { // those who are taken wait until the line is better
		for n := 0; ctx.Err() == nil; n++ {
			acting.Go(func() {
				b, err := act(fmt.Sprint("bet-", n))
				if err != nil {
					t.Error(err)
					return
				}
				p.add(b)
			})
			during(ctx, 5*time.Millisecond)
		}
	})
	var waits []time.Duration
	acting.Go(func() {
		act := byAPI(t.Context(), other, "r1")
		for n := 0; ctx.Err() == nil; n++ {
			at := time.Now()
			b, err := act(fmt.Sprint("bet-", n))
			if err != nil || quiet.add(b) != window.Accepted {
				t.Errorf("the other table: %s %v", b, err)
				return
			}
			waits = append(waits, time.Since(at))
			during(ctx, 5*time.Millisecond)
		}
	})
	eventually(t, "actions are refused", func() bool { return p.refusedFor(window.ReasonOverloaded) > 100 })
	during(t.Context(), ofFull(5*time.Second, 500*time.Millisecond))
	media := lossless(t, viewers, "during the overload")
	stop()
	line.set(false, 0)
	acting.Wait()
	t.Logf("of those who waited, %d were taken and %s refused; media p50 %v, p99 %v; the other table's %d receipts p50 %v, p99 %v",
		p.len(), p.refusals(), ms(share(media.Latency, 0.5)), ms(share(media.Latency, 0.99)), len(waits), ms(share(waits, 0.5)), ms(share(waits, 0.99)))
	if len(p.refused) != 1 || len(waits) == 0 {
		t.Errorf("refused: %s", p.refusals())
	}
	eventually(t, "actions are taken again", func() bool {
		b, err := act(fmt.Sprint("after-", p.len(), "-", p.refusedFor(window.ReasonOverloaded)))
		return err == nil && p.add(b) != window.ReasonOverloaded
	})
	if err := w.close("r1"); err != nil {
		t.Fatal(err)
	}
	w.closed(events, "r1")
	p.audit(export(t, w.base, "wheel"))
	quiet.audit(export(t, w.base, "other"))
}

// flood offers actions whose receipts it does not wait for.
func flood(ctx context.Context, s *relay.Stream) {
	nobody, cancel := context.WithCancel(ctx)
	cancel()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; {
		for range 100 {
			n++
			_, _ = s.Act(nobody, relay.Action{ID: fmt.Sprint("flood-", n), Window: "r1", Data: json.RawMessage("1")}, "crowd-"+fmt.Sprint(n))
		}
		<-tick.C
	}
}
