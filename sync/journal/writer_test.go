package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// outcome is what happens to one Append.
type outcome int

const (
	stored     outcome = iota
	notWritten         // nothing reaches the disk
	notSynced          // written, and fsync fails: a kill loses it
	answerLost         // stored, and the caller does not learn it
	refused            // for good
)

var errDisk = fmt.Errorf("%w: no space left on device", ErrUnavailable)

// volatileDisk is an Appender over a disk that loses on a kill what was not synced.
type volatileDisk struct {
	mu        sync.Mutex
	synced    []string // lines, in order
	cache     []string // written after them
	outcomes  []outcome
	uncertain []string // the record whose outcome the caller does not know
	records   [][]string

	skipSync bool // the mutant: it reports what it did not sync
}

func (d *volatileDisk) Append(ctx context.Context, lines, _ [][]byte) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	record := make([]string, len(lines))
	for i, line := range lines {
		record[i] = string(line)
	}
	d.records = append(d.records, record)
	next := stored
	if len(d.outcomes) > 0 {
		next, d.outcomes = d.outcomes[0], d.outcomes[1:]
	}
	if next == refused {
		return 0, ErrFenced
	}
	if d.uncertain != nil { // as Journal: what counts is what the disk has
		d.cache = nil
		n := len(d.synced) - len(d.uncertain)
		if n >= 0 && slices.Equal(d.synced[n:], d.uncertain) && slices.Equal(record, d.uncertain) {
			d.uncertain = nil
			return uint64(len(d.synced)), nil
		}
		d.uncertain = nil
	}
	if next == notWritten {
		return 0, errDisk
	}
	d.cache = append(d.cache, record...)
	if next == notSynced {
		d.uncertain = record
		return 0, errDisk
	}
	if !d.skipSync {
		d.synced, d.cache = append(d.synced, d.cache...), nil
	}
	if next == answerLost {
		d.uncertain = record
		return 0, errDisk
	}
	return uint64(len(d.synced) + len(d.cache)), nil
}

// kill is what a power cut does.
func (d *volatileDisk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cache, d.uncertain = nil, nil
}

// missing returns the acknowledged entries that are not where they were said to be.
func (d *volatileDisk) missing(acks []ack) (lost []ack) {
	for _, a := range acks {
		if a.pos > uint64(len(d.synced)) || !strings.HasPrefix(d.synced[a.pos-1], fmt.Sprint(a.entry, ":")) {
			lost = append(lost, a)
		}
	}
	return lost
}

// watched is an entry of a writer under test.
type watched struct {
	n    uint64
	size int // of the line; negative: it has none
	told func(n, pos uint64, err error)
}

func (e *watched) Encode() (line, payload []byte) {
	if e.size < 0 {
		return nil, nil
	}
	return []byte(fmt.Sprint(e.n, ":", strings.Repeat("x", e.size))), nil
}
func (e *watched) Durable(pos uint64, err error) { e.told(e.n, pos, err) }

// bed is a writer over a volatile disk. In a synctest bubble, nothing runs while
// its fields are read.
type bed struct {
	disk    *volatileDisk
	w       *Writer
	stop    context.CancelFunc
	ended   chan error
	put     uint64 // the last entry that was taken
	next    uint64 // the entry that is told next
	acks    []ack
	failed  int
	problem error
}

func (b *bed) start(o WriterOptions) {
	var ctx context.Context
	ctx, b.stop = context.WithCancel(context.Background())
	b.w = NewWriter(b.disk, o)
	b.ended = make(chan error, 1)
	w, ended := b.w, b.ended
	go func() { ended <- w.Run(ctx) }()
}

func (b *bed) add(size int) bool {
	ok := b.w.Put(&watched{b.put + 1, size, func(n, pos uint64, err error) {
		if n != b.next {
			b.problem = errors.Join(b.problem, fmt.Errorf("entry %d was told before entry %d", n, b.next))
		}
		b.next = n + 1
		if err != nil {
			b.failed++
			return
		}
		if b.failed > 0 {
			b.problem = errors.Join(b.problem, fmt.Errorf("entry %d is durable after one that failed", n))
		}
		if size >= 0 {
			b.acks = append(b.acks, ack{n, pos})
		}
	}})
	if ok {
		b.put++
	}
	return ok
}

func TestWriterModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(r *rapid.T) { // a bubble has no deadline
			o := WriterOptions{
				MaxBacklog: rapid.IntRange(1, 40).Draw(r, "backlog"),
				MaxLines:   rapid.IntRange(1, 12).Draw(r, "lines"),
				MaxBytes:   rapid.IntRange(1, 300).Draw(r, "bytes"),
				Spacing:    rapid.SampledFrom([]time.Duration{1, 2 * time.Millisecond}).Draw(r, "spacing"),
			}
			b := &bed{disk: &volatileDisk{}, next: 1}
			b.start(o)
			defer func() { b.stop(); <-b.ended }()
			failing := rapid.SliceOfN(rapid.SampledFrom([]outcome{stored, stored, notWritten, notSynced, answerLost}), 0, 6)
			r.Repeat(map[string]func(*rapid.T){
				"put": func(r *rapid.T) {
					for range rapid.IntRange(1, 30).Draw(r, "n") {
						room := b.w.Backlog() < o.MaxBacklog
						if ok := b.add(rapid.IntRange(-10, 60).Draw(r, "size")); ok != room && !ok {
							r.Fatalf("refused with a backlog of %d of %d", b.w.Backlog(), o.MaxBacklog)
						}
						if n := b.w.Backlog(); n > o.MaxBacklog {
							r.Fatalf("backlog %d of %d", n, o.MaxBacklog)
						}
					}
				},
				"fail": func(r *rapid.T) {
					synctest.Wait()
					b.disk.mu.Lock()
					b.disk.outcomes = failing.Draw(r, "outcomes")
					b.disk.mu.Unlock()
				},
				"try": func(r *rapid.T) {
					synctest.Wait()
					b.disk.mu.Lock()
					b.disk.outcomes = []outcome{notWritten}
					b.disk.mu.Unlock()
					if b.add(1) {
						time.Sleep(o.Spacing) // of the bubble
						synctest.Wait()
						if h := b.w.Health(); !errors.Is(h.Err, ErrUnavailable) || h.Since.IsZero() {
							r.Fatalf("health after a failure: %v", h)
						}
					}
				},
				"settle": func(r *rapid.T) {
					time.Sleep(10 * time.Second) // of the bubble
					synctest.Wait()
					if n, h := b.w.Backlog(), b.w.Health(); n != 0 || h.Err != nil || b.next != b.put+1 {
						r.Fatalf("backlog %d, health %v, told %d of %d", n, h, b.next-1, b.put)
					}
				},
				"kill": func(r *rapid.T) {
					b.stop()
					if err := <-b.ended; !errors.Is(err, context.Canceled) {
						r.Fatalf("Run: %v", err)
					}
					b.disk.kill()
					if b.next != b.put+1 {
						r.Fatalf("told %d of %d", b.next-1, b.put)
					}
					b.failed = 0
					b.start(o)
				},
				"": func(r *rapid.T) {
					synctest.Wait()
					b.disk.mu.Lock()
					defer b.disk.mu.Unlock()
					if lost := b.disk.missing(b.acks); lost != nil || b.problem != nil {
						r.Fatalf("lost %v; %v", lost, b.problem)
					}
					checkRecords(r, b.disk.records, o)
					for i := 1; i < len(b.disk.synced); i++ {
						if entryOfLine(b.disk.synced[i-1]) >= entryOfLine(b.disk.synced[i]) {
							r.Fatalf("entries twice or out of order: %q", b.disk.synced)
						}
					}
				},
			})
		})
	})
}

func entryOfLine(line string) (n uint64) {
	fmt.Sscanf(line, "%d:", &n)
	return n
}

func checkRecords(r *rapid.T, records [][]string, o WriterOptions) {
	for _, lines := range records {
		size := 0
		for _, line := range lines {
			size += len(line)
		}
		if len(lines) > o.MaxLines || len(lines) > 1 && size > o.MaxBytes {
			r.Fatalf("a record of %d lines and %d bytes; limits %d and %d", len(lines), size, o.MaxLines, o.MaxBytes)
		}
	}
}

// A store that reports what it did not sync must be found out.
func TestMissingSyncIsFound(t *testing.T) {
	for _, skip := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := &bed{disk: &volatileDisk{skipSync: skip}, next: 1}
			b.start(WriterOptions{})
			for range 10 {
				b.add(5)
			}
			synctest.Wait()
			b.stop()
			<-b.ended
			b.disk.kill()
			if lost := b.disk.missing(b.acks); len(b.acks) != 10 || (len(lost) > 0) != skip {
				t.Errorf("skipping fsync %v: %d acknowledged, lost %v", skip, len(b.acks), lost)
			}
		})
	}
}

func TestFencedWriterEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bed{disk: &volatileDisk{outcomes: []outcome{stored, refused}}, next: 1}
		b.start(WriterOptions{MaxLines: 4, MaxBytes: 30})
		for range 20 {
			b.add(10)
		}
		if err := <-b.ended; !errors.Is(err, ErrFenced) {
			t.Fatalf("Run: %v", err)
		}
		if len(b.acks) == 0 || b.failed == 0 || len(b.acks)+b.failed != 20 || b.problem != nil {
			t.Errorf("%d durable, %d failed; %v", len(b.acks), b.failed, b.problem)
		}
		if b.add(1) {
			t.Error("an entry was taken after the end")
		}
		if h := b.w.Health(); !errors.Is(h.Err, ErrFenced) || b.w.Backlog() != 0 {
			t.Errorf("health %v, backlog %d", h, b.w.Backlog())
		}
	})
}

func TestWriterBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bed{disk: &volatileDisk{}, next: 1}
		for range 100 {
			b.disk.outcomes = append(b.disk.outcomes, notWritten)
		}
		b.start(WriterOptions{MaxBackoff: time.Second})
		began := time.Now()
		b.add(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		b.disk.mu.Lock()
		tries := len(b.disk.records)
		b.disk.outcomes = nil
		b.disk.mu.Unlock()
		// 20+40+80+160+320+640 ms, then one each second.
		if tries < 62 || tries > 66 {
			t.Errorf("%d attempts in a minute", tries)
		}
		if h := b.w.Health(); !h.Since.Equal(began) {
			t.Errorf("unhealthy since %v, failed first at %v", h.Since, began)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.next != 2 || b.failed != 0 || b.w.Health().Err != nil {
			t.Errorf("a second after: told %d, health %v", b.next-1, b.w.Health())
		}
		b.w.Close()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
		b.stop()
	})
}

// What comes alone is appended at once; what comes soon after waits for others, unless
// the record is full or only those wait who need no line.
func TestWriterSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const spacing = 5 * time.Millisecond
		b := &bed{disk: &volatileDisk{}, next: 1}
		b.start(WriterOptions{Spacing: spacing, MaxLines: 4})
		records := func(after time.Duration) string {
			time.Sleep(after)
			synctest.Wait()
			b.disk.mu.Lock()
			defer b.disk.mu.Unlock()
			var sizes []int
			for _, lines := range b.disk.records {
				sizes = append(sizes, len(lines))
			}
			return fmt.Sprint(sizes, " told ", b.next-1)
		}
		for _, step := range []struct {
			puts  []int // sizes; -1 is an entry without a line
			after time.Duration
			want  string
		}{
			{[]int{1}, 0, "[1] told 1"},
			{[]int{-1}, 0, "[1] told 2"},
			{[]int{1, 1}, 0, "[1] told 2"},
			{[]int{-1}, spacing - 1, "[1] told 2"},
			{nil, 1, "[1 2] told 5"},
			{[]int{1, 1, 1, 1, 1}, 0, "[1 2 4] told 9"},
			{nil, spacing, "[1 2 4 1] told 10"},
			{[]int{1}, spacing, "[1 2 4 1 1] told 11"},
		} {
			for _, size := range step.puts {
				b.add(size)
			}
			if got := records(step.after); got != step.want {
				t.Errorf("after %v more: %s, want %s", step.puts, got, step.want)
			}
		}
		b.add(1)
		b.w.Close()
		if err := <-b.ended; err != nil || b.next != b.put+1 {
			t.Errorf("%v; told %d of %d", err, b.next-1, b.put)
		}
	})
}
