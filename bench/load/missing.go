//go:build linux

package load

import (
	"encoding/binary"
	"net"

	"github.com/pion/rtcp"
)

// missed is a packet that a viewer is to take for lost.
type missed struct {
	ssrc uint32
	seq  uint16
}

// missedAtOnce is more packets than a viewer misses before it has asked for them.
const missedAtOnce = 64

// missingConn is the socket of a viewer on a bad network: what RTP can be read from it
// is lost.
type missingConn struct {
	*Sink
	missed chan<- missed
}

// ReadFrom implements net.PacketConn.
func (c *missingConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.Sink.ReadFrom(b)
		if err != nil {
			close(c.missed)
			return n, from, err
		}
		if n < headerSize || b[0] < 128 || b[0] > 191 || b[1]&0x7f != VideoType {
			return n, from, nil
		}
		select {
		case c.missed <- missed{binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:])}:
		default: // stays lost
		}
	}
}

// askAgain sends a NACK for each packet that is missed (RFC 4585, section 6.2.1), until
// the session ends.
func (v *Viewer) askAgain() {
	for m := range v.missed {
		nack := &rtcp.TransportLayerNack{MediaSSRC: m.ssrc, Nacks: []rtcp.NackPair{{PacketID: m.seq}}}
		if v.pc.WriteRTCP([]rtcp.Packet{nack}) == nil {
			v.asked.Add(1)
		}
	}
}
