package whep

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxAddresses = 8192        // that a limiter remembers
	sweepEvery   = time.Second // at most, to forget those that are idle
)

// limiter bounds how often each network address does something. An IPv6 address
// counts as its /64, which one subscriber has to himself. It has one owner; time
// is an argument.
type limiter struct {
	rate      rate.Limit
	burst     int
	byAddress map[netip.Addr]*rate.Limiter
	// overflow is shared by the addresses that there is no room to remember.
	overflow *rate.Limiter
	swept    time.Time
}

// newLimiter returns a limiter of perSecond on average and burst at once, or one
// without a limit if perSecond is negative.
func newLimiter(perSecond float64, burst int) *limiter {
	l := &limiter{rate: rate.Limit(perSecond), burst: burst, byAddress: make(map[netip.Addr]*rate.Limiter)}
	if perSecond < 0 {
		l.rate = rate.Inf
	}
	l.overflow = rate.NewLimiter(l.rate, burst)
	return l
}

// allow reports whether the address may now, or else how long it has to wait.
func (l *limiter) allow(address netip.Addr, now time.Time) (wait time.Duration, ok bool) {
	address = address.Unmap()
	if l.rate == rate.Inf || address.IsLoopback() {
		return 0, true
	}
	bucket := l.bucket(network(address), now)
	if bucket.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - bucket.TokensAt(now)
	return time.Duration(missing / float64(l.rate) * float64(time.Second)), false
}

// network is what an address counts as.
func network(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	p, err := address.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.Addr()
}

func (l *limiter) bucket(key netip.Addr, now time.Time) *rate.Limiter {
	if b := l.byAddress[key]; b != nil {
		return b
	}
	if len(l.byAddress) >= maxAddresses && now.Sub(l.swept) >= sweepEvery {
		l.swept = now
		for k, b := range l.byAddress {
			if b.TokensAt(now) >= float64(l.burst) { // as good as new
				delete(l.byAddress, k)
			}
		}
	}
	if len(l.byAddress) >= maxAddresses {
		return l.overflow
	}
	b := rate.NewLimiter(l.rate, l.burst)
	l.byAddress[key] = b
	return b
}
