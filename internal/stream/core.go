package stream

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/timeline"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// Output is what a Core decides to do. The methods are called in the order in
// which things are to happen.
type Output interface {
	// Forward sends a packet to the viewers. It is valid until Forward returns,
	// but for its buffer, which may be retained.
	Forward(p *forward.Packet)
	// GOPBegins says that with the packet just forwarded a joining viewer can
	// decode from the newest keyframe on.
	GOPBegins()
	// Tell sends a message to the viewers.
	Tell(m egress.Message)
	// Log hands an event to the journal, behind everything handed before.
	Log(e *marker.Event, b []byte)
	// Judged hands an action with its verdict to the journal. Its receipt leaves when
	// it is durable.
	Judged(a *act)
	// Repeat answers with the receipt of an action that was judged before.
	Repeat(earlier *window.Action, reply func(receipt []byte))
	// Catch has every action judged that has been received, since a window is about to
	// close.
	Catch()
	// Seal counts what a window took, once it is durable; Core.Sealed takes the
	// result.
	Seal(window string)
	// Answer answers the callers of a Mark: when what was handed to the journal before
	// is durable, or at once if it is an error.
	Answer(tickets []Ticket, a Answer)
	// RequestKeyframe asks the studio for a keyframe.
	RequestKeyframe()
	// RequestStandbyKeyframe asks the encoder that is not on for a keyframe.
	RequestStandbyKeyframe()
	// Switched says that an encoder has taken over, and why.
	Switched(to forward.Encoder, reason string)
	// Lease asks for a lease to be made durable; Core.Leased says that it is.
	Lease(l journal.Lease)
	// Drop counts packets that are not forwarded, by reason.
	Drop(reason string, n int)
}

// Reasons for drops at the input.
const (
	DropForeign   = "foreign_source"
	DropType      = "payload_type"
	DropAddress   = "address_not_allowed"
	DropDuplicate = "duplicate"
	DropTooLate   = "too_late"
	DropMalformed = "malformed_payload"
	DropNoKey     = "before_keyframe"
	DropDiffers   = "paths_differ"
	DropRestarted = "source_changed" // waited for an older packet of the source before
)

// Core is the pure state machine of one stream. Time is an argument, and never
// goes back. One loop owns it.
type Core struct {
	cfg    Config
	out    Output
	pool   *packet.Pool
	tracks [forward.Tracks]*track

	// Naming and events.
	frames   *timeline.Frames
	carrier  marker.Carrier
	doc      *state.Document
	book     *window.Book
	tree     transcript.Tree // of all events, durable or not
	log      marker.LogID
	seq      uint64 // newest used
	durable  journal.Lease
	leasing  bool
	leasedAt time.Time // when a lease was asked for last
	resumed  bool      // an earlier run used this log: say so on the first frame
	// keyNotice is the data of a notice that is to be published, nil if none is.
	keyNotice json.RawMessage
	ids       *answers
	pending   []*pending
	hashes    []hashWanted

	schedules map[string]*schedule // of the windows that are not over
	lastTS    uint64               // newest timestamp that the journal knew
	lastSeq   uint64               // newest seq that the journal knew

	inputs inputs

	sent          uint64 // canonical timestamp of the newest frame forwarded
	paused        bool
	clockAt       time.Time // when the clock was told last, on each channel
	clockOnEvents bool      // the last clock went out there
}

// NewCore returns the core of a stream, with what an earlier run left behind in the
// journal. The lease says what is durable already.
func NewCore(c Config, lease journal.Lease, past *past, pool *packet.Pool, out Output) *Core {
	core := &Core{
		cfg: c, out: out, pool: pool, log: lease.Log, seq: past.next, durable: lease, resumed: past.resumed,
		frames: timeline.NewFrames(maxFrames, c.Hold+c.History), doc: past.doc, book: past.book, tree: past.tree.Clone(), ids: past.ids,
		schedules: map[string]*schedule{}, lastTS: past.ts, lastSeq: past.seq, paused: true,
	}
	if c.Video != nil {
		core.tracks[forward.Video] = newTrack(forward.Video, c.Video, &c, lease)
	}
	if c.Audio != nil {
		core.tracks[forward.Audio] = newTrack(forward.Audio, c.Audio, &c, lease)
	}
	core.carrier.Newest(past.next, lease.Epoch)
	for _, e := range past.windows {
		core.scheduled(e, e.CaptureTime)
	}
	return core
}

// maxFrames is how many frames are remembered by name at most: 30 s at 120 fps.
const maxFrames = 4096

// Media takes one packet from a studio, with the reference on its buffer.
func (c *Core) Media(id forward.Track, from netip.AddrPort, a forward.Arrival) {
	c.media(c.tracks[id], from, a, a.At)
}

// media takes a packet that came at a time that may be past.
func (c *Core) media(t *track, from netip.AddrPort, a forward.Arrival, now time.Time) {
	e := a.Origin.Encoder
	f := t.sources[e]
	foreign := func(a forward.Arrival) { c.dropForeign(f, a) }
	switch f.admit(from, &a) {
	case forward.Admitted:
	case forward.Locked:
		if f.standby.clear(); e == c.inputs.active {
			t.breakOff(func(a forward.Arrival) { c.drop(a, DropRestarted) })
			t.waitKey = t.id == forward.Video
		}
		f.forgetSeen(now, foreign)
		for _, early := range f.newcomers.take(from, a.Origin.Path, a.Header.SSRC, foreign) {
			f.paths[early.Origin.Path].packets++
			c.heard(t, f, early, now)
		}
	case forward.WrongType:
		c.drop(a, DropType)
		return
	case forward.Refused:
		c.drop(a, DropAddress)
		return
	default:
		if f.locks[a.Origin.Path].MayHold(from.Addr(), a.Header.SSRC) {
			f.newcomers.keep(from, a, foreign)
		} else {
			foreign(a)
		}
		return
	}
	c.heard(t, f, a, now)
}

// letIn lets a newcomer take the place of a source that has said goodbye.
func (c *Core) letIn(t *track, f *source, now time.Time) {
	f.forgetSeen(now, func(a forward.Arrival) { c.dropForeign(f, a) })
	for _, s := range f.newcomers.all() {
		sortBySequence(s.packets)
		for _, a := range s.packets {
			c.media(t, s.from, a, now)
		}
	}
}

// heard takes a packet of a source that is heard.
func (c *Core) heard(t *track, f *source, a forward.Arrival, now time.Time) {
	if c.cfg.Backup != nil && a.At.Sub(f.heard) > c.cfg.Backup.After {
		f.steady = a.At
	}
	f.heard = a.At
	f.packets++
	if t.id == forward.Video && c.inputs.begun.IsZero() {
		c.inputs.begun = a.At
	}
	if f.cfg.Second != nil {
		a.Sum = sum(a.Buffer.Data)
	}
	if a.Origin.Encoder != c.inputs.active {
		c.standBy(t, f, a)
		return
	}
	c.accept(t, f, a, now)
}

// accept takes a packet of the encoder that is on.
func (c *Core) accept(t *track, f *source, a forward.Arrival, now time.Time) {
	t.heard = a.At
	switch path := &f.paths[a.Origin.Path]; t.input.Push(a) {
	case forward.Duplicate:
		c.drop(a, DropDuplicate)
	case forward.Redundant:
		a.Buffer.Release() // as it should be
	case forward.Different:
		path.differ++
		c.drop(a, DropDiffers)
	case forward.TooLate:
		c.drop(a, DropTooLate)
	default:
		path.first++
	}
	c.drain(t, now)
}

func (c *Core) drop(a forward.Arrival, reason string) {
	a.Buffer.Release()
	c.out.Drop(reason, 1)
}

// dropForeign drops a packet of a sender that is not heard.
func (c *Core) dropForeign(f *source, a forward.Arrival) {
	f.foreign++
	c.drop(a, DropForeign)
}

// drain takes what has come in order, and forwards what is not held.
func (c *Core) drain(t *track, now time.Time) {
	for {
		a, slot, late, ok := t.input.Pop(now)
		if !ok {
			break
		}
		if t.id == forward.Video {
			c.acceptVideo(t, a, slot, late, now)
		} else {
			c.acceptAudio(t, a, slot, late, now)
		}
		a.Buffer.Release() // the history holds its own reference
	}
	c.release(t, now)
}

func (c *Core) acceptAudio(t *track, a forward.Arrival, slot uint64, late bool, now time.Time) {
	ts, ok := t.line.Late(a.Header.SSRC, a.Header.Timestamp)
	if late && !ok {
		c.out.Drop(DropTooLate, 1)
		return
	}
	if !late {
		ts = c.place(t, &a, slot)
		t.clock.Arrived(ts, a.At)
	}
	p := forward.Packet{
		Buffer: a.Buffer, Header: a.Header, Slot: slot, TS: ts, Arrival: a.At, Track: t.id, FrameStart: true,
	}
	if slot%audioCaptureEvery == 0 {
		p.Capture = packet.NTP(t.clock.At(ts, now).Capture)
	}
	c.keep(t, &p, late)
}

// audioCaptureEvery is how many audio packets share one abs-capture-time: those
// of a second.
const audioCaptureEvery = 50

func (c *Core) acceptVideo(t *track, a forward.Arrival, slot uint64, late bool, now time.Time) {
	facts, err := codec.Inspect(t.cfg.Codec, a.Header.Payload(a.Buffer.Data))
	if err != nil {
		t.health.malformed++
		c.out.Drop(DropMalformed, 1)
		return
	}
	ts := uint64(0)
	if late {
		if ts, late = t.line.Late(a.Header.SSRC, a.Header.Timestamp); !late || t.waitKey {
			c.out.Drop(DropTooLate, 1)
			return
		}
	} else {
		ts = c.place(t, &a, slot)
	}
	if t.waitKey && !facts.Keyframe && !facts.SPS {
		t.input.Discard()
		c.out.Drop(DropNoKey, 1)
		c.out.RequestKeyframe()
		return
	}
	t.waitKey = false
	if t.cfg.Codec == codec.VP8 && t.vp8.Rewrite(a.Header.Payload(a.Buffer.Data)) != nil {
		t.health.malformed++
		c.out.Drop(DropMalformed, 1)
		return
	}
	if facts.Keyframe {
		t.key = a.At
	}
	if !late {
		t.flow, t.ended = a.At, a.Header.Marker
	}
	stamps := t.stamps(a.Header.Payload(a.Buffer.Data), slot)
	start := ts != t.frame && c.frames.Lookup(ts) == nil
	if start {
		c.beginFrame(t, a, ts, slot, late, stamps, now)
	} else if ts != t.frame && !late {
		t.frame, t.first = ts, slot // whose beginning came late
	}
	if !start && (stamps.HasTimecode || !stamps.SEITime.IsZero()) {
		c.stamped(ts, stamps, late, now)
	}
	t.parameters = t.parameters || facts.SPS
	if facts.Keyframe && !t.parameters && len(t.cfg.ParameterSets) > 0 && !late {
		slot = c.insertParameterSets(t, a, ts, slot, start)
		start = false
	}
	p := forward.Packet{
		Buffer: a.Buffer, Header: a.Header, Slot: slot, TS: ts, Arrival: a.At, Track: t.id,
		FrameStart: start, Keyframe: facts.Keyframe,
	}
	if start {
		t.capture = packet.NTP(t.clock.At(ts, now).Capture)
	}
	if ts == t.frame {
		p.Capture = t.capture
	}
	c.keep(t, &p, late)
	if a.Header.Marker && ts == t.frame {
		c.endFrame(t, slot, now)
	}
}

// beginFrame names the frame that starts with this packet: what waited for it is
// bound to it before any of it is forwarded.
func (c *Core) beginFrame(t *track, a forward.Arrival, ts, slot uint64, late bool, stamps timeline.Stamps, now time.Time) {
	if !late {
		t.clock.Arrived(ts, a.At)
		if ts < t.line.Last() {
			t.health.backwards++
		}
		t.frame, t.first, t.parameters = ts, slot, false
	}
	c.resumeFeed()
	f := c.frames.Add(timeline.Frame{
		TS: ts, Epoch: t.line.Epoch(), SSRC: a.Header.SSRC, SourceTS: a.Header.Timestamp,
		Reading: t.clock.At(ts, now), Stamps: stamps, Accepted: a.At, First: slot,
	})
	if c.resumed {
		c.resumed = false
		c.recovered(f, now)
	}
	if c.keyNotice != nil {
		c.announceKey(f, now)
	}
	c.resolve(f, late, now)
}

// insertParameterSets puts the parameter sets that came only in the SDP before a
// keyframe, as a packet of their own. It returns the slot that the keyframe's
// packet moves to.
func (c *Core) insertParameterSets(t *track, a forward.Arrival, ts, slot uint64, start bool) uint64 {
	b := c.pool.Get()
	h := a.Header
	b.Data = packet.AppendHeader(b.Memory()[:0], h.PayloadType, h.Sequence, h.Timestamp, h.SSRC)
	b.Data = codec.AppendSTAPA(b.Data, t.cfg.ParameterSets)
	header, err := packet.Parse(b.Data)
	if err != nil { // cannot be: the header was just written
		b.Release()
		return slot
	}
	moved := t.input.Insert()
	p := forward.Packet{
		Buffer: b, Header: header, Slot: slot, TS: ts, Arrival: a.At, Track: t.id, FrameStart: start,
	}
	if start {
		t.capture = packet.NTP(t.clock.At(ts, a.At).Capture)
		p.Capture = t.capture
	}
	c.keep(t, &p, false)
	b.Release()
	t.parameters = true
	return moved
}

// keep puts a packet into the history. One that fills a gap in what has left
// already is forwarded at once.
func (c *Core) keep(t *track, p *forward.Packet, late bool) {
	if t.next == 0 {
		t.next = p.Slot
	}
	if !late {
		t.slot = p.Slot
	}
	if !t.history.Add(p) {
		c.out.Drop(DropTooLate, 1)
		return
	}
	if late && p.Slot < t.next {
		if f := c.frames.Lookup(p.TS); t.id == forward.Video && f != nil && f.Sent.IsZero() {
			f.Sent = p.Arrival
		}
		c.out.Forward(t.history.Get(p.Slot)) // not p, which would then escape to the heap
	}
}

// SenderReport takes what a studio says of a track's clock. It returns false for
// a report of anybody but the source that holds the lock.
func (c *Core) SenderReport(r ingest.SenderReport) bool {
	t := c.tracks[r.Track]
	f := t.sources[r.Origin.Encoder]
	if !f.believe(r) {
		c.out.Drop(DropForeign, 1)
		return false
	}
	if r.Bye {
		c.letIn(t, f, r.At)
	}
	if r.Bye || r.Origin.Encoder != c.inputs.active || t.line.SSRC() != r.SSRC {
		return true
	}
	if !t.clock.Report(t.line.Source(r.RTP), r.NTP, r.At, t.maxStray()) {
		t.line.Restart()
	}
	return true
}

// maxStray is how far a sender report may stray from the ones before: a frame, or
// if frames are closer than that, 40 ms.
func (t *track) maxStray() time.Duration { return max(t.step(), 40*time.Millisecond) }
