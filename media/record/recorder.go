// Package record keeps streams on disk: a goroutine for each that writes what its
// viewers are sent into segments, throws old ones away, and cuts pieces out for
// whoever asks.
package record

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/framelock/relay/media/evidence"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
)

// Reasons for packets that are not recorded.
const (
	DropQueue     = evidence.GapQueue
	DropWrite     = evidence.GapWrite
	DropNoSegment = "no_keyframe" // before the first, and after a failure
)

// Sizes and times of a recorder.
const (
	queueSize    = 4096                   // packets
	bufferSize   = 256 << 10              // bytes on their way to the file
	flushSpacing = 500 * time.Millisecond // at least how often they go there
)

// Metrics is told what a recorder does, by several goroutines.
type Metrics interface {
	Recorded(bytes int)
	SegmentBegun()
	// Kept says what there is on disk.
	Kept(segments int, bytes int64)
	Dropped(reason string, n int)
}

// Options say what is recorded, and how long it is kept.
type Options struct {
	Dir     string // of the stream alone; it is made if it is not there
	Stream  string
	Tracks  evidence.Tracks
	MaxAge  time.Duration // after which a segment is removed
	MaxSize int64         // bytes of all segments; the oldest go first
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics Metrics
}

// Recorder records one stream.
type Recorder struct {
	o       Options
	queue   chan evidence.Item
	flushes chan chan error
	done    chan struct{}

	lost int // owned by who calls Put: packets dropped since the last that was queued

	// Owned by Run.
	cutter evidence.Cutter
	file   *os.File
	out    *bufio.Writer
	failed bool // the newest segment could not be written to
}

// New returns a recorder, whose directory can be written to.
func New(o Options) (*Recorder, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("record.dir: %w", err)
	}
	probe, err := os.CreateTemp(o.Dir, ".probe-*")
	if err != nil {
		return nil, fmt.Errorf("record.dir: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, fmt.Errorf("record.dir: %w", err)
	}
	return &Recorder{
		o: o, queue: make(chan evidence.Item, queueSize), flushes: make(chan chan error), done: make(chan struct{}),
		cutter: evidence.Cutter{Stream: o.Stream, Tracks: o.Tracks}, out: bufio.NewWriterSize(nil, bufferSize),
	}, nil
}

// Put records a packet that was captured at an instant, zero if that is not known.
// One goroutine calls it. It never waits: where the disk is too slow, packets are
// dropped and counted, and the recording says so.
func (r *Recorder) Put(p *forward.Packet, capturedAt time.Time) {
	p.Buffer.Retain(1)
	select {
	case r.queue <- evidence.Item{Packet: *p, CapturedAt: capturedAt, Lost: r.lost}:
		r.lost = 0
	default:
		p.Buffer.Release()
		r.lost++
		r.o.Metrics.Dropped(DropQueue, 1)
	}
}

// Run writes until ctx ends; nothing may be put after that.
func (r *Recorder) Run(ctx context.Context) {
	defer close(r.done)
	r.sweep()
	ticker := time.NewTicker(flushSpacing)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case item := <-r.queue:
			r.cutter.Put(item, r)
		case <-ticker.C:
			r.flush()
		case reply := <-r.flushes:
			r.drain()
			reply <- r.flush()
		case <-ctx.Done():
		}
	}
	r.drain()
	r.cutter.Release(r)
	r.endSegment()
}

func (r *Recorder) drain() {
	for len(r.queue) > 0 {
		r.cutter.Put(<-r.queue, r)
	}
}

// Begin implements evidence.Sink.
func (r *Recorder) Begin(ts uint64) {
	r.endSegment()
	r.sweep()
	f, err := os.OpenFile(filepath.Join(r.o.Dir, segmentName(ts)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		r.fail(err)
		return
	}
	r.file, r.failed = f, false
	r.out.Reset(f)
	r.o.Metrics.SegmentBegun()
}

// Write implements evidence.Sink.
func (r *Recorder) Write(record []byte, done *packet.Buffer) {
	dropped := DropNoSegment
	if r.file != nil {
		if _, err := r.out.Write(record); err != nil {
			r.fail(err)
			dropped = DropWrite
		}
	}
	if done != nil {
		done.Release()
	}
	switch {
	case r.file != nil:
		r.o.Metrics.Recorded(len(record))
	case done != nil:
		r.cutter.Lost(1, evidence.GapWrite)
		r.o.Metrics.Dropped(dropped, 1)
	}
}

// Skip implements evidence.Sink.
func (r *Recorder) Skip(done *packet.Buffer) {
	done.Release()
	r.o.Metrics.Dropped(DropNoSegment, 1)
	if r.failed {
		r.cutter.Lost(1, evidence.GapWrite)
	}
}

// fail ends a segment that cannot be written. What is in the file already can
// still be read.
func (r *Recorder) fail(err error) {
	if !r.failed {
		r.o.Logger.Error("the recording has stopped; it goes on with the next keyframe if the disk lets it", "stream", r.o.Stream, "dir", r.o.Dir, "error", err)
	}
	r.failed = true
	r.cutter.Broken()
	if r.file != nil {
		_ = r.file.Close() // it has failed already
		r.file = nil
	}
}

// flush gives the operating system what was written.
func (r *Recorder) flush() error {
	if r.file == nil {
		return nil
	}
	err := r.out.Flush()
	if err != nil {
		r.fail(err)
	}
	return err
}

// endSegment makes the segment durable.
func (r *Recorder) endSegment() {
	if r.flush() != nil || r.file == nil {
		return
	}
	if err := errors.Join(r.file.Sync(), r.file.Close()); err != nil {
		r.o.Logger.Error("a segment of the recording may not be durable", "stream", r.o.Stream, "file", r.file.Name(), "error", err)
	}
	r.file = nil
}

// sweep removes what is too old or too much.
func (r *Recorder) sweep() {
	all, err := list(r.o.Dir)
	if err != nil {
		r.o.Logger.Error("the recording's directory cannot be read", "stream", r.o.Stream, "error", err)
		return
	}
	out := expired(all, r.o.Now(), r.o.MaxAge, r.o.MaxSize)
	kept := all[len(out):]
	for _, s := range out {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			r.o.Logger.Error("an old segment of the recording cannot be removed", "stream", r.o.Stream, "error", err)
		}
	}
	var bytes int64
	for _, s := range kept {
		bytes += s.size
	}
	r.o.Metrics.Kept(len(kept), bytes)
}

// Cut writes what was sent from one canonical timestamp of video to another as a
// Matroska file, from the keyframe before. It returns evidence.ErrNothing, and has
// written nothing, if none of that is recorded.
func (r *Recorder) Cut(ctx context.Context, from, to uint64, w io.Writer) error {
	reply := make(chan error, 1)
	select {
	case r.flushes <- reply:
		if err := <-reply; err != nil {
			return fmt.Errorf("record: %w", err)
		}
	case <-r.done: // what there is can still be read
	case <-ctx.Done():
		return ctx.Err()
	}
	all, err := list(r.o.Dir)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	frames := evidence.Frames(records(ctx, between(all, from, to)))
	return evidence.WriteMatroska(w, r.o.Stream, r.o.Tracks, evidence.Clip(frames, from, to))
}
