//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

// Destination is where one stream's RTP goes, as UDP addresses.
type Destination struct{ Video, Audio string }

// Sender is the studio: it plays streams to a server's RTP ports.
type Sender struct {
	*Player
	streams []outlet
	sent    []atomic.Uint64 // packets, by stream
	failed  atomic.Pointer[error]
	ended   sync.WaitGroup
	cancel  context.CancelFunc
}

type outlet struct {
	source       *Source
	video, audio *net.UDPConn
	batch        []ipv4.Message // what is due of one frame
	used         int
	writer       *ipv4.PacketConn // of video
}

// maxBatch is more than the packets that can be due of one stream at once.
const maxBatch = 64

// NewSender returns a sender that is held; size is that of video packets, in bytes
// with the RTP header.
func NewSender(to []Destination, pace Pace, size int) (*Sender, error) {
	s := &Sender{streams: make([]outlet, len(to)), sent: make([]atomic.Uint64, len(to))}
	for i, d := range to {
		o := &s.streams[i]
		o.source = NewSource(i, size)
		var err error
		if o.video, err = dial(d.Video); err == nil {
			o.audio, err = dial(d.Audio)
		}
		if err != nil {
			return nil, errors.Join(err, s.closeSockets())
		}
		o.writer = ipv4.NewPacketConn(o.video)
		o.batch = make([]ipv4.Message, maxBatch)
		for j := range o.batch {
			o.batch[j].Buffers = [][]byte{make([]byte, 0, size)}
		}
	}
	s.Player = NewPlayer(NewPlan(len(to), pace), s.send)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.ended.Go(func() { s.Run(ctx) })
	return s, nil
}

func dial(address string) (*net.UDPConn, error) {
	to, err := net.ResolveUDPAddr("udp4", address)
	if err != nil {
		return nil, fmt.Errorf("load: input: %w", err)
	}
	return net.DialUDP("udp4", nil, to)
}

// send sends what is due: a stream's video in one system call for each run of it.
func (s *Sender) send(due []Slot, now time.Time) {
	for i, slot := range due {
		o := &s.streams[slot.Stream]
		o.source.Packets(slot, now, func(packet []byte) {
			if slot.Video {
				b := &o.batch[o.used].Buffers[0]
				*b = append((*b)[:0], packet...)
				o.used++
				return
			}
			_, err := o.audio.Write(packet)
			s.count(slot.Stream, 1, err)
		})
		if next := i + 1; o.used > 0 && (next == len(due) || due[next].Stream != slot.Stream || !due[next].Video || o.used >= maxBatch-2) {
			s.flush(slot.Stream)
		}
	}
}

func (s *Sender) flush(stream int) {
	o := &s.streams[stream]
	for sent := 0; sent < o.used; {
		n, err := o.writer.WriteBatch(o.batch[sent:o.used], 0)
		s.count(stream, n, err)
		if err != nil {
			break
		}
		sent += n
	}
	o.used = 0
}

func (s *Sender) count(stream, n int, err error) {
	if err != nil {
		s.failed.Store(&err)
		return
	}
	s.sent[stream].Add(uint64(n))
}

// Sent returns how many packets of each stream were sent. After Hold it is exact.
// The error is the last of sending.
func (s *Sender) Sent(context.Context) ([]uint64, error) {
	counts := make([]uint64, len(s.sent))
	for i := range s.sent {
		counts[i] = s.sent[i].Load()
	}
	if err := s.failed.Load(); err != nil {
		return counts, fmt.Errorf("load: sending: %w", *err)
	}
	return counts, nil
}

// Close ends the sender.
func (s *Sender) Close() error {
	s.cancel()
	s.ended.Wait()
	return s.closeSockets()
}

func (s *Sender) closeSockets() error {
	var errs []error
	for _, o := range s.streams {
		for _, c := range []*net.UDPConn{o.video, o.audio} {
			if c != nil {
				errs = append(errs, c.Close())
			}
		}
	}
	return errors.Join(errs...)
}
