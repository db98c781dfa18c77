//go:build linux

package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Viewing is what kind of viewer joins.
type Viewing struct {
	URL      string // of the WHEP endpoint
	Channels bool   // open the data channels of docs/protocol.md, section 4
	Markers  bool   // negotiate the marker header extension, as native clients do
	Decrypt  bool   // read everything, rather than have the kernel count it
	Reports  bool   // send receiver reports, from which the server knows the round trip
	// Feign is how much later than they are made a viewer sends its reports, as if it
	// were far away.
	Feign time.Duration
	HTTP  *http.Client
	// Loss is the share of the packets of video that a viewer that does not decrypt
	// misses at first: it asks for them again, on a stream of their own (RFC 4588).
	Loss float64
	// Messages, if set, is given what comes on the channels, and Packets what a viewer
	// that decrypts reads. They run on the session's goroutines and must not block.
	Messages func(channel uint16, b []byte)
	Packets  func(p *rtp.Packet)
	// Dial negotiates with a server that makes the offer, instead of WHEP.
	Dial Dial
}

// Dial negotiates a viewer's session at a URL; leave ends the conversation.
type Dial func(ctx context.Context, url string, pc *webrtc.PeerConnection) (leave func(), err error)

// Viewer is one WebRTC session of its own socket.
type Viewer struct {
	pc        *webrtc.PeerConnection
	mux       *ice.UDPMuxDefault
	sink      *Sink
	timed     *timedConn    // of a viewer that decrypts
	missed    chan missed   // of one with loss; closed by its socket's reader
	asked     atomic.Uint64 // packets that it missed and asked for, since begin
	ledger    ledger
	base      uint32 // drops when counting began
	connected chan struct{}
	broken    chan struct{}
	events    atomic.Uint64 // event messages on the channels
	actions   *webrtc.DataChannel
	once      [2]sync.Once
	leave     func() // nil unless the server offered
}

// Join opens a session and returns when ICE and DTLS are done.
func Join(ctx context.Context, v Viewing) (*Viewer, error) {
	viewer, err := newViewer(v)
	if err != nil {
		return nil, fmt.Errorf("load: new viewer: %w", err)
	}
	if v.Dial != nil {
		viewer.leave, err = v.Dial(ctx, v.URL, viewer.pc)
	} else {
		err = viewer.join(ctx, v)
	}
	if err == nil {
		select {
		case <-viewer.connected:
			if viewer.missed != nil {
				go viewer.askAgain()
			}
			return viewer, nil
		case <-viewer.broken:
			err = errors.New("the session has failed")
		case <-ctx.Done():
			err = fmt.Errorf("not connected: %w", ctx.Err())
		}
	}
	return nil, errors.Join(fmt.Errorf("load: join %s: %w", v.URL, err), viewer.Close())
}

func newViewer(v Viewing) (*Viewer, error) {
	sink, err := OpenSink(!v.Decrypt, v.Loss)
	if err != nil {
		return nil, err
	}
	viewer := &Viewer{sink: sink, connected: make(chan struct{}), broken: make(chan struct{})}
	var conn net.PacketConn = sink.UDPConn
	if v.Decrypt {
		viewer.timed = &timedConn{Sink: sink}
		conn = viewer.timed
	} else if v.Loss > 0 {
		viewer.missed = make(chan missed, missedAtOnce)
		conn = &missingConn{Sink: sink, missed: viewer.missed}
	}
	viewer.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	api, err := newAPI(viewer.mux, v)
	if err == nil {
		viewer.pc, err = api.NewPeerConnection(webrtc.Configuration{})
	}
	if err == nil {
		err = viewer.offerMedia(v)
	}
	if err != nil {
		return nil, errors.Join(err, viewer.Close())
	}
	return viewer, nil
}

func (v *Viewer) offerMedia(o Viewing) error {
	recv := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if o.Dial != nil {
			break // the server offers
		}
		if _, err := v.pc.AddTransceiverFromKind(kind, recv); err != nil {
			return err
		}
	}
	if o.Channels {
		if err := v.openChannels(o.Messages); err != nil {
			return err
		}
	}
	if o.Decrypt {
		v.pc.OnTrack(func(track *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
			if o.Reports {
				go answerReports(r)
			}
			go v.read(track, o.Packets)
		})
	}
	v.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			v.once[0].Do(func() { close(v.connected) })
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			v.once[1].Do(func() { close(v.broken) })
		}
	})
	return nil
}

// eventType is in every event message and in no other.
var eventType = []byte(`"type":"event"`)

// openChannels negotiates the channels of docs/protocol.md, section 4.
func (v *Viewer) openChannels(messages func(uint16, []byte)) error {
	for _, c := range []struct {
		id      uint16
		label   string
		ordered bool
	}{{0, "framelock.events.1", true}, {actionsID, "framelock.actions.1", true}, {4, "framelock.fast.1", false}} {
		negotiated, none := true, uint16(0)
		init := &webrtc.DataChannelInit{ID: &c.id, Ordered: &c.ordered, Negotiated: &negotiated}
		if !c.ordered {
			init.MaxRetransmits = &none
		}
		dc, err := v.pc.CreateDataChannel(c.label, init)
		if err != nil {
			return err
		}
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			if bytes.Contains(m.Data, eventType) {
				v.events.Add(1)
			}
			if messages != nil {
				messages(c.id, m.Data)
			}
		})
		if c.id == actionsID {
			v.actions = dc
		}
	}
	return nil
}

// actionsID is the id of the actions channel.
const actionsID = 2

// Act sends a message on the actions channel of a viewer with channels.
func (v *Viewer) Act(message string) error { return v.actions.SendText(message) }

// answerReports reads sender reports until the session ends; receiver reports answer
// those that are read.
func answerReports(r *webrtc.RTPReceiver) {
	for {
		if _, _, err := r.ReadRTCP(); err != nil {
			return
		}
	}
}

// read decrypts and judges one track until the session ends.
func (v *Viewer) read(track *webrtc.TrackRemote, packets func(*rtp.Packet)) {
	video := track.Kind() == webrtc.RTPCodecTypeVideo
	var next uint16
	for first := true; ; first = false {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		gap := 0
		if !first {
			gap = int(int16(p.SequenceNumber - next))
		}
		next = p.SequenceNumber + 1
		at, timed := v.timed.arrived(p.SSRC, p.SequenceNumber)
		v.ledger.take(video, p.Payload, gap, at, timed)
		if packets != nil {
			packets(p)
		}
	}
}

// maxAnswer bounds what is read of an HTTP body, in bytes.
const maxAnswer = 64 << 10

// join does the WHEP exchange.
func (v *Viewer) join(ctx context.Context, o Viewing) error {
	offer, err := v.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, strings.NewReader(v.pc.LocalDescription().SDP))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/sdp")
	res, err := o.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(answer)))
	}
	return v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)})
}

// begin starts counting anew.
func (v *Viewer) begin() error {
	v.ledger.reset()
	v.asked.Store(0)
	var err error
	v.base, err = v.sink.Dropped()
	return err
}

// Begin starts counting anew, and Seen returns what a viewer that decrypts saw since.
func (v *Viewer) Begin() error { return v.begin() }

// Seen returns what a viewer that decrypts saw since Begin.
func (v *Viewer) Seen() Seen { return v.ledger.read() }

// delivered returns how many RTP packets came since begin. For a viewer that
// decrypts, what the kernel dropped is lost.
func (v *Viewer) delivered() (uint64, error) {
	if v.timed != nil {
		v.ledger.mu.Lock()
		defer v.ledger.mu.Unlock()
		return v.ledger.seen.Packets, nil
	}
	now, err := v.sink.Dropped()
	return uint64(now - v.base), err
}

// closeWait bounds the goodbye of a session whose server may be gone.
const closeWait = 2 * time.Second

// Close ends the session on this side.
func (v *Viewer) Close() error {
	var err error
	if v.leave != nil {
		v.leave()
	}
	if v.pc != nil {
		done := make(chan error, 1)
		go func() { done <- v.pc.Close() }()
		timer := time.NewTimer(closeWait)
		defer timer.Stop()
		select {
		case err = <-done:
		case <-timer.C:
		}
	}
	if v.mux != nil {
		return errors.Join(err, v.mux.Close()) // with the socket
	}
	return errors.Join(err, v.sink.Close())
}
