package watch

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/pion/rtp"
)

// The addresses that a capture gives the packets: what really carried them was
// encrypted, and often went through a NAT (RFC 5737: addresses for documentation).
var (
	captureFrom = [4]byte{192, 0, 2, 1}
	captureTo   = [4]byte{192, 0, 2, 2}
)

// capturePort is the UDP port at both ends: RTP's own (RFC 3551, section 8).
const capturePort = 5004

// capture writes decrypted RTP packets as a pcap file of raw IPv4 (link type 101)
// with times in nanoseconds. The goroutine that observes owns it.
type capture struct {
	w   io.Writer
	err error // the first; nothing is written after it
}

func newCapture(w io.Writer) *capture {
	c := &capture{w: w}
	var head [24]byte
	binary.LittleEndian.PutUint32(head[0:], 0xa1b23c4d)
	binary.LittleEndian.PutUint16(head[4:], 2)
	binary.LittleEndian.PutUint16(head[6:], 4)
	binary.LittleEndian.PutUint32(head[16:], 1<<16) // longest packet
	binary.LittleEndian.PutUint32(head[20:], 101)
	c.write(head[:])
	return c
}

func (c *capture) write(b []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(b)
	}
}

// add writes one packet.
func (c *capture) add(p *rtp.Packet, at time.Time) {
	const record, ip, udp = 16, 20, 8
	b := make([]byte, record+ip+udp+p.MarshalSize())
	if _, err := p.MarshalTo(b[record+ip+udp:]); err != nil {
		if c.err == nil {
			c.err = err
		}
		return
	}
	size := len(b) - record
	binary.LittleEndian.PutUint32(b[0:], uint32(at.Unix()))
	binary.LittleEndian.PutUint32(b[4:], uint32(at.Nanosecond()))
	binary.LittleEndian.PutUint32(b[8:], uint32(size))
	binary.LittleEndian.PutUint32(b[12:], uint32(size))
	head := b[record:]
	head[0], head[8], head[9] = 0x45, 64, 17 // version and length, hops, UDP
	binary.BigEndian.PutUint16(head[2:], uint16(size))
	copy(head[12:], captureFrom[:])
	copy(head[16:], captureTo[:])
	binary.BigEndian.PutUint16(head[10:], internetChecksum(head[:ip]))
	head = head[ip:]
	binary.BigEndian.PutUint16(head[0:], capturePort)
	binary.BigEndian.PutUint16(head[2:], capturePort)
	binary.BigEndian.PutUint16(head[4:], uint16(size-ip)) // its checksum may be left out: 0
	c.write(b)
}

// internetChecksum of a header whose own checksum is 0 (RFC 1071).
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
