package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// The channels of docs/protocol.md, section 4, by their negotiated ids.
const (
	channelEvents  = 0
	channelActions = 2
	channelFast    = 4
)

// arrival is one thing that came from the relay, stamped when it came.
type arrival struct {
	at      time.Time
	packet  *packet // nil if this is a message
	channel uint16
	message []byte
}

// session is one WHEP session. Its goroutines (pion's and one per track) only
// post to arrivals; the goroutine that runs observe owns everything else.
type session struct {
	cfg      Config
	pc       *webrtc.PeerConnection
	actions  *webrtc.DataChannel
	resource string // the session's URL, once there is one

	arrivals chan arrival
	broken   chan struct{} // closed when the connection has failed or closed
	breakOne sync.Once
	done     chan struct{} // closed by close: posters give up
	readers  sync.WaitGroup
}

// backlog is how many arrivals may wait for the observer: about 4 s of a 1080p60 feed.
const backlog = 8192

func newSession(cfg Config) (*session, error) {
	api, err := newAPI(cfg.TransportFeedback, cfg.Settings)
	if err != nil {
		return nil, err
	}
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("watch: new session: %w", err)
	}
	s := &session{
		cfg: cfg, pc: pc,
		arrivals: make(chan arrival, backlog),
		broken:   make(chan struct{}),
		done:     make(chan struct{}),
	}
	pc.OnTrack(s.onTrack)
	pc.OnConnectionStateChange(s.onState)
	if err := s.offerMedia(); err != nil {
		return nil, errors.Join(err, pc.GracefulClose())
	}
	return s, nil
}

// offerMedia adds what the offer asks for: video, audio and the three channels.
func (s *session) offerMedia() error {
	recv := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := s.pc.AddTransceiverFromKind(kind, recv); err != nil {
			return fmt.Errorf("watch: offer %s: %w", kind, err)
		}
	}
	for _, c := range []struct {
		id      uint16
		label   string
		ordered bool
	}{
		{channelEvents, "framelock.events.1", true},
		{channelActions, "framelock.actions.1", true},
		{channelFast, "framelock.fast.1", false},
	} {
		negotiated := true
		init := &webrtc.DataChannelInit{ID: &c.id, Ordered: &c.ordered, Negotiated: &negotiated}
		if !c.ordered {
			init.MaxRetransmits = new(uint16)
		}
		dc, err := s.pc.CreateDataChannel(c.label, init)
		if err != nil {
			return fmt.Errorf("watch: channel %s: %w", c.label, err)
		}
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			s.post(arrival{at: time.Now(), channel: c.id, message: m.Data})
		})
		if c.id == channelActions {
			s.actions = dc
		}
	}
	return nil
}

// join does the WHEP exchange: offer with all candidates, answer.
func (s *session) join(ctx context.Context) error {
	offer, err := s.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("watch: offer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("watch: offer: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return fmt.Errorf("watch: gathering candidates: %w", ctx.Err())
	}
	answer, err := s.post2xx(ctx, s.pc.LocalDescription().SDP)
	if err != nil {
		return err
	}
	desc := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}
	if err := s.pc.SetRemoteDescription(desc); err != nil {
		return fmt.Errorf("watch: answer of %s: %w", s.cfg.URL, err)
	}
	return nil
}

// maxAnswer bounds what is read of an HTTP body, in bytes.
const maxAnswer = 256 << 10

func (s *session) post2xx(ctx context.Context, offer string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, strings.NewReader(offer))
	if err != nil {
		return "", fmt.Errorf("watch: %w", err)
	}
	req.Header.Set("Content-Type", "application/sdp")
	s.authorize(req)
	res, err := s.cfg.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("watch: join: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("watch: join: %w", err)
	}
	if res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("watch: join: the relay answered %s%s", res.Status, reason(res.Header.Get("Content-Type"), body))
	}
	location, err := url.Parse(res.Header.Get("Location"))
	if err != nil || location.String() == "" {
		return "", fmt.Errorf("watch: join: POST %s: no usable Location in the answer", s.cfg.URL)
	}
	s.resource = res.Request.URL.ResolveReference(location).String()
	return string(body), nil
}

// reason is what an error answer says in words (RFC 9457), to be put behind its
// status.
func reason(contentType string, body []byte) string {
	text := strings.TrimSpace(string(body))
	if t, _, err := mime.ParseMediaType(contentType); err == nil && t == "application/problem+json" {
		var p struct{ Title, Detail string }
		if err := json.Unmarshal(body, &p); err == nil {
			text = cmp.Or(p.Detail, p.Title)
		}
	}
	if text == "" {
		return ""
	}
	return ": " + text
}

func (s *session) authorize(req *http.Request) {
	if s.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.cfg.Token)
	}
}

func (s *session) onState(state webrtc.PeerConnectionState) {
	s.cfg.Logger.Debug("connection", "state", state.String())
	if state == webrtc.PeerConnectionStateFailed || state == webrtc.PeerConnectionStateClosed {
		s.breakOne.Do(func() { close(s.broken) })
	}
}

func (s *session) onTrack(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	ids := extensionIDs(receiver.GetParameters().HeaderExtensions)
	s.cfg.Logger.Debug("track", "kind", track.Kind().String(), "codec", track.Codec().MimeType, "ssrc", uint32(track.SSRC()))
	s.readers.Go(func() { // receiver reports answer the sender reports that are read here
		for {
			if _, _, err := receiver.ReadRTCP(); err != nil {
				return
			}
		}
	})
	s.readers.Go(func() {
		for {
			p, attributes, err := track.ReadRTP()
			if err != nil {
				return // the connection has ended
			}
			_, rtx := attributes.Get(webrtc.AttributeRtxSsrc).(uint32)
			now := time.Now()
			view := viewPacket(p, ids, now)
			view.kind, view.codec, view.retransmitted = track.Kind(), track.Codec().MimeType, rtx
			s.post(arrival{at: now, packet: view})
		}
	})
}

func (s *session) post(a arrival) {
	select {
	case s.arrivals <- a:
	case <-s.done:
	}
}

// observe feeds the observer until the watch ends.
func (s *session) observe(ctx context.Context, obs *observer) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.broken:
			return ErrDisconnected
		case a := <-s.arrivals:
			obs.arrive(a)
		case now := <-tick.C:
			obs.tick(now)
			if nack := obs.nack(now); nack != nil {
				if err := s.pc.WriteRTCP(nack); err != nil {
					s.cfg.Logger.Debug("nack", "error", err) // a broken session shows by itself
				}
			}
			if s.actions.ReadyState() == webrtc.DataChannelStateOpen {
				s.ping(obs, now)
			}
			if obs.over(now) {
				return nil
			}
		}
	}
}

// ping asks for the relay's time, once a second. The first waits for the relay's
// first message, which shows that its end of the channels is open.
func (s *session) ping(obs *observer, now time.Time) {
	if !obs.greeted {
		return
	}
	message := obs.ping(now)
	if message == "" {
		return
	}
	if err := s.actions.SendText(message); err != nil {
		s.cfg.Logger.Debug("ping", "error", err) // a broken session shows by itself
	}
}

// close ends the session at both ends and waits for every goroutine.
func (s *session) close() error {
	close(s.done)
	err := s.delete()
	err = errors.Join(err, s.pc.GracefulClose())
	s.readers.Wait()
	return err
}

// delete ends the session at the relay. A session that the relay no longer
// knows, and a relay that is gone, are no errors: there is nothing left to end.
func (s *session) delete() error {
	if s.resource == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.resource, nil)
	if err != nil {
		return fmt.Errorf("watch: leave: %w", err)
	}
	s.authorize(req)
	res, err := s.cfg.HTTP.Do(req)
	if err != nil {
		s.cfg.Logger.Info("the relay did not answer the goodbye", "error", err)
		return nil
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode != http.StatusNotFound {
		return fmt.Errorf("watch: leave: DELETE %s: %s", s.resource, res.Status)
	}
	return nil
}
