package journal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Journal is one stream's journal, taken by this process. All methods may be
// called from any goroutine; appends and erasures wait for each other.
type Journal struct {
	s      *Server
	name   string // of the JetStream stream
	prefix string // of its subjects
	writer uint64

	erasing sync.RWMutex // held for reading while lines are read ahead, taken before mu

	mu     sync.Mutex
	fenced bool
	term   uint64
	seq    uint64 // of the newest message in JetStream, as far as it is known here
	pos    uint64 // of the newest line
	order  uint64 // highest order of a payload that was ever stored
	old    index  // where replaced lines are

	uncertain  bool      // a record of this writer may be at seq + 1
	unfinished *replaced // whose messages may still be there
}

// The subjects of a journal. Claims have no content: they only move the sequence,
// so that whoever expected another one fails, however fast it writes.
const (
	subjectLines    = ".lines"
	subjectReplaced = ".replaced"
	subjectClaim    = ".claim"
)

type ownerLine struct {
	V     int       `json:"v"`
	Type  string    `json:"type"`
	Owner string    `json:"owner"`
	Term  uint64    `json:"term"`
	At    time.Time `json:"at"`
}

// Open takes the journal of a stream, which is made if it is not there, and
// appends an owner line with the next term at the time now. Whoever had it
// before gets ErrFenced from then on; so does this call if yet another owner
// takes the journal at the same moment. The stream's name is as in the
// configuration: [a-z0-9][a-z0-9._-]{0,62}.
func (s *Server) Open(ctx context.Context, stream string, now time.Time) (*Journal, error) {
	name := strings.ReplaceAll(stream, ".", "~") // JetStream allows no dot, and names of streams no tilde
	j := &Journal{s: s, name: "framelock-" + name, prefix: "framelock.journal." + name}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	j.writer = binary.BigEndian.Uint64(b[:])
	if err := j.open(ctx, now); err != nil {
		return nil, fmt.Errorf("journal of %s: %w", stream, err)
	}
	return j, nil
}

func (j *Journal) open(ctx context.Context, now time.Time) error {
	if err := j.create(ctx); err != nil {
		return err
	}
	line, err := j.claim(ctx, now)
	if err != nil {
		return err
	}
	if err := j.recoverTail(ctx); err != nil {
		return err
	}
	if err := j.recoverReplaced(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err = j.append(ctx, func() (*record, error) {
		return &record{batch: batch{pos: j.pos + 1, order: j.order, lines: [][]byte{line}}}, nil
	})
	if err != nil {
		return err
	}
	return j.finish(ctx)
}

// peopleKey is where a JetStream stream's metadata has Options.People.
const peopleKey = "framelock.people"

// create makes the JetStream stream, or has it follow the options.
func (j *Journal) create(ctx context.Context) error {
	want := jetstream.StreamConfig{
		Name:       j.name,
		Subjects:   []string{j.prefix + ".*"},
		Retention:  jetstream.LimitsPolicy,
		Discard:    jetstream.DiscardNew,
		Storage:    jetstream.FileStorage,
		Replicas:   j.s.o.Replicas,
		MaxBytes:   -1,
		Duplicates: 100 * time.Millisecond, // not used: the expected sequence does it
	}
	if j.s.o.MaxBytes > 0 {
		want.MaxBytes = j.s.o.MaxBytes
	}
	people := j.s.o.People
	if people != "" {
		want.Metadata = map[string]string{peopleKey: people}
	}
	return j.s.call(ctx, func(ctx context.Context, l *life) error {
		is, err := l.js.Stream(ctx, j.name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = l.js.CreateStream(ctx, want)
			return err
		}
		if err != nil {
			return err
		}
		c := is.CachedInfo().Config
		known := c.Metadata[peopleKey]
		if known != "" && people != "" && known != people {
			return fmt.Errorf("%w: those of key %s, and this relay has key %s; give it the pseudonym.key of the relay that had the stream", ErrPeople, known, people)
		}
		if c.MaxBytes == want.MaxBytes && c.Replicas == want.Replicas && (known != "" || people == "") {
			return nil
		}
		c.MaxBytes, c.Replicas = want.MaxBytes, want.Replicas
		if people != "" {
			if c.Metadata == nil {
				c.Metadata = map[string]string{}
			}
			c.Metadata[peopleKey] = people
		}
		_, err = l.js.UpdateStream(ctx, c)
		return err
	})
}

// claim stores a message that expects nothing of the lines, however fast another
// owner writes them, and returns the owner line. Claims expect one another, so that
// no two owners have one term.
func (j *Journal) claim(ctx context.Context, now time.Time) (line []byte, err error) {
	for {
		m, err := j.last(ctx, subjectClaim)
		if err != nil {
			return nil, err
		}
		var before uint64
		o := ownerLine{V: 1, Type: "owner", Owner: j.s.o.Owner, At: now.UTC()}
		if m != nil {
			var was ownerLine
			if err := json.Unmarshal(m.Data, &was); err != nil {
				return nil, fmt.Errorf("%w: message %d: %w", ErrDamaged, m.Sequence, err)
			}
			before, o.Term = m.Sequence, was.Term
		}
		o.Term++
		if line, err = json.Marshal(o); err != nil {
			return nil, err
		}
		err = j.s.call(ctx, func(ctx context.Context, l *life) error {
			ack, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: j.prefix + subjectClaim, Data: line},
				jetstream.WithExpectLastSequencePerSubject(before), jetstream.WithRetryAttempts(0))
			if err == nil {
				j.seq, j.term = ack.Sequence, o.Term
			}
			return err
		})
		if !wrongSequence(err) {
			return line, err
		}
	}
}

// wrongSequence reports whether a message was refused because another came before.
func wrongSequence(err error) bool {
	var e jetstream.JetStreamError
	if !errors.As(err, &e) || e.APIError() == nil {
		return false
	}
	code := e.APIError().ErrorCode
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// recoverTail reads where the journal ends.
func (j *Journal) recoverTail(ctx context.Context) error {
	for _, subject := range []string{subjectLines, subjectReplaced} {
		m, err := j.last(ctx, subject)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		if m.Sequence > j.seq {
			return ErrFenced
		}
		r, err := decode(m)
		if err != nil {
			return err
		}
		j.pos, j.order = max(j.pos, r.pos), max(j.order, r.order)
		if r.replaced != nil {
			j.unfinished = r.replaced
		}
	}
	return nil
}

func decode(m *jetstream.RawStreamMsg) (*record, error) {
	r, err := decodeRecord(m.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: message %d: %w", ErrDamaged, m.Sequence, err)
	}
	return r, nil
}

// recoverReplaced finds all replaced lines. At most the newest of them may have been
// left unfinished.
func (j *Journal) recoverReplaced(ctx context.Context) error {
	return j.scan(ctx, subjectReplaced, 1, func(seq uint64, m jetstream.Msg) error {
		e, err := parseEntry(m.Headers().Get(headerLines))
		if err != nil {
			return fmt.Errorf("%w: message %d: header %s: %w", ErrDamaged, seq, headerLines, err)
		}
		e.seq = seq
		j.old.add(e)
		return nil
	})
}

// Append stores lines as one record, with the payload of each (nil where there is
// none; payloads itself may be nil), and returns the position of the last of them
// once they are durable. A payload is `{"v":1,"type":"payload","order":N,...}`, and
// orders go up. One record holds at most 1 MiB less 4 KiB.
//
// After ErrUnavailable the lines may have been stored or not. The same call again
// finds that out; any other call before settles it too, so that the lines are in
// the journal once or never.
func (j *Journal) Append(ctx context.Context, lines, payloads [][]byte) (last uint64, err error) {
	if len(lines) == 0 {
		return 0, errors.New("journal: no lines to append")
	}
	if payloads != nil && len(payloads) != len(lines) {
		return 0, fmt.Errorf("journal: %d payloads for %d lines", len(payloads), len(lines))
	}
	orders := make([]uint64, 0, len(payloads))
	for _, p := range payloads {
		if p == nil {
			continue
		}
		order, err := orderOf(p)
		if err != nil {
			return 0, err
		}
		orders = append(orders, order)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err = j.append(ctx, func() (*record, error) {
		b := batch{pos: j.pos + uint64(len(lines)), order: j.order, lines: lines, payloads: payloads}
		for _, order := range orders {
			if order <= b.order {
				return nil, fmt.Errorf("journal: payload %d comes after payload %d", order, b.order)
			}
			b.order = order
		}
		return &record{batch: b}, nil
	})
	if err != nil {
		return 0, err
	}
	return j.pos, nil
}

var payloadHead = []byte(`{"v":1,"type":"payload","order":`)

// orderOf reads the order of a payload, which is its third field.
func orderOf(payload []byte) (uint64, error) {
	digits, ok := bytes.CutPrefix(payload, payloadHead)
	end := slices.IndexFunc(digits, func(c byte) bool { return c < '0' || c > '9' })
	if ok && end > 0 {
		if order, err := strconv.ParseUint(string(digits[:end]), 10, 64); err == nil && order > 0 {
			return order, nil
		}
	}
	return 0, fmt.Errorf("journal: a payload begins with %s and a number from 1, not with %.60q", payloadHead, payload)
}

// append stores a record behind seq and takes over what it says. build makes it
// from what is known of the journal; it may be called again. j.mu is held.
func (j *Journal) append(ctx context.Context, build func() (*record, error)) error {
	for {
		if j.fenced {
			return ErrFenced
		}
		r, err := build()
		if err != nil {
			return err
		}
		r.writer = j.writer
		data := r.encode()
		if len(data) > maxRecord {
			return fmt.Errorf("journal: a record of %d bytes; at most %d fit", len(data), maxRecord)
		}
		if j.uncertain {
			stored, err := j.next(ctx)
			if err != nil {
				return err
			}
			if stored != nil {
				if bytes.Equal(stored, data) {
					return nil
				}
				continue // it was another record of ours: build on it
			}
		}
		seq, err := j.publish(ctx, r, data)
		switch {
		case err == nil:
			j.take(r, seq)
			return nil
		case wrongSequence(err):
			j.uncertain = true
			if stored, err := j.next(ctx); err != nil {
				return err
			} else if stored == nil { // a cluster that has yet to decide
				return unavailable(errors.New("another record is under way"))
			} else if bytes.Equal(stored, data) {
				return nil
			}
		default:
			j.uncertain = true
			if errors.As(err, new(jetstream.JetStreamError)) { // what an operator can mend, such as an account that is full
				err = unavailable(err)
			}
			return err
		}
	}
}

func (j *Journal) publish(ctx context.Context, r *record, data []byte) (seq uint64, err error) {
	m := &nats.Msg{Subject: j.prefix + subjectLines, Data: data, Header: nats.Header{}}
	m.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(j.seq, 10))
	if r.replaced != nil {
		m.Subject = j.prefix + subjectReplaced
		m.Header.Set(headerLines, entryOf(&r.replaced.batch).String())
	}
	err = j.s.call(ctx, func(ctx context.Context, l *life) error {
		ack, err := l.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
		if err == nil {
			seq = ack.Sequence
		}
		return err
	})
	return seq, err
}

// next looks for a message behind seq. It takes over one of this writer's and
// returns its bytes; one of anybody else means that this writer is fenced; nil
// means that nothing is there so far.
func (j *Journal) next(ctx context.Context) ([]byte, error) {
	m, err := j.get(ctx, j.seq+1, "")
	if err != nil {
		return nil, err
	}
	if m == nil {
		end, err := j.end(ctx)
		if err != nil || end <= j.seq {
			return nil, err
		}
		j.fenced = true // it was there, and somebody erased it
		return nil, ErrFenced
	}
	r, err := decodeRecord(m.Data)
	if m.Subject == j.prefix+subjectClaim || err != nil || r.writer != j.writer {
		j.fenced = true
		return nil, ErrFenced
	}
	j.take(r, m.Sequence)
	return m.Data, nil
}

// take makes a record of this writer that is durable the newest.
func (j *Journal) take(r *record, seq uint64) {
	j.seq, j.pos, j.order, j.uncertain = seq, r.pos, r.order, false
	if r.replaced != nil {
		e := entryOf(&r.replaced.batch)
		e.seq = seq
		j.old.add(e)
		j.unfinished = r.replaced
	}
}

// Term counts how often the journal was taken, from 1.
func (j *Journal) Term() uint64 { return j.term }

// Last returns the position of the newest line.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pos
}
