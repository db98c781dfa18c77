package stream

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
)

// source is what one encoder sends for one track, by one path or two.
type source struct {
	cfg    *Input
	window time.Duration // how long a missing packet is waited for
	locks  [forward.Paths]forward.SourceLock
	paths  [forward.Paths]pathCounts
	ssrc   uint32 // of the source that is heard
	before uint32 // of the one before

	heard   time.Time // newest packet
	steady  time.Time // since when packets have come without a gap
	packets uint64
	foreign uint64 // packets of senders that are not heard

	report ingest.SenderReport // newest of the source that is heard
	early  ingest.SenderReport // of one that may be heard next; believed only then

	newcomers newcomers // who may be heard next
	standby   standby   // while another encoder is on
}

// pathCounts are the packets of one path.
type pathCounts struct {
	heard   time.Time
	packets uint64
	first   uint64 // that came before the other path's copy
	differ  uint64 // that are not what the other path brings under the same name
}

func newSource(in *Input, silence, reorder time.Duration) *source {
	f := &source{cfg: in, window: in.window(reorder)}
	f.locks[0] = forward.SourceLock{PayloadType: in.PayloadType, SSRC: in.SSRC, Allow: in.Allow, Silence: silence}
	f.locks[1] = f.locks[0]
	if in.Second != nil {
		f.locks[1].Allow = in.Second.Allow
	}
	return f
}

// pathsApart is how long a path must be silent before what the other one brings
// is taken for the encoder's new source.
const pathsApart = 100 * time.Millisecond

// admit judges a packet by where it came from. Locked means that with it another
// source begins.
func (f *source) admit(from netip.AddrPort, a *forward.Arrival) forward.Admission {
	p, ssrc := a.Origin.Path, a.Header.SSRC
	verdict := f.locks[p].Admit(from, ssrc, a.Header.PayloadType, a.At)
	if verdict != forward.Admitted && verdict != forward.Locked {
		return verdict
	}
	other := 1 - p
	_, theirs, held := f.locks[other].Holder()
	switch {
	case verdict == forward.Admitted && ssrc == f.ssrc:
	case ssrc == f.ssrc && held && theirs == ssrc:
		verdict = forward.Admitted // a second path to the source that is heard
	case f.cfg.Second != nil && held && theirs == f.ssrc && a.At.Sub(f.paths[other].heard) < pathsApart:
		f.locks[p].Release()
		if ssrc != f.before {
			f.paths[p].differ++
		}
		return forward.Foreign
	default:
		f.locks[other].Release()
		f.before, f.ssrc, verdict = f.ssrc, ssrc, forward.Locked
		f.report = ingest.SenderReport{}
		if f.early.SSRC == ssrc && f.early.From.Addr() == from.Addr() {
			f.report = f.early
		}
	}
	f.paths[p].heard = a.At
	f.paths[p].packets++
	return verdict
}

// forgetSeen drops what newcomers sent while the source was still heard, whose time has
// been shown, and what is too old to begin with.
func (f *source) forgetSeen(now time.Time, drop func(forward.Arrival)) {
	f.newcomers.dropIf(func(a forward.Arrival) bool { return !a.At.After(f.heard) || now.Sub(a.At) > newcomerAge }, drop)
}

// believe reports whether a sender report is of the source that is heard, and
// keeps it.
func (f *source) believe(r ingest.SenderReport) bool {
	lock := &f.locks[r.Origin.Path]
	from, ssrc, ok := lock.Holder()
	switch {
	case !ok || ssrc != r.SSRC || from.Addr() != r.From.Addr():
		if !r.Bye && lock.Allowed(r.From.Addr()) {
			f.early = r
		}
		return false
	case r.Bye:
		for i := range f.locks {
			holder, _, _ := f.locks[i].Holder()
			f.locks[i].Goodbye(holder.Addr(), r.SSRC, r.At)
		}
	default:
		f.report = r
	}
	return true
}

// holder returns the address of the source that is heard, by either path.
func (f *source) holder() (netip.AddrPort, bool) {
	for i := range f.locks {
		if from, ssrc, ok := f.locks[i].Holder(); ok && ssrc == f.ssrc {
			return from, true
		}
	}
	return netip.AddrPort{}, false
}

// sumSeed makes the sums of this process unlike those of any other, so that
// nobody can send two packets with one sum.
var sumSeed = maphash.MakeSeed()

// sum is what the copies of a packet that came by two paths are compared by.
func sum(b []byte) uint64 { return maphash.Bytes(sumSeed, b) }
