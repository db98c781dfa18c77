//go:build linux

// Package floor is a server that does nothing but encrypt and send: what no server
// of this kind can cost less than. It makes the input's packets itself, at the
// input's pace, seals each one for each viewer with the viewer's own key
// (AES-128-GCM, as SRTP does), and sends them from one goroutine with sendmmsg(2).
package floor

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/bench/load"
)

// Config says what to send to whom.
type Config struct {
	Ports [][]int   `json:"ports"` // of the viewers on loopback, by stream
	Pace  load.Pace `json:"pace"`
	Size  int       `json:"size"` // of a video packet, in bytes with the RTP header
	// Join sends a viewer's run of equal packets as one datagram that the kernel
	// takes apart (UDP_SEGMENT).
	Join bool `json:"join"`
}

// Words of the conversation with the process that started it, each on a line.
// Everything is answered with one line of JSON.
const (
	Go   = "go"   // answered with {}
	Hold = "hold" // answered with {"sent":[packets by stream]} when nothing more comes
)

// Sent is the answer to Hold.
type Sent struct {
	Sent []uint64 `json:"sent,omitempty"`
}

const (
	overhead   = 16 // bytes that GCM adds
	headerSize = 12 // of RTP
	maxRun     = 64 // datagrams of one message
	maxPacket  = 1500
)

// viewer is one receiver: its key and its address.
type viewer struct {
	aead cipher.AEAD
	port int
}

// server is owned by the player's goroutine.
type server struct {
	config  Config
	sources []*load.Source
	viewers [][]viewer // by stream
	sent    []atomic.Uint64
	batch   *batch
	plain   [][]byte // a run of packets of one stream
	used    int
	nonce   [12]byte
	failed  atomic.Pointer[error]
}

// Serve reads the configuration and then words from in until it ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	if !lines.Scan() {
		return fmt.Errorf("floor: no configuration: %w", lines.Err())
	}
	var c Config
	if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
		return fmt.Errorf("floor: configuration: %w", err)
	}
	s, err := newServer(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	player := load.NewPlayer(load.NewPlan(len(c.Ports), c.Pace), s.send)
	go player.Run(ctx)
	answer := json.NewEncoder(out)
	if err := answer.Encode(Sent{}); err != nil {
		return err
	}
	for lines.Scan() {
		reply := Sent{}
		switch word := lines.Text(); word {
		case Go:
			err = player.Go(ctx)
		case Hold:
			err = player.Hold(ctx)
			for i := range s.sent {
				reply.Sent = append(reply.Sent, s.sent[i].Load())
			}
		default:
			err = fmt.Errorf("floor: %q is no word of mine", word)
		}
		if failed := s.failed.Load(); err == nil && failed != nil {
			err = *failed
		}
		if err == nil {
			err = answer.Encode(reply)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

func newServer(c Config) (*server, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	s := &server{config: c, sent: make([]atomic.Uint64, len(c.Ports))}
	if s.batch, err = newBatch(conn); err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	for range maxRun {
		s.plain = append(s.plain, make([]byte, 0, maxPacket))
	}
	for stream, ports := range c.Ports {
		s.sources = append(s.sources, load.NewSource(stream, c.Size))
		var all []viewer
		for _, port := range ports {
			key := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(port))
			block, err := aes.NewCipher(key)
			if err != nil {
				return nil, err
			}
			aead, err := cipher.NewGCM(block)
			if err != nil {
				return nil, err
			}
			all = append(all, viewer{aead, port})
		}
		s.viewers = append(s.viewers, all)
	}
	return s, nil
}

// send sends what is due: the packets of one track of a stream that are due
// together are a run, which each viewer gets whole before the next viewer.
func (s *server) send(due []load.Slot, now time.Time) {
	for i, slot := range due {
		s.sources[slot.Stream].Packets(slot, now, func(packet []byte) {
			s.plain[s.used] = append(s.plain[s.used][:0], packet...)
			s.used++
		})
		if next := i + 1; next == len(due) || due[next].Stream != slot.Stream || due[next].Video != slot.Video || s.used >= maxRun-2 {
			s.fan(slot.Stream)
		}
	}
	if err := s.batch.flush(); err != nil {
		s.failed.Store(&err)
	}
}

// fan seals the run for every viewer of the stream.
func (s *server) fan(stream int) {
	run := s.plain[:s.used]
	s.used = 0
	for i := range s.viewers[stream] {
		v := &s.viewers[stream][i]
		for begin := 0; begin < len(run); {
			end := begin + 1
			for s.config.Join && end < len(run) && len(run[end]) == len(run[begin]) {
				end++
			}
			if err := s.message(v, run[begin:end]); err != nil {
				s.failed.Store(&err)
				return
			}
			begin = end
		}
	}
	s.sent[stream].Add(uint64(len(run)))
}

// message seals packets of one size, one after the other, as one message.
func (s *server) message(v *viewer, packets [][]byte) error {
	size := len(packets[0]) + overhead
	room, err := s.batch.room(size * len(packets))
	if err != nil {
		return err
	}
	for _, p := range packets {
		copy(s.nonce[:], p[2:12]) // sequence number, timestamp, SSRC: like the real one, never twice
		room = append(room, p[:headerSize]...)
		room = v.aead.Seal(room, s.nonce[:], p[headerSize:], p[:headerSize])
	}
	s.batch.add(room, v.port, size)
	return nil
}
