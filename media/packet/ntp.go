package packet

import "time"

// ntpEpoch is how many seconds NTP time (RFC 5905, section 6) is ahead of Unix
// time. The count of seconds wraps every ntpEra, first in 2036.
const (
	ntpEpoch = 2208988800
	ntpEra   = 1 << 32
)

// NTP returns the 32.32 fixed-point NTP timestamp of an instant, rounded down.
func NTP(t time.Time) uint64 {
	frac := uint64(t.Nanosecond()) << 32 / uint64(time.Second)
	return uint64(t.Unix()+ntpEpoch)<<32 | frac
}

// FromNTP returns the instant of a 32.32 fixed-point NTP timestamp, to the
// nearest nanosecond, in UTC. A timestamp whose first bit is 0 is of the era that
// begins in 2036 (RFC 4330, section 3): the result lies between 1968 and 2104.
func FromNTP(n uint64) time.Time {
	seconds := int64(n>>32) - ntpEpoch
	if n>>63 == 0 {
		seconds += ntpEra
	}
	ns := (n&0xFFFFFFFF*uint64(time.Second) + 1<<31) >> 32
	return time.Unix(seconds, int64(ns)).UTC()
}
