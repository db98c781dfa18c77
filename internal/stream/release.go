package stream

import (
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/marker"
)

// Bytes that a packet to a viewer has besides its payload and the marker: the RTP
// header, the head of the extension block with its padding, transport-wide number,
// playout delay, and the tag of SRTP or the original number and tag of an RTX packet. A
// capture time takes more.
const (
	packetOverhead  = 12 + 4 + 3 + 3 + 4 + 2 + 16
	captureOverhead = 9
	markerOverhead  = 1 // the element's head
)

// release forwards what has been held long enough, in order.
func (c *Core) release(t *track, now time.Time) {
	for ; t.next < t.history.End(); t.next++ {
		// A slot that is empty is given up with the next packet, not before: what
		// comes late within the delay line leaves in its turn.
		if due, ok := t.due(c.cfg.Hold); !ok || now.Before(due) {
			return
		}
		p := t.history.Get(t.next)
		if p == nil {
			continue
		}
		if t.id == forward.Video {
			c.releaseVideo(t, p, now)
		} else {
			c.out.Forward(p)
		}
	}
}

// releaseVideo freezes what a packet carries and forwards it.
func (c *Core) releaseVideo(t *track, p *forward.Packet, now time.Time) {
	room := c.cfg.MaxPayload - packetOverhead - markerOverhead - len(p.Payload())
	if room < -markerOverhead {
		t.health.oversize++
	}
	// All packets of a frame carry its capture time, since those of one length are
	// sent together; but never where it takes the room of an event.
	if !p.FrameStart && room-captureOverhead < marker.ExtensionSize {
		p.Capture = 0
	}
	if p.Capture != 0 {
		room -= captureOverhead
	}
	if p.FrameStart && len(c.schedules) > 0 {
		if f := c.frames.Lookup(p.TS); f != nil && c.closesOn(f) {
			c.closeOn(f, now)
		}
	}
	ext, n := c.carrier.Next(p.TS, p.FrameStart, p.Keyframe, room, now)
	p.Marker, p.MarkerSize = ext, uint8(n)
	if p.FrameStart {
		if f := c.frames.Lookup(p.TS); f != nil {
			f.Sent = now
		}
		c.sent = max(c.sent, p.TS)
	}
	begins := t.gop.Forwarded(p)
	c.out.Forward(p)
	if begins {
		c.out.GOPBegins()
	}
}
