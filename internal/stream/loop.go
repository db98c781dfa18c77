package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/tiles"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// Sizes of a loop's queues.
const (
	mediaQueue   = 64   // batches
	marksQueue   = 1024 // requests of game servers
	requestQueue = 4096 // wishes of viewers
)

// keyframeSpacing is the least time between two keyframe requests to a studio.
const keyframeSpacing = 500 * time.Millisecond

// Shell is what a loop needs of the world around it.
type Shell struct {
	Now     func() time.Time
	Pool    *packet.Pool
	Logger  *slog.Logger
	Metrics Metrics
	// SendRTCP sends a compound packet to the encoder of a track, by the socket on
	// which it was heard.
	SendRTCP func(o forward.Origin, t forward.Track, b []byte, to netip.AddrPort) error
	// Left is called when a viewer's session has ended.
	Left func(id string)
	// Journal is where everything that is decided is kept; nil keeps nothing.
	Journal *journal.Journal
	// Recorder is given everything that viewers are sent; nil records nothing.
	Recorder Recorder
	// Transcript makes the log one that nobody can change unnoticed; nil if nothing is
	// kept.
	Transcript *Transcript
}

// Transcript is how a stream's log is signed and served.
type Transcript struct {
	Dir string // where the log's tiles are, and the size that was signed last
	// Signer returns the signer of a log.
	Signer func(log marker.LogID) (*transcript.Signer, error)
	// Witness is told of each checkpoint. It does not wait.
	Witness func(note string)
}

// Recorder keeps packets. Put takes a reference on the buffer, and does not block.
type Recorder interface {
	Put(p *forward.Packet, capturedAt time.Time)
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
	// Acted counts an action by its verdict and reason.
	Acted(verdict, reason string)
	Switched(input, reason string)
}

// Loop is the goroutine that owns a Core. All its methods but Run may be called
// from anywhere.
type Loop struct {
	cfg     Config
	sh      Shell
	core    *Core
	writer  *journal.Writer
	ledger  *ledger
	signer  *transcript.Signer
	guard   *journal.Guard
	media   chan delivery
	reports chan ingest.SenderReport
	marks   chan markCall
	wishes  chan func()
	acts    chan *act
	intake  sync.Mutex // gives times of receipt in the order of acts
	done    chan struct{}
	fenced  atomic.Bool // another relay has taken the stream
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
	studio    [forward.Encoders][forward.Tracks]studio
	standby   forward.Gate // for keyframe requests to the encoder that is not on
	reportsAt time.Time
	signedAt  time.Time
}

// markCall asks for an event; ask hands the request to the core.
type markCall struct {
	ask    func(c *Core, t Ticket, now time.Time)
	ticket chan Answer
}

// New returns the loop of a stream, with its lease taken: no later run uses what
// this one may use. Run makes it work.
func New(c Config, sh Shell) (*Loop, error) {
	ctx := context.Background()
	earlier, guard, err := remember(ctx, c, sh)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", c.Name, err)
	}
	lease := earlier.lease
	if lease.SeqEnd += journal.SeqBlock; sh.Journal != nil {
		if _, err := sh.Journal.Append(ctx, [][]byte{lease.Line()}, nil); err != nil {
			return nil, fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	l := &Loop{
		cfg: c, sh: sh, ledger: earlier.ledger, guard: guard,
		media: make(chan delivery, mediaQueue), reports: make(chan ingest.SenderReport, mediaQueue),
		marks: make(chan markCall, marksQueue), wishes: make(chan func(), requestQueue),
		acts: make(chan *act, actsQueue), done: make(chan struct{}),
		batches: egress.NewBatches(c.Number), waiting: map[*egress.Viewer]bool{}, watching: map[*egress.Viewer]bool{}, shards: map[*egress.Shard]int{},
		gate: forward.Gate{Interval: keyframeSpacing}, standby: forward.Gate{Interval: keyframeSpacing}, gather: forward.Gather{Limit: c.Gather, Hold: c.Hold}, tail: newTail(earlier.next),
	}
	var store journal.Appender = forgetful{}
	if sh.Journal != nil {
		store = sh.Journal
	}
	l.writer = journal.NewWriter(store, journal.WriterOptions{Now: sh.Now, MaxBacklog: 2 * backlogFull})
	if sh.Transcript != nil {
		if l.signer, err = sh.Transcript.Signer(lease.Log); err != nil {
			return nil, fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	l.core = NewCore(c, lease, earlier, sh.Pool, l)
	l.batch = l.batches.Get()
	return l, nil
}

// remember reads what earlier runs left in the journal, and checks that it is all
// that was signed.
func remember(ctx context.Context, c Config, sh Shell) (*past, *journal.Guard, error) {
	p := newPast(c.StateLimit)
	var guard *journal.Guard
	if t := sh.Transcript; t != nil {
		var err error
		if guard, err = journal.OpenGuard(filepath.Join(t.Dir, "signed"), c.Name); err != nil {
			return nil, nil, err
		}
		p.signed = guard.Size()
		p.tiles = func(log marker.LogID) (*tiles.Store, error) { return tiles.Open(t.Dir, c.Name, log) }
	}
	if sh.Journal != nil {
		if err := sh.Journal.Read(ctx, 1, p.line); err != nil {
			return nil, nil, err
		}
	}
	if p.log == 0 {
		if err := p.begin(journal.NewLog()); err != nil {
			return nil, nil, err
		}
	}
	if guard != nil {
		if err := guard.Check(p.log.String(), p.tree.Size(), p.signedRoot); err != nil {
			return nil, nil, err
		}
	}
	p.lease.Log = p.log
	p.next = max(p.lease.SeqEnd, p.seq)
	p.lease.SeqEnd = p.next
	return p, guard, nil
}

// forgetful is the journal of a stream that keeps none.
type forgetful struct{}

func (forgetful) Append(context.Context, [][]byte, [][]byte) (uint64, error) { return 0, nil }

// Run works until ctx ends. Then the lease is given back, so that seq numbers go
// on without a hole.
func (l *Loop) Run(ctx context.Context) error {
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWriting()
	written := make(chan error, 1)
	go func() {
		err := l.writer.Run(writing)
		if errors.Is(err, journal.ErrFenced) {
			l.fenced.Store(true)
			l.sh.Logger.Error("another relay has taken the stream; this one sends its media and takes no events", "stream", l.cfg.Name, "error", err)
		}
		written <- err
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case d := <-l.media:
			l.take(d)
		case r := <-l.reports:
			l.heard(r)
		case m := <-l.marks:
			m.ask(l.core, m.ticket, l.sh.Now())
		case a := <-l.acts:
			l.judge(a)
		case wish := <-l.wishes:
			wish()
		case <-timer.C:
		case <-ctx.Done():
		}
		heard := l.drained()
		now := l.sh.Now()
		l.core.Tick(now, heard)
		l.askKeyframe(now)
		l.report(now)
		next := l.core.Next(now).Sub(now)
		if wait := l.flushSoon(now); wait > 0 {
			next = min(next, wait)
		}
		timer.Reset(next)
	}
	return l.shutDown(written, stopWriting)
}

// shutDown answers who still waits and gives back what the loop holds.
func (l *Loop) shutDown(written chan error, stopWriting func()) error {
	close(l.done)
	l.core.Close()
	for v := range l.watching {
		v.Leave("shutdown")
	}
	for {
		select {
		case d := <-l.media:
			d.release()
		case m := <-l.marks:
			m.ticket <- Answer{Err: marker.ErrClosed}
		case a := <-l.acts:
			a.reply(refusal(a.ID, a.Window, window.ReasonOverloaded))
		case wish := <-l.wishes:
			wish()
		default:
			l.batch.Release()
			l.tail.close()
			return l.endJournal(written, stopWriting)
		}
	}
}

// journalGrace is how long the end waits for the disk.
const journalGrace = 2 * time.Second

// endJournal waits until what was decided is durable, and gives the lease back.
func (l *Loop) endJournal(written chan error, stopWriting func()) error {
	l.writer.Put(&leaseEntry{l, l.core.lease(l.core.seq)})
	l.writer.Close()
	timer := time.AfterFunc(journalGrace, func() {
		l.sh.Logger.Error("the journal did not take everything before the end", "stream", l.cfg.Name, "lines", l.writer.Backlog())
		stopWriting()
	})
	defer timer.Stop()
	if err := <-written; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("stream %s: %w", l.cfg.Name, err)
	}
	return nil
}

// Mark binds an event to a frame and waits for the answer: until the event is
// durable. replayed is true if the same request was answered before.
func (l *Loop) Mark(ctx context.Context, r marker.Request) (_ marker.Resolved, replayed bool, err error) {
	if err := r.Validate(); err != nil {
		return marker.Resolved{}, false, err
	}
	a, err := l.call(ctx, func(c *Core, t Ticket, now time.Time) { c.Mark(r, t, now) })
	return a.Resolved, a.Replayed, err
}

// OpenWindow opens a window and waits for the answer; closes is the timestamp that
// it closes at, 0 if it is closed by hand.
func (l *Loop) OpenWindow(ctx context.Context, r marker.OpenRequest) (_ marker.Resolved, closes uint64, replayed bool, err error) {
	if err := r.Validate(); err != nil {
		return marker.Resolved{}, 0, false, err
	}
	a, err := l.call(ctx, func(c *Core, t Ticket, now time.Time) { c.OpenWindow(r, t, now) })
	return a.Resolved, r.Deadline(a.Resolved.TS, a.Resolved.CaptureTime), a.Replayed, err
}

// CloseWindow closes a window early, or voids it (marker.Void), and waits for the
// answer.
func (l *Loop) CloseWindow(ctx context.Context, r marker.CloseRequest, kind marker.Kind) (_ marker.Resolved, replayed bool, err error) {
	if err := r.Validate(); err != nil {
		return marker.Resolved{}, false, err
	}
	a, err := l.call(ctx, func(c *Core, t Ticket, now time.Time) { c.CloseWindow(r, kind, t, now) })
	return a.Resolved, a.Replayed, err
}

// Windows describes the windows that are known, in order of opening.
func (l *Loop) Windows(ctx context.Context) ([]state.Window, error) {
	return ask(ctx, l, func() ([]state.Window, error) { return l.core.windowList(l.sh.Now()), nil })
}

// Receipted is an action that has its verdict for good.
type Receipted struct {
	Receipt json.RawMessage `json:"receipt"` // the bytes that the viewer got
	Action  json.RawMessage `json:"action"`  // the line that the verdict stands on, and the leaf of an accepted one
	Proof   *window.Proof   `json:"proof"`   // of an accepted one, once its window is closed
}

// Receipt returns what a subject got for an action; nil if there is none.
func (l *Loop) Receipt(ctx context.Context, name, subject, id string) (*Receipted, error) {
	return ask(ctx, l, func() (*Receipted, error) {
		a := l.core.book.Find(subject, name, id)
		if a == nil {
			return nil, nil
		}
		receipt := l.ledger.receipt(name, a.Order)
		if receipt == nil {
			return nil, nil
		}
		r := &Receipted{Receipt: receipt, Action: a.Encode()}
		if proof, ok := l.core.book.Prove(subject, name, id); ok {
			r.Proof = &proof
		}
		return r, nil
	})
}

// Tiles returns the log as it is served; nil if it is not.
func (l *Loop) Tiles() *tiles.Store { return l.ledger.store }

// ErrUnsigned is returned for an export of a log that nobody signs.
var ErrUnsigned = errors.New("this relay signs no transcript; set state.dir")

// Export writes the whole transcript, sealed, with the data of actions where it is
// wanted and still there. It returns ErrUnsigned, marker.ErrNotOwner, ErrUnavailable or
// ErrInboxFull with nothing written.
func (l *Loop) Export(ctx context.Context, w io.Writer, payloads bool) error {
	if l.signer == nil || l.sh.Journal == nil {
		return ErrUnsigned
	}
	seal, err := transcript.SealSigner(l.signer)
	if err != nil {
		return err
	}
	// Whatever refuses does so before the first byte.
	if err := l.Unready(); err != nil {
		return err
	}
	if err := l.signNow(ctx); err != nil {
		return err
	}
	x, err := transcript.NewExporter(w, transcript.Header{
		Stream: l.cfg.Name, Log: l.core.log, Key: l.signer.VerifierKey(), ExportedAt: l.sh.Now(),
	})
	if err != nil {
		return err
	}
	err = l.Follow(ctx, 1, true, func(_ uint64, line, payload []byte) error {
		if err := x.Line(line); err != nil || payload == nil || !payloads {
			return err
		}
		return x.Line(payload)
	})
	if err != nil {
		return err
	}
	return x.Close(seal)
}

// signNow has a checkpoint cover what is durable, and waits for it.
func (l *Loop) signNow(ctx context.Context) error {
	// The checkpoint is a line of its own, behind what it covers.
	for range 2 {
		wait := make(waitEntry)
		if !l.writer.Put(&signEntry{l}) || !l.writer.Put(wait) {
			return marker.ErrInboxFull
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Keeps reports whether the stream has a journal.
func (l *Loop) Keeps() bool { return l.sh.Journal != nil }

// Follow calls f with every line of the journal from a position on, with what is
// left of its erasable part, as it becomes durable: until ctx ends, the stream is
// shut down or f fails; with toEnd, until the newest.
func (l *Loop) Follow(ctx context.Context, from uint64, toEnd bool, f func(pos uint64, line, payload []byte) error) error {
	for {
		newest, grown := l.ledger.newest()
		if from <= newest {
			err := l.sh.Journal.Read(ctx, from, func(pos uint64, line, payload []byte) error {
				from = pos + 1
				return f(pos, line, payload)
			})
			if err != nil {
				return err
			}
		}
		if toEnd {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.done:
			return nil
		}
	}
}

// call asks the core for an event and waits for the answer.
func (l *Loop) call(ctx context.Context, f func(*Core, Ticket, time.Time)) (Answer, error) {
	if err := l.refusing(); err != nil {
		return Answer{}, err
	}
	call := markCall{f, make(chan Answer, 1)}
	select {
	case l.marks <- call:
	case <-l.done:
		return Answer{}, marker.ErrClosed
	default:
		return Answer{}, marker.ErrInboxFull
	}
	select {
	case a := <-call.ticket:
		return a, a.Err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	case <-l.done:
		return Answer{}, marker.ErrClosed
	}
}

// refusing says why nothing new is taken, if so.
func (l *Loop) refusing() error {
	switch {
	case l.fenced.Load():
		return marker.ErrNotOwner
	case l.writer.Backlog() > backlogFull:
		return marker.ErrInboxFull
	case l.writer.Health().Err != nil:
		return marker.ErrUnavailable // why is for operators: Unready
	}
	return nil
}

// Unready says why the stream takes no events and actions, nil if it does.
func (l *Loop) Unready() error {
	if l.fenced.Load() {
		return marker.ErrNotOwner
	}
	if h := l.writer.Health(); h.Err != nil {
		return fmt.Errorf("%w: %w", marker.ErrUnavailable, h.Err)
	}
	return nil
}

// Snapshot returns the state at the newest frame sent.
func (l *Loop) Snapshot(ctx context.Context) (state.Snapshot, error) {
	return ask(ctx, l, func() (state.Snapshot, error) { return l.snapshot(l.sh.Now()) })
}

// Info describes the stream as it is now.
func (l *Loop) Info(ctx context.Context) (Info, error) {
	return ask(ctx, l, func() (Info, error) {
		i := l.core.Info(l.sh.Now(), int(l.viewers.Load()))
		i.Backlog = l.writer.Backlog()
		if err := l.Unready(); err != nil {
			i.NotReady = err.Error()
			i.Health = append(i.Health, notReady(err, l.writer.Health().Since))
		}
		return i, nil
	})
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
		return none, marker.ErrClosed
	}
	select {
	case r := <-ready:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-l.done:
		return none, marker.ErrClosed
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
