//go:build linux

package windows

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/sync/window"
)

// crowd offers actions at a pace, each three times: twice at once, and once more with
// the receipt in its hands. Nobody looks at receipts before all have come, so that it is
// not the crowd that is measured.
type crowd struct {
	// act sends an action and does not wait. answer is called once with what came.
	act func(id string, answer func(receipt []byte, err error))
}

// harvest is what came of an offer.
type harvest struct {
	Offered, Drained time.Duration   // how long it took to offer all, and until all had their first receipt
	Waits            []time.Duration // from an action's offer to its first receipt
	Receipts         [][]byte
	Errors           []string
}

// bet is one action, and what came for each time that it was sent.
type bet struct {
	id       string
	receipts [3][]byte
	errs     [3]error
	waited   time.Duration
}

// send sends an action for the nth time; answered is called when its receipt is there.
func (c crowd) send(b *bet, n int, answered func()) {
	c.act(b.id, func(receipt []byte, err error) {
		b.receipts[n], b.errs[n] = receipt, err
		answered()
	})
}

// gather adds what came of an action.
func (h *harvest) gather(b *bet) {
	for i, err := range b.errs {
		if err != nil {
			h.Errors = append(h.Errors, fmt.Sprintf("action %s: %v", b.id, err))
			continue
		}
		h.Receipts = append(h.Receipts, b.receipts[i])
	}
	h.Waits = append(h.Waits, b.waited)
}

// keep puts what came into the purse.
func (p *purse) keep(h harvest) {
	p.t.Helper()
	for _, e := range h.Errors {
		p.t.Error(e)
	}
	for _, r := range h.Receipts {
		p.add(r)
	}
}

// pace is how often some of a crowd's actions are offered.
const pace = time.Millisecond

// offer offers n actions within a time and returns when all have their receipts.
func (c crowd) offer(ctx context.Context, prefix string, n int, within time.Duration) (h harvest) {
	var first, all sync.WaitGroup
	first.Add(n)
	all.Add(3 * n)
	bets, again := make([]bet, n), make(chan *bet, n)
	go func() {
		for b := range again {
			c.send(b, 2, all.Done)
		}
	}()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	begun := time.Now()
	i := 0
	for ; i < n && ctx.Err() == nil; <-tick.C {
		due := min(n, int(float64(n)*float64(time.Since(begun)+pace)/float64(within)))
		for ; i < due; i++ {
			b, at := &bets[i], time.Now()
			b.id = fmt.Sprint(prefix, "-", i)
			c.send(b, 0, func() {
				b.waited = time.Since(at)
				again <- b // has room for all
				first.Done()
				all.Done()
			})
			c.send(b, 1, all.Done)
			runtime.Gosched() // another user, whom a server hears on another goroutine
		}
	}
	first.Add(i - n) // less, if the test ends
	all.Add(3 * (i - n))
	h.Offered = time.Since(begun)
	first.Wait()
	h.Drained = time.Since(begun)
	close(again)
	all.Wait()
	for i := range bets[:i] {
		h.gather(&bets[i])
	}
	return h
}

// byAPI acts for a user of its own for each id, and waits.
func byAPI(ctx context.Context, s *relay.Stream, name string) func(id string) ([]byte, error) {
	return func(id string) ([]byte, error) { return s.Act(ctx, chip(id, name), "user-"+id) }
}

// submitting is byAPI that does not wait.
func submitting(s *relay.Stream, name string) func(id string, answer func([]byte, error)) {
	return func(id string, answer func([]byte, error)) {
		if err := s.Submit(chip(id, name), "user-"+id, func(receipt []byte) { answer(receipt, nil) }); err != nil {
			answer(nil, err)
		}
	}
}

func chip(id, name string) relay.Action {
	return relay.Action{ID: id, Window: name, Data: json.RawMessage(`{"bet":"red","amount":2500}`)}
}

// waiting has somebody wait for each receipt.
func waiting(act func(id string) ([]byte, error)) func(id string, answer func([]byte, error)) {
	return func(id string, answer func([]byte, error)) {
		go func() { answer(act(id)) }()
	}
}

// follow counts the effects that a game server sees of the journal, until it has seen
// a window's record.
func follow(ctx context.Context, s *relay.Stream, name string) (effects map[string]int, err error) {
	effects = map[string]int{}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = s.Follow(ctx, 1, func(_ uint64, line, _ []byte) error {
		var l struct{ Type, Kind, ID, Window, Verdict string }
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		switch {
		case l.Type == "action" && l.Window == name && l.Verdict == window.Accepted:
			effects[l.ID]++
		case l.Kind == "window.close" && l.Window == name:
			cancel()
		}
		return nil
	})
	if context.Cause(ctx) != nil && err != nil {
		err = nil
	}
	return effects, err
}

// 20,000 bets are placed in the last second of a round, and each client sends its own
// three times.
func TestBurst(t *testing.T) {
	begin(t)
	const people = 20_000
	w := newTable(t, config(t.TempDir()))
	viewers := w.audience(ofFull(20, 4), 2)
	events := w.events()
	w.open("r1", func(r *relay.Window) { r.MaxActions = 2 * people })
	type seen struct {
		effects map[string]int
		err     error
	}
	followed := make(chan seen, 1)
	go func() {
		effects, err := follow(t.Context(), w.wheel, "r1")
		followed <- seen{effects, err}
	}()
	p := newPurse(t)
	c := crowd{submitting(w.wheel, "r1")}
	if err := viewers.Begin(); err != nil {
		t.Fatal(err)
	}
	got := c.offer(t.Context(), "bet", people, time.Second)
	media := lossless(t, viewers, "during the burst")
	t.Logf("%d actions, each sent 3 times, offered in %v; the last receipt after %v; receipts p50 %v, p99 %v",
		people, ms(got.Offered), ms(got.Drained), ms(share(got.Waits, 0.5)), ms(share(got.Waits, 0.99)))
	p.keep(got)
	t.Logf("media meanwhile: %d packets at decrypting viewers, latency p50 %v, p99 %v", media.Packets, ms(share(media.Latency, 0.5)), ms(share(media.Latency, 0.99)))
	if n := p.len(); n != people {
		t.Errorf("%d receipts for %d actions; refused: %s", n, people, p.refusals())
	}

	// Others bet while the window closes, and afterwards.
	act := byAPI(t.Context(), w.wheel, "r1")
	var late sync.WaitGroup
	closing := make(chan struct{})
	try := func(id string) {
		b, err := act(id)
		if err != nil {
			t.Errorf("action %s: %v", id, err)
			return
		}
		p.add(b)
	}
	for i := range 200 {
		late.Go(func() {
			for n := 0; ; n++ {
				try(fmt.Sprint("late-", i, "-", n))
				select {
				case <-closing:
					try(fmt.Sprint("after-", i))
					return
				default:
				}
			}
		})
	}
	if _, err := w.wheel.CloseWindow(t.Context(), "r1", relay.Next()); err != nil {
		t.Fatal(err)
	}
	record := w.closed(events, "r1")
	close(closing)
	late.Wait()
	f := <-followed
	if f.err != nil {
		t.Fatal(f.err)
	}
	h := p.audit(export(t, w.base, "wheel"))
	h.one(t, "r1", len(h.accepted))
	for id, n := range f.effects {
		if n != 1 || h.accepted[id] == nil {
			t.Errorf("action %s has %d effects", id, n)
		}
	}
	if len(f.effects) != len(h.accepted) || len(h.accepted) < people || len(h.rejected) < 200 {
		t.Errorf("%d effects of %d accepted actions, %d rejected", len(f.effects), len(h.accepted), len(h.rejected))
	}
	t.Logf("%d accepted, %d rejected, record %s", len(h.accepted), len(h.rejected), record.Data)
}

func ms(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
