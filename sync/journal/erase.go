package journal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Erase removes the payloads with these orders for good. Their lines stay at their
// positions. Each record with such a payload is written again without it; once that
// is durable the old one is overwritten. After an error the same call goes on.
func (j *Journal) Erase(ctx context.Context, order ...uint64) error {
	j.erasing.Lock()
	defer j.erasing.Unlock()
	order = slices.Clone(order)
	slices.Sort(order)
	for len(order) > 0 {
		n, err := j.eraseNext(ctx, order)
		if err != nil {
			return err
		}
		order = order[n:]
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.finish(ctx)
}

// eraseNext erases what is in the record that has the first of the orders, and
// returns how many of them are done.
func (j *Journal) eraseNext(ctx context.Context, order []uint64) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.finish(ctx); err != nil {
		return 0, err
	}
	if order[0] == 0 || order[0] > j.order {
		return 0, fmt.Errorf("journal: no action has the order %d; the newest payload has %d", order[0], j.order)
	}
	h, err := j.holder(ctx, order[0])
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(order) && order[n] <= h.order {
		n++
	}
	kept := h.batch
	kept.payloads = make([][]byte, len(kept.lines))
	erased := false
	for i := range kept.lines {
		p := h.payload(i)
		if p == nil {
			continue
		}
		o, err := orderOf(p)
		if err != nil {
			return 0, fmt.Errorf("%w: message %d: %w", ErrDamaged, h.seq, err)
		}
		if slices.Contains(order[:n], o) {
			erased = true
			continue
		}
		kept.payloads[i] = p
	}
	if !erased {
		return n, nil
	}
	return n, j.replace(ctx, &replaced{seqs: []uint64{h.seq}, at: h.at, batch: kept})
}

// held is a batch and the message that it is in.
type held struct {
	batch
	seq uint64
	at  int64 // when it was stored first, Unix time in nanoseconds
}

// holder finds the first batch, in order of positions, that goes up to an order.
func (j *Journal) holder(ctx context.Context, order uint64) (*held, error) {
	start, err := j.search(ctx, j.seq, func(r *record) bool { return r.order >= order })
	if err != nil {
		return nil, err
	}
	m, err := j.get(ctx, start, subjectLines)
	if err != nil {
		return nil, err
	}
	var h *held
	if m != nil {
		r, err := decode(m)
		if err != nil {
			return nil, err
		}
		h = &held{r.batch, m.Sequence, m.Time.UnixNano()}
	}
	i := slices.IndexFunc(j.old, func(e entry) bool { return e.order >= order })
	if i >= 0 && (h == nil || j.old[i].first < h.first()) {
		return j.heldIn(ctx, j.old[i].seq)
	}
	if h == nil {
		return nil, fmt.Errorf("%w: no record has the payload of action %d", ErrDamaged, order)
	}
	return h, nil
}

// heldIn reads a message of replaced lines.
func (j *Journal) heldIn(ctx context.Context, seq uint64) (*held, error) {
	m, err := j.get(ctx, seq, "")
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("%w: message %d is missing", ErrDamaged, seq)
	}
	r, err := decode(m)
	if err != nil {
		return nil, err
	}
	return &held{r.replaced.batch, seq, r.replaced.at}, nil
}

// replace makes a batch durable in a place of its own, then erases what it
// replaces. j.mu is held.
func (j *Journal) replace(ctx context.Context, p *replaced) error {
	err := j.append(ctx, func() (*record, error) {
		return &record{batch: batch{pos: j.pos, order: j.order}, replaced: p}, nil
	})
	if err != nil {
		return err
	}
	return j.finish(ctx)
}

// finish erases the messages that the newest record of replaced lines stands for.
// It may be done again at any time. j.mu is held.
func (j *Journal) finish(ctx context.Context) error {
	p := j.unfinished
	if p == nil {
		return nil
	}
	for _, seq := range p.seqs {
		m, err := j.get(ctx, seq, "")
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		err = j.stream(ctx, func(ctx context.Context, s jetstream.Stream) error { return s.SecureDeleteMsg(ctx, seq) })
		if err != nil {
			return fmt.Errorf("erasing message %d: %w", seq, err)
		}
	}
	if p.through > 0 {
		err := j.stream(ctx, func(ctx context.Context, s jetstream.Stream) error {
			return s.Purge(ctx, jetstream.WithPurgeSubject(j.prefix+subjectLines), jetstream.WithPurgeSequence(p.through+1))
		})
		if err != nil {
			return fmt.Errorf("erasing messages up to %d: %w", p.through, err)
		}
	}
	j.unfinished = nil
	return nil
}

// maxMerged bounds the lines that EraseBefore writes as one record, in bytes.
const maxMerged = 512 << 10

// EraseBefore removes all payloads that were stored before a time. Their lines stay
// at their positions. It writes the lines of many records as one and has JetStream
// remove those records: their bytes leave the disk with the file that they are in,
// at the latest when half of that file is removed. After an error the same call
// goes on.
func (j *Journal) EraseBefore(ctx context.Context, t time.Time) error {
	j.erasing.Lock()
	defer j.erasing.Unlock()
	for {
		p, err := j.oldest(ctx, t)
		if err != nil {
			return err
		}
		j.mu.Lock()
		if p == nil {
			err = j.finish(ctx)
		} else {
			err = j.replace(ctx, p)
		}
		j.mu.Unlock()
		if p == nil || err != nil {
			return err
		}
	}
}

// oldest makes one batch without payloads of the oldest consecutive ones from
// before t, nil if there are none. Every record of lines before its end is in it or
// was replaced before.
func (j *Journal) oldest(ctx context.Context, t time.Time) (*replaced, error) {
	j.mu.Lock()
	err := j.finish(ctx)
	old, end := slices.Clone(j.old), j.pos
	j.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p, size := &replaced{}, 0
	for pos, from := uint64(1), uint64(1); pos <= end; {
		var h *held
		e, ok := old.at(pos)
		if ok && !e.payloads {
			if size > 0 {
				break
			}
			pos = e.last + 1
			continue
		}
		if ok {
			h, err = j.heldIn(ctx, e.seq)
		} else {
			h, err = j.original(ctx, from, pos)
		}
		if err != nil {
			return nil, err
		}
		if h.at >= t.UnixNano() || size > 0 && size+h.size() > maxMerged {
			break
		}
		if ok {
			p.seqs = append(p.seqs, e.seq)
		} else {
			p.through, from = h.seq, h.seq+1
		}
		size += h.size()
		p.at, p.batch.pos, p.batch.order = max(p.at, h.at), h.pos, h.order
		p.batch.lines = append(p.batch.lines, h.lines...)
		pos = h.pos + 1
	}
	if size == 0 {
		return nil, nil
	}
	slices.Sort(p.seqs)
	return p, nil
}

// original reads the first record of lines at or after a sequence; it begins with
// the line at pos.
func (j *Journal) original(ctx context.Context, seq, pos uint64) (*held, error) {
	m, err := j.get(ctx, seq, subjectLines)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("%w: the line at %d is missing", ErrDamaged, pos)
	}
	r, err := decode(m)
	if err != nil {
		return nil, err
	}
	if r.first() != pos {
		return nil, fmt.Errorf("%w: the line at %d is missing", ErrDamaged, pos)
	}
	return &held{r.batch, m.Sequence, m.Time.UnixNano()}, nil
}
