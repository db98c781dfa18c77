package watch

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// clock is the map from the canonical line to wall time (docs/protocol.md, 4).
type clock struct {
	TS          uint64    `json:"ts"`
	CaptureTime time.Time `json:"capture_time"`
	ServerTime  time.Time `json:"server_time"`
	HoldMS      float64   `json:"hold_ms"`
	ErrorMS     float64   `json:"error_ms"`
	Source      string    `json:"source"`
}

// extend turns a 32-bit timestamp into the canonical one nearest to the clock.
func (c *clock) extend(ts uint32) uint64 {
	if c.TS == 0 {
		return uint64(ts)
	}
	return c.TS + uint64(int64(int32(ts-uint32(c.TS))))
}

// captured is when the frame at ts was captured.
func (c *clock) captured(ts uint32) time.Time {
	ticks := int64(int32(ts - uint32(c.TS)))
	return c.CaptureTime.Add(time.Duration(ticks * int64(time.Second) / 90000))
}

// observer holds everything that a watch knows; one goroutine owns it. Time
// reaches it as an argument.
type observer struct {
	cfg     Config
	started time.Time
	video   *assembler
	audio   *assembler
	frames  frames32
	ledger  *ledger
	clock   clock
	latency samples
	capture *capture // nil without one
	out     Report

	greeted   bool // a message has come
	anyFrame  bool
	lastTS    uint32 // of the newest finished video frame
	firstAt   time.Time
	videoSSRC uint32
	audioTS   uint32
	pinged    time.Time
	pings     map[int]time.Time
	bestRTT   time.Duration
	settled   time.Time
}

func newObserver(cfg Config, started time.Time) *observer {
	o := &observer{
		cfg: cfg, started: started, video: newAssembler(), audio: newAssembler(),
		ledger: newLedger(), pings: map[int]time.Time{}, settled: started,
		out: Report{URL: cfg.URL, Events: Events{FrameError: map[int]int{}}},
	}
	if cfg.Capture != nil {
		o.capture = newCapture(cfg.Capture)
	}
	return o
}

func (o *observer) arrive(a arrival) {
	switch p := a.packet; {
	case p == nil && o.cfg.Messages != nil:
		o.cfg.Messages(Message{Channel: a.channel, Data: a.message, Arrival: a.at})
	case p != nil && o.cfg.Packets != nil:
		o.cfg.Packets(Packet{
			Video: p.kind == webrtc.RTPCodecTypeVideo, Repair: p.retransmitted,
			Sequence: p.seq, RTPTimestamp: p.ts, Payload: p.payload, Arrival: p.at,
		})
	}
	if a.packet != nil && o.capture != nil {
		o.capture.add(a.packet.whole, a.at)
	}
	switch {
	case a.packet != nil && a.packet.kind == webrtc.RTPCodecTypeAudio:
		o.audioPacket(a.packet)
	case a.packet != nil:
		o.videoPacket(a.packet)
	default:
		o.message(a)
	}
}

func (o *observer) audioPacket(p *packet) {
	if o.audio.packets > 0 && int32(p.ts-o.audioTS) > 0 || o.audio.packets == 0 {
		o.audioTS = p.ts
	}
	o.audio.push(p)
	o.out.Audio.Codec = p.codec
}

func (o *observer) videoPacket(p *packet) {
	if o.video.packets == 0 {
		o.videoSSRC = p.ssrc
		o.out.FirstPacketMS = ms(p.at.Sub(o.started))
		o.out.SnapshotBeforeMedia = o.ledger.complete
	}
	if p.ssrc != o.videoSSRC {
		o.out.Video.OtherSSRC++
		return
	}
	o.out.Video.Codec = p.codec
	o.readExtensions(p)
	for _, b := range o.video.push(p) {
		o.frame(b)
	}
}

func (o *observer) readExtensions(p *packet) {
	x := &o.out.Extensions
	if p.markErr != nil {
		x.Malformed++
		o.ledger.malform("%v", p.markErr)
	}
	if p.mark != nil {
		if p.mark.heartbeat {
			x.Heartbeats++
		} else {
			x.Markers++
		}
		o.ledger.mark(*p.mark, p.ts)
	}
	if p.playout != nil {
		x.PlayoutDelay++
		x.PlayoutMinMS, x.PlayoutMaxMS = playoutMS(p.playout)
	}
	if p.absCapture != 0 {
		x.AbsCaptureTime++
		if o.clock.TS != 0 {
			d := math.Abs(ms(ntpTime(p.absCapture).Sub(o.clock.captured(p.ts))))
			x.AbsCaptureErrorMS = max(x.AbsCaptureErrorMS, d)
		}
	}
}

// playoutMS gives the extension's two delays; it counts in units of 10 ms.
func playoutMS(d *rtp.PlayoutDelayExtension) (low, high int) {
	return int(d.MinDelay) * 10, int(d.MaxDelay) * 10
}

func (o *observer) tick(now time.Time) {
	for _, b := range o.video.drain(now) {
		o.frame(b)
	}
	o.audio.drain(now)
	if now.Sub(o.settled) >= time.Second {
		o.settled = now
		o.settle(false)
	}
}

// frame takes a finished frame, the next in order.
func (o *observer) frame(b *building) {
	f := Frame{
		TS: o.clock.extend(b.ts), RTPTimestamp: b.ts, Codec: b.codec,
		Complete: !b.broken, Packets: len(b.packets), Arrival: b.lastAt,
	}
	if o.clock.TS != 0 {
		f.Captured = o.clock.captured(b.ts)
	}
	for _, p := range b.packets {
		if m := p.mark; m != nil && !m.heartbeat {
			f.Marks = append(f.Marks, Mark{Seq: m.seq, RefTS: m.refTS, Late: m.late, Repeat: m.repeat})
		}
	}
	seen := seenFrame{ts: b.ts}
	if f.Complete {
		data, err := codedBytes(b.codec, b.payloads)
		if err != nil {
			o.ledger.malform("frame %d: %v", f.TS, err)
			f.Complete = false
		} else {
			f.Data, seen.complete = data, true
			seen.hash = f.Hash()
		}
	}
	o.count(&f)
	o.frames.add(seen)
	o.anyFrame, o.lastTS = true, b.ts
	if o.cfg.Frames != nil {
		o.cfg.Frames(f)
	}
}

func (o *observer) count(f *Frame) {
	v := &o.out.Video
	if o.anyFrame && int32(f.RTPTimestamp-o.lastTS) <= 0 {
		v.TimestampsBack++
	}
	if !f.Complete {
		v.Incomplete++
		return
	}
	v.Complete++
	if o.firstAt.IsZero() {
		o.firstAt = f.Arrival
		o.out.FirstFrameMS = ms(f.Arrival.Sub(o.started))
	}
	if o.clock.TS != 0 && f.TS > o.ledger.stateAt { // frames of the join burst are old by design
		o.latency.add(ms(f.Arrival.Sub(o.clock.captured(f.RTPTimestamp))))
	}
}

// over says whether the configured duration has passed.
func (o *observer) over(now time.Time) bool {
	if o.cfg.Duration == 0 {
		return false
	}
	from := o.started
	if !o.firstAt.IsZero() {
		from = o.firstAt
	}
	return now.Sub(from) >= o.cfg.Duration
}

// message takes a data channel message.
func (o *observer) message(a arrival) {
	o.greeted = true
	var head struct {
		Type string `json:"type"`
		Code string `json:"code"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(a.message, &head); err != nil {
		o.ledger.malform("channel %d: %v", a.channel, err)
		return
	}
	switch {
	case a.channel == channelActions && head.Type == "pong":
		o.pong(a)
	case head.Type == "event":
		o.ledger.receive(a.message, a.channel == channelEvents)
	case head.Type == "clock":
		o.takeClock(a.message)
	case a.channel == channelEvents && head.Type == "snapshot":
		if s := o.ledger.part(a.message); s != nil {
			o.out.SnapshotMS = ms(a.at.Sub(o.started))
			o.clock = s.Clock
			o.out.Clock.set(&s.Clock)
		}
	case a.channel == channelEvents && head.Type == "notice":
		o.ledger.notices++
		o.cfg.Logger.Info("notice", "code", head.Code, "text", head.Text)
	}
}

func (o *observer) takeClock(message []byte) {
	var c clock
	if err := json.Unmarshal(message, &c); err != nil || c.TS == 0 || c.CaptureTime.IsZero() {
		o.ledger.malform("clock %s: %v", message, err)
		return
	}
	o.ledger.clocks++
	if c.ServerTime.Before(o.clock.ServerTime) {
		return // overtaken on the unordered channel
	}
	if c.Source == "" {
		c.Source = o.clock.Source
	}
	o.clock = c
	o.out.Clock.set(&c)
}

func (r *Clock) set(c *clock) {
	r.Source, r.ErrorMS, r.HoldMS = c.Source, c.ErrorMS, c.HoldMS
}

// ping returns the message to send when a second has passed since the last.
func (o *observer) ping(now time.Time) string {
	if now.Sub(o.pinged) < time.Second {
		return ""
	}
	o.pinged = now
	clear(o.pings) // an unanswered one no longer counts
	id := int(now.Sub(o.started) / time.Millisecond)
	o.pings[id] = now
	return fmt.Sprintf(`{"type":"ping","id":%d}`, id)
}

// pong keeps the clock offset of the fastest round trip.
func (o *observer) pong(a arrival) {
	var p struct {
		ID         int       `json:"id"`
		ServerTime time.Time `json:"server_time"`
	}
	sent, known := time.Time{}, false
	if json.Unmarshal(a.message, &p) == nil {
		sent, known = o.pings[p.ID]
	}
	if !known {
		return
	}
	delete(o.pings, p.ID)
	rtt := a.at.Sub(sent)
	if o.bestRTT != 0 && rtt >= o.bestRTT {
		return
	}
	o.bestRTT = rtt
	o.out.Clock.RTTMS = ms(rtt)
	o.out.Clock.OffsetMS = ms(p.ServerTime.Add(rtt / 2).Sub(a.at))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
