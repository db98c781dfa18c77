package network

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/studio"
)

// encoder is a studio process, with its log and the wires to the relay.
type encoder struct {
	*studio.Studio
	table *table
	tape  *tape
	stop  func() // ends it with a goodbye, and waits
	wires wires

	mu      sync.Mutex
	records []studio.Record // in the order of the tape
}

// wires is what becomes of an encoder's datagrams. A killed one sends nothing more,
// not even a goodbye.
type wires struct {
	dead   atomic.Bool
	second map[string]string // address of the second path, by that of the first
	loss   float64           // of each path, on its own

	mu     sync.Mutex
	random *rand.Rand
	sent   int
	lost   map[uint32]int // by timestamp: packets of which neither copy was sent
}

// dial opens the wires to one port of the relay.
func (w *wires) dial(ctx context.Context, to string) (*wire, error) {
	var d net.Dialer
	first, err := d.DialContext(ctx, "udp", to)
	if err != nil {
		return nil, err
	}
	line := &wire{Conn: first, wires: w}
	if other := w.second[to]; other != "" {
		if line.second, err = d.DialContext(ctx, "udp", other); err != nil {
			return nil, errors.Join(err, first.Close())
		}
	}
	return line, nil
}

// wire is one socket of an encoder, or one for each path.
type wire struct {
	net.Conn
	second net.Conn
	wires  *wires
}

func (l *wire) Write(b []byte) (int, error) {
	if l.wires.dead.Load() {
		return len(b), nil
	}
	if l.second == nil {
		return l.Conn.Write(b)
	}
	one, other := l.wires.chances(b)
	if one {
		if _, err := l.Conn.Write(b); err != nil {
			return 0, err
		}
	}
	if other {
		if _, err := l.second.Write(b); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// chances says by which paths a packet comes through.
func (w *wires) chances(b []byte) (one, other bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	one, other = w.random.Float64() >= w.loss, w.random.Float64() >= w.loss
	if !one && !other {
		w.lost[binary.BigEndian.Uint32(b[4:])]++
	}
	return one, other
}

func (l *wire) Close() error {
	if l.second == nil {
		return l.Conn.Close()
	}
	return errors.Join(l.Conn.Close(), l.second.Close())
}

// encode lets an encoder send to an input of the stream until it is stopped or the
// test ends. Its frames are numbered from first on, so that no two encoders send the
// same picture.
func (w *table) encode(to relay.InputAddrs, first uint32, change ...func(*encoder, *studio.Config)) *encoder {
	w.Helper()
	c := studio.Default()
	c.Video.To, c.Audio.To, c.StartFrame = to.Video, to.Audio, first
	e := &encoder{table: w, tape: newTape()}
	e.wires.second = map[string]string{to.Video: to.SecondVideo, to.Audio: to.SecondAudio}
	e.wires.random, e.wires.lost = rand.New(rand.NewPCG(uint64(first), 7)), map[uint32]int{}
	for _, f := range change {
		f(e, &c)
	}
	e.tape.attach(&c)
	onFrame := c.OnFrame
	c.OnFrame = func(r studio.Record) {
		onFrame(r)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.records = append(e.records, r)
	}
	c.Dial = func(ctx context.Context, _, to string) (net.Conn, error) {
		line, err := e.wires.dial(ctx, to)
		return &taped{line, e.tape, c.Video.PayloadType, c.Audio.PayloadType}, err
	}
	s, err := studio.New(c)
	if err != nil {
		w.Fatal(err)
	}
	e.Studio = s
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	e.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(e.stop)
	eventually(w.T, "the encoder has begun", func() bool { return len(e.tape.sent()) > 0 })
	return e
}

// newest returns the last frames of the log, the newest last.
func (e *encoder) newest(n int) []studio.Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]studio.Record(nil), e.records[max(0, len(e.records)-n):]...)
}

// record returns what the log says of a frame, known by its coded bytes and by when
// it came: the clip repeats after 24 s, with some frames that look the same.
func (e *encoder) record(coded fingerprint, came time.Time) (studio.Record, bool) {
	for n, f := range e.tape.sent() {
		if f.coded == coded && came.Sub(f.at).Abs() < 10*time.Second {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.records[n], true
		}
	}
	return studio.Record{}, false
}

// frame is the time of a frame of the clip that encoders send.
const frame = time.Second / 30
