package stream

import (
	"net/netip"
	"slices"
	"time"

	"github.com/framelock/relay/media/forward"
)

// newcomer is a sender that is not heard yet, and what came of it last. Who takes the
// place of another begins with a keyframe: it must not be lost because the goodbye of
// the other, which comes by another socket, is a moment late.
type newcomer struct {
	from    netip.AddrPort
	ssrc    uint32
	packets []forward.Arrival
}

const (
	newcomerPackets = 512                    // kept at most
	newcomerAge     = 250 * time.Millisecond // after which a packet is no beginning
)

// keep keeps a packet with its reference. What is of another sender, or has become too
// much, is dropped.
func (n *newcomer) keep(from netip.AddrPort, a forward.Arrival, drop func(forward.Arrival)) {
	n.age(a.At, drop)
	if from != n.from || a.Header.SSRC != n.ssrc || len(n.packets) == newcomerPackets {
		n.each(drop)
	}
	n.from, n.ssrc = from, a.Header.SSRC
	n.packets = append(n.packets, a)
}

// age drops what has become too old.
func (n *newcomer) age(now time.Time, drop func(forward.Arrival)) {
	old := 0
	for old < len(n.packets) && now.Sub(n.packets[old].At) > newcomerAge {
		drop(n.packets[old])
		old++
	}
	n.packets = slices.Delete(n.packets, 0, old)
}

// take hands over what has just come of a sender that is heard from now on, and drops
// all else.
func (n *newcomer) take(from netip.AddrPort, ssrc uint32, now time.Time, take, drop func(forward.Arrival)) {
	if n.age(now, drop); from != n.from || ssrc != n.ssrc {
		take = drop
	}
	n.each(take)
}

// each hands over everything.
func (n *newcomer) each(to func(forward.Arrival)) {
	for _, a := range n.packets {
		to(a)
	}
	clear(n.packets)
	n.packets = n.packets[:0]
}
