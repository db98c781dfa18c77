package e2e

import "fmt"

// AwayVerdict is what a page shows that was hidden for a while.
type AwayVerdict struct {
	Return  float64 // from the return to the first new frame, as drawn, in ms
	Behind  float64 // the newest clock minus that frame, in ms of the timeline; below 0 if the frame is newer
	Events  int     // that had to fire
	Unseen  int     // that fired while the page was hidden
	Lost    int
	Doubles int
	Wrong   []string
}

func (v *AwayVerdict) wrong(format string, args ...any) {
	v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...))
}

const (
	// present is how much older than the newest clock a frame may be that is the present
	// one: the way to the screen, on a busy machine.
	present = 45000
	// fading is how long after it is hidden a page may still paint, in ms.
	fading = 100
)

// JudgeAway holds what was drawn after the return against what came meanwhile. The
// page was hidden and shown again at these times of its own.
func JudgeAway(hidden, back float64, page *PageLog, browser *Instruments) *AwayVerdict {
	v := &AwayVerdict{}
	var first *Drawn
	for i, d := range page.Drawn {
		switch {
		case d.Again || d.TS < 0:
		case d.At > hidden+fading && d.At < back:
			v.wrong("a frame was drawn while hidden, %.0f ms after it began", d.At-hidden)
		case d.At >= back && first == nil:
			first = &page.Drawn[i]
		}
	}
	if first == nil {
		v.wrong("no frame was drawn after the return")
		return v
	}
	v.Return = first.At - back
	clock := int64(0)
	for _, m := range browser.Raw {
		if m.Type == "clock" && m.At < first.At {
			clock = max(clock, int64(m.TS))
		}
	}
	v.Behind = float64(clock-first.TS) / 90
	if clock-first.TS > present {
		v.wrong("the first frame after the return is %.0f ms older than the newest clock", v.Behind)
	}
	for _, d := range page.Drawn {
		for _, f := range d.Fired {
			if d.At >= back && int64(f.TS) <= first.TS-frameTicks {
				v.wrong("event %d was painted %.0f ms after its frame, which passed while the page was hidden", f.Seq, float64(d.TS-int64(f.TS))/90)
			}
		}
	}
	v.Unseen = len(page.Unseen)
	v.judgeEvents(page, browser)
	return v
}

func (v *AwayVerdict) judgeEvents(page *PageLog, browser *Instruments) {
	fired := map[uint64]int{}
	fire := func(seq uint64) {
		if fired[seq]++; fired[seq] == 2 {
			v.Doubles++
			v.wrong("event %d fired again", seq)
		}
	}
	for _, seq := range page.Unseen {
		fire(seq)
	}
	newest := int64(0)
	for _, d := range page.Drawn {
		newest = max(newest, d.TS)
		for _, f := range d.Fired {
			fire(f.Seq)
		}
	}
	sent := map[uint64]bool{}
	for _, m := range browser.Raw {
		due := m.Type == "event" && m.Kind == "marker" && m.TS > page.Snapshots[0].StateAt && m.TS <= uint64(newest)
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
