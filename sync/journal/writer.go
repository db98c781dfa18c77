package journal

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// Entry is one line to be kept, and who waits for it. Both methods are called on
// the goroutine of Writer.Run.
type Entry interface {
	// Encode returns the line and its payload, nil if it has none. It is called
	// once, in the order of Put. An entry without a line only waits for those before
	// it.
	Encode() (line, payload []byte)
	// Durable is called once, in the order of Put: with the line's position when
	// it is on the disk (of an entry without one, 0 or that of a line before it), or with why it will not be known to be.
	Durable(pos uint64, err error)
}

// Appender makes lines durable; see Journal.Append.
type Appender interface {
	Append(ctx context.Context, lines, payloads [][]byte) (last uint64, err error)
}

// WriterOptions are the limits of a Writer. Zero fields have the default.
type WriterOptions struct {
	MaxBacklog int              // entries that may wait, default 65,536
	MaxLines   int              // of one record, default 512
	MaxBytes   int              // of one record, default 512 KiB; a single entry may be larger
	MaxBackoff time.Duration    // between attempts while the journal is unavailable, default 1 s
	Spacing    time.Duration    // from the beginning of a record to that of the next, unless that is full; default 2 ms
	Now        func() time.Time // default time.Now
}

// minBackoff is the first pause after a failure; each is twice the one before.
const minBackoff = 20 * time.Millisecond

// Writer commits entries in the order in which they were put, all that wait as one
// record. It never gives up on a record while the journal is merely unavailable.
type Writer struct {
	j Appender
	o WriterOptions

	ready chan struct{} // holds one token while there may be work

	mu      sync.Mutex
	waiting []Entry
	taken   int // entries that Run has, not yet reported
	closed  bool
	health  Health
}

// Health says whether entries become durable, and if not why, and since when.
type Health struct {
	Err   error     // nil: healthy
	Since time.Time // of the present Err, nil included; zero before Run
}

// NewWriter returns a writer to j; Run does the work.
func NewWriter(j Appender, o WriterOptions) *Writer {
	for _, d := range []struct {
		v        *int
		standard int
	}{{&o.MaxBacklog, 1 << 16}, {&o.MaxLines, 512}, {&o.MaxBytes, 512 << 10}} {
		if *d.v <= 0 {
			*d.v = d.standard
		}
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = time.Second
	}
	if o.Spacing <= 0 {
		o.Spacing = 2 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Writer{j: j, o: o, ready: make(chan struct{}, 1)}
}

// Put hands over an entry. It never blocks: false means that too many wait, or
// that the writer has ended, and e's methods will not be called.
func (w *Writer) Put(e Entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.waiting)+w.taken >= w.o.MaxBacklog {
		return false
	}
	w.waiting = append(w.waiting, e)
	w.wake()
	return true
}

func (w *Writer) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Backlog returns how many entries are not known to be durable.
func (w *Writer) Backlog() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) + w.taken
}

// Health returns how the last attempt went.
func (w *Writer) Health() Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.health
}

// Close has Put refuse what comes from now on, and Run return when all that came
// before is durable.
func (w *Writer) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake()
}

// Run commits entries until ctx ends, or Close was called and nothing waits, or the
// journal refuses for good (ErrFenced). Every entry that is not durable then gets
// the error that Run returns. It may be called once.
func (w *Writer) Run(ctx context.Context) error {
	w.report(nil)
	err := w.run(ctx)
	w.mu.Lock()
	w.closed = true
	rest := w.waiting
	w.waiting, w.taken = nil, len(rest)
	w.mu.Unlock()
	if err != nil {
		w.report(err)
		for _, e := range rest {
			e.Durable(0, err)
		}
	}
	w.done(len(rest))
	return err
}

// run fills a group, and tells those of the one before that they are durable, while
// another is being appended. The first to come is appended at once; when many come,
// they wait a little for one another, since each record costs a write to the disk.
func (w *Writer) run(ctx context.Context) error {
	type outcome struct {
		last uint64
		err  error
	}
	in := intake{w: w}
	now, next, told := &group{}, &group{}, &group{}
	answers := make(chan outcome, 1)
	busy, early := false, false
	spaced := time.NewTimer(0)
	defer spaced.Stop()
	begin := func() bool {
		if in.fill(next); busy || len(next.entries) == 0 {
			return false
		}
		if early && len(next.lines) > 0 && !next.filled(&w.o) && !w.isClosed() {
			return false
		}
		now, next, told, busy, early = next, told, now, true, true
		spaced.Reset(w.o.Spacing)
		go func(g *group) {
			last, err := w.commit(ctx, g)
			answers <- outcome{last, err}
		}(now)
		return true
	}
	for {
		var ended <-chan struct{}
		if !begin() && !busy {
			if len(next.entries) == 0 && w.finished() {
				return nil
			}
			ended = ctx.Done()
		}
		select {
		case <-ended:
			w.fail(ctx.Err(), next.entries, in.rest())
			return ctx.Err()
		case <-w.ready:
		case <-spaced.C:
			early = false
		case a := <-answers:
			if a.err != nil {
				w.fail(a.err, now.entries, next.entries, in.rest())
				return a.err
			}
			busy = false
			if !begin() {
				now, told = told, now
			}
			w.tell(told, a.last)
		}
	}
}

// spared is how many are told that their entries are durable, until others get their
// turn: those who wait for the processor would wait for all who were told.
const spared = 16

// tell says that a group is durable, and empties it.
func (w *Writer) tell(g *group, last uint64) {
	for i, e := range g.entries {
		if e.Durable(g.position(i, last), nil); i%spared == spared-1 {
			runtime.Gosched()
		}
	}
	w.done(len(g.entries))
	g.clear()
}

func (w *Writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

func (w *Writer) finished() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed && len(w.waiting) == 0
}

// fail reports err to entries that were taken.
func (w *Writer) fail(err error, taken ...[]Entry) {
	for _, entries := range taken {
		for _, e := range entries {
			e.Durable(0, err)
		}
		w.done(len(entries))
	}
}

// commit appends a group until that succeeds or is refused for good.
func (w *Writer) commit(ctx context.Context, g *group) (last uint64, err error) {
	if len(g.lines) == 0 {
		return 0, nil
	}
	for pause := minBackoff; ; pause = min(2*pause, w.o.MaxBackoff) {
		last, err = w.j.Append(ctx, g.lines, g.payloads)
		w.report(err)
		if err == nil || !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return last, err
		}
		if err := wait(ctx, pause); err != nil {
			return 0, err
		}
	}
}

// wait returns after d, or with an error when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (w *Writer) report(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.health.Since.IsZero() || (err == nil) != (w.health.Err == nil) {
		w.health.Since = w.o.Now()
	}
	w.health.Err = err
}

func (w *Writer) take(n int) []Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	n = min(n, len(w.waiting))
	taken := w.waiting[:n:n]
	if w.waiting = w.waiting[n:]; len(w.waiting) == 0 {
		w.waiting = nil
	}
	w.taken += n
	return taken
}

func (w *Writer) done(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken -= n
}

// group is what goes into one record.
type group struct {
	entries         []Entry
	lines, payloads [][]byte
	upTo            []int // by entry: how many lines there are up to it
	size            int
	full            bool
}

// filled reports whether no more fits.
func (g *group) filled(o *WriterOptions) bool { return g.full || len(g.lines) == o.MaxLines }

func (g *group) clear() {
	clear(g.entries)
	clear(g.lines)
	clear(g.payloads)
	g.entries, g.lines, g.payloads, g.upTo = g.entries[:0], g.lines[:0], g.payloads[:0], g.upTo[:0]
	g.size, g.full = 0, false
}

// position returns that of entry i, if the last line has the position last.
func (g *group) position(i int, last uint64) uint64 {
	if g.upTo[i] == 0 {
		return 0
	}
	return last - uint64(len(g.lines)-g.upTo[i])
}

// intake encodes what waits, in order. Run's goroutine owns it.
type intake struct {
	w     *Writer
	taken []Entry // and not encoded so far
	over  encoded // encoded, and too large for the group before; Entry nil if there is none
}

type encoded struct {
	Entry
	line, payload []byte
}

// fill adds to a group what waits, as far as there is room. Entries without a line
// take none.
func (in *intake) fill(g *group) {
	o := &in.w.o
	for !g.filled(o) {
		e := in.next(o.MaxLines)
		if e.Entry == nil {
			return
		}
		n := len(e.line) + len(e.payload)
		if g.full = len(g.entries) > 0 && g.size+n > o.MaxBytes; g.full {
			in.over = e
			return
		}
		g.size += n
		g.entries = append(g.entries, e.Entry)
		if e.line != nil {
			g.lines = append(g.lines, e.line)
			g.payloads = append(g.payloads, e.payload)
		}
		g.upTo = append(g.upTo, len(g.lines))
	}
}

// next encodes the next entry; it takes at most n at once from the writer.
func (in *intake) next(n int) encoded {
	if e := in.over; e.Entry != nil {
		in.over = encoded{}
		return e
	}
	if len(in.taken) == 0 {
		if in.taken = in.w.take(n); len(in.taken) == 0 {
			return encoded{}
		}
	}
	e := encoded{Entry: in.taken[0]}
	in.taken = in.taken[1:]
	e.line, e.payload = e.Encode()
	return e
}

// rest returns what was taken and is in no group.
func (in *intake) rest() []Entry {
	if in.over.Entry == nil {
		return in.taken
	}
	return append([]Entry{in.over.Entry}, in.taken...)
}
