package stream

import (
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
)

// place returns the canonical timestamp of a packet that comes in its turn. A new
// epoch takes its clock from the source's last sender report, if that is of the
// same source, and its picture from a keyframe on, unless nothing but the clock has
// changed.
func (c *Core) place(t *track, a *forward.Arrival, slot uint64) uint64 {
	ssrc, first := t.line.SSRC(), t.line.Last() == 0
	ts, restarted := t.line.Map(a.Header.SSRC, a.Header.Timestamp, a.At)
	if !restarted {
		return ts
	}
	t.clock.Anchor(ts, a.At)
	t.anchored = a.At
	same := a.Header.SSRC == ssrc && !t.switched
	if !same {
		c.adoptReport(t, a)
	}
	if !same || slot != t.slot+1 {
		t.waitKey = t.id == forward.Video
		if t.cfg.Codec == codec.VP8 {
			t.vp8.Reset()
		}
		t.times.Reset(t.cfg.ParameterSets)
	}
	if !first && !t.switched {
		c.restarted(t, same)
	}
	t.switched = false
	return ts
}

// reportFresh is how old a sender report may be that begins an epoch.
const reportFresh = 10 * time.Second

// adoptReport ties a new epoch to the wall clock by the report that its source has
// sent before.
func (c *Core) adoptReport(t *track, a *forward.Arrival) {
	r := t.sources[c.inputs.active].report
	if r.SSRC == a.Header.SSRC && !r.At.IsZero() && a.At.Sub(r.At) < reportFresh {
		t.clock.Report(t.line.Source(r.RTP), r.NTP, r.At, t.maxStray())
	}
}

// restarted says that a source has begun anew.
func (c *Core) restarted(t *track, same bool) {
	t.health.restarts++
	if t.health.jumped = same; t.id == forward.Video {
		c.notice("source_restarted", "The studio's encoder has begun anew.")
	}
}
