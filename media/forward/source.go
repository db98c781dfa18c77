package forward

import (
	"net/netip"
	"time"
)

// Admission says why a source's packet is or is not heard.
type Admission uint8

// What SourceLock can say of a packet.
const (
	Admitted  Admission = iota
	Locked              // admitted, and the lock was taken with this packet
	Foreign             // another sender holds the lock
	WrongType           // not the payload type that was described
	Refused             // the address is not on the allow list
)

// sameAddressSilence is how long a source must be silent before another SSRC
// from the very same address and port takes its place: an encoder that restarted.
const sameAddressSilence = 100 * time.Millisecond

// SourceLock pins a track to the first sender that is heard: address, port, SSRC
// and payload type. Nobody else is heard until that sender has said goodbye or
// has been silent for a while.
type SourceLock struct {
	PayloadType uint8
	SSRC        uint32         // the only SSRC to hear; 0 = any
	Allow       []netip.Prefix // who may send; empty = anybody
	Silence     time.Duration  // after which the lock is released

	locked bool
	from   netip.AddrPort
	ssrc   uint32
	heard  time.Time
	left   time.Time // when the holder said goodbye
}

// Admit judges a packet by where it came from.
func (l *SourceLock) Admit(from netip.AddrPort, ssrc uint32, payloadType uint8, now time.Time) Admission {
	if payloadType != l.PayloadType {
		return WrongType
	}
	if l.SSRC != 0 && ssrc != l.SSRC {
		return Foreign
	}
	if l.locked && from == l.from && ssrc == l.ssrc {
		l.heard = now
		return Admitted
	}
	if !l.Allowed(from.Addr()) {
		return Refused
	}
	if !l.locked && from == l.from && ssrc == l.ssrc && now.Sub(l.left) < sameAddressSilence {
		return Admitted
	}
	if l.locked {
		wait := l.Silence
		if from == l.from {
			wait = min(wait, sameAddressSilence)
		}
		if now.Sub(l.heard) < wait {
			return Foreign
		}
	}
	l.locked, l.from, l.ssrc, l.heard = true, from, ssrc, now
	return Locked
}

// Goodbye releases the lock if its holder sent it (RTCP BYE from the same host).
// What of the holder comes after that, on its way since before, is heard and takes
// no lock.
func (l *SourceLock) Goodbye(from netip.Addr, ssrc uint32, now time.Time) {
	if l.locked && from == l.from.Addr() && ssrc == l.ssrc {
		l.locked, l.left = false, now
	}
}

// Release lets the next sender take the lock, as if nobody had been heard.
func (l *SourceLock) Release() { l.locked = false }

// MayHold reports whether a sender can ever be heard.
func (l *SourceLock) MayHold(from netip.Addr, ssrc uint32) bool {
	return (l.SSRC == 0 || ssrc == l.SSRC) && l.Allowed(from)
}

// Allowed reports whether an address may send.
func (l *SourceLock) Allowed(a netip.Addr) bool {
	if len(l.Allow) == 0 {
		return true
	}
	a = a.Unmap()
	for _, p := range l.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Holder returns who holds the lock.
func (l *SourceLock) Holder() (from netip.AddrPort, ssrc uint32, ok bool) {
	return l.from, l.ssrc, l.locked
}
