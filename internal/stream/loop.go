package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
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
	// Signers returns the signer of a log, and the one that may hand over to it, nil if
	// there is none.
	Signers func(log marker.LogID) (signer, previous *transcript.Signer, err error)
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
	keys    *keys // that sign the log; nil if nothing is signed
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
	draining  bool                  // the relay will stop
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
		if l.keys, err = newKeys(sh.Transcript, lease.Log, l.ledger); err != nil {
			return nil, fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	l.core = NewCore(c, lease, earlier, sh.Pool, l)
	if l.keys != nil {
		l.core.keyNotice = l.keys.notice()
	}
	l.batch = l.batches.Get()
	return l, nil
}

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
		if len(l.acts) > 0 {
			runtime.Gosched() // a shard that was just handed media may wait for this processor
		}
	}
	return l.shutDown(written, stopWriting)
}

// shutDown answers who still waits and gives back what the loop holds.
func (l *Loop) shutDown(written chan error, stopWriting func()) error {
	l.intake.Lock()
	close(l.done) // nothing is queued that nobody would take
	l.intake.Unlock()
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
