package egress

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
	"golang.org/x/time/rate"

	"github.com/framelock/relay/media/forward"
)

// Deadlines of a session's start.
const (
	handshakeLimit  = 10 * time.Second // from the answer until media can flow
	channelPatience = time.Second      // then, until media starts without a snapshot
)

// ear is what a viewer's session talks to. It sees the viewer in and out, and
// hands what it hears meanwhile to the viewer's shard and stream. Its methods are
// called from the session's goroutines.
type ear struct {
	viewer    *Viewer
	messages  *rate.Limiter
	feedback  *rate.Limiter
	keyframes *rate.Limiter

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

// Who says whose session is opened; see the fields of Viewer.
type Who struct{ ID, Subject, Session string }

// Open answers a viewer's offer and sees the viewer in: once connected, it asks
// the stream for the cut at which the viewer begins.
func Open(e *Endpoint, offer Offer, who Who, stream int, source Source, shard *Shard) (*Viewer, Answer, error) {
	v := newViewer(who, stream, source, shard)
	l := v.ear
	// What the session hears before it is known here waits.
	l.mu.Lock()
	defer l.mu.Unlock()
	transport, answer, err := e.Open(offer, l)
	if err != nil {
		l.stage = gone
		return nil, Answer{}, err
	}
	v.session = transport
	l.shake()
	return v, answer, nil
}

// shake gives the viewer its time to connect. The caller holds mu.
func (l *ear) shake() {
	l.stage = shaking
	l.timer = time.AfterFunc(handshakeLimit, func() { l.Closed("handshake_timeout") })
}

// Leave ends the viewer's session, at whatever stage it is.
func (v *Viewer) Leave(reason string) { v.ear.Closed(reason) }

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
	first := l.stage != gone
	l.stage = gone
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	if first {
		l.viewer.shard.Leave(l.viewer, reason)
	}
}

// ChannelLow implements Feedback.
func (l *ear) ChannelLow() { l.viewer.shard.hear(l.viewer, func(h *said) { h.lowered = true }) }

// Nack implements Feedback.
func (l *ear) Nack(t forward.Track, numbers []uint16) {
	if l.may(l.feedback) {
		l.viewer.shard.hearNack(l.viewer, t, numbers)
	}
}

// KeyframeWanted implements Feedback.
func (l *ear) KeyframeWanted() {
	if l.may(l.keyframes) {
		l.viewer.Source.KeyframeWanted()
	}
}

// Report implements Feedback.
func (l *ear) Report(_ forward.Track, lost, rtt float64) {
	if l.may(l.feedback) {
		l.viewer.shard.hearReport(l.viewer, lost, time.Duration(rtt*float64(time.Second)))
	}
}

// Arrivals implements Feedback.
func (l *ear) Arrivals(cc *rtcp.TransportLayerCC) {
	if l.may(l.feedback) {
		l.viewer.shard.hearArrivals(l.viewer, cc)
	}
}

func (l *ear) may(limit *rate.Limiter) bool {
	set := &l.viewer.shard.set
	ok := limit.AllowN(set.Now(), 1)
	if !ok {
		set.Drops.Dropped(DropFeedback, 1)
	}
	return ok
}

// Message implements Feedback.
func (l *ear) Message(b []byte) {
	if !l.messages.Allow() {
		l.Closed("message_rate")
		return
	}
	l.viewer.Source.Message(l.viewer, b)
}

// What a viewer may send, per second and at once. A browser that loses many
// packets sends about a hundred NACKs a second.
const (
	messageRate   = 50 // messages on the actions channel
	messageBurst  = 100
	feedbackRate  = 200 // NACKs and reports
	feedbackBurst = 50
	keyframeRate  = 1 // PLIs and FIRs
	keyframeBurst = 3
	reportedRate  = 2 // reports of presentation that count
)
