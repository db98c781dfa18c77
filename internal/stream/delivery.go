package stream

import (
	"context"

	"github.com/pion/rtcp"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
)

// delivery is a batch of packets, and where they entered.
type delivery struct {
	*ingest.Batch
	origin forward.Origin
}

// release gives back what nobody will take.
func (d delivery) release() {
	for i := range d.Packets {
		d.Packets[i].Buffer.Release()
	}
	d.Recycle()
}

// take hands a batch to the core.
func (l *Loop) take(d delivery) {
	for i := range d.Packets {
		p := &d.Packets[i]
		p.Origin = d.origin
		l.core.Media(d.Track, p.From, p.Arrival)
	}
	d.Recycle()
}

// Sink takes what enters in one place.
func (l *Loop) Sink(o forward.Origin) ingest.Sink { return sink{l, o} }

type sink struct {
	loop   *Loop
	origin forward.Origin
}

// Media implements ingest.Sink.
func (s sink) Media(b *ingest.Batch) {
	d := delivery{b, s.origin}
	select {
	case s.loop.media <- d:
	case <-s.loop.done:
		d.release()
	}
}

// SenderReport implements ingest.Sink.
func (s sink) SenderReport(r ingest.SenderReport) {
	r.Origin = s.origin
	select {
	case s.loop.reports <- r:
	case <-s.loop.done:
	}
}

// SwitchInput has an encoder take over at its next keyframe, and stay on until it
// is lost. It returns what is then on, and ErrNoBackup or ErrInputSilent if it
// cannot be.
func (l *Loop) SwitchInput(ctx context.Context, to forward.Encoder) (Inputs, error) {
	return ask(ctx, l, func() (Inputs, error) {
		now := l.sh.Now()
		err := l.core.SwitchInput(to, now)
		return l.core.inputsInfo(now), err
	})
}

// Switched implements Output.
func (l *Loop) Switched(to forward.Encoder, reason string) {
	for id := range l.studio[to] {
		s := &l.studio[to][id]
		s.packets, s.expected = 0, 0
	}
	l.sh.Metrics.Switched(to.String(), reason)
	l.sh.Logger.Warn("another encoder has taken over", "stream", l.cfg.Name, "input", to.String(), "reason", reason)
}

// RequestStandbyKeyframe implements Output.
func (l *Loop) RequestStandbyKeyframe() {
	t, e := l.core.tracks[forward.Video], l.core.inputs.active.Other()
	if _, ok := l.path(t, e); ok && l.standby.Open(l.sh.Now()) {
		l.sendPLI(t, e)
	}
}

// sendPLI asks an encoder for a keyframe (RFC 4585, section 6.3.1).
func (l *Loop) sendPLI(t *track, e forward.Encoder) {
	l.sendRTCP(t, e, &rtcp.PictureLossIndication{SenderSSRC: receiverSSRC, MediaSSRC: t.sources[e].ssrc})
}
