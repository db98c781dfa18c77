package stream

import (
	"errors"
	"net/netip"
	"time"

	"github.com/pion/rtcp"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

var _ Output = (*Loop)(nil)

// Forward implements Output.
func (l *Loop) Forward(p *forward.Packet) {
	if l.sh.Recorder != nil {
		l.sh.Recorder.Put(p, l.core.tracks[p.Track].clock.At(p.TS, p.Arrival).Capture)
	}
	if len(l.watching) > 0 {
		l.batch.Add(p)
		l.gather.Forwarded(p)
	}
}

// Tell implements Output.
func (l *Loop) Tell(m egress.Message) {
	if m.Repeat {
		l.tail.add(l.core.seq, m.Bytes)
	}
	if len(l.watching) > 0 {
		l.batch.Messages = append(l.batch.Messages, m)
	}
}

// flushSoon hands what was decided to the shards, unless it may wait for the rest
// of its frame: then it returns for how long.
func (l *Loop) flushSoon(now time.Time) time.Duration {
	if wait := l.gather.Wait(now); wait > 0 && len(l.batch.Messages) == 0 {
		return wait
	}
	l.flush(now)
	return 0
}

// flush hands what was decided to the shards of the viewers. It does not wait for them.
func (l *Loop) flush(now time.Time) {
	l.gather.Sent()
	if l.batch.Empty() {
		return
	}
	l.batch.Clocks = l.core.Clocks(now)
	for s := range l.shards {
		l.batch.Retain()
		s.Media(l.batch)
	}
	l.batch.Release()
	l.batch = l.batches.Get()
}

// Log implements Output.
func (l *Loop) Log(e *marker.Event, b []byte) {
	l.put(&eventEntry{l: l, kind: e.Kind, name: e.Window, seq: e.Seq, bytes: b})
}

// Judged implements Output.
func (l *Loop) Judged(a *act) { l.put(&actionEntry{l: l, act: a}) }

// Repeat implements Output.
func (l *Loop) Repeat(earlier *window.Action, reply func([]byte)) {
	l.put(&repeatEntry{l, earlier, reply})
}

// Seal implements Output.
func (l *Loop) Seal(name string) { l.put(&sealEntry{l, name}) }

// put hands the journal an entry. There is room: nothing new is taken long before
// there is none. It is refused if another relay has taken the stream.
func (l *Loop) put(e journal.Entry) {
	if l.writer.Put(e) {
		return
	}
	err := l.writer.Health().Err
	if !errors.Is(err, journal.ErrFenced) {
		l.sh.Logger.Error("the journal's queue is full; the stream cannot go on", "stream", l.cfg.Name)
		err = journal.ErrUnavailable
	}
	l.fenced.Store(true)
	e.Durable(0, err)
}

// Answer implements Output.
func (l *Loop) Answer(tickets []Ticket, a Answer) {
	if a.Err == nil {
		if !a.Replayed {
			l.sh.Metrics.Marked(time.Duration(a.Resolved.LateMS * float64(time.Millisecond)))
		}
		l.put(&answerEntry{tickets, a})
		return
	}
	for _, t := range tickets {
		t <- a // has room for its one answer
	}
}

// Drop implements Output.
func (l *Loop) Drop(reason string, n int) { l.sh.Metrics.Dropped(reason, n) }

// Lease implements Output.
func (l *Loop) Lease(lease journal.Lease) { l.put(&leaseEntry{l, lease}) }

// studio is what receiver reports to a track's studio are made of.
type studio struct {
	rtcp     netip.AddrPort // zero if the studio has sent no RTCP
	path     forward.Path   // by which it came
	ssrc     uint32         // that it came from
	middle   uint32         // of the last sender report's NTP time
	at       time.Time      // when it came
	packets  uint64         // at the last report
	expected uint64
}

func (l *Loop) heard(r ingest.SenderReport) {
	if l.core.SenderReport(r) && !r.Bye {
		s := &l.studio[r.Origin.Encoder][r.Track]
		s.rtcp, s.path, s.ssrc, s.middle, s.at = r.From, r.Origin.Path, r.SSRC, uint32(packet.NTP(r.NTP)>>16), r.At
	}
}

// path returns where RTCP for a track's encoder goes, if the source that is heard
// has shown it.
func (l *Loop) path(t *track, e forward.Encoder) (*studio, bool) {
	s := &l.studio[e][t.id]
	return s, s.rtcp.IsValid() && s.ssrc == t.sources[e].ssrc
}

// reportSpacing is the time between two receiver reports to a studio.
const reportSpacing = time.Second

// report sends receiver reports to the studios that have shown an RTCP path, and
// keeps the lease true.
func (l *Loop) report(now time.Time) {
	if now.Sub(l.reportsAt) < reportSpacing {
		return
	}
	l.reportsAt = now
	on := l.core.inputs.active
	for _, t := range l.core.tracks {
		if t == nil {
			continue
		}
		if s, ok := l.path(t, on); ok {
			block := s.reception(t, now)
			l.sendRTCP(t, on, &rtcp.ReceiverReport{SSRC: receiverSSRC, Reports: []rtcp.ReceptionReport{block}})
		}
	}
	if l.sh.Journal != nil && !l.core.leasing && l.core.leaseStale() {
		l.core.leasing = true
		l.Lease(l.core.lease(l.core.durable.SeqEnd))
	}
	if l.keys != nil && now.Sub(l.signedAt) >= signSpacing {
		l.signedAt = now
		l.put(&signEntry{l})
	}
}

// signSpacing is the time between two checkpoints, besides those of windows that
// close.
const signSpacing = 2 * time.Second

// receiverSSRC is the relay's own SSRC towards studios.
const receiverSSRC = 1

// reception fills a report block (RFC 3550, section 6.4.1).
func (s *studio) reception(t *track, now time.Time) rtcp.ReceptionReport {
	stats := t.stats()
	expected := stats.Packets + stats.Lost
	lost, span := float64(0), expected-s.expected
	if got := stats.Packets - s.packets; span > got && span > 0 {
		lost = float64(span-got) / float64(span)
	}
	s.packets, s.expected = stats.Packets, expected
	return rtcp.ReceptionReport{
		SSRC: t.line.SSRC(), FractionLost: uint8(lost * 255), TotalLost: uint32(stats.Lost) & 0xFFFFFF,
		LastSequenceNumber: t.input.Newest(), LastSenderReport: s.middle,
		Delay: uint32(now.Sub(s.at).Seconds() * 65536),
	}
}

// RequestKeyframe implements Output.
func (l *Loop) RequestKeyframe() { l.keyframe.Store(true) }

// askKeyframe asks the studio for the keyframe that somebody wants, once for all.
// A wish that comes too soon after the last is kept, until a keyframe comes.
func (l *Loop) askKeyframe(now time.Time) {
	t := l.core.tracks[forward.Video]
	if t == nil || !l.keyframe.Load() {
		return
	}
	on := l.core.inputs.active
	if _, ok := l.path(t, on); !ok || !l.gate.Open(now) {
		return
	}
	l.keyframe.Store(false)
	l.sendPLI(t, on)
}

// sendRTCP sends a packet in a compound that begins with a report, as RFC 3550,
// section 6.1, wants it.
func (l *Loop) sendRTCP(t *track, e forward.Encoder, p rtcp.Packet) {
	compound := []rtcp.Packet{p}
	if _, ok := p.(*rtcp.ReceiverReport); !ok {
		compound = []rtcp.Packet{&rtcp.ReceiverReport{SSRC: receiverSSRC}, p}
	}
	b, err := rtcp.Marshal(compound)
	if s, ok := l.path(t, e); ok && err == nil {
		err = l.sh.SendRTCP(forward.Origin{Encoder: e, Path: s.path}, t.id, b, s.rtcp)
	}
	if err != nil {
		l.sh.Logger.Debug("RTCP not sent", "stream", l.cfg.Name, "track", t.id.String(), "error", err)
	}
}
