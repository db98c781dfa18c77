package evidence

import (
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
)

// When a segment ends: with the first keyframe after MinSegment, or with any frame
// after MaxSegment.
const (
	MinSegment = 10 * time.Second
	MaxSegment = time.Minute
)

// How much is held back for a frame that may be a keyframe.
const (
	maxHeld     = 4096
	maxHeldTime = time.Second
)

// Cutter turns packets into the bytes of segments. A segment begins with the
// first packet of a keyframe, as long as keyframes come, and can be read alone.
// Its audio is between the video as it was sent.
type Cutter struct {
	Stream string
	Tracks Tracks

	open    bool
	begun   time.Time // of the segment
	told    [forward.Tracks]bool
	held    []Item // packets since the newest video frame began, while a cut is due
	heldAt  time.Time
	buf     []byte
	missing int // packets lost since the last one
	reason  string
}

// Lost notes that packets which were put in, or were to be, are in no file.
func (c *Cutter) Lost(n int, reason string) { c.missing, c.reason = c.missing+n, reason }

// Broken says that the segment ends here because it cannot be written: the next one
// begins with the next keyframe.
func (c *Cutter) Broken() { c.open = false }

// Sink takes what a Cutter decided.
type Sink interface {
	// Begin begins a segment, whose first video packet has a timestamp; the one
	// before it is whole.
	Begin(ts uint64)
	// Write appends a record to the segment; it is valid during the call. It gives back
	// the buffer of the item that was written, which is nil for a note.
	Write(record []byte, done *packet.Buffer)
	// Skip gives back the buffer of an item that is in no segment.
	Skip(done *packet.Buffer)
}

// Put takes the next item.
func (c *Cutter) Put(item Item, sink Sink) {
	now := item.Arrival
	if c.Tracks[item.Track] == 0 {
		sink.Skip(item.Buffer)
		return
	}
	video := item.Track == forward.Video
	starts := video && item.FrameStart
	due := !c.open || now.Sub(c.begun) >= MinSegment
	if starts || !due || len(c.held) > 0 && (len(c.held) >= maxHeld || now.Sub(c.heldAt) > maxHeldTime) {
		c.Release(sink) // the frame before was no keyframe, or never showed that it is one
	}
	if starts && c.open && now.Sub(c.begun) >= MaxSegment {
		c.begin(item.TS, now, sink)
		due = false
	}
	if !due || !starts && len(c.held) == 0 {
		c.write(item, sink)
		return
	}
	if len(c.held) == 0 {
		c.heldAt = now
	}
	c.held = append(c.held, item)
	if video && item.Keyframe {
		c.begin(c.held[0].TS, now, sink)
		c.Release(sink)
	}
}

// Release writes what is held back, as at the end.
func (c *Cutter) Release(sink Sink) {
	for i := range c.held {
		c.write(c.held[i], sink)
		c.held[i] = Item{}
	}
	c.held = c.held[:0]
}

func (c *Cutter) begin(ts uint64, now time.Time, sink Sink) {
	c.open, c.begun = true, now
	c.told = [forward.Tracks]bool{}
	sink.Begin(ts)
	sink.Write(AppendHead(nil, now), nil)
}

// write writes an item to the segment, and before it what there is to say.
func (c *Cutter) write(item Item, sink Sink) {
	if item.Lost > 0 {
		c.Lost(item.Lost, GapQueue)
	}
	if !c.open {
		sink.Skip(item.Buffer)
		return
	}
	offset := item.Arrival.Sub(c.begun)
	if c.missing > 0 {
		c.note(Note{Type: NoteGap, Reason: c.reason, Packets: c.missing}, offset, sink)
		c.missing = 0
	}
	if !c.told[item.Track] {
		c.told[item.Track] = true
		c.note(Note{
			Type: NoteTrack, Stream: c.Stream, Track: item.Track.String(), Codec: c.Tracks[item.Track].String(),
			TS: item.TS, CapturedAt: item.CapturedAt,
		}, offset, sink)
	}
	c.buf = endRecord(appendPacket(beginRecord(c.buf[:0], offset), &item.Packet), false)
	sink.Write(c.buf, item.Buffer)
}

func (c *Cutter) note(n Note, offset time.Duration, sink Sink) {
	sink.Write(endRecord(appendNote(beginRecord(nil, offset), n), true), nil)
}

// Why a recording misses packets.
const (
	GapQueue = "queue_full"   // the disk was too slow
	GapWrite = "write_failed" // the disk refused
)
