//go:build linux

package load

import (
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// timedConn is the socket of a viewer that decrypts. It remembers when the kernel
// got each RTP packet, by what stays readable of an encrypted packet.
type timedConn struct {
	*Sink
	control [128]byte // owned by the one reader

	mu    sync.Mutex
	times [recent]arrivalTime
}

// recent is how many packets a viewer's reader may be behind its socket, a power of 2.
const recent = 4096

type arrivalTime struct {
	ssrc uint32
	seq  uint16
	at   int64 // Unix nanoseconds
}

// ReadFrom implements net.PacketConn.
func (c *timedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, controlSize, _, from, err := c.ReadMsgUDP(b, c.control[:])
	if err != nil {
		return n, nil, err
	}
	if n >= headerSize && b[0] >= 128 && b[0] <= 191 && (b[1] < 192 || b[1] > 223) {
		at, ok := kernelTime(c.control[:controlSize])
		if !ok {
			at = time.Now().UnixNano()
		}
		c.note(arrivalTime{binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:]), at})
	}
	return n, from, nil
}

// place spreads the two tracks over the ring, so that they do not meet.
func (a arrivalTime) place() int { return int(uint32(a.seq)+a.ssrc*2654435761>>16) % recent }

func (c *timedConn) note(a arrivalTime) {
	c.mu.Lock()
	c.times[a.place()] = a
	c.mu.Unlock()
}

// arrived returns when the kernel got a packet.
func (c *timedConn) arrived(ssrc uint32, seq uint16) (int64, bool) {
	want := arrivalTime{ssrc: ssrc, seq: seq}
	c.mu.Lock()
	got := c.times[want.place()]
	c.mu.Unlock()
	return got.at, got.ssrc == ssrc && got.seq == seq
}

// Seen is what one decrypting viewer saw, or several together.
type Seen struct {
	Packets uint64
	Gaps    uint64 // sequence numbers that are missing, or came out of order
	Damaged uint64
	Untimed uint64 // whose time of arrival is not known
	// Latency holds, for each packet, the time from the sender's system call to the
	// kernel's receipt at the viewer.
	Latency []time.Duration
}

// Add joins what another viewer saw.
func (s *Seen) Add(o Seen) {
	s.Packets += o.Packets
	s.Gaps += o.Gaps
	s.Damaged += o.Damaged
	s.Untimed += o.Untimed
	s.Latency = append(s.Latency, o.Latency...)
}

// ledger collects what one viewer sees. Its tracks' readers add to it.
type ledger struct {
	mu   sync.Mutex
	seen Seen
}

func (l *ledger) reset() {
	l.mu.Lock()
	l.seen = Seen{Latency: l.seen.Latency[:0]}
	l.mu.Unlock()
}

func (l *ledger) read() Seen {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.seen
	s.Latency = append([]time.Duration(nil), s.Latency...)
	return s
}

// take judges one packet: its payload, its number after the one before, its time.
func (l *ledger) take(video bool, payload []byte, gap int, arrived int64, timed bool) {
	stamp, stamped, err := inspect(video, payload)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen.Packets++
	l.seen.Gaps += uint64(max(gap, -gap))
	switch {
	case err != nil:
		l.seen.Damaged++
	case !stamped:
	case !timed:
		l.seen.Untimed++
	default:
		l.seen.Latency = append(l.seen.Latency, time.Duration(arrived-stamp.Sent.UnixNano()))
	}
}
