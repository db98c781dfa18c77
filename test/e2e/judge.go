package e2e

import (
	"fmt"
	"math"
	"strings"

	"github.com/framelock/relay/internal/croupier"
)

// Verdict is what joining the three logs shows.
type Verdict struct {
	Markers     int // published, answered, and their frame within what the page drew
	Exact       int // drawn on the pixels of their own frame
	Skipped     int // their frame was never drawn; drawn on the first later one
	Overtaken   int // of these, the browser called the frame presented before the SDK drew
	Late        int // drawn after a later frame had been drawn
	ByCapture   int // named by capture time
	MaxErrorMS  float64
	Drawn       int // frames drawn
	Unreadable  int // frames whose number could not be read
	Wrong       []string
	Unpublished []string // the relay refused them
}

// SkippedShare is the share of markers whose frame was not presented.
func (v *Verdict) SkippedShare() float64 {
	return float64(v.Skipped) / math.Max(1, float64(v.Markers))
}

func (v *Verdict) wrong(format string, args ...any) {
	v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...))
}

// String is the verdict on one line.
func (v *Verdict) String() string {
	return fmt.Sprintf("%d markers (%d by capture time): %d exact, %d skipped (%.1f%%), %d late, %d wrong; error_ms at most %.2f; %d frames drawn",
		v.Markers, v.ByCapture, v.Exact, v.Skipped, 100*v.SkippedShare(), v.Late, len(v.Wrong), v.MaxErrorMS, v.Drawn)
}

// judge is the work of Judge.
type judge struct {
	verdict   Verdict
	studio    *StudioLog
	page      *PageLog
	offset    uint32         // canonical - studio timestamp, low 32 bits
	byTS      map[uint32]int // position in studio.Frames
	byNumber  map[uint64]int
	presented map[int]bool     // positions in studio.Frames that rVFC reported
	drawn     []drawnFrame     // in the order of drawing, repaints left out
	at        map[int]bool     // positions that were drawn
	marks     map[string][]hit // by event id
}

type drawnFrame struct {
	position int // in studio.Frames
	at       float64
}

// hit is one painting of an event.
type hit struct {
	fired    Fired
	position int
}

// Judge joins what the studio sent, what was published and what a page drew, all
// of one run of the studio. A frame is known by the number in its pixels, checked
// against the timestamp that the SDK gives for it; where a marker belongs is known
// from what the publisher meant, never from what the relay or the page say.
func Judge(studio *StudioLog, published []croupier.Record, page *PageLog, browser *Instruments) *Verdict {
	j := &judge{
		studio: studio, page: page, byTS: map[uint32]int{}, byNumber: map[uint64]int{},
		presented: map[int]bool{}, at: map[int]bool{}, marks: map[string][]hit{},
	}
	for i, f := range studio.Frames {
		j.byTS[f.TS], j.byNumber[f.Frame] = i, i
	}
	if !j.findOffset(published) {
		return &j.verdict
	}
	for _, p := range browser.Presented {
		if i, ok := j.byTS[uint32(p.RTP)-j.offset]; ok {
			j.presented[i] = true
		} else if len(page.Snapshots) > 0 && p.RTP > 0 && p.At > page.Snapshots[0].At {
			j.verdict.wrong("the browser presented timestamp %d, which the studio never sent", p.RTP)
		}
	}
	j.readDrawn()
	for _, r := range published {
		j.marker(&r)
	}
	j.doubles()
	return &j.verdict
}

// findOffset takes the distance between the two timestamp lines from the answers,
// and holds every answer against it: a marker that was resolved to another frame
// than the publisher meant stands out, whatever the page shows.
func (j *judge) findOffset(published []croupier.Record) bool {
	votes := map[uint32]int{}
	for _, r := range published {
		if i, ok := j.byNumber[r.Frame]; ok && r.Answer != nil {
			votes[uint32(r.Answer.TS)-j.studio.Frames[i].TS]++
		}
	}
	best := 0
	for offset, n := range votes {
		if n > best {
			j.offset, best = offset, n
		}
	}
	if best == 0 {
		j.verdict.wrong("no published marker was resolved to a frame of the studio's log")
		return false
	}
	return true
}

// readDrawn ties every drawn frame to a frame of the studio's log, by timestamp
// and by pixels.
func (j *judge) readDrawn() {
	for _, d := range j.page.Drawn {
		i, ok := j.byTS[uint32(d.RTP)-j.offset]
		if d.RTP < 0 || !ok {
			if len(d.Fired) > 0 {
				j.verdict.wrong("%s: drawn on timestamp %d, which the studio never sent", ids(d.Fired), d.RTP)
			}
			continue
		}
		if d.Bar < 0 {
			j.verdict.Unreadable++
		}
		if f := j.studio.Frames[i]; d.Bar != f.Bar {
			j.verdict.wrong("timestamp %d is of frame %d with number %d, but the pixels say %d%s", d.RTP, f.Frame, f.Bar, d.Bar, ids(d.Fired))
		}
		late := len(j.drawn) > 0 && i <= j.drawn[len(j.drawn)-1].position
		if !d.Again {
			if late {
				j.verdict.wrong("frame %d was drawn after frame %d", j.studio.Frames[i].Frame, j.studio.Frames[j.drawn[len(j.drawn)-1].position].Frame)
			}
			j.verdict.Drawn++
			j.drawn = append(j.drawn, drawnFrame{position: i, at: d.At})
			j.at[i] = true
		}
		for _, f := range d.Fired {
			j.marks[f.ID] = append(j.marks[f.ID], hit{fired: f, position: i})
		}
	}
}

// marker judges one published marker.
func (j *judge) marker(r *croupier.Record) {
	v := &j.verdict
	if r.Answer == nil {
		v.Unpublished = append(v.Unpublished, fmt.Sprintf("%s: %s", r.ID, r.Error))
		return
	}
	meant, ok := j.byNumber[r.Frame]
	if !ok {
		return // the studio had not sent it when the logs were read
	}
	frame := j.studio.Frames[meant]
	if got := uint32(r.Answer.TS) - j.offset; got != frame.TS {
		v.wrong("%s (by %s): meant for frame %d, resolved %+d ticks away from it (error_ms %.2f)", r.ID, r.By, r.Frame, int32(got-frame.TS), r.Answer.ErrorMS)
	}
	if !j.within(meant, r) {
		return
	}
	v.Markers++
	if r.By == "capture_time" {
		v.ByCapture++
		v.MaxErrorMS = math.Max(v.MaxErrorMS, r.Answer.ErrorMS)
	}
	hits := j.marks[r.ID]
	if len(hits) == 0 {
		v.wrong("%s: frame %d was within what the page drew, but it was never drawn", r.ID, r.Frame)
		return
	}
	j.place(r, meant, hits[0])
}

// within says whether the page was playing, snapshot and all, when a frame came
// by, and still two frames later.
func (j *judge) within(meant int, r *croupier.Record) bool {
	if len(j.drawn) < 3 || len(j.page.Snapshots) == 0 {
		return false
	}
	first := j.drawn[0].position
	for _, d := range j.drawn {
		if d.at >= j.page.Snapshots[0].At {
			first = d.position
			break
		}
	}
	return meant > first && meant <= j.drawn[len(j.drawn)-3].position && r.Answer.TS > j.page.Snapshots[0].StateAt
}

// place compares where a marker was drawn with where it belongs.
func (j *judge) place(r *croupier.Record, meant int, h hit) {
	v := &j.verdict
	number := func(i int) uint64 { return j.studio.Frames[i].Frame }
	switch {
	case h.position == meant:
		v.Exact++
		if h.fired.Skipped || h.fired.Frames != 0 {
			v.wrong("%s: drawn on its frame %d, but the SDK says %d frames off", r.ID, r.Frame, h.fired.Frames)
		}
	case h.position < meant:
		v.wrong("%s: meant for frame %d, drawn before it on %d", r.ID, r.Frame, number(h.position))
	case h.fired.Late && h.fired.Frames != h.position-meant:
		v.wrong("%s: meant for frame %d, drawn on %d, late, but the SDK says by %d frames", r.ID, r.Frame, number(h.position), h.fired.Frames)
	case h.fired.Late && !j.at[meant] && j.firstAfter(meant) == h.position:
		v.wrong("%s: frame %d was never drawn, and drawn on the next, %d, it is said to be late", r.ID, r.Frame, number(h.position))
	case j.at[meant] && !h.fired.Late:
		v.wrong("%s: meant for frame %d, which was drawn without it; drawn on %d, and not said to be late", r.ID, r.Frame, number(h.position))
	case j.at[meant]:
		v.Late++
	case j.firstAfter(meant) != h.position && !h.fired.Late:
		v.wrong("%s: meant for frame %d, drawn on %d although %d was drawn before", r.ID, r.Frame, number(h.position), number(j.firstAfter(meant)))
	case j.firstAfter(meant) != h.position:
		v.Late++
	default:
		v.Skipped++
		if j.presented[meant] {
			v.Overtaken++
		}
		if !h.fired.Skipped {
			v.wrong("%s: frame %d was never drawn, but the SDK does not say that it was skipped", r.ID, r.Frame)
		}
	}
}

// firstAfter is the first drawn frame after a position.
func (j *judge) firstAfter(meant int) int {
	for _, d := range j.drawn {
		if d.position > meant {
			return d.position
		}
	}
	return -1
}

// doubles finds events that were painted as new more than once.
func (j *judge) doubles() {
	for id, hits := range j.marks {
		if len(hits) > 1 {
			j.verdict.wrong("%s: fired %d times", id, len(hits))
		}
	}
}

func ids(fired []Fired) string {
	var b strings.Builder
	for _, f := range fired {
		b.WriteString(" " + f.ID)
	}
	return b.String()
}
