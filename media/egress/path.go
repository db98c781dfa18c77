package egress

import (
	"encoding/binary"
	"time"

	"github.com/framelock/relay/media/forward"
)

// overhead is what a packet has besides its payload, in bytes: UDP and IPv4, RTP
// and its extensions, the tag of SRTP.
const overhead = 28 + 12 + 24 + 16

// admits reports whether a packet of video that comes in its turn flows to the
// viewer. Once it does not, video waits for the next keyframe.
func (s *Shard) admits(v *Viewer, p *forward.Packet, now time.Time) bool {
	if v.valve.Video(p.FrameStart, p.Keyframe, &v.path, now) {
		return true
	}
	s.set.Drops.Dropped(DropCongested, 1)
	v.evidence.gap()
	if v.valve.Waiting() {
		s.awaitKeyframe(v)
	}
	return false
}

// resumes reports whether video can begin again with the keyframe that is there.
func (s *Shard) resumes(v *Viewer, now time.Time) bool {
	if v.valve.Video(true, true, &v.path, now) {
		return true
	}
	s.awaitKeyframe(v)
	return false
}

// awaitKeyframe stops video until the next keyframe.
func (s *Shard) awaitKeyframe(v *Viewer) {
	v.live = false
	v.evidence.gap()
	if !v.Source.WaitKeyframe(v) {
		s.end(v, "stream_behind")
	}
}

// depart notes a packet that is sent: its number, if the viewer tells what arrives
// by such numbers, and its size.
func (v *Viewer) depart(o *Outgoing, id uint8, now time.Time) {
	if id != 0 {
		e := &o.Extensions[3]
		e.ID, e.Size = id, 2
		binary.BigEndian.PutUint16(e.Value[:], v.transport)
	} else if v.numbered() { // the viewer would take it for lost
		return
	}
	v.path.Sent(v.transport, len(o.Payload)+overhead, now)
	v.transport++
}

// numbered reports whether some track has transport-wide sequence numbers.
func (v *Viewer) numbered() bool {
	return v.tracks[forward.Video].TransportSequence|v.tracks[forward.Audio].TransportSequence != 0
}

var (
	congestedNotice = []byte(`{"type":"notice","code":"congested","text":"The network of this viewer does not carry the whole stream."}`)
	clearNotice     = []byte(`{"type":"notice","code":"clear","text":"The network of this viewer carries the whole stream again."}`)
)

// tellCongestion tells a viewer that it has become congested, or is no more.
func (s *Shard) tellCongestion(v *Viewer) {
	if now := v.valve.Congested(); now != v.congested && v.told {
		v.congested = now
		notice := clearNotice
		if now {
			notice = congestedNotice
		}
		s.tell(v, Events, notice)
	}
}
