package forward

import "time"

// Gather decides how long the packets of a frame wait for the rest of it, so that
// a viewer is sent a whole frame at once. It only waits for a studio that sends a
// frame's packets close together.
type Gather struct {
	// Limit is how long a packet waits at most; 0 waits for nothing.
	Limit time.Duration
	// Hold is how long after its arrival a packet is forwarded.
	Hold time.Duration

	waiting bool          // a frame has begun and not ended
	since   time.Time     // arrival of the oldest packet that waits
	newest  time.Time     // arrival of the newest packet of video
	spacing time.Duration // between the packets of a frame, smoothed
	began   bool
}

// Forwarded notes a packet that is on its way to the viewers.
func (g *Gather) Forwarded(p *Packet) {
	if p.Track != Video || p.Retransmitted {
		return
	}
	if g.began && !p.FrameStart {
		g.spacing += (p.Arrival.Sub(g.newest) - g.spacing) / 8
	}
	g.newest, g.began = p.Arrival, true
	if p.Header.Marker { // the frame's last (RFC 6184, section 5.1; RFC 7741, section 4.1)
		g.waiting = false
		return
	}
	if !g.waiting {
		g.waiting, g.since = true, p.Arrival
	}
}

// Wait returns for how long what was forwarded may still wait; 0 if it may not.
func (g *Gather) Wait(now time.Time) time.Duration {
	if !g.waiting || g.spacing > g.Limit/4 {
		return 0
	}
	return max(0, g.since.Add(g.Hold+g.Limit).Sub(now))
}

// Sent notes that nothing waits any more.
func (g *Gather) Sent() { g.waiting = false }
