//go:build linux

// Package livekit puts a LiveKit server beside the relay in the same measurement: a
// studio that publishes the same input into it, and viewers that watch it. It speaks
// what is needed of LiveKit's signalling itself, so that a measurement costs this
// module no dependency.
package livekit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
	"golang.org/x/net/websocket"

	"github.com/framelock/relay/bench/load"
)

// Studio publishes streams, each into a room of its own.
type Studio struct {
	*load.Player
	streams []outlet
	sent    []atomic.Uint64 // packets, by stream
	failed  atomic.Pointer[error]
	ended   sync.WaitGroup
	cancel  context.CancelFunc
}

// outlet is the publisher of one stream. The two tracks are audio and video.
type outlet struct {
	source *load.Source
	pc     *webrtc.PeerConnection
	tracks [2]*webrtc.TrackLocalStaticRTP
	signal *signal
}

// Room is the name of a stream's room.
func Room(stream int) string { return fmt.Sprintf("s%d", stream) }

// Publish connects to the server and publishes streams; the studio is held.
func Publish(ctx context.Context, address string, streams int, pace load.Pace, size int) (*Studio, error) {
	s := &Studio{streams: make([]outlet, streams), sent: make([]atomic.Uint64, streams), cancel: func() {}}
	for i := range s.streams {
		o := &s.streams[i]
		o.source = load.NewSource(i, size)
		if err := o.open(ctx, address, Room(i)); err != nil {
			return nil, errors.Join(fmt.Errorf("livekit: publish %s: %w", Room(i), err), s.Close())
		}
	}
	s.Player = load.NewPlayer(load.NewPlan(streams, pace), s.send)
	run, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.ended.Go(func() { s.Run(run) })
	return s, nil
}

// trackNames of audio and video.
var trackNames = [2]string{"audio", "video"}

func (o *outlet) open(ctx context.Context, address, room string) error {
	api, err := load.NewPublisherAPI()
	if err != nil {
		return err
	}
	if o.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return err
	}
	connected := make(chan struct{})
	var once sync.Once
	o.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(connected) })
		}
	})
	if o.signal, err = dial(ctx, address, room, o.pc, true); err != nil {
		return err
	}
	for i, codec := range []webrtc.RTPCodecCapability{load.AudioCodec, load.VideoCodec} {
		if o.tracks[i], err = webrtc.NewTrackLocalStaticRTP(codec, trackNames[i], "studio"); err != nil {
			return err
		}
		sender, err := o.pc.AddTrack(o.tracks[i])
		if err != nil {
			return err
		}
		go drain(sender)
		if err := o.announce(ctx, i); err != nil {
			return err
		}
	}
	if err := o.offer(ctx); err != nil {
		return err
	}
	return o.signal.wait(ctx, "connect", connected)
}

// drain reads feedback, to which a studio on loopback has nothing to say.
func drain(sender *webrtc.RTPSender) {
	b := make([]byte, 1500)
	for {
		if _, _, err := sender.Read(b); err != nil {
			return
		}
	}
}

// announce says which track will come, and waits until it may.
func (o *outlet) announce(ctx context.Context, i int) error {
	const microphone, camera = 2, 1
	t := appendNumber(appendBytes(nil, trackCID, trackNames[i]), trackType, uint64(i))
	if i == 0 {
		t = appendNumber(appendNumber(t, trackSource, microphone), trackDisabledRED, 1)
	} else {
		t = appendNumber(appendNumber(appendNumber(t, trackWidth, 640), trackHeight, 360), trackSource, camera)
	}
	if err := websocket.Message.Send(o.signal.ws, appendBytes(nil, askAddTrack, t)); err != nil {
		return err
	}
	return o.signal.wait(ctx, "add track", o.signal.published)
}

func (o *outlet) offer(ctx context.Context) error {
	offer, err := o.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(o.pc)
	if err := o.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	if err := o.signal.send(askOffer, "offer", o.pc.LocalDescription().SDP, 1); err != nil {
		return err
	}
	return o.signal.wait(ctx, "offer", o.signal.answered)
}

func (s *Studio) send(due []load.Slot, now time.Time) {
	for _, slot := range due {
		o := &s.streams[slot.Stream]
		track := o.tracks[0]
		if slot.Video {
			track = o.tracks[1]
		}
		o.source.Packets(slot, now, func(packet []byte) {
			if _, err := track.Write(packet); err != nil {
				s.failed.Store(&err)
				return
			}
			s.sent[slot.Stream].Add(1)
		})
	}
}

// Sent returns how many packets of each stream were sent. After Hold it is exact.
func (s *Studio) Sent(context.Context) ([]uint64, error) {
	counts := make([]uint64, len(s.sent))
	for i := range s.sent {
		counts[i] = s.sent[i].Load()
	}
	if err := s.failed.Load(); err != nil {
		return counts, fmt.Errorf("livekit: sending: %w", *err)
	}
	return counts, nil
}

// Close ends the studio.
func (s *Studio) Close() error {
	s.cancel()
	s.ended.Wait()
	var errs []error
	for _, o := range s.streams {
		if o.signal != nil {
			o.signal.close()
		}
		if o.pc != nil {
			errs = append(errs, o.pc.Close())
		}
	}
	return errors.Join(errs...)
}

// Watch negotiates the session of one viewer of a room, whose name is the last part
// of the URL.
func Watch(ctx context.Context, address, room string, pc *webrtc.PeerConnection) (leave func(), err error) {
	s, err := dial(ctx, address, room, pc, false)
	if err != nil {
		return nil, err
	}
	if err := s.wait(ctx, "offer", s.negotiated); err != nil {
		s.close()
		return nil, err
	}
	return s.close, nil
}
