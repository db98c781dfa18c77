package egress

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
)

// Peer is a Session over a pion PeerConnection.
type Peer struct {
	pc       *webrtc.PeerConnection
	feedback Feedback
	formats  Formats
	writers  [forward.Tracks]webrtc.TrackLocalWriter
	channels [Fast + 1]*webrtc.DataChannel
	header   rtp.Header           // of the packet being sent; owned by the shard
	rtx      [packet.MaxSize]byte // payload of the retransmission being sent
	waiting  atomic.Int32         // steps left until media can flow
	closed   sync.Once
	reading  sync.WaitGroup
}

// maxMessage is the largest message taken from a viewer, in bytes.
const maxMessage = 4 << 10

func newPeer(pc *webrtc.PeerConnection, offer Offer, feedback Feedback) (*Peer, error) {
	p := &Peer{pc: pc, feedback: feedback}
	p.formats.Channels = offer.Channels
	p.waiting.Store(1)
	for t, f := range []*TrackFormat{offer.Video, offer.Audio} {
		if f == nil {
			continue
		}
		p.waiting.Add(1)
		sender, err := pc.AddTrack(&localTrack{peer: p, track: forward.Track(t), format: *f})
		if err != nil {
			return nil, err
		}
		p.reading.Go(func() { p.readRTCP(forward.Track(t), sender) })
	}
	if offer.Channels {
		for _, c := range []Channel{Events, Actions, Fast} {
			if err := p.openChannel(c); err != nil {
				return nil, err
			}
		}
	}
	pc.OnDataChannel(func(*webrtc.DataChannel) { p.end("channel_not_of_the_protocol") })
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			p.step()
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			p.end(s.String())
		}
	})
	return p, nil
}

// step is called for each thing that media waits for.
func (p *Peer) step() {
	if p.waiting.Add(-1) == 0 {
		p.feedback.Connected()
	}
}

func (p *Peer) end(reason string) {
	p.closed.Do(func() { go p.feedback.Closed(reason) })
}

var channelLabels = map[Channel]string{
	Events: "framelock.events.1", Actions: "framelock.actions.1", Fast: "framelock.fast.1",
}

func (p *Peer) openChannel(c Channel) error {
	id, negotiated, ordered, none := uint16(c), true, c != Fast, uint16(0)
	init := &webrtc.DataChannelInit{ID: &id, Negotiated: &negotiated, Ordered: &ordered}
	if c == Fast {
		init.MaxRetransmits = &none
	}
	dc, err := p.pc.CreateDataChannel(channelLabels[c], init)
	if err != nil {
		return err
	}
	p.channels[c] = dc
	switch c {
	case Events:
		dc.SetBufferedAmountLowThreshold(channelLow)
		dc.OnOpen(p.feedback.ChannelOpen)
		dc.OnBufferedAmountLow(p.feedback.ChannelLow)
		dc.OnClose(func() { p.end("channel_closed") })
	case Actions:
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			if len(m.Data) > maxMessage {
				p.end("message_too_large")
				return
			}
			p.feedback.Message(m.Data)
		})
	}
	return nil
}

// Formats implements Session. It is complete when Feedback.Connected is called.
func (p *Peer) Formats() *Formats { return &p.formats }

// Send implements Session.
func (p *Peer) Send(batch []Outgoing) error {
	var first error
	for i := range batch {
		if err := p.send(&batch[i]); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (p *Peer) send(o *Outgoing) error {
	h := &p.header
	*h = rtp.Header{
		Version: 2, Marker: o.Marker, PayloadType: o.PayloadType, SequenceNumber: o.Sequence,
		Timestamp: o.Timestamp, SSRC: o.SSRC, Extensions: h.Extensions[:0],
	}
	for i := range o.Extensions {
		if e := &o.Extensions[i]; e.ID != 0 {
			h.Extension, h.ExtensionProfile = true, packet.ProfileOneByte
			if err := h.SetExtension(e.ID, e.Value[:e.Size]); err != nil {
				return err
			}
		}
	}
	payload := o.Payload
	if o.RTX { // RFC 4588, section 4: the original number goes before the payload
		p.rtx[0], p.rtx[1] = byte(o.Original>>8), byte(o.Original)
		payload = p.rtx[:2+copy(p.rtx[2:], o.Payload)]
	}
	for t := range p.formats.Track {
		if f := &p.formats.Track[t]; o.SSRC == f.SSRC || o.RTX && o.SSRC == f.RTXSSRC {
			_, err := p.writers[t].WriteRTP(h, payload)
			return err
		}
	}
	return fmt.Errorf("SSRC %d was not negotiated", o.SSRC)
}

// SendRTCP implements Session.
func (p *Peer) SendRTCP(b []byte) error {
	raw := rtcp.RawPacket(b)
	return p.pc.WriteRTCP([]rtcp.Packet{&raw})
}

// SendText implements Session.
func (p *Peer) SendText(c Channel, message []byte) error {
	dc := p.channels[c]
	if dc == nil || dc.ReadyState() != webrtc.DataChannelStateOpen {
		return errors.New("the channel is not open")
	}
	return dc.SendText(string(message))
}

// Queued implements Session.
func (p *Peer) Queued(c Channel) uint64 {
	if dc := p.channels[c]; dc != nil {
		return dc.BufferedAmount()
	}
	return 0
}

// Close implements Session.
func (p *Peer) Close() error {
	p.closed.Do(func() {})
	err := p.pc.Close()
	p.reading.Wait()
	return err
}

// readRTCP hands on what the viewer says of one track, until the session ends.
func (p *Peer) readRTCP(t forward.Track, sender *webrtc.RTPSender) {
	b := make([]byte, packet.MaxSize)
	for {
		n, _, err := sender.Read(b)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(b[:n])
		if err != nil {
			continue // not worth more than that: the sender is authenticated
		}
		for _, r := range packets {
			p.heard(t, r)
		}
	}
}

func (p *Peer) heard(t forward.Track, r rtcp.Packet) {
	switch r := r.(type) {
	case *rtcp.TransportLayerNack:
		numbers := make([]uint16, 0, 17)
		for _, pair := range r.Nacks {
			pair.Range(func(n uint16) bool {
				if len(numbers) < maxNacked {
					numbers = append(numbers, n)
				}
				return len(numbers) < maxNacked
			})
		}
		p.feedback.Nack(t, numbers)
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		if t == forward.Video {
			p.feedback.KeyframeWanted()
		}
	case *rtcp.ReceiverReport:
		for _, block := range r.Reports {
			if block.SSRC == p.formats.Track[t].SSRC {
				p.feedback.Report(t, float64(block.FractionLost)/256, roundTrip(block, time.Now()))
				return
			}
		}
	}
}

// roundTrip returns the round-trip time in seconds that a report tells of, or 0
// (RFC 3550, section 6.4.1).
func roundTrip(r rtcp.ReceptionReport, now time.Time) float64 {
	if r.LastSenderReport == 0 {
		return 0
	}
	d := uint32(packet.NTP(now)>>16) - r.LastSenderReport - r.Delay
	if d > 1<<31 {
		return 0
	}
	return float64(d) / 65536
}

// localTrack is the form in which pion asks for a track.
type localTrack struct {
	peer   *Peer
	track  forward.Track
	format TrackFormat
}

var _ webrtc.TrackLocal = (*localTrack)(nil)

// Bind implements webrtc.TrackLocal: it is called when the track was negotiated.
func (l *localTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	f := &l.peer.formats.Track[l.track]
	f.SSRC, f.RTXSSRC = uint32(c.SSRC()), uint32(c.SSRCRetransmission())
	f.PayloadType, f.RTXPayloadType, f.MID = l.format.PayloadType, l.format.RTXPayloadType, l.format.MID
	f.extensions(c.HeaderExtensions())
	l.peer.writers[l.track] = c.WriteStream()
	defer l.peer.step()
	for _, codec := range c.CodecParameters() {
		if uint8(codec.PayloadType) == l.format.PayloadType {
			return codec, nil
		}
	}
	return webrtc.RTPCodecParameters{}, fmt.Errorf("payload type %d was not negotiated", l.format.PayloadType)
}

// extensions notes the identifiers that were negotiated. Packets carry the one-byte
// form, which has no room for others (RFC 8285, section 4.2).
func (f *Format) extensions(negotiated []webrtc.RTPHeaderExtensionParameter) {
	for _, e := range negotiated {
		if !oneByte(e.ID) {
			continue
		}
		switch e.URI {
		case uriPlayoutDelay:
			f.PlayoutDelay = uint8(e.ID)
		case uriCaptureTime:
			f.CaptureTime = uint8(e.ID)
		case uriMarker:
			f.Marker = uint8(e.ID)
		}
	}
}

// Unbind implements webrtc.TrackLocal.
func (l *localTrack) Unbind(webrtc.TrackLocalContext) error { return nil }

// ID implements webrtc.TrackLocal.
func (l *localTrack) ID() string { return l.track.String() }

// RID implements webrtc.TrackLocal.
func (l *localTrack) RID() string { return "" }

// StreamID implements webrtc.TrackLocal: tracks of one stream are played in step.
func (l *localTrack) StreamID() string { return cname }

// Kind implements webrtc.TrackLocal.
func (l *localTrack) Kind() webrtc.RTPCodecType {
	if l.track == forward.Audio {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}
