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
	offset uint64        // canonical minus extended source timestamp, modulo 2^64
	source uint64        // newest extended source timestamp
	last   uint64        // newest canonical timestamp
	step   uint64        // newest distance of two frames, in ticks
	epoch  uint32        // count of locks
	ahead  time.Duration // least lead of the line over the wall clock at the next lock
	base   time.Time     // arrival of the packet that last agreed with the clock
	baseTS uint64        // its canonical timestamp
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
	return &Line{rate: uint64(rate), step: uint64(rate) / 30, epoch: r.Epoch, ahead: max(r.Ahead, 0)}
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

// Restart begins a new epoch with the next packet.
func (l *Line) Restart() { l.locked = false }

// Epoch returns the number of the epoch: 0 before the first packet.
func (l *Line) Epoch() uint32 { return l.epoch }

// Last returns the newest canonical timestamp: 0 before the first packet.
func (l *Line) Last() uint64 { return l.last }

// Step returns the distance of two frames, in ticks, as last seen.
func (l *Line) Step() uint64 { return l.step }

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
	moved := time.Duration(Nanos(ts, l.rate) - Nanos(l.baseTS, l.rate))
	drift := moved - arrival.Sub(l.base)
	return drift < maxEarly && drift > -maxLate && moved > -maxBack
}

func (l *Line) advance(source, ts uint64, arrival time.Time) {
	if ts <= l.last {
		return
	}
	if d := ts - l.last; d < l.rate/4 {
		l.step = d
	}
	l.source, l.last = source, ts
	l.base, l.baseTS = arrival, ts
}

func (l *Line) lock(ssrc, sourceTS uint32, arrival time.Time) uint64 {
	ts := Ticks(arrival.Add(l.ahead), l.rate)
	if l.last != 0 {
		ts = max(Ticks(arrival, l.rate), l.last+l.step)
	}
	l.locked, l.ssrc, l.source = true, ssrc, uint64(sourceTS)
	l.offset = ts - l.source
	l.last, l.base, l.baseTS = ts, arrival, ts
	l.epoch++
	return ts
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
