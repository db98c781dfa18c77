package e2e

import (
	"fmt"
	"slices"
)

// JoinAttempt is one join of a page, in the page's own milliseconds.
type JoinAttempt struct {
	Start float64 `json:"start"` // just before the player was started
	Stop  float64 `json:"stop"`  // just after it was stopped
}

// JoinVerdict is what a series of joins shows.
type JoinVerdict struct {
	Joins      int
	FirstFrame []float64 // from POST to the first frame presented, in ms, sorted
	Events     int       // on the reliable channel
	Early      int       // whose player was out of patience and showed a frame before the snapshot, without overlay
	Gaps       int
	Doubles    int
	Wrong      []string
}

// Median of the times to the first frame.
func (v *JoinVerdict) Median() float64 {
	if len(v.FirstFrame) == 0 {
		return 0
	}
	return v.FirstFrame[len(v.FirstFrame)/2]
}

// String is the verdict on one line.
func (v *JoinVerdict) String() string {
	return fmt.Sprintf("%d joins: first frame after %.0f ms, p95 %.0f [%.0f-%.0f], %d before the snapshot; %d events, %d gaps, %d doubles", v.Joins,
		v.Median(), quantile(v.FirstFrame, 0.95), quantile(v.FirstFrame, 0), quantile(v.FirstFrame, 1), v.Early, v.Events, v.Gaps, v.Doubles)
}

func (v *JoinVerdict) wrong(format string, args ...any) {
	v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...))
}

// patience is how long a player waits for the snapshot, in ms (docs/player.md).
const patience = 1500

// JudgeJoins looks at each join: the snapshot must have been applied before the
// first frame was shown, by the element or on the canvas, unless it did not come for long, and the events must
// continue at its seq + 1 with no gap and no double, by what came over the wire.
func JudgeJoins(joins []JoinAttempt, page *PageLog, browser *Instruments) *JoinVerdict {
	v := &JoinVerdict{Joins: len(joins)}
	for i, j := range joins {
		within := func(at float64) bool { return at >= j.Start && at < j.Stop }
		v.judgeFrames(i+1, within, page, browser)
		v.judgeEvents(i+1, within, browser)
	}
	slices.Sort(v.FirstFrame)
	return v
}

func (v *JoinVerdict) judgeFrames(n int, within func(float64) bool, page *PageLog, browser *Instruments) {
	var posted, applied, presented float64
	for _, p := range browser.Posts {
		if posted == 0 && within(p.At) {
			posted = p.At
		}
	}
	for _, s := range page.Snapshots {
		if applied == 0 && within(s.At) {
			applied = s.At
		}
	}
	for _, p := range browser.Presented {
		if presented == 0 && within(p.At) && p.At > posted {
			presented = p.At
		}
	}
	for _, d := range page.Drawn {
		if (presented == 0 || d.At < presented) && within(d.At) && d.At > posted {
			presented = d.At
		}
	}
	switch {
	case posted == 0 || applied == 0 || presented == 0:
		v.wrong("join %d: posted at %.0f, snapshot at %.0f, first frame at %.0f ms: one of them is missing", n, posted, applied, presented)
		return
	case applied > presented && presented-posted > patience:
		v.Early++
	case applied > presented:
		v.wrong("join %d: the snapshot was applied %.1f ms after the first frame was presented", n, applied-presented)
	}
	v.FirstFrame = append(v.FirstFrame, presented-posted)
}

// judgeEvents follows the connections of one join through the raw messages.
func (v *JoinVerdict) judgeEvents(n int, within func(float64) bool, browser *Instruments) {
	next := map[int]uint64{} // by connection
	for _, s := range browser.Snapshots() {
		if within(s.At) {
			next[s.PC] = s.Seq + 1
		}
	}
	if len(next) != 1 {
		v.wrong("join %d: %d connections brought a snapshot, want 1", n, len(next))
	}
	for _, m := range browser.Raw {
		if !within(m.At) || m.Type != "event" || m.Label != "framelock.events.1" {
			continue
		}
		v.Events++
		expect, known := next[m.PC]
		switch {
		case !known:
			v.wrong("join %d: event %d came without a snapshot before", n, m.Seq)
		case m.Seq < expect:
			v.Doubles++
			v.wrong("join %d: event %d came again, %d was next", n, m.Seq, expect)
		case m.Seq > expect:
			v.Gaps++
			v.wrong("join %d: event %d came, %d was next", n, m.Seq, expect)
		}
		next[m.PC] = m.Seq + 1
	}
}
