package packet

import "time"

// ntpEpoch is how many seconds NTP time (RFC 5905, section 6) is ahead of Unix
// time.
const ntpEpoch = 2208988800

// NTP returns the 32.32 fixed-point NTP timestamp of an instant, rounded down.
func NTP(t time.Time) uint64 {
	frac := uint64(t.Nanosecond()) << 32 / uint64(time.Second)
	return uint64(t.Unix()+ntpEpoch)<<32 | frac
}

// FromNTP returns the instant of a 32.32 fixed-point NTP timestamp, to the
// nearest nanosecond, in UTC.
func FromNTP(n uint64) time.Time {
	ns := (n&0xFFFFFFFF*uint64(time.Second) + 1<<31) >> 32
	return time.Unix(int64(n>>32)-ntpEpoch, int64(ns)).UTC()
}
