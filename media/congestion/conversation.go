package congestion

import "time"

// conversation is what has been heard by TWCC.
type conversation struct {
	heard   time.Time // the last message
	count   uint8     // its number
	time    int64     // its reference time, unwrapped, in ticks
	covered uint64    // one past the newest number that was reported on
}

const (
	// forgetful is the pause after which a message need not have a number that
	// follows: 8 bits tell 127 lost messages from old ones, at 50 to 250 ms each.
	forgetful = 2 * time.Second

	referenceTicks = 256     // 64 ms (section 3.1)
	referenceWraps = 1 << 24 // steps
)

// follows reports whether a message with the given number is new, and how long
// after the one before it comes.
func (c *conversation) follows(number uint8, now time.Time) (since time.Duration, ok bool) {
	if !c.heard.IsZero() {
		since = now.Sub(c.heard)
		if since < forgetful && int8(number-c.count) <= 0 {
			return 0, false
		}
	}
	c.heard, c.count = now, number
	return since, true
}

// unwrap returns a reference time, of 24 bits, in ticks.
func (c *conversation) unwrap(reference uint32) int64 {
	was := c.time / referenceTicks
	ahead := (int64(reference) - was) & (referenceWraps - 1)
	if ahead >= referenceWraps/2 {
		ahead -= referenceWraps
	}
	c.time = (was + ahead) * referenceTicks
	return c.time
}
