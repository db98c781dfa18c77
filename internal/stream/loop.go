package stream

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
)

// Sizes of a loop's queues.
const (
	mediaQueue   = 64   // batches
	marksQueue   = 1024 // requests of game servers
	requestQueue = 4096 // wishes of viewers
)

// keyframeSpacing is the least time between two keyframe requests to a studio.
const keyframeSpacing = 500 * time.Millisecond

var errClosed = errors.New("the stream has been shut down; try again when the relay is back")

// Shell is what a loop needs of the world around it.
type Shell struct {
	Now     func() time.Time
	Pool    *packet.Pool
	Logger  *slog.Logger
	Metrics Metrics
	// SendRTCP sends a compound packet to a track's studio.
	SendRTCP func(t forward.Track, b []byte, to netip.AddrPort) error
	// Left is called when a viewer's session has ended.
	Left func(id string)
	// StateDir is where the lease is kept; empty keeps nothing.
	StateDir string
}

// Metrics is told what viewers see and what is dropped. Its methods are called
// from several goroutines.
type Metrics interface {
	egress.Drops
	// Joined says how long after its offer a viewer was sent its first packet.
	Joined(after time.Duration, snapshot bool)
	Left(reason string)
	Presented(frameError, skipped int, latency time.Duration)
	Marked(late time.Duration)
}

// Loop is the goroutine that owns a Core. All its methods but Run may be called
// from anywhere.
type Loop struct {
	cfg     Config
	sh      Shell
	core    *Core
	file    *journal.LeaseFile
	media   chan *ingest.Batch
	reports chan ingest.SenderReport
	marks   chan markCall
	wishes  chan func()
	leases  chan journal.Lease
	done    chan struct{}
	viewers atomic.Int64
	// keyframe says that somebody wants one, which the studio was not asked for yet.
	keyframe atomic.Bool

	// Owned by Run.
	batches   *egress.Batches
	batch     *egress.Batch
	waiting   map[*egress.Viewer]bool // for a keyframe
	watching  map[*egress.Viewer]bool
	shards    map[*egress.Shard]int // viewers on each; none has no entry
	gate      forward.Gate
	gather    forward.Gather
	tail      *tail
	studio    [forward.Tracks]studio
	reportsAt time.Time
}

type markCall struct {
	request marker.Request
	ticket  chan Answer
}

// New returns the loop of a stream, with its lease taken: no later run uses what
// this one may use. Run makes it work.
func New(c Config, sh Shell) (*Loop, error) {
	file, lease, resumed, err := journal.OpenLease(sh.StateDir, c.Name)
	if err != nil {
		return nil, err
	}
	first := lease.SeqEnd
	lease.SeqEnd += journal.SeqBlock
	if err := file.Write(lease); err != nil {
		return nil, err
	}
	l := &Loop{
		cfg: c, sh: sh, file: file,
		media: make(chan *ingest.Batch, mediaQueue), reports: make(chan ingest.SenderReport, mediaQueue),
		marks: make(chan markCall, marksQueue), wishes: make(chan func(), requestQueue),
		leases: make(chan journal.Lease, 1), done: make(chan struct{}),
		batches: egress.NewBatches(c.Number), waiting: map[*egress.Viewer]bool{}, watching: map[*egress.Viewer]bool{}, shards: map[*egress.Shard]int{},
		gate: forward.Gate{Interval: keyframeSpacing}, gather: forward.Gather{Limit: c.Gather, Hold: c.Hold}, tail: newTail(first),
	}
	l.core = NewCore(c, lease, first, resumed, sh.Pool, l)
	l.batch = l.batches.Get()
	return l, nil
}

// Run works until ctx ends. Then the lease is given back, so that seq numbers go
// on without a hole.
func (l *Loop) Run(ctx context.Context) error {
	written := make(chan error, 1)
	go func() { written <- l.writeLeases() }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case b := <-l.media:
			for i := range b.Packets {
				l.core.Media(b.Track, b.Packets[i].From, b.Packets[i].Arrival)
			}
			b.Recycle()
		case r := <-l.reports:
			l.heard(r)
		case m := <-l.marks:
			l.core.Mark(m.request, m.ticket, l.sh.Now())
		case wish := <-l.wishes:
			wish()
		case <-timer.C:
		case <-ctx.Done():
		}
		now := l.sh.Now()
		l.core.Tick(now)
		l.askKeyframe(now)
		l.report(now)
		next := l.core.Next(now).Sub(now)
		if wait := l.flushSoon(now); wait > 0 {
			next = min(next, wait)
		}
		timer.Reset(next)
	}
	return l.shutDown(written)
}

// shutDown answers who still waits and gives back what the loop holds.
func (l *Loop) shutDown(written chan error) error {
	close(l.done)
	l.core.Close()
	for v := range l.watching {
		v.Leave("shutdown")
	}
	for {
		select {
		case b := <-l.media:
			for i := range b.Packets {
				b.Packets[i].Buffer.Release()
			}
			b.Recycle()
		case m := <-l.marks:
			m.ticket <- Answer{Err: errClosed}
		case wish := <-l.wishes:
			wish()
		default:
			l.batch.Release()
			l.tail.close()
			close(l.leases)
			return errors.Join(<-written, l.file.Write(l.core.lease(l.core.seq)))
		}
	}
}

// Media implements ingest.Sink.
func (l *Loop) Media(b *ingest.Batch) {
	select {
	case l.media <- b:
	case <-l.done:
		for i := range b.Packets {
			b.Packets[i].Buffer.Release()
		}
		b.Recycle()
	}
}

// SenderReport implements ingest.Sink.
func (l *Loop) SenderReport(r ingest.SenderReport) {
	select {
	case l.reports <- r:
	case <-l.done:
	}
}

// Mark binds an event to a frame and waits for the answer. replayed is true if
// the same request was answered before.
func (l *Loop) Mark(ctx context.Context, r marker.Request) (_ marker.Resolved, replayed bool, err error) {
	if err := r.Validate(); err != nil {
		return marker.Resolved{}, false, err
	}
	call := markCall{r, make(chan Answer, 1)}
	select {
	case l.marks <- call:
	case <-l.done:
		return marker.Resolved{}, false, errClosed
	default:
		return marker.Resolved{}, false, marker.ErrInboxFull
	}
	select {
	case a := <-call.ticket:
		return a.Resolved, a.Replayed, a.Err
	case <-ctx.Done():
		return marker.Resolved{}, false, ctx.Err()
	case <-l.done:
		return marker.Resolved{}, false, errClosed
	}
}

// Snapshot returns the state at the newest frame sent.
func (l *Loop) Snapshot(ctx context.Context) (state.Snapshot, error) {
	return ask(ctx, l, func() (state.Snapshot, error) { return l.core.Snapshot(l.sh.Now()) })
}

// Info describes the stream as it is now.
func (l *Loop) Info(ctx context.Context) (Info, error) {
	return ask(ctx, l, func() (Info, error) { return l.core.Info(l.sh.Now(), int(l.viewers.Load())), nil })
}

// Newest asks Subscribe for events to come, and none that are kept.
const Newest = math.MaxUint64

// Subscribe returns the bytes of every event after seq: first those that are kept,
// then each as it comes. A seq of 0 is for all that are kept, Newest for none of
// them. ErrTooOld says that some are kept no more. The channel is closed when ctx
// ends, when the stream is shut down, and when the reader falls too far behind.
func (l *Loop) Subscribe(ctx context.Context, after uint64) (<-chan []byte, error) {
	return ask(ctx, l, func() (<-chan []byte, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err() // nobody would read
		}
		events, err := l.tail.subscribe(after)
		if err == nil {
			context.AfterFunc(ctx, func() { l.wish(func() { l.tail.unsubscribe(events) }) })
		}
		return events, err
	})
}

// ask runs f on the loop and waits for its answer.
func ask[T any](ctx context.Context, l *Loop, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ready := make(chan result, 1)
	var none T
	select {
	case l.wishes <- func() { v, err := f(); ready <- result{v, err} }:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-l.done:
		return none, errClosed
	}
	select {
	case r := <-ready:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-l.done:
		return none, errClosed
	}
}

// wish runs f on the loop some time.
func (l *Loop) wish(f func()) {
	select {
	case l.wishes <- f:
	case <-l.done:
	}
}

// try is wish for callers that must not wait.
func (l *Loop) try(f func()) bool {
	select {
	case l.wishes <- f:
		return true
	default:
		return false
	}
}
