// Package egress brings a stream's packets and messages to its viewers. A Shard
// owns the output state of its viewers and does all their sending; a Session is
// one viewer's transport, and the Endpoint the one UDP port on which they meet.
package egress

import (
	"github.com/pion/rtcp"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/udp"
)

// Channel is a data channel of the protocol; the value is its negotiated id
// (docs/protocol.md, section 4).
type Channel uint16

// The channels of a viewer's session.
const (
	Events  Channel = 0 // ordered, reliable, to the viewer
	Actions Channel = 2 // ordered, reliable, both ways
	Fast    Channel = 4 // unordered, never retransmitted, to the viewer
)

// Session is the transport of one viewer. Its methods never wait for the viewer.
// Those that queue packets are called by the viewer's shard alone.
type Session interface {
	// Formats says what was negotiated. It does not change.
	Formats() *Formats
	// Send queues RTP packets in order. It does not keep the batch.
	Send(q *udp.Queue, batch []Outgoing) error
	// SendRTCP queues one compound RTCP packet.
	SendRTCP(q *udp.Queue, b []byte) error
	// SendText queues a message on a channel. It does not keep the message.
	SendText(c Channel, message []byte) error
	// Queued returns the bytes that wait on a channel.
	Queued(c Channel) uint64
	// Close ends the session and its goroutines.
	Close() error
}

// Feedback is what a Session hears from its viewer. The methods are called from
// the session's own goroutines and must not block for long.
type Feedback interface {
	// Connected is called once, when media can flow.
	Connected()
	// ChannelOpen is called when the viewer's end of the events channel is open.
	ChannelOpen()
	// ChannelLow is called when the events channel has sent most of its queue.
	ChannelLow()
	// Nack names sequence numbers of a track that the viewer misses.
	Nack(t forward.Track, numbers []uint16)
	// KeyframeWanted is a PLI or FIR.
	KeyframeWanted()
	// Report is a receiver report: the share of packets lost since the last one
	// and, if known, the round-trip time in seconds.
	Report(t forward.Track, lost float64, rtt float64)
	// Arrivals is a TWCC message: which packets came, and when.
	Arrivals(cc *rtcp.TransportLayerCC)
	// Message is a message on the actions channel.
	Message(b []byte)
	// Closed is called once, when the session has ended, and says why.
	Closed(reason string)
}

// Formats is how one viewer wants its tracks. A track that was not negotiated has
// SSRC 0.
type Formats struct {
	Track    [forward.Tracks]Format
	Channels bool // the viewer has the data channels
}

// Format is what a viewer's copy of a track looks like on the wire.
type Format struct {
	SSRC, RTXSSRC               uint32
	PayloadType, RTXPayloadType uint8
	// Identifiers of header extensions, 1 to 14; 0 = not negotiated.
	PlayoutDelay, CaptureTime, Marker, TransportSequence uint8
	MID                                                  string // RFC 5888
}

// RTX reports whether retransmissions have a stream of their own (RFC 4588).
func (f *Format) RTX() bool { return f.RTXSSRC != 0 && f.RTXPayloadType != 0 }

// Outgoing is one RTP packet for one viewer. Payload is shared by all viewers and
// never changed.
type Outgoing struct {
	SSRC        uint32
	Timestamp   uint32
	Sequence    uint16
	PayloadType uint8
	Marker      bool
	Rollover    uint32 // how often Sequence has wrapped (RFC 3711, section 3.3.1)
	// Original is the sequence number that an RTX packet repeats; RTX says that
	// it is one.
	RTX        bool
	Original   uint16
	Extensions [4]Extension
	Payload    []byte
}

// Extension is one element of a header extension (RFC 8285). ID 0 = unused.
type Extension struct {
	ID    uint8
	Size  uint8
	Value [16]byte
}
