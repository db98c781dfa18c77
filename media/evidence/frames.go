package evidence

import (
	"crypto/sha256"
	"iter"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
)

// Frame is a whole frame of a recording.
type Frame struct {
	Track      forward.Track
	Codec      codec.Codec
	TS         uint64
	CapturedAt time.Time // zero if the recording does not say
	Keyframe   bool      // of sound every frame is one
	Sample     []byte    // as codec.Sample has it
	Hash       [sha256.Size]byte
}

// Records are the records of segments, in order. An error ends them.
type Records = iter.Seq2[Record, error]

// Frames returns the whole frames of records, each with a sample of its own. A
// frame that misses a packet is left out, and so is one whose end is not there.
func Frames(records Records) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		var tracks [forward.Tracks]assembly
		emit := func(a *assembly, next uint16, follows bool) bool {
			f, ok := a.end(next, follows)
			return !ok || yield(f, nil)
		}
		for rec, err := range records {
			if err != nil {
				yield(Frame{}, err)
				return
			}
			if rec.RTCP {
				note, ok := ParseNote(rec.Packet)
				switch {
				case !ok:
				case note.Type == NoteGap:
					for i := range tracks {
						tracks[i].broken()
					}
				case note.Type == NoteTrack:
					tracks[trackNamed(note.Track)].tell(note)
				}
				continue
			}
			h, err := packet.Parse(rec.Packet)
			if err != nil {
				continue // nothing that a relay wrote
			}
			id, ok := trackOf(h.SSRC)
			a := &tracks[id]
			if !ok || a.codec == 0 {
				continue
			}
			if a.packets > 0 && h.Timestamp != uint32(a.ts) {
				if !emit(a, h.Sequence, true) {
					return
				}
			}
			a.add(id, h, h.Payload(rec.Packet))
			if id == forward.Audio && !emit(a, h.Sequence+1, true) {
				return
			}
		}
		for i := range tracks {
			if tracks[i].packets > 0 && !emit(&tracks[i], 0, false) {
				return
			}
		}
	}
}

func trackNamed(name string) forward.Track {
	if name == forward.Audio.String() {
		return forward.Audio
	}
	return forward.Video
}

// assembly is a track's frame that is being put together.
type assembly struct {
	track  forward.Track
	codec  codec.Codec
	ref    uint64 // a canonical timestamp near the next
	toldAt time.Time
	toldTS uint64

	sample  codec.Sample
	ts      uint64
	packets int
	next    uint16 // sequence number that follows
	whole   bool   // the frame misses nothing so far
	marker  bool   // its newest packet has the marker bit
	key     bool
	fresh   bool // the next packet begins a segment, and so a frame
	resumes bool // the packet before is there, so that the next frame's first can be told
}

// tell takes a track's note. It stands before a frame's first packet.
func (a *assembly) tell(n Note) {
	c, err := codec.Parse(n.Codec)
	if err != nil {
		return
	}
	if a.codec != c {
		*a = assembly{codec: c}
	}
	a.fresh, a.ref, a.toldAt, a.toldTS = true, n.TS, n.CapturedAt, n.TS
}

// broken notes that packets are missing from the recording.
func (a *assembly) broken() { a.whole, a.resumes = false, false }

func (a *assembly) add(id forward.Track, h packet.Header, payload []byte) {
	if a.packets == 0 {
		a.track, a.ts = id, packet.Extend32(a.ref, h.Timestamp)
		a.ref = a.ts
		a.sample.Reset(a.codec)
		a.key = id == forward.Audio
		a.whole = a.key || a.fresh || a.resumes && h.Sequence == a.next
		a.fresh = false
	} else if h.Sequence != a.next {
		a.whole = false
	}
	if facts, err := codec.Inspect(a.codec, payload); err == nil && facts.Keyframe {
		a.key = true
	}
	if a.whole && a.sample.Add(payload) != nil {
		a.whole = false
	}
	a.packets++
	a.next, a.marker, a.resumes = h.Sequence+1, h.Marker, true
}

// end returns the frame, if it is whole. next is the sequence number of the packet
// that follows it, if one does.
func (a *assembly) end(next uint16, follows bool) (Frame, bool) {
	whole := a.whole && a.sample.Complete() && (follows && next == a.next || !follows && a.marker)
	a.packets = 0
	if !whole {
		return Frame{}, false
	}
	f := Frame{Track: a.track, Codec: a.codec, TS: a.ts, Keyframe: a.key, Sample: append([]byte(nil), a.sample.Bytes()...)}
	if a.codec.Video() {
		f.Hash, _ = codec.HashSample(a.codec, f.Sample) // a sample of video has a hash
	}
	if !a.toldAt.IsZero() {
		ticks := int64(f.TS - a.toldTS)
		rate := int64(a.codec.ClockRate())
		f.CapturedAt = a.toldAt.Add(time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate))
	}
	return f, true
}
