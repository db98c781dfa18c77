package stream

import (
	"errors"
	"slices"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
)

// Why one encoder took over from the other.
const (
	SwitchLoss     = "loss"     // no video came from the one that was on
	SwitchOperator = "operator" // by hand
	SwitchReturn   = "return"   // the primary has been back for as long as was configured
)

// What SwitchInput can return. Use errors.Is.
var (
	// ErrNoBackup says that the stream has one encoder only.
	ErrNoBackup = errors.New("no_backup: the stream has no backup encoder; describe one in streams.NAME.backup")
	// ErrInputSilent says that the encoder to switch to sends no video.
	ErrInputSilent = errors.New("input_silent: no video comes from that encoder; start it, then switch")
)

// inputs says which encoder is on, and whether the other one is to take over.
type inputs struct {
	active forward.Encoder
	since  time.Time // when it took over; zero for the one that began
	reason string    // why; empty for the one that began
	begun  time.Time // first packet of video of either

	wanted bool      // the other one takes over at its next keyframe
	why    string    // reason for that
	after  time.Time // what was captured before this has been shown
}

// standby is what has come of an encoder that is not on, since the beginning of
// its newest keyframe: with it the picture goes on at once.
type standby struct {
	packets []forward.Arrival
	keyed   bool // video: the first of packets begins a keyframe,
	key     uint32
	keyAt   time.Time // which came then
}

// standbyPackets is how many packets of a track are kept for a switch at most:
// those of 0.8 s of 12 Mbit/s. A longer GOP is not kept; the switch then waits for
// the next keyframe, which it asks for.
const standbyPackets = 1024

// clear gives back what is kept.
func (s *standby) clear() {
	for i := range s.packets {
		s.packets[i].Buffer.Release()
		s.packets[i] = forward.Arrival{}
	}
	s.packets, s.keyed = s.packets[:0], false
}

// standBy keeps a packet of the encoder that is not on, with its reference.
func (c *Core) standBy(t *track, f *source, a forward.Arrival) {
	video := c.tracks[forward.Video].sources[a.Origin.Encoder]
	if t.id == forward.Video {
		facts, err := codec.Inspect(f.cfg.Codec, a.Header.Payload(a.Buffer.Data))
		if err != nil {
			c.drop(a, DropMalformed)
			return
		}
		if (facts.Keyframe || facts.SPS) && (!f.standby.keyed || a.Header.Timestamp != f.standby.key) {
			c.forget(a.Origin.Encoder)
			f.standby.keyed, f.standby.key, f.standby.keyAt = true, a.Header.Timestamp, a.At
		}
		if f.standby.keyed && int32(a.Header.Timestamp-f.standby.key) < 0 {
			a.Buffer.Release() // builds on what came before the keyframe
			return
		}
	}
	if len(f.standby.packets) == standbyPackets {
		c.forget(a.Origin.Encoder)
	}
	if !video.standby.keyed {
		a.Buffer.Release()
		return
	}
	f.standby.packets = append(f.standby.packets, a)
}

// forget gives back what is kept of an encoder's tracks.
func (c *Core) forget(e forward.Encoder) {
	for _, t := range c.tracks {
		if t != nil && t.sources[e] != nil {
			t.sources[e].standby.clear()
		}
	}
}

// SwitchInput has an encoder take over at its next keyframe, and stay on until it
// is lost. It does nothing if that one is on.
func (c *Core) SwitchInput(to forward.Encoder, now time.Time) error {
	in := &c.inputs
	switch {
	case c.cfg.Backup == nil:
		return ErrNoBackup
	case to == in.active:
		in.wanted = false
		in.reason = SwitchOperator // so that it is not sent back by itself
		return nil
	case !c.alive(to, now):
		return ErrInputSilent
	}
	in.wanted, in.why, in.after = true, SwitchOperator, now
	c.watchInputs(now)
	return nil
}

// halted reports whether no frame is to be expected: the feed is paused, and no
// other encoder is about to take over.
func (c *Core) halted() bool { return c.paused && !c.inputs.wanted }

// expected reports whether a source is heard whose frames wait for a keyframe.
func (c *Core) expected(ssrc uint32) bool {
	v := c.tracks[forward.Video]
	return v.waitKey && v.line.SSRC() == ssrc || c.inputs.wanted && v.sources[c.inputs.active.Other()].ssrc == ssrc
}

// alive reports whether video comes from an encoder.
func (c *Core) alive(e forward.Encoder, now time.Time) bool {
	f := c.tracks[forward.Video].sources[e]
	return f.packets > 0 && now.Sub(f.heard) < c.cfg.Backup.After
}

// silentSince returns since when no video has come from the encoder that is on.
func (c *Core) silentSince() time.Time {
	v := c.tracks[forward.Video]
	if v.flow.Before(c.inputs.begun) {
		return c.inputs.begun
	}
	return v.flow
}

// watchInputs decides whether the other encoder is to take over, and lets it as
// soon as it can. While the one that is on falls silent, the other is asked for a
// keyframe already.
func (c *Core) watchInputs(now time.Time) {
	if c.cfg.Backup == nil || c.inputs.begun.IsZero() {
		return
	}
	in, limit := &c.inputs, c.cfg.Backup.After
	other := in.active.Other()
	silent, alive := now.Sub(c.silentSince()), c.alive(other, now)
	switch {
	case in.wanted && (!alive || in.why == SwitchLoss && silent < limit):
		in.wanted = false
	case !in.wanted && alive && silent >= limit:
		in.wanted, in.why, in.after = true, SwitchLoss, c.tracks[forward.Video].flow
	case !in.wanted && alive && c.returnDue(now):
		in.wanted, in.why, in.after = true, SwitchReturn, now
	}
	if !alive || !in.wanted && silent < limit/2 {
		return
	}
	after := in.after
	if !in.wanted {
		after = c.tracks[forward.Video].flow
	}
	if s := &c.tracks[forward.Video].sources[other].standby; !s.keyed || !s.keyAt.After(after) {
		c.out.RequestStandbyKeyframe()
	} else if in.wanted && c.betweenFrames(s.keyAt, now) {
		c.cut(now)
	}
}

// returnDue reports whether the primary has been back for long enough.
func (c *Core) returnDue(now time.Time) bool {
	in, wait := &c.inputs, c.cfg.Backup.ReturnAfter
	return wait > 0 && in.active == forward.Backup && in.reason == SwitchLoss &&
		now.Sub(c.tracks[forward.Video].sources[forward.Primary].steady) >= wait
}

// Times of a cut.
const (
	betweenFrames = 40 * time.Millisecond  // of silence: no more of the frame comes
	cutLatest     = 100 * time.Millisecond // after the keyframe, whole frame or not
)

// betweenFrames reports whether the encoder that is on has ended its frame, or
// will not.
func (c *Core) betweenFrames(keyframe, now time.Time) bool {
	v := c.tracks[forward.Video]
	_, waiting := v.input.Deadline()
	return v.ended && !waiting || now.Sub(v.heard) >= betweenFrames || now.Sub(keyframe) >= cutLatest
}

// cut lets the other encoder take over: both tracks at once, each with a new epoch
// of its line, from the keyframe that is kept on.
func (c *Core) cut(now time.Time) {
	in := &c.inputs
	var shown [forward.Tracks]time.Time // of what is on
	for id, t := range c.tracks {
		if t == nil {
			continue
		}
		shown[id] = t.heard
		t.breakOff(func(a forward.Arrival) { c.drop(a, DropRestarted) })
		t.line.Restart()
		t.switched = true
	}
	in.active, in.reason, in.since = in.active.Other(), in.why, now
	in.wanted = false
	for _, t := range c.tracks {
		if t != nil {
			t.takeOver(t.sources[in.active])
		}
	}
	c.notice("input_switched", "The "+in.active.String()+" encoder has taken over.")
	c.out.Switched(in.active, in.reason)
	for id, t := range c.tracks {
		if t == nil {
			continue
		}
		s := &t.sources[in.active].standby
		sortBySequence(s.packets)
		for i, a := range s.packets {
			s.packets[i] = forward.Arrival{}
			if t.id == forward.Audio && !a.At.After(shown[id]) {
				a.Buffer.Release() // the sound of this time has been heard
				continue
			}
			c.accept(t, t.sources[in.active], a, now)
		}
		s.packets, s.keyed = s.packets[:0], false
	}
}

// takeOver makes a source the one that the track is made of.
func (t *track) takeOver(f *source) {
	t.cfg = f.cfg
	t.input.SetWindow(f.window)
	t.base = t.input.Stats()
	t.parameters, t.waitKey = false, t.id == forward.Video
}

// sortBySequence puts packets in the order of their sequence numbers, of which
// the first is among the lowest.
func sortBySequence(packets []forward.Arrival) {
	slices.SortStableFunc(packets, func(a, b forward.Arrival) int {
		return int(int16(a.Header.Sequence - b.Header.Sequence))
	})
}

// inputsNext returns when watchInputs has something to do, at the latest.
func (c *Core) inputsNext(now time.Time, sooner func(time.Time, bool)) {
	if c.cfg.Backup == nil || c.inputs.begun.IsZero() {
		return
	}
	in, limit := &c.inputs, c.cfg.Backup.After
	other := c.tracks[forward.Video].sources[in.active.Other()]
	for _, at := range []time.Time{
		c.silentSince().Add(limit / 2), c.silentSince().Add(limit), other.heard.Add(limit),
		other.steady.Add(c.cfg.Backup.ReturnAfter),
	} {
		sooner(at, at.After(now))
	}
	sooner(now.Add(betweenFrames/8), in.wanted && other.standby.keyed && other.standby.keyAt.After(in.after))
}
