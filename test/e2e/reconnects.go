package e2e

import (
	"fmt"
	"slices"
)

// ReconnectVerdict is what a series of sessions shows that each took over from the
// one before while that played.
type ReconnectVerdict struct {
	Reconnects int
	Gaps       []float64 // between the last frame of one session and the first of the next, as drawn, in ms, sorted
	Took       []float64 // from asking for the session to its first frame, in ms, sorted
	Events     int       // that had to fire
	Lost       int
	Doubles    int
	Wrong      []string
}

func (v *ReconnectVerdict) wrong(format string, args ...any) {
	v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...))
}

// JudgeReconnects holds what was drawn against what was sent: every event of the
// log from the first snapshot to the last frame fires once, no frame goes back, and
// no session is seen before its snapshot was applied.
func JudgeReconnects(asked []JoinAttempt, page *PageLog, browser *Instruments) *ReconnectVerdict {
	v := &ReconnectVerdict{Reconnects: len(asked)}
	drawn := slices.DeleteFunc(slices.Clone(page.Drawn), func(d Drawn) bool { return d.Again || d.TS < 0 })
	for i := 1; i < len(drawn); i++ {
		if drawn[i].TS <= drawn[i-1].TS {
			v.wrong("a frame at %d was drawn after one at %d", drawn[i].TS, drawn[i-1].TS)
		}
	}
	for i, a := range asked {
		v.judgeSwitch(i+1, a, drawn, page)
	}
	v.judgeEvents(drawn, page, browser)
	slices.Sort(v.Gaps)
	slices.Sort(v.Took)
	return v
}

func (v *ReconnectVerdict) judgeSwitch(n int, a JoinAttempt, drawn []Drawn, page *PageLog) {
	i := slices.IndexFunc(page.Switches, func(s Switch) bool { return s.At >= a.Start && s.At <= a.Stop })
	if i < 0 || !page.Switches[i].Seamless {
		v.wrong("reconnect %d: the session before did not play until another took over", n)
		return
	}
	// The switch is told after the paint of the new session's first frame.
	after, _ := slices.BinarySearchFunc(drawn, page.Switches[i].At, func(d Drawn, at float64) int {
		if d.At <= at {
			return -1
		}
		return 1
	})
	first := after - 1
	applied := slices.IndexFunc(page.Snapshots, func(s Snapshot) bool { return s.At >= a.Start && s.At <= page.Switches[i].At })
	if applied < 0 {
		v.wrong("reconnect %d: no snapshot was applied before the first frame", n)
		return
	}
	if first >= 0 && drawn[first].At < page.Snapshots[applied].At {
		first++ // it took over with a frame that had been shown before
	}
	if first < 1 || first == len(drawn) || drawn[first].At < a.Start {
		v.wrong("reconnect %d: it took over without a frame", n)
		return
	}
	v.Gaps = append(v.Gaps, drawn[first].At-drawn[first-1].At)
	v.Took = append(v.Took, drawn[first].At-a.Start)
	if !drawn[first].Overlay {
		v.wrong("reconnect %d: the first frame bore no overlay", n)
	}
}

func (v *ReconnectVerdict) judgeEvents(drawn []Drawn, page *PageLog, browser *Instruments) {
	if len(page.Snapshots) == 0 || len(drawn) == 0 {
		v.wrong("nothing was drawn from a snapshot")
		return
	}
	from, to := page.Snapshots[0].StateAt, uint64(drawn[len(drawn)-1].TS)
	fired := map[uint64]int{}
	for _, d := range page.Drawn {
		for _, f := range d.Fired {
			if fired[f.Seq]++; fired[f.Seq] == 2 {
				v.Doubles++
				v.wrong("event %d fired again", f.Seq)
			}
		}
	}
	sent := map[uint64]bool{}
	for _, m := range browser.Raw {
		due := m.Type == "event" && m.Kind == "marker" && m.TS > from && m.TS <= to
		if !due || sent[m.Seq] {
			continue
		}
		sent[m.Seq] = true
		if v.Events++; fired[m.Seq] == 0 {
			v.Lost++
			v.wrong("event %d never fired", m.Seq)
		}
	}
}
