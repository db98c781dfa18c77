package relay

import (
	"context"
	"sync"
	"time"

	"github.com/framelock/relay/internal/stream"
)

// drain waits until the relay is told to stop, or fails (ctx). Then it takes no more
// viewers, tells those that there are, and waits until they have left, but not for
// longer than the grace.
func (r *Relay) drain(stop, ctx context.Context, loops map[string]*stream.Loop) {
	select {
	case <-stop.Done():
	case <-ctx.Done():
		return
	}
	left := r.sessions.refuse()
	close(r.draining)
	grace, done := context.WithTimeout(ctx, r.cfg.Drain.Grace)
	defer done()
	r.log.Info("draining", "viewers", r.sessions.count(), "grace", r.cfg.Drain.Grace)
	began := r.now()
	var told sync.WaitGroup
	for _, loop := range loops {
		told.Go(func() { loop.Drain(grace) })
	}
	told.Wait()
	select {
	case <-left:
	case <-grace.Done():
	}
	r.log.Info("drained", "after", r.now().Sub(began).Round(time.Millisecond), "still watching", r.sessions.count())
}
