package stream

import (
	"net/netip"
	"slices"
	"time"

	"github.com/framelock/relay/media/forward"
)

// newcomers are senders that are not heard yet, and what came of them last. Who takes
// the place of another begins with a keyframe: it must not be lost because the goodbye
// of the other, which comes by another socket, is a moment late.
type newcomers []newcomer

// newcomer is one of them, by one path.
type newcomer struct {
	from    netip.AddrPort
	path    forward.Path
	ssrc    uint32
	packets []forward.Arrival // never none
}

const (
	newcomersMost   = 4                      // senders of one source
	newcomerPackets = 1024                   // of each
	newcomerAge     = 250 * time.Millisecond // after which a packet is no beginning
)

// keep keeps a packet with its reference. What is too much is dropped: packets of a
// sender that has sent so many, or the sender that has been silent for the longest.
func (n *newcomers) keep(from netip.AddrPort, a forward.Arrival, drop func(forward.Arrival)) {
	n.age(a.At, drop)
	i := slices.IndexFunc(*n, func(s newcomer) bool {
		return s.from == from && s.path == a.Origin.Path && s.ssrc == a.Header.SSRC
	})
	switch {
	case i >= 0 && len((*n)[i].packets) == newcomerPackets:
		drop(a)
		return
	case i >= 0:
		(*n)[i].packets = append((*n)[i].packets, a)
		return
	case len(*n) == newcomersMost:
		silent := 0
		for i, s := range *n {
			if s.newest().Before((*n)[silent].newest()) {
				silent = i
			}
		}
		for _, p := range (*n)[silent].packets {
			drop(p)
		}
		*n = slices.Delete(*n, silent, silent+1)
	}
	*n = append(*n, newcomer{from, a.Origin.Path, a.Header.SSRC, []forward.Arrival{a}})
}

func (s *newcomer) newest() time.Time { return s.packets[len(s.packets)-1].At }

// age drops what has become too old.
func (n *newcomers) age(now time.Time, drop func(forward.Arrival)) {
	n.dropIf(func(a forward.Arrival) bool { return now.Sub(a.At) > newcomerAge }, drop)
}

// dropIf drops some packets.
func (n *newcomers) dropIf(those func(forward.Arrival) bool, drop func(forward.Arrival)) {
	for i := range *n {
		s := &(*n)[i]
		s.packets = slices.DeleteFunc(s.packets, func(a forward.Arrival) bool {
			if those(a) {
				drop(a)
				return true
			}
			return false
		})
	}
	*n = slices.DeleteFunc(*n, func(s newcomer) bool { return len(s.packets) == 0 })
}

// take returns what has come of a sender, by this path from this address and by the
// other from any, in the order of its sequence numbers. All else is dropped.
func (n *newcomers) take(from netip.AddrPort, path forward.Path, ssrc uint32, drop func(forward.Arrival)) (packets []forward.Arrival) {
	for _, s := range *n {
		if s.ssrc == ssrc && (s.path != path || s.from == from) {
			packets = append(packets, s.packets...)
		} else {
			for _, p := range s.packets {
				drop(p)
			}
		}
	}
	*n = nil
	sortBySequence(packets)
	return packets
}

// all hands everything over, one sender after the other.
func (n *newcomers) all() newcomers {
	all := *n
	*n = nil
	return all
}
