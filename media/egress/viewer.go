package egress

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/framelock/relay/media/congestion"
	"github.com/framelock/relay/media/forward"
)

// Source is the stream that a viewer watches, as its sessions and shards see it.
// The methods hand the wish to the stream's loop and return. Those with a result
// are called by shards, never block, and return false if the loop has no room.
type Source interface {
	// Join asks for the cut at which the viewer begins; the stream answers with
	// Shard.Join. Without snapshot the cut has no parts.
	Join(v *Viewer, snapshot bool)
	// TellSnapshot asks for Shard.Tell, for a viewer whose channel opened late.
	TellSnapshot(v *Viewer)
	// StartVideo asks for Shard.Burst now, or at the next keyframe.
	StartVideo(v *Viewer) bool
	// WaitKeyframe asks for Shard.Burst at the next keyframe.
	WaitKeyframe(v *Viewer) bool
	// Resend asks for packets again; the stream answers with Shard.Resend.
	Resend(v *Viewer, t forward.Track, slots []uint64) bool
	// KeyframeWanted asks the studio for a keyframe. It does not wait for the loop.
	KeyframeWanted()
	// Began says, once, how long after the offer the viewer was sent its first
	// packet of video, or of audio if it gets no video, and whether it was sent a
	// snapshot before. It is called by shards and does not wait for the loop.
	Began(v *Viewer, after time.Duration, snapshot bool)
	// Message is a message of the viewer on the actions channel.
	Message(v *Viewer, b []byte)
	// Left says that the viewer is gone. Viewer.Gone is true by then.
	Left(v *Viewer, reason string)
}

// Viewer is one viewer of one stream. The fields up to presented do not change;
// heard, gone and evidence are safe for use from anywhere; the rest is owned by the shard's
// loop.
type Viewer struct {
	ID string
	// Subject stands for who watches, under a name that says nothing of them; empty
	// if the viewer may not act.
	Subject string
	// Session stands for the session, as Subject does for the viewer.
	Session   string
	Stream    int
	Source    Source
	Opened    time.Time // when the offer came
	session   Session
	formats   *Formats
	shard     *Shard
	ear       *ear
	presented *rate.Limiter

	heard    heard
	gone     atomic.Bool
	evidence evidence

	tracks   [forward.Tracks]output
	parts    [][]byte // of the snapshot, not yet queued
	joined   bool
	told     bool // the snapshot is queued: events may follow
	blank    bool // media waits until the whole snapshot is queued
	live     bool // video flows; else it waits for a burst
	begun    bool // Source.Began was called
	reported bool
	lostAt   time.Time // when a report of any track last told of loss
	rtt      time.Duration
	closed   bool
	leaving  sync.Once
	resends  forward.Resends

	path      congestion.Estimator
	pacer     congestion.Pacer
	held      []held    // video that waits for its turn, in order
	heldSize  int       // of that, in bytes on the wire
	nextTurn  time.Time // of the first of it
	paced     bool      // in the shard's list of those who have some
	valve     congestion.Valve
	congested bool   // as the viewer was last told
	transport uint16 // transport-wide sequence number of the next packet
}

// output is the state of one track of a viewer.
type output struct {
	Format
	sequence *forward.Sequence
	rtxNext  uint64 // extended
	packets  uint32
	octets   uint32
	newest   uint32 // RTP timestamp last sent
	anything bool
}

// Budget of retransmission to one viewer, in bytes per second and at once: a
// quarter of a 4 Mbit/s stream.
const (
	resendRate  = 125_000
	resendBurst = 64_000
)

// firstSequence is the exclusive bound of the first sequence number, so that the
// roll-over counter of SRTP begins at 0 for both ends (RFC 3711, section 3.3.1).
const firstSequence = 1 << 14

func newViewer(who Who, stream int, source Source, shard *Shard) *Viewer {
	v := &Viewer{
		ID: who.ID, Subject: who.Subject, Session: who.Session, Stream: stream, Source: source, Opened: shard.set.Now(), shard: shard,
		presented: rate.NewLimiter(reportedRate, reportedRate),
	}
	v.ear = &ear{
		viewer:   v,
		messages: rate.NewLimiter(messageRate, messageBurst), feedback: rate.NewLimiter(feedbackRate, feedbackBurst),
		keyframes: rate.NewLimiter(keyframeRate, keyframeBurst),
	}
	return v
}

// Gone reports whether the viewer has left. It may be called from anywhere.
func (v *Viewer) Gone() bool { return v.gone.Load() }

// MayReport reports whether what the viewer says of its presentation counts now:
// about twice a second. It may be called from anywhere.
func (v *Viewer) MayReport(now time.Time) bool { return v.presented.AllowN(now, 1) }

func (v *Viewer) setUp(f *Formats) {
	v.formats = f
	v.resends = forward.Resends{Rate: resendRate, Burst: resendBurst}
	for t := range v.tracks {
		v.tracks[t].Format = f.Track[t]
		v.tracks[t].sequence = forward.NewSequence(uint16(rand.N(firstSequence)))
		v.tracks[t].rtxNext = uint64(rand.N(firstSequence))
	}
}

// lossMemory is how long a viewer counts as lossy after a report of loss: longer
// than the time between two reports, of any track.
const lossMemory = 5 * time.Second

// report takes what the viewer's reports say of its path.
func (v *Viewer) report(lost float64, rtt time.Duration, now time.Time) {
	v.reported = true
	if lost > 0 {
		v.lostAt = now
	}
	v.path.Report(lost, rtt, now)
	if rtt > 0 {
		v.rtt = rtt
		v.evidence.roundTrip(rtt)
	}
}

// lossy reports whether the viewer has reported loss lately, or could not yet have
// reported anything.
func (v *Viewer) lossy(now time.Time) bool {
	return !v.reported && now.Sub(v.Opened) < lossMemory || !v.lostAt.IsZero() && now.Sub(v.lostAt) < lossMemory
}

// started reports whether the viewer has been sent a packet of what it came for.
func (v *Viewer) started() bool {
	if v.tracks[forward.Video].SSRC != 0 {
		return v.tracks[forward.Video].anything
	}
	return v.tracks[forward.Audio].anything
}

// outgoing fills o with the viewer's copy of a packet. It returns false if the
// viewer does not get the packet.
func (v *Viewer) outgoing(p *forward.Packet, playoutDelay [3]byte, o *Outgoing) bool {
	out := &v.tracks[p.Track]
	if out.SSRC == 0 {
		return false
	}
	number, ok := out.sequence.Number(p.Slot)
	if !ok {
		return false
	}
	o.SSRC, o.PayloadType, o.Sequence, o.Rollover = out.SSRC, out.PayloadType, uint16(number), uint32(number>>16)
	o.Timestamp, o.Marker, o.Payload = uint32(p.TS), p.Header.Marker, p.Payload()
	if o.RTX = p.Retransmitted; o.RTX {
		if !out.RTX() { // a sequence number is encrypted once
			return false
		}
		o.Original = uint16(number)
		o.SSRC, o.PayloadType, o.Sequence, o.Rollover = out.RTXSSRC, out.RTXPayloadType, uint16(out.rtxNext), uint32(out.rtxNext>>16)
		out.rtxNext++
	} else {
		out.packets++
		out.octets += uint32(len(o.Payload))
		out.newest, out.anything = o.Timestamp, true
	}
	out.extend(p, playoutDelay, o)
	return true
}

// extend sets the header extensions: the same for every copy of a packet.
func (out *output) extend(p *forward.Packet, playoutDelay [3]byte, o *Outgoing) {
	e := &o.Extensions
	e[0].ID, e[1].ID, e[2].ID, e[3].ID = out.PlayoutDelay, 0, 0, 0
	e[0].Size = 3
	copy(e[0].Value[:], playoutDelay[:])
	if p.Capture != 0 {
		e[1].ID, e[1].Size = out.CaptureTime, 8
		binary.BigEndian.PutUint64(e[1].Value[:], p.Capture)
	}
	if p.MarkerSize != 0 {
		e[2].ID, e[2].Size, e[2].Value = out.Marker, p.MarkerSize, p.Marker
	}
}

// abandon closes the session and tells the stream, once. A transport may take its
// time to say goodbye.
func (v *Viewer) abandon(reason string) {
	v.leaving.Do(func() {
		v.gone.Store(true)
		go func() {
			_ = v.session.Close()
			v.Source.Left(v, reason)
		}()
	})
}
