//go:build linux

package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
	"golang.org/x/net/websocket"
)

// Fields of SignalRequest and SignalResponse, and of what they hold.
const (
	askOffer, askAnswer, askAddTrack, askPing                    = 1, 2, 4, 14
	tellAnswer, tellOffer, tellTrickle, tellPublished, tellLeave = 2, 3, 4, 6, 8

	sdpType, sdpText, sdpID                    = 1, 2, 3
	trickleCandidate, trickleTarget            = 1, 2
	targetPublisher, targetSubscriber          = 0, 1
	trackCID, trackType, trackWidth            = 1, 3, 4
	trackHeight, trackSource, trackDisabledRED = 5, 8, 13
)

// signal is one participant's conversation with the server.
type signal struct {
	ws     *websocket.Conn
	pc     *webrtc.PeerConnection
	target uint64 // which of a participant's connections pc is
	early  []webrtc.ICECandidateInit
	// What the reader finds; each is closed or sent to once.
	negotiated chan struct{} // both tracks are in an answer of ours
	answered   chan struct{} // the server answered our offer
	published  chan struct{} // a track may be sent
	failed     chan error
	complete   bool
}

// pingEvery is less than what a server waits for a sign of life.
const pingEvery = 5 * time.Second

// dial joins a room.
func dial(ctx context.Context, address, room string, pc *webrtc.PeerConnection, publish bool) (*signal, error) {
	pass, err := token(room, publish)
	if err != nil {
		return nil, err
	}
	query := url.Values{"access_token": {pass}, "auto_subscribe": {"1"}, "protocol": {"15"}, "sdk": {"go"}}
	config, err := websocket.NewConfig("ws://"+address+"/rtc?"+query.Encode(), "http://"+address)
	if err != nil {
		return nil, err
	}
	ws, err := config.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	s := &signal{
		ws: ws, pc: pc, target: targetSubscriber,
		negotiated: make(chan struct{}), answered: make(chan struct{}), published: make(chan struct{}, 2), failed: make(chan error, 1),
	}
	if publish {
		s.target = targetPublisher
	}
	go s.read()
	go s.ping()
	return s, nil
}

func (s *signal) close() { s.ws.Close() }

// ping runs until the connection is closed.
func (s *signal) ping() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for now := range tick.C {
		if websocket.Message.Send(s.ws, appendNumber(nil, askPing, uint64(now.UnixMilli()))) != nil {
			return
		}
	}
}

// read handles what the server says until the connection is closed.
func (s *signal) read() {
	for {
		var message []byte
		err := websocket.Message.Receive(s.ws, &message)
		if err == nil {
			err = s.take(message)
		}
		if err != nil {
			s.failed <- err
			return
		}
	}
}

func (s *signal) take(message []byte) error {
	for v, err := range fields(message) {
		if err != nil {
			return err
		}
		switch v.field {
		case tellOffer:
			err = s.answer(v.bytes)
		case tellAnswer:
			if err = s.describe(v.bytes, webrtc.SDPTypeAnswer); err == nil {
				close(s.answered)
			}
		case tellTrickle:
			err = s.trickle(v.bytes)
		case tellPublished:
			s.published <- struct{}{}
		case tellLeave:
			err = errors.New("the server ended the session")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trickle takes a candidate of the server, which may come before its description.
func (s *signal) trickle(message []byte) error {
	var candidate webrtc.ICECandidateInit
	for v, err := range fields(message) {
		if err != nil {
			return err
		}
		switch v.field {
		case trickleCandidate:
			if err := json.Unmarshal(v.bytes, &candidate); err != nil {
				return err
			}
		case trickleTarget:
			if v.number != s.target {
				return nil
			}
		}
	}
	if s.target == targetSubscriber && candidate.Candidate == "" {
		return nil
	}
	if s.pc.RemoteDescription() == nil {
		s.early = append(s.early, candidate)
		return nil
	}
	return s.pc.AddICECandidate(candidate)
}

// describe sets the server's description.
func (s *signal) describe(message []byte, kind webrtc.SDPType) error {
	_, text, err := description(message)
	if err != nil {
		return err
	}
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: text}); err != nil {
		return err
	}
	for _, candidate := range s.early {
		if err := s.pc.AddICECandidate(candidate); err != nil {
			return err
		}
	}
	s.early = nil
	return nil
}

func description(message []byte) (id uint64, text string, err error) {
	for v, err := range fields(message) {
		if err != nil {
			return 0, "", err
		}
		switch v.field {
		case sdpText:
			text = string(v.bytes)
		case sdpID:
			id = v.number
		}
	}
	return id, text, nil
}

// answer answers an offer of the server: the first, or one with another track.
func (s *signal) answer(message []byte) error {
	if s.target == targetPublisher {
		return nil // the other connection of a publisher, who watches nothing
	}
	id, text, err := description(message)
	if err != nil {
		return err
	}
	if err := s.describe(message, webrtc.SDPTypeOffer); err != nil {
		return err
	}
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(answer); err != nil {
		return err
	}
	<-gathered
	if err := s.send(askAnswer, "answer", s.pc.LocalDescription().SDP, id); err != nil {
		return err
	}
	if !s.complete && strings.Contains(text, "m=video") && strings.Contains(text, "m=audio") {
		s.complete = true
		close(s.negotiated)
	}
	return nil
}

// send sends a description.
func (s *signal) send(field int, kind, text string, id uint64) error {
	d := appendBytes(appendBytes(nil, sdpType, kind), sdpText, text)
	return websocket.Message.Send(s.ws, appendBytes(nil, field, appendNumber(d, sdpID, id)))
}

// wait waits for something that the reader finds.
func (s *signal) wait(ctx context.Context, what string, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case err := <-s.failed:
		return fmt.Errorf("livekit: %s: %w", what, err)
	case <-ctx.Done():
		return fmt.Errorf("livekit: %s: %w", what, ctx.Err())
	}
}
