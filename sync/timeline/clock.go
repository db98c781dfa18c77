package timeline

import "time"

// Where a clock's capture times come from.
const (
	FromSenderReport = "sender_report"
	FromArrival      = "arrival" // a stand-in: when the packets came
)

const (
	maxSlew      = 5e-3             // of the viewers' map: 5 ms a second
	driftPerAge  = 100e-6           // assumed drift of a source between its reports: two crystals
	jitterMemory = 10 * time.Second // how long the arrival clock remembers
	// A source whose reports are further off than this does not share our clock.
	maxClockDifference = 10 * time.Second
	firstReportError   = time.Millisecond
	tickError          = 20 * time.Microsecond // RTP and NTP rounding
)

// Clock ties a line to the wall clock: capture = Nanos(ts) + shift. It has the
// shift measured for naming frames, and a smoothed one for viewers' sender
// reports.
type Clock struct {
	rate   uint64
	offset time.Duration // capture_offset: how long after the shutter encoders stamp

	shift    time.Duration // measured
	reported bool          // by a sender report; else by arrival
	ts       uint64        // canonical timestamp of the newest report
	at       time.Time     // when it came
	residual time.Duration // how far reports strayed from one another, lately

	arrived          time.Time     // newest frame
	fastest, slowest time.Duration // arrival minus line time, recently
	waited           time.Duration // how much longer than the fastest frames may have been under way
	since            time.Time     // since when none has come faster
	delay            time.Duration // arrival of the fastest minus capture, as far as known

	viewer   time.Duration // the shift that viewers' reports use
	slewedAt time.Time
}

// Reading is what a clock says of one timestamp.
type Reading struct {
	Capture time.Time
	Error   time.Duration // bound
	Source  string        // FromSenderReport or FromArrival
}

// NewClock returns the clock of a line with the given rate. captureOffset is
// taken off every capture time.
func NewClock(rate uint32, captureOffset time.Duration) *Clock {
	return &Clock{rate: uint64(rate), offset: captureOffset, delay: captureOffset}
}

// Anchor starts the clock anew with the first packet of an epoch. Until a report
// comes, packets are taken to need as long from capture to arrival as they did
// before: tracks that restart stay in step with those that do not. What comes first
// after a silence may have been held up for all of it; it was not if nothing comes
// faster for as long.
func (c *Clock) Anchor(ts uint64, arrival time.Time) {
	if c.reported {
		c.delay = c.fastest - c.shift
	}
	if !c.arrived.IsZero() {
		c.waited = min(max(arrival.Sub(c.arrived), c.waited), maxLate)
	}
	c.arrived, c.since = arrival, arrival
	c.reported = false
	c.fastest = c.lineLag(ts, arrival)
	c.slowest, c.shift = c.fastest, c.fastest-c.delay
	c.viewer, c.slewedAt = c.shift, arrival
}

// Arrived notes when the first packet of a frame came.
func (c *Clock) Arrived(ts uint64, arrival time.Time) {
	lag := c.lineLag(ts, arrival)
	if lag < c.fastest {
		c.waited, c.since = max(c.waited-(c.fastest-lag), 0), arrival
	} else if arrival.Sub(c.since) > c.waited {
		c.waited = 0
	}
	c.arrived = arrival
	leak := time.Duration(float64(c.slowest-c.fastest) / jitterMemory.Seconds() / 30)
	c.fastest, c.slowest = min(lag, c.fastest+leak), max(lag, c.slowest-leak)
	if !c.reported {
		c.shift = c.fastest - c.delay
	}
}

// Report takes a sender report of the source: ts is the canonical timestamp of
// its RTP time. It returns false if the clock it tells of is not the one before:
// off by more than limit. Then, or if the source does not share our wall clock
// at all, or if the report is older than one that came before, it is not used.
func (c *Clock) Report(ts uint64, ntp, arrival time.Time, limit time.Duration) (same bool) {
	lag := c.lineLag(ts, ntp)
	if ntp.Sub(arrival).Abs() > maxClockDifference || (lag-c.fastest).Abs() > maxClockDifference {
		return true
	}
	shift := lag - c.offset
	switch stray := (shift - c.shift).Abs(); {
	case !c.reported:
		c.reported, c.residual = true, firstReportError
		c.viewer, c.slewedAt = shift, arrival
	case ts <= c.ts:
		return true
	case stray > limit:
		return false
	default:
		c.residual = max(stray, c.residual*15/16)
	}
	c.shift, c.ts, c.at = shift, ts, arrival
	return true
}

// At returns the capture time of a timestamp, as known now.
func (c *Clock) At(ts uint64, now time.Time) Reading {
	capture := time.Unix(0, Nanos(ts, c.rate)+int64(c.shift)).UTC()
	if !c.reported {
		return Reading{capture, c.slowest - c.fastest + c.waited + tickError, FromArrival}
	}
	age := max(now.Sub(c.at), time.Duration(Nanos(ts, c.rate)-Nanos(c.ts, c.rate)).Abs())
	// Half again: the newest report may be off by more than the last few strayed.
	e := c.residual*3/2 + tickError + time.Duration(float64(age)*driftPerAge)
	return Reading{capture, e, FromSenderReport}
}

// ViewerMap is the wall-clock map of viewers' sender reports for one line.
type ViewerMap struct {
	rate  uint64
	shift time.Duration
}

// Viewer returns the map to use for reports sent now. It follows the measured
// clock by at most 5 ms a second, so that players never step; only an epoch's
// beginning and its first report set it at once.
func (c *Clock) Viewer(now time.Time) ViewerMap {
	room := time.Duration(float64(max(now.Sub(c.slewedAt), 0)) * maxSlew)
	c.viewer += min(max(c.shift-c.viewer, -room), room)
	c.slewedAt = now
	return ViewerMap{c.rate, c.viewer}
}

// TS returns the canonical timestamp that is captured at the given instant.
func (m ViewerMap) TS(at time.Time) uint64 { return Ticks(at.Add(-m.shift), m.rate) }

// Capture returns the instant at which a timestamp was captured.
func (m ViewerMap) Capture(ts uint64) time.Time {
	return time.Unix(0, Nanos(ts, m.rate)+int64(m.shift)).UTC()
}

func (c *Clock) lineLag(ts uint64, t time.Time) time.Duration {
	return time.Duration(t.UnixNano() - Nanos(ts, c.rate))
}
