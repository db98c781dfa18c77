// Package timeline names video frames and audio instants the same way for every
// viewer. A Line turns a source's RTP timestamps into canonical ones, a Clock
// ties them to the wall clock, and Frames finds the frame that a time means.
//
// All of it is pure: time is an argument. One stream loop owns each value.
package timeline

import (
	"time"

	"github.com/framelock/relay/media/packet"
)

// How far a source timestamp may stray from its own clock, as seen on arrival,
// before it cannot be the same clock any more. Early needs a jump of the
// timestamp; late can also be a network that stood still.
const (
	maxEarly = time.Second
	maxLate  = 5 * time.Second
	maxBack  = 500 * time.Millisecond // B-frames go back this far at most
)

// Line is the canonical timeline of one track: ts = source_ts + offset, the
// offset fixed when the source is locked and never nudged.
type Line struct {
	rate   uint64
	locked bool
	ssrc   uint32
	offset uint64 // canonical minus extended source timestamp, modulo 2^64
	source uint64 // newest extended source timestamp
	floor  uint64 // canonical timestamp that the epoch began with
	last   uint64 // newest canonical timestamp
	steps  distances
	epoch  uint32        // count of locks
	ahead  time.Duration // least lead of the line over the wall clock at the next lock
	base   time.Time     // arrival of the packet with the newest timestamp
	behind time.Duration // how much later it came than the fastest would have
}

// Resume says where an earlier run of the relay left the line: its epoch, and
// how far its timestamps ran ahead of the wall clock. A new line starts behind
// neither.
type Resume struct {
	Epoch uint32
	Ahead time.Duration
}

// NewLine returns the line of a track with the given RTP clock rate in Hz.
func NewLine(rate uint32, r Resume) *Line {
	return &Line{
		rate: uint64(rate), steps: newDistances(uint64(rate)), epoch: r.Epoch, ahead: max(r.Ahead, 0),
	}
}

// Map returns the canonical timestamp of a packet, and whether a new epoch
// begins with it: the source's first packet, a new SSRC, or a jump that cannot
// be the same clock. Within an epoch a packet may be older than the one before.
func (l *Line) Map(ssrc, sourceTS uint32, arrival time.Time) (ts uint64, restarted bool) {
	if l.locked && ssrc == l.ssrc {
		source := packet.Extend32(l.source, sourceTS)
		ts = source + l.offset
		if l.plausible(ts, arrival) {
			l.advance(source, ts, arrival)
			return ts, false
		}
	}
	return l.lock(ssrc, sourceTS, arrival), true
}

// Late returns the canonical timestamp of a packet that comes after others of
// its track, and changes nothing: an old packet is no sign of a new epoch. ok is
// false if it is not of the locked source, or cannot be of its present clock.
func (l *Line) Late(ssrc, sourceTS uint32) (ts uint64, ok bool) {
	if !l.locked || ssrc != l.ssrc {
		return 0, false
	}
	ts = l.Source(sourceTS)
	return ts, ts >= l.floor && ts <= l.last
}

// Restart begins a new epoch with the next packet.
func (l *Line) Restart() { l.locked = false }

// Epoch returns the number of the epoch: 0 before the first packet.
func (l *Line) Epoch() uint32 { return l.epoch }

// Last returns the newest canonical timestamp: 0 before the first packet.
func (l *Line) Last() uint64 { return l.last }

// Step returns the distance of two frames, in ticks: the smallest seen lately.
func (l *Line) Step() uint64 { return l.steps.step }

// SSRC returns the source that the line is locked to.
func (l *Line) SSRC() uint32 { return l.ssrc }

// Source returns the canonical timestamp that the locked source's timestamp
// stands for.
func (l *Line) Source(sourceTS uint32) uint64 {
	return packet.Extend32(l.source, sourceTS) + l.offset
}

// Ahead returns how far the line's newest timestamp runs ahead of the wall
// clock, for Resume.
func (l *Line) Ahead(now time.Time) time.Duration {
	if l.last == 0 {
		return l.ahead
	}
	return time.Duration(Nanos(l.last, l.rate) - now.UnixNano())
}

func (l *Line) plausible(ts uint64, arrival time.Time) bool {
	moved, drift := l.drift(ts, arrival)
	return drift < maxEarly+l.behind && drift > -maxLate && moved > -maxBack
}

// drift returns how far a timestamp is from the newest one, and by how much that
// is more than the time between their arrivals.
func (l *Line) drift(ts uint64, arrival time.Time) (moved, drift time.Duration) {
	moved = time.Duration(Nanos(ts, l.rate) - Nanos(l.last, l.rate))
	return moved, moved - arrival.Sub(l.base)
}

func (l *Line) advance(source, ts uint64, arrival time.Time) {
	if ts <= l.last {
		return
	}
	_, drift := l.drift(ts, arrival)
	// After a network that stood still the source may catch up. A clock that stood
	// still never does: that is forgotten at a thousandth of real time.
	l.behind = min(max(l.behind-drift-arrival.Sub(l.base)/1000, 0), maxLate)
	l.steps.add(ts - l.last)
	l.source, l.last, l.base = source, ts, arrival
}

func (l *Line) lock(ssrc, sourceTS uint32, arrival time.Time) uint64 {
	ts := Ticks(arrival.Add(l.ahead), l.rate)
	if l.last != 0 {
		ts = max(Ticks(arrival, l.rate), l.last+l.steps.step)
	}
	// The source's timestamps are extended from a cycle up, so that there are
	// numbers for what came before the first packet.
	l.locked, l.ssrc, l.source = true, ssrc, 1<<32+uint64(sourceTS)
	l.offset = ts - l.source
	l.floor, l.last, l.base, l.behind = ts, ts, arrival, 0
	l.epoch++
	return ts
}

// distances finds the distance of two frames, in ticks: the smallest of the last
// ones, since frames are left out more often than they are too close.
type distances struct {
	step     uint64
	smallest uint64 // of this window
	count    int
	least    uint64 // what is closer than 1 ms is no frame,
	most     uint64 // and what is farther than a quarter of a second is a gap
}

// distanceWindow is how many frames a larger distance must have held for.
const distanceWindow = 16

func newDistances(rate uint64) distances {
	return distances{step: rate / 30, smallest: rate, least: rate / 1000, most: rate / 4}
}

func (d *distances) add(distance uint64) {
	if distance < d.least || distance >= d.most {
		return
	}
	d.smallest = min(d.smallest, distance)
	d.step = min(d.step, distance)
	if d.count++; d.count == distanceWindow {
		d.step, d.smallest, d.count = d.smallest, d.most, 0
	}
}

// Nanos returns the Unix time in nanoseconds that a timestamp of a line anchored
// to the wall clock stands for.
func Nanos(ts, rate uint64) int64 {
	return int64(ts/rate)*int64(time.Second) + int64(ts%rate*uint64(time.Second)/rate)
}

// Ticks returns the timestamp of a wall-clock instant, rounded to the nearest
// tick.
func Ticks(t time.Time, rate uint64) uint64 {
	frac := (uint64(t.Nanosecond())*rate + uint64(time.Second)/2) / uint64(time.Second)
	return uint64(t.Unix())*rate + frac
}
