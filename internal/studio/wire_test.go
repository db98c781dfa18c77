package studio

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// datagram is what a studio sent, and when.
type datagram struct {
	to   string
	at   time.Time
	data []byte
}

// wire takes a studio's datagrams in memory.
type wire struct {
	mu   sync.Mutex
	sent []datagram
	back map[string]chan []byte // what to answer, by destination
}

func newWire() *wire { return &wire{back: map[string]chan []byte{}} }

func (w *wire) dial(_ context.Context, _, to string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.back[to] = make(chan []byte, 16)
	return &end{wire: w, to: to, back: w.back[to], closed: make(chan struct{})}, nil
}

// to returns what was sent to a destination.
func (w *wire) to(address string) (all []datagram) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.sent {
		if d.to == address {
			all = append(all, d)
		}
	}
	return all
}

// end is the studio's end of a connection.
type end struct {
	net.Conn // not called: nil
	wire     *wire
	to       string
	back     chan []byte
	closed   chan struct{}
}

func (e *end) Write(b []byte) (int, error) {
	e.wire.mu.Lock()
	defer e.wire.mu.Unlock()
	e.wire.sent = append(e.wire.sent, datagram{e.to, time.Now(), append([]byte(nil), b...)})
	return len(b), nil
}

func (e *end) Read(b []byte) (int, error) {
	select {
	case data := <-e.back:
		return copy(b, data), nil
	case <-e.closed:
		return 0, net.ErrClosed
	}
}

func (e *end) Close() error { close(e.closed); return nil }

// Destinations of the tests' studios.
const (
	videoTo, videoControl = "relay:5004", "relay:5005"
	audioTo, audioControl = "relay:5006", "relay:5007"
)

// testConfig is a studio on a wire, with known starts.
func testConfig(w *wire) Config {
	c := Default()
	c.Dial = w.dial
	c.Video = Track{To: videoTo, PayloadType: 96, SSRC: 0x11111111, Seq: 65530, Timestamp: 0xFFFFFFFF - 2*3000}
	c.Audio = Track{To: audioTo, PayloadType: 111, SSRC: 0x22222222, Seq: 7, Timestamp: 1000}
	return c
}
