package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/framelock/relay/internal/croupier"
)

// Asker is a game server that asks for an event every 50 ms, on a frame that the
// encoder has yet to capture: two of three by capture time, one by the encoder's own
// timestamp. Every event that the relay accepts is in Records.
type Asker struct {
	client *croupier.Client
	stream string
	stop   context.CancelFunc
	loop   sync.WaitGroup

	mu      sync.Mutex
	on      *Encoder // whose frames are named
	records []croupier.Record
}

// askAhead is how many frames ahead of the newest an event is named.
const askAhead = 4

// StartAsker begins to ask for events on an encoder's frames.
func (w *World) StartAsker(on *Encoder) *Asker {
	a := &Asker{client: &croupier.Client{URL: w.URL("")}, stream: w.Stream, on: on}
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	a.loop.Go(func() { a.ask(ctx) })
	return a
}

// Follow has another encoder's frames named from now on.
func (a *Asker) Follow(e *Encoder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.on = e
}

// Stop ends the asking, and returns when everything has been answered.
func (a *Asker) Stop() []croupier.Record {
	a.stop()
	a.loop.Wait()
	return a.records
}

func (a *Asker) ask(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.mu.Lock()
		newest, ok := a.on.Newest()
		a.mu.Unlock()
		if !ok {
			continue
		}
		captured := newest.CaptureTime.Add(askAhead * frameTime)
		r := croupier.Record{
			ID: fmt.Sprint("a-", i), Kind: "marker", By: "capture_time", Frame: newest.Frame + askAhead, CaptureTime: &captured, SentAt: time.Now(),
		}
		if i%3 == 0 {
			r.By, r.Source = "source", &croupier.SourceTime{SSRC: newest.SSRC, TS: newest.TS + askAhead*frameTicks}
		}
		a.loop.Go(func() { a.mark(r) })
	}
}

func (a *Asker) mark(r croupier.Record) {
	at := croupier.At{Source: r.Source}
	if r.Source == nil {
		at.CaptureTime = r.CaptureTime
	}
	answer, status, err := a.client.Mark(context.Background(), a.stream, croupier.Mark{ID: r.ID, Kind: r.Kind, At: at, TimeoutMS: 5000})
	if r.Status = status; err != nil {
		r.Error = err.Error()
	} else {
		r.Answer = &answer
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = append(a.records, r)
}
