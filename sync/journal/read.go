package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// index says which message holds the lines that replaced others, by position.
type index []entry

// entry is one batch of replaced lines.
type entry struct {
	first, last, order, seq uint64
	payloads                bool // it has some left
}

func entryOf(b *batch) entry {
	e := entry{first: b.first(), last: b.pos, order: b.order}
	for i := range b.lines {
		e.payloads = e.payloads || b.payload(i) != nil
	}
	return e
}

// headerLines tells, of a message with replaced lines, what its entry says, so that
// the index can be built without the lines.
const headerLines = "Framelock-Lines"

func (e entry) String() string {
	return fmt.Sprintf("%d %d %d %t", e.first, e.last, e.order, e.payloads)
}

func parseEntry(s string) (e entry, err error) {
	_, err = fmt.Sscanf(s, "%d %d %d %t", &e.first, &e.last, &e.order, &e.payloads)
	if err == nil && (e.first == 0 || e.first > e.last) {
		err = errors.New("not positions")
	}
	return e, err
}

// add puts an entry in the place of all that lie inside it.
func (x *index) add(e entry) {
	from := sort.Search(len(*x), func(i int) bool { return (*x)[i].last >= e.first })
	to := sort.Search(len(*x), func(i int) bool { return (*x)[i].first > e.last })
	*x = slices.Replace(*x, from, to, e)
}

// at returns the batch that holds a position.
func (x index) at(pos uint64) (entry, bool) {
	i := sort.Search(len(x), func(i int) bool { return x[i].last >= pos })
	if i < len(x) && x[i].first <= pos {
		return x[i], true
	}
	return entry{}, false
}

// Read calls f for every line from position from on (the first is 1), up to the
// newest at the time of the call, with its payload, which is nil if it has none or
// was erased. The slices are valid until f returns. An error of f ends the reading
// and is returned. However long f takes, nobody who appends or erases waits for it:
// what was read ahead, at most about 2 MiB, may have been erased meanwhile. While a
// cluster elects a leader Read tries again for some seconds before it returns
// ErrUnavailable.
func (j *Journal) Read(ctx context.Context, from uint64, f func(pos uint64, line, payload []byte) error) error {
	j.mu.Lock()
	r := reading{j: j, from: max(from, 1), end: j.pos, newest: j.seq, f: f}
	j.mu.Unlock()
	pause := minBackoff
	for attempts := 0; r.from <= r.end; {
		before := r.from
		err := r.pass(ctx)
		if r.from > before {
			attempts, pause = 0, minBackoff
		}
		attempts++
		switch {
		case err == nil:
			continue
		case r.ended || !errors.Is(err, ErrUnavailable) || attempts == readAttempts:
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, time.Second)
	}
	return nil
}

const (
	readAttempts = 10      // how often in a row Read may get no further
	readAhead    = 2 << 20 // bytes that are read before f is called
)

// reading is a call of Read.
type reading struct {
	j           *Journal
	from        uint64 // the next line
	end, newest uint64 // position and sequence at which it began
	f           func(pos uint64, line, payload []byte) error
	ended       bool // by f

	ahead []readLine // read, and not handed to f
	size  int        // of those
}

type readLine struct {
	pos           uint64
	line, payload []byte
}

// pass reads as far as it can. While it does nothing is erased, and while f is called
// something may be: what is read on then is in the index of replaced lines.
func (r *reading) pass(ctx context.Context) error {
	r.j.erasing.RLock()
	err := r.read(ctx)
	r.j.erasing.RUnlock()
	if r.ended {
		return err
	}
	if failed := r.handOut(); failed != nil {
		return failed
	}
	return err
}

// handOut calls f for what was read ahead.
func (r *reading) handOut() error {
	for _, l := range r.ahead {
		if err := r.f(l.pos, l.line, l.payload); err != nil {
			r.ended = true
			return err
		}
	}
	clear(r.ahead)
	r.ahead, r.size = r.ahead[:0], 0
	return nil
}

// read reads as far as it can. erasing is held for reading.
func (r *reading) read(ctx context.Context) error {
	start, err := r.j.search(ctx, r.newest, func(rec *record) bool { return rec.pos >= r.from })
	if err != nil {
		return err
	}
	err = r.j.scan(ctx, subjectLines, start, func(seq uint64, m jetstream.Msg) error {
		rec, err := decodeRecord(m.Data())
		if err != nil {
			return fmt.Errorf("%w: message %d: %w", ErrDamaged, seq, err)
		}
		if err := r.gap(ctx, rec.first()); err != nil {
			return err
		}
		if b, err := r.j.replacement(ctx, r.from); err != nil {
			return err
		} else if b != nil { // written, but what it replaces is not erased so far
			return r.give(b)
		}
		return r.give(&rec.batch)
	})
	if err != nil {
		return err
	}
	return r.gap(ctx, r.end+1)
}

// give takes the lines of a batch that are next, and hands out what is enough.
func (r *reading) give(b *batch) error {
	for i, line := range b.lines {
		pos := b.first() + uint64(i)
		if pos != r.from || pos > r.end {
			continue
		}
		r.ahead = append(r.ahead, readLine{pos, line, b.payload(i)})
		r.size += len(line) + len(b.payload(i))
		r.from++
	}
	if r.size < readAhead {
		return nil
	}
	r.j.erasing.RUnlock()
	defer r.j.erasing.RLock()
	return r.handOut()
}

// gap gives what replaced the lines before to.
func (r *reading) gap(ctx context.Context, to uint64) error {
	for r.from < to && r.from <= r.end {
		b, err := r.j.replacement(ctx, r.from)
		if err != nil {
			return err
		}
		if b == nil {
			return fmt.Errorf("%w: lines %d to %d are missing", ErrDamaged, r.from, min(to-1, r.end))
		}
		if err := r.give(b); err != nil {
			return err
		}
	}
	return nil
}

// replacement reads the batch that was written for a position later on, nil if
// there is none.
func (j *Journal) replacement(ctx context.Context, pos uint64) (*batch, error) {
	j.mu.Lock()
	e, ok := j.old.at(pos)
	j.mu.Unlock()
	if !ok {
		return nil, nil
	}
	h, err := j.heldIn(ctx, e.seq)
	if err != nil {
		return nil, err
	}
	return &h.batch, nil
}

// search returns a sequence at or before the first record of lines up to newest for
// which ok holds; ok must hold for all records after one for which it does.
func (j *Journal) search(ctx context.Context, newest uint64, ok func(*record) bool) (uint64, error) {
	low, high := uint64(1), newest+1
	for low < high {
		mid := low + (high-low)/2
		m, err := j.get(ctx, mid, subjectLines)
		if err != nil {
			return 0, err
		}
		if m == nil || m.Sequence >= high {
			high = mid
			continue
		}
		r, err := decode(m)
		if err != nil {
			return 0, err
		}
		if ok(r) {
			high = mid
		} else {
			low = m.Sequence + 1
		}
	}
	return low, nil
}

// get reads the message at seq, or with a subject the first of it at or after seq;
// nil if there is none.
func (j *Journal) get(ctx context.Context, seq uint64, subject string) (*jetstream.RawStreamMsg, error) {
	var o []jetstream.GetMsgOpt
	if subject != "" {
		o = append(o, jetstream.WithGetMsgSubject(j.prefix+subject))
	}
	return j.message(ctx, func(ctx context.Context, s jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return s.GetMsg(ctx, seq, o...)
	})
}

// last reads the newest message of a subject, nil if there is none.
func (j *Journal) last(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	return j.message(ctx, func(ctx context.Context, s jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return s.GetLastMsgForSubject(ctx, j.prefix+subject)
	})
}

func (j *Journal) message(ctx context.Context, ask func(context.Context, jetstream.Stream) (*jetstream.RawStreamMsg, error)) (m *jetstream.RawStreamMsg, err error) {
	err = j.stream(ctx, func(ctx context.Context, s jetstream.Stream) error {
		m, err = ask(ctx, s)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			m, err = nil, nil
		}
		return err
	})
	return m, err
}

// end returns the newest sequence in JetStream.
func (j *Journal) end(ctx context.Context) (seq uint64, err error) {
	err = j.stream(ctx, func(ctx context.Context, s jetstream.Stream) error {
		i, err := s.Info(ctx)
		if err == nil {
			seq = i.State.LastSeq
		}
		return err
	})
	return seq, err
}

func (j *Journal) stream(ctx context.Context, f func(context.Context, jetstream.Stream) error) error {
	return j.s.call(ctx, func(ctx context.Context, l *life) error {
		s, err := l.stream(ctx, j.name)
		if err != nil {
			return err
		}
		return f(ctx, s)
	})
}

// scan calls f for every message of a subject from sequence from on that is there
// now; of those of replaced lines it gets only the header.
func (j *Journal) scan(ctx context.Context, subject string, from uint64, f func(seq uint64, m jetstream.Msg) error) error {
	newest, err := j.last(ctx, subject)
	if err != nil || newest == nil || newest.Sequence < from {
		return err
	}
	var messages jetstream.MessagesContext
	err = j.stream(ctx, func(ctx context.Context, s jetstream.Stream) error {
		c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
			FilterSubjects: []string{j.prefix + subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
			OptStartSeq: max(from, 1), HeadersOnly: subject == subjectReplaced,
			InactiveThreshold: 10 * time.Second, // it goes by itself
		})
		if err == nil {
			messages, err = c.Messages(jetstream.PullMaxBytes(readAhead))
		}
		return err
	})
	if err != nil {
		return err
	}
	defer messages.Stop()
	// A consumer may be on a server that is behind: the newest message, which the
	// leader told, is the end, not what the consumer says is pending.
	for seq := uint64(0); seq < newest.Sequence; {
		var m jetstream.Msg
		err := j.s.call(ctx, func(ctx context.Context, _ *life) (err error) {
			m, err = messages.Next(jetstream.NextContext(ctx))
			return err
		})
		if err != nil {
			return err
		}
		d, err := m.Metadata()
		if err != nil {
			return err
		}
		seq = d.Sequence.Stream
		if err := f(seq, m); err != nil {
			return err
		}
	}
	return nil
}
