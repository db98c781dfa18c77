package egress

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/framelock/relay/media/forward"
)

// Deadlines of a session's start.
const (
	handshakeLimit  = 10 * time.Second // from the answer until media can flow
	channelPatience = time.Second      // then, until media starts without a snapshot
)

// ear is what a viewer's session talks to. It sees the viewer in, and hands what
// it hears later to the viewer's shard and stream. Its methods are called from
// the session's goroutines.
type ear struct {
	viewer   *Viewer
	messages *rate.Limiter

	mu    sync.Mutex
	stage stage
	timer *time.Timer
}

type stage uint8

const (
	opening   stage = iota // the session is being made
	shaking                // ICE and DTLS
	patient                // connected; the events channel is not open yet
	plain                  // asked for a cut without a snapshot
	following              // asked for a cut with a snapshot, or none is needed
	gone
)

// Open answers a viewer's offer and sees the viewer in: once connected, it asks
// the stream for the cut at which the viewer begins. It returns the SDP answer.
func Open(e *Endpoint, offer Offer, id string, stream int, source Source, shard *Shard) (*Viewer, string, error) {
	v := &Viewer{ID: id, Stream: stream, Source: source, Opened: shard.set.Now(), shard: shard}
	l := &ear{viewer: v, messages: rate.NewLimiter(messageRate, messageBurst)}
	// What the session hears before it is known here waits.
	l.mu.Lock()
	defer l.mu.Unlock()
	peer, answer, err := e.Open(offer, l)
	if err != nil {
		l.stage = gone
		return nil, "", err
	}
	v.session = peer
	l.stage = shaking
	l.timer = time.AfterFunc(handshakeLimit, func() { l.Closed("handshake_timeout") })
	return v, answer, nil
}

// Leave ends the viewer's session.
func (v *Viewer) Leave(reason string) { v.shard.Leave(v, reason) }

// MID returns the identification of a track in the viewer's session; empty if the
// viewer does not get the track.
func (v *Viewer) MID(t forward.Track) string { return v.formats.Track[t].MID }

// Shard returns the shard that owns the viewer.
func (v *Viewer) Shard() *Shard { return v.shard }

// Connected implements Feedback.
func (l *ear) Connected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != shaking {
		return
	}
	l.timer.Stop()
	v := l.viewer
	v.setUp(v.session.Formats())
	if !v.formats.Channels {
		l.stage = following
		v.Source.Join(v, false)
		return
	}
	l.stage = patient
	l.timer = time.AfterFunc(channelPatience, l.outOfPatience)
}

func (l *ear) outOfPatience() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage == patient {
		l.stage = plain
		l.viewer.Source.Join(l.viewer, false)
	}
}

// ChannelOpen implements Feedback.
func (l *ear) ChannelOpen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.viewer
	switch l.stage {
	case patient:
		l.timer.Stop()
		l.stage = following
		v.Source.Join(v, true)
	case plain:
		l.stage = following
		v.Source.TellSnapshot(v)
	}
}

// Closed implements Feedback.
func (l *ear) Closed(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != gone {
		l.stage = gone
		l.timer.Stop()
		l.viewer.Leave(reason)
	}
}

// ChannelLow implements Feedback.
func (l *ear) ChannelLow() { l.viewer.shard.post(message{kind: channelLowered, viewer: l.viewer}) }

// Nack implements Feedback.
func (l *ear) Nack(t forward.Track, numbers []uint16) {
	l.viewer.shard.post(message{kind: nack, viewer: l.viewer, track: t, numbers: numbers})
}

// KeyframeWanted implements Feedback.
func (l *ear) KeyframeWanted() { l.viewer.Source.KeyframeWanted() }

// Report implements Feedback.
func (l *ear) Report(t forward.Track, lost, rtt float64) {
	l.viewer.shard.post(message{
		kind: report, viewer: l.viewer, track: t, lost: lost, rtt: time.Duration(rtt * float64(time.Second)),
	})
}

// Message implements Feedback.
func (l *ear) Message(b []byte) {
	if !l.messages.Allow() {
		l.Closed("message_rate")
		return
	}
	l.viewer.Source.Message(l.viewer, b)
}

// What a viewer may send on the actions channel, in messages per second and at
// once.
const (
	messageRate  = 50
	messageBurst = 100
)
