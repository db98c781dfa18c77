package e2e

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/sync/timeline"
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
	// Outcomes is what became of each marker that was judged, by its id.
	Outcomes map[string]Outcome
}

// Outcome is what became of a marker.
type Outcome int

// Outcomes of a marker: drawn on its own frame; on the first later one, because the
// browser left its own out; after a later one, and said to be late; anything else.
const (
	Wrong Outcome = iota
	OnFrame
	Skipped
	Late
)

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
	runs      []int            // by position in studio.Frames: which run of timestamps it is of
	wire      map[int]uint32   // by position: the low 32 bits of the canonical timestamp
	byWire    map[uint32][]int // and back: two encoders may have a frame for the same instant
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

// Judge joins what the studio sent, what was published and what a page drew. A frame
// is known by the number in its pixels, checked
// against the timestamp that the SDK gives for it; where a marker belongs is known
// from what the publisher meant, never from what the relay or the page say.
// The log may be of several encoders, in the order of capture.
func Judge(studio *StudioLog, published []croupier.Record, page *PageLog, browser *Instruments) *Verdict {
	j := newJudge(studio, page)
	if !j.findWire(published) {
		return &j.verdict
	}
	for _, p := range browser.Presented {
		if same := j.byWire[uint32(p.RTP)]; len(same) > 0 {
			for _, i := range same {
				j.presented[i] = true
			}
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

func newJudge(studio *StudioLog, page *PageLog) *judge {
	j := &judge{
		verdict: Verdict{Outcomes: map[string]Outcome{}},
		studio:  studio, page: page, runs: runs(studio.Frames), wire: map[int]uint32{}, byWire: map[uint32][]int{}, byNumber: map[uint64]int{},
		presented: map[int]bool{}, at: map[int]bool{}, marks: map[string][]hit{},
	}
	for i, f := range studio.Frames {
		j.byNumber[f.Frame] = i
	}
	return j
}

// runs numbers the runs of timestamps that go on as time does. A jump or another
// encoder begins a new one.
func runs(frames []StudioFrame) []int {
	list, last, newest := make([]int, len(frames)), map[uint32]int{}, -1
	for i, f := range frames {
		before, ok := last[f.SSRC]
		if ok {
			moved := time.Duration(int32(f.TS-frames[before].TS)) * time.Second / 90000
			ok = (moved - f.CaptureTime.Sub(frames[before].CaptureTime)).Abs() < frameTime/2
		}
		if ok {
			list[i] = list[before]
		} else {
			newest++
			list[i] = newest
		}
		last[f.SSRC] = i
	}
	return list
}

// findWire takes the distance between the canonical timestamps and those of each run
// from the answers, and every answer is held against it: a marker that was resolved to
// another frame than the publisher meant stands out, whatever the page shows.
func (j *judge) findWire(published []croupier.Record) bool {
	votes := map[int]map[uint32]int{}
	for _, r := range published {
		if i, ok := j.byNumber[r.Frame]; ok && r.Answer != nil {
			run := j.runs[i]
			if votes[run] == nil {
				votes[run] = map[uint32]int{}
			}
			votes[run][uint32(r.Answer.TS)-j.studio.Frames[i].TS]++
		}
	}
	if len(votes) == 0 {
		j.verdict.wrong("no published marker was resolved to a frame of the studio's log")
		return false
	}
	for i, f := range j.studio.Frames {
		best, most := uint32(0), 0
		for offset, n := range votes[j.runs[i]] {
			if n > most {
				best, most = offset, n
			}
		}
		if most > 0 {
			j.wire[i] = f.TS + best
			j.byWire[j.wire[i]] = append(j.byWire[j.wire[i]], i)
		}
	}
	return true
}

// readDrawn ties every drawn frame to a frame of the studio's log, by timestamp
// and by pixels.
func (j *judge) readDrawn() {
	for _, d := range j.page.Drawn {
		i, ok := j.frame(d.RTP, d.Bar)
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

// frame returns the frame of a timestamp on the wire; of several the one with the number.
func (j *judge) frame(rtp, bar int64) (position int, ok bool) {
	same := j.byWire[uint32(rtp)]
	for _, i := range same {
		if j.studio.Frames[i].Bar == bar {
			return i, true
		}
	}
	if len(same) == 0 {
		return 0, false
	}
	return same[0], true
}

// marker judges one published marker.
func (j *judge) marker(r *croupier.Record) {
	v := &j.verdict
	if r.Answer == nil {
		v.Unpublished = append(v.Unpublished, fmt.Sprintf("%s: %s", r.ID, r.Error))
		return
	}
	meant, ok := j.meant(r)
	if !ok {
		return // the studio had not sent it when the logs were read
	}
	if got := uint32(r.Answer.TS); got != j.wire[meant] {
		v.wrong("%s (by %s): meant for frame %d, resolved %+d ticks away from it (error_ms %.2f)", r.ID, r.By, j.studio.Frames[meant].Frame, int32(got-j.wire[meant]), r.Answer.ErrorMS)
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
	v.Outcomes[r.ID] = Wrong
	if len(hits) == 0 {
		v.wrong("%s: frame %d was within what the page drew, but it was never drawn", r.ID, j.studio.Frames[meant].Frame)
		return
	}
	j.place(r, meant, hits[0])
}

// meant returns the frame that a marker names: the studio's own, or, if that was not
// on the air, the first one captured after the time that was named, or before it by less
// than the bound that the relay tells and half a frame. Of a frame between the last that
// was drawn of one encoder and the first of another nobody can tell but the relay, so that
// either will do. Where it says that it goes by arrival, its bound must be true.
func (j *judge) meant(r *croupier.Record) (position int, ok bool) {
	position, ok = j.byNumber[r.Frame]
	if s := r.Source; ok && s != nil && j.studio.Frames[position].TS != s.TS {
		// The timestamps have jumped meanwhile: the first at or after the one that was named.
		for i := max(0, position-askAhead); i < len(j.studio.Frames); i++ {
			if f := j.studio.Frames[i]; f.SSRC == s.SSRC && int32(f.TS-s.TS) >= 0 {
				return i, true
			}
		}
	}
	named := ok && j.wire[position] == uint32(r.Answer.TS)
	if r.CaptureTime == nil || named {
		return position, ok
	}
	if ok && r.By == "capture_time" && j.young(position) && position+1 < len(j.studio.Frames) && j.wire[position+1] == uint32(r.Answer.TS) {
		return position + 1, true
	}
	if i, found := j.byArrival(r); found {
		return i, true
	}
	if before, after := j.onAir(position); ok && before == after && before == j.runs[position] {
		return position, true
	}
	// The frame that was answered, if it is within the bound; else the first at or after the time.
	first, from := -1, r.CaptureTime.Add(-max(captureTolerance, min(told(r), j.frameTime()/2)))
	for i, f := range j.studio.Frames {
		if _, run := j.onAir(i); run != j.runs[i] || f.CaptureTime.Before(from) {
			continue
		}
		if first < 0 && !f.CaptureTime.Before(r.CaptureTime.Add(-captureTolerance)) {
			first = i
		}
		if early := f.CaptureTime.Before(*r.CaptureTime); early && j.wire[i] == uint32(r.Answer.TS) {
			return i, true
		}
		if first >= 0 {
			break
		}
	}
	return max(first, 0), first >= 0
}

// byArrival returns the frame of an answer that goes by arrival, if that is to be
// expected and its bound is true.
func (j *judge) byArrival(r *croupier.Record) (position int, ok bool) {
	if r.By != "capture_time" || r.Answer.Clock != timeline.FromArrival {
		return 0, false
	}
	for _, i := range j.byWire[uint32(r.Answer.TS)] {
		if off := j.studio.Frames[i].CaptureTime.Sub(*r.CaptureTime).Abs(); off <= min(told(r), longestPause) && j.young(i) {
			return i, true
		}
	}
	return 0, false
}

// longestPause is how long an encoder is silent at most where the machine is not to blame.
const longestPause = 2 * time.Second

// told is how far the relay says that the frame may be from the time that was named.
func told(r *croupier.Record) time.Duration {
	return time.Duration(r.Answer.ErrorMS * float64(time.Millisecond))
}

// young reports whether a run began so shortly before a frame that no sender report
// has come yet: the relay then goes by arrival, and by the very time of a frame either
// that one or the next is the first at or after it.
func (j *judge) young(position int) bool {
	const reports = time.Second + time.Second/5 // between two sender reports
	for i := position; i >= 0; i-- {
		if j.runs[i] == j.runs[position] && j.studio.Frames[position].CaptureTime.Sub(j.studio.Frames[i].CaptureTime) > reports {
			return false
		}
	}
	return j.runs[position] > 0
}

// captureTolerance is by how much a capture time that was reckoned ahead may differ
// from the one in the log.
const captureTolerance = time.Millisecond

// onAir returns the runs of the frames drawn before a position, or at it, and at it or after.
func (j *judge) onAir(position int) (before, after int) {
	before, after = -1, -1
	for _, d := range j.drawn {
		if d.position <= position {
			before = j.runs[d.position]
		}
		if d.position >= position {
			return before, j.runs[d.position]
		}
	}
	return before, after
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
	own, next := number(meant), j.firstAfter(meant)
	frames := j.between(meant, h.position)
	switch {
	case h.position == meant:
		if h.fired.Skipped || h.fired.Frames != 0 {
			v.wrong("%s: drawn on its frame %d, but the SDK says %d frames off", r.ID, own, h.fired.Frames)
			return
		}
		v.Exact++
		v.Outcomes[r.ID] = OnFrame
	case h.position < meant:
		v.wrong("%s: meant for frame %d, drawn before it on %d", r.ID, own, number(h.position))
	case h.fired.Frames != frames:
		v.wrong("%s: meant for frame %d, drawn on %d, but the SDK says %d frames off", r.ID, own, number(h.position), h.fired.Frames)
	case h.fired.Late:
		v.Late++
		v.Outcomes[r.ID] = Late
	case j.at[meant]:
		v.wrong("%s: meant for frame %d, which was drawn without it; drawn on %d, and not said to be late", r.ID, own, number(h.position))
	case next != h.position:
		v.wrong("%s: meant for frame %d, drawn on %d although %d was drawn before, and not said to be late", r.ID, own, number(h.position), number(next))
	case !h.fired.Skipped:
		v.wrong("%s: frame %d was never drawn, but the SDK does not say that it was skipped", r.ID, own)
	default:
		v.Skipped++
		v.Outcomes[r.ID] = Skipped
		if j.presented[meant] {
			v.Overtaken++
		}
	}
}

// between returns how many frames later one position is than another: by the capture
// times, or, for one of another run, by the distance at which the relay put it. That is
// more by as long as the machine stood still before it.
func (j *judge) between(from, to int) int {
	later := j.studio.Frames[to].CaptureTime.Sub(j.studio.Frames[from].CaptureTime)
	if j.runs[from] != j.runs[to] {
		put := time.Duration(int32(j.wire[to]-j.wire[from])) * time.Second / 90_000
		if (put - later).Abs() <= longestPause {
			later = put
		}
	}
	return int(math.Round(float64(later) / float64(j.frameTime())))
}

// frameTime is the time of a frame.
func (j *judge) frameTime() time.Duration {
	if j.studio.Info.FPS == 0 {
		return frameTime
	}
	return time.Second / time.Duration(j.studio.Info.FPS)
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
