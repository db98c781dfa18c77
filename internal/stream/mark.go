package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/timeline"
	"github.com/framelock/relay/sync/transcript"
)

// Ticket is a caller that waits for an answer.
type Ticket chan<- Answer

// Answer is what became of a request. Replayed says that the same request was
// answered before, with the same result.
type Answer struct {
	Resolved marker.Resolved
	Replayed bool
	Err      error
}

// pending is a request whose frame has not come.
type pending struct {
	request  marker.Request
	digest   [32]byte
	target   timeline.Target
	deadline time.Time
	tickets  []Ticket
	// prepare makes the event's data once the frame is known, which may be long after
	// the request; nil if it is the request's.
	prepare func(f *timeline.Frame, e *marker.Event, now time.Time) error
	// begun is true if the frame turned out to be the one that was named when its
	// first packet had left, but nothing of the picture.
	begun bool
}

// maxPending bounds the requests that wait for frames.
const maxPending = 1024

// errLease is what callers hear while the disk that seq numbers are leased on
// does not answer.
var errLease = fmt.Errorf("%w: no seq numbers are free until the lease is on the disk (state.dir)", marker.ErrInboxFull)

// Mark binds an event to the frame that the request names, now or when the frame
// comes. The request is valid.
func (c *Core) Mark(r marker.Request, ticket Ticket, now time.Time) {
	c.request(&pending{request: r, digest: r.Digest(), tickets: []Ticket{ticket}}, now)
}

// request binds what is asked for, now or later.
func (c *Core) request(p *pending, now time.Time) {
	r := p.request
	answer := func(a Answer) { c.out.Answer(p.tickets, a) }
	if old, ok := c.ids.get(r.ID); ok && !c.lapsed(old, r) {
		if old.same(p) {
			answer(Answer{Resolved: old.resolved, Replayed: true})
		} else {
			answer(Answer{Err: marker.ErrConflict})
		}
		return
	}
	for _, other := range c.pending {
		if other.request.ID == r.ID {
			if other.digest != p.digest {
				answer(Answer{Err: marker.ErrConflict})
				return
			}
			other.tickets = append(other.tickets, p.tickets...)
			return
		}
	}
	if r.MaxSize(c.cfg.Name) > marker.MaxEventSize {
		answer(Answer{Err: marker.ErrTooLarge})
		return
	}
	if err := c.doc.CheckPatch(r.Patch); err != nil {
		answer(Answer{Err: err})
		return
	}
	if err := c.checkWindow(r.Kind, r.Window); err != nil {
		answer(Answer{Err: err})
		return
	}
	p.target = target(r.At)
	frame, err := c.find(p.target, now)
	if r.Kind == marker.WindowClosing {
		frame, err = c.closingFrame(frame, err, now)
	}
	switch {
	case err != nil:
		answer(Answer{Err: err})
	case frame != nil:
		c.bind(p, frame, now)
	case len(c.pending) >= maxPending:
		answer(Answer{Err: marker.ErrInboxFull})
	default:
		p.deadline = now.Add(timeout(r))
		c.pending = append(c.pending, p)
	}
}

// lapsed reports whether an answer was for a window that is forgotten, so that its name
// is free.
func (c *Core) lapsed(old answered, r marker.Request) bool {
	_, known := c.book.Window(r.Window)
	return !known && old.kind == marker.WindowOpen && r.Kind == marker.WindowOpen
}

func timeout(r marker.Request) time.Duration {
	if r.Timeout == 0 {
		return marker.DefaultTimeout
	}
	return r.Timeout
}

func target(at marker.At) timeline.Target {
	t := timeline.Target{Next: at.Next, TS: at.TS, CaptureTime: at.CaptureTime, Timecode: at.Timecode, SEITime: at.SEITime}
	if at.Source != nil {
		t.SourceTime, t.SSRC, t.SourceTS = true, at.Source.SSRC, at.Source.TS
	}
	return t
}

// find returns the frame that a target names, or nil if it has not come.
func (c *Core) find(t timeline.Target, now time.Time) (*timeline.Frame, error) {
	video := c.tracks[forward.Video]
	if video == nil {
		return nil, fmt.Errorf("%w: the stream has no video track", marker.ErrUnresolvable)
	}
	frame, verdict := c.frames.Find(t, video.step())
	if frame != nil && now.Sub(frame.Accepted) > c.cfg.Hold+c.cfg.History {
		verdict = timeline.TooOld // nothing has come since that would have pushed it out
	}
	switch verdict {
	case timeline.Found:
		return frame, nil
	case timeline.Pending:
		if c.halted() {
			return nil, marker.ErrPaused
		}
		return nil, nil
	case timeline.TooFar, timeline.TooOld, timeline.NotCarried, timeline.OtherCount:
		if t.Stamped() {
			return nil, c.noStamp(t, verdict)
		}
	}
	switch verdict {
	case timeline.TooFar:
		return nil, fmt.Errorf("%w: the frame is more than %v ahead", marker.ErrUnresolvable, timeline.Horizon)
	case timeline.TooOld:
		return nil, fmt.Errorf("%w: the frame left more than %v ago", marker.ErrUnresolvable, c.cfg.History)
	}
	if c.halted() {
		return nil, marker.ErrPaused
	}
	if t.SourceTime && c.expected(t.SSRC) {
		return nil, nil
	}
	return nil, fmt.Errorf("%w: the studio has sent nothing with this SSRC", marker.ErrUnresolvable)
}

// noStamp says why no frame carries the time that a target names.
func (c *Core) noStamp(t timeline.Target, verdict timeline.Verdict) error {
	newest := c.frames.Stamped(t)
	if newest == nil {
		return marker.ErrNotCarried
	}
	carries := "sei_time " + newest.SEITime.Format(time.RFC3339Nano)
	if t.Timecode != nil {
		carries = "timecode " + newest.Timecode.String()
	}
	switch verdict {
	case timeline.OtherCount:
		return fmt.Errorf("%w: the stream counts otherwise: its newest frame carries %s; write ; before the frames for drop-frame, : for all others", marker.ErrUnresolvable, carries)
	case timeline.TooFar:
		return fmt.Errorf("%w: the frame is more than %v ahead: the newest carries %s", marker.ErrUnresolvable, timeline.Horizon, carries)
	}
	return fmt.Errorf("%w: the frame left more than %v ago: the newest carries %s", marker.ErrUnresolvable, c.cfg.History, carries)
}

// resolve binds what waited for a frame to it. A late frame is nobody's next.
func (c *Core) resolve(f *timeline.Frame, late bool, now time.Time) {
	c.resolveThose(func(p *pending) bool { return !closes(p.request.Kind) }, f, late, now)
}

// stamped takes what a frame says of its time in another packet than its first, and
// binds what waited for that.
func (c *Core) stamped(ts uint64, s timeline.Stamps, late bool, now time.Time) {
	f := c.frames.Lookup(ts)
	if f == nil || !f.Add(s) || len(c.pending) == 0 {
		return
	}
	left, step := !f.Sent.IsZero() && !late, c.tracks[forward.Video].step()
	if left {
		c.out.Catch()
	}
	c.resolveThose(func(p *pending) bool {
		p.begun = left && p.target.Stamped() && p.target.Matches(f, step)
		return p.begun || p.target.Stamped() && !closes(p.request.Kind)
	}, f, late, now)
}

// resolveThose binds some of the requests.
func (c *Core) resolveThose(those func(*pending) bool, f *timeline.Frame, late bool, now time.Time) {
	step := c.tracks[forward.Video].step()
	waiting := c.pending[:0]
	for _, p := range c.pending {
		if those(p) && p.target.Matches(f, step) && !(late && p.target.Next) {
			c.bind(p, f, now)
		} else {
			waiting = append(waiting, p)
		}
	}
	clear(c.pending[len(waiting):])
	c.pending = waiting
}

// expire answers the requests whose frame did not come in time. Their IDs are
// free again.
func (c *Core) expire(now time.Time) {
	waiting := c.pending[:0]
	for _, p := range c.pending {
		if now.Before(p.deadline) {
			waiting = append(waiting, p)
		} else {
			c.out.Answer(p.tickets, Answer{Err: marker.ErrFrameNotSeen})
		}
	}
	clear(c.pending[len(waiting):])
	c.pending = waiting
}

// bind makes the event of a request for a frame and answers the callers.
func (c *Core) bind(p *pending, f *timeline.Frame, now time.Time) {
	e := marker.Event{
		Kind: p.request.Kind, ID: p.request.ID, By: p.request.By,
		Data: p.request.Data, Patch: p.request.Patch, Window: p.request.Window,
	}
	if e.Kind == 0 {
		e.Kind = marker.Marker
	}
	if p.prepare != nil {
		if err := p.prepare(f, &e, now); err != nil {
			c.out.Answer(p.tickets, Answer{Err: err})
			return
		}
	}
	// Where the frame that was meant may be missing, the bound says how far off this
	// one can be.
	if at := p.target.CaptureTime; !at.IsZero() && c.frames.Gap(f, c.tracks[forward.Video].step()) {
		e.ErrorMS = milliseconds(f.Capture.Sub(at).Abs())
	}
	if err := c.publish(&e, f, now); err != nil {
		c.out.Answer(p.tickets, Answer{Err: err})
		return
	}
	r := marker.Resolved{
		ID: e.ID, Seq: e.Seq, Epoch: e.Epoch, TS: e.TS, Frame: e.Frame, CaptureTime: e.CaptureTime,
		ErrorMS: e.ErrorMS, LateMS: e.LateMS, Clock: f.Source, SEITime: f.SEITime,
	}
	if f.HasTimecode {
		r.Timecode = f.Timecode.String()
	}
	c.ids.put(e.ID, answered{kind: e.Kind, window: e.Window, digest: p.digest, resolved: r})
	c.out.Answer(p.tickets, Answer{Resolved: r})
	c.hashFrame(&e, f, now)
}

// publish gives an event its place in the log and on a frame, builds its bytes,
// once, and tells every viewer.
func (c *Core) publish(e *marker.Event, f *timeline.Frame, now time.Time) error {
	if err := c.checkWindow(e.Kind, e.Window); err != nil {
		return err
	}
	c.extendLease(now)
	if c.seq >= c.durable.SeqEnd {
		return errLease
	}
	e.Version, e.Type, e.Log, e.Stream, e.Track = marker.Version, "event", c.log, c.cfg.Name, forward.Video.String()
	e.Epoch, e.Seq, e.TS, e.Frame = f.Epoch, c.seq+1, f.TS, f.Number
	e.CaptureTime = f.Capture
	e.ErrorMS = max(e.ErrorMS, milliseconds(f.Error))
	if !f.Sent.IsZero() {
		e.LateMS = milliseconds(now.Sub(f.Sent))
	}
	b, err := e.Encode()
	if err != nil {
		return err
	}
	if err := c.doc.Apply(state.Entry{Seq: e.Seq, TS: e.TS, Kind: e.Kind, Patch: e.Patch, Bytes: b}); err != nil {
		return err
	}
	if e.Kind == marker.WindowOpen {
		c.ids.forgetWindow(e.Window)
	}
	if ofWindow(e.Kind, e.Window) {
		if w, ok := c.book.Window(e.Window); ok && e.Kind == marker.Outcome && w.RevealInGrace(e.TS) {
			c.out.Drop(RevealInGrace, 1)
		}
		if err := c.book.Apply(e); err != nil {
			return err // checked above: it cannot be
		}
		c.scheduled(e, f.Accepted)
	}
	c.seq++
	c.tree.Append(transcript.LeafHash(b))
	c.out.Log(e, b)
	c.carrier.Add(e.Carried(b))
	c.out.Tell(egress.Message{Bytes: b, Channel: egress.Events, Repeat: true})
	return nil
}

// RevealInGrace counts outcomes on frames that were shown while actions could still
// come in. It is reported beside the drops, since nothing else is worse for trust.
const RevealInGrace = "reveal_in_grace"

// ofWindow reports whether an event changes a window.
func ofWindow(k marker.Kind, name string) bool {
	switch k {
	case marker.WindowOpen, marker.WindowClosing, marker.WindowClose:
		return true
	case marker.Outcome, marker.Void:
		return name != ""
	}
	return false
}

// checkWindow reports why a window does not allow an event.
func (c *Core) checkWindow(k marker.Kind, name string) error {
	if !ofWindow(k, name) {
		return nil
	}
	return c.book.Check(k, name)
}

// leaseRetry is the least time between two tries to have a lease written.
const leaseRetry = time.Second

// extendLease asks for more seq numbers while there are still enough. A disk that
// has failed is asked again, not faster than once a second.
func (c *Core) extendLease(now time.Time) {
	if c.durable.SeqEnd-c.seq >= journal.SeqBlock/2 || c.leasing || now.Sub(c.leasedAt) < leaseRetry {
		return
	}
	c.leasing, c.leasedAt = true, now
	c.out.Lease(c.lease(c.seq + journal.SeqBlock))
}

// Leased says that a lease is durable, or that it could not be made so.
func (c *Core) Leased(l journal.Lease, err error) {
	c.leasing = false
	if err == nil && l.SeqEnd >= c.durable.SeqEnd {
		c.durable = l
	}
}

// lease returns what is to be claimed now.
func (c *Core) lease(end uint64) journal.Lease {
	l := journal.Lease{Log: c.log, SeqEnd: end}
	for _, t := range c.tracks {
		if t == nil {
			continue
		}
		l.AheadBy = max(l.AheadBy, t.line.Ahead(t.heard))
		if t.id == forward.Video {
			l.Epoch = t.line.Epoch()
		}
	}
	return l
}

// leaseStale reports whether the durable lease no longer tells where the timeline
// is.
func (c *Core) leaseStale() bool {
	l := c.lease(c.durable.SeqEnd)
	return l.Epoch != c.durable.Epoch || l.AheadBy-c.durable.AheadBy > leaseDrift
}

// leaseDrift is how far the timeline may run ahead of what the lease says of it
// before the lease is written again. A line that falls back needs no new lease: one
// that begins too far ahead is as good.
const leaseDrift = 20 * time.Millisecond

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// answers remembers the newest requests that were answered, by ID.
type answers struct {
	byID map[string]answered
	ring []string
	next int
}

// answered is a request's answer. Of one from before a restart only the event is
// known, not how its frame was named.
type answered struct {
	kind     marker.Kind
	window   string // of the event, if it has one
	digest   [32]byte
	event    *marker.Event // before a restart; else nil
	resolved marker.Resolved
}

// same reports whether a request asks for what was answered.
func (a answered) same(p *pending) bool {
	if a.event == nil {
		return a.digest == p.digest
	}
	e, r := a.event, p.request
	if e.Kind != r.Kind.OrMarker() || e.Window != r.Window {
		return false
	}
	if p.prepare == nil {
		return sameJSON(e.Data, r.Data) && sameJSON(e.Patch, r.Patch)
	}
	if r.Kind != marker.WindowOpen {
		return true // what a closing says is the relay's
	}
	var again marker.Event
	err := p.prepare(&timeline.Frame{TS: e.TS, Reading: timeline.Reading{Capture: e.CaptureTime}}, &again, time.Time{})
	return err == nil && bytes.Equal(again.Data, e.Data)
}

// sameJSON reports whether two JSON values have the same compact form.
func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// rememberedIDs is how many requests can be repeated.
const rememberedIDs = 1 << 14

func newAnswers() *answers {
	return &answers{byID: map[string]answered{}, ring: make([]string, rememberedIDs)}
}

func (a *answers) get(id string) (answered, bool) {
	v, ok := a.byID[id]
	return v, ok
}

// forgetWindow frees the ids of the requests for an earlier window of a name, as that
// opens again.
func (a *answers) forgetWindow(name string) {
	for _, id := range []string{"open:" + name, "close:" + name, "closed:" + name, "void:" + name} {
		if v, ok := a.byID[id]; ok && v.window == name {
			delete(a.byID, id)
			a.ring[slices.Index(a.ring, id)] = ""
		}
	}
}

func (a *answers) put(id string, v answered) {
	delete(a.byID, a.ring[a.next])
	a.ring[a.next] = id
	a.next = (a.next + 1) % len(a.ring)
	a.byID[id] = v
}
