package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/timeline"
)

const (
	testOffset = uint64(160000000000000) // the first frame's canonical timestamp
	testTicks  = 3000                    // between frames
)

// scene is a run in which everything is right: 60 frames sent from number 100
// on, all presented and drawn, a marker meant for every tenth.
type scene struct {
	studio    *StudioLog
	published []croupier.Record
	page      *PageLog
	browser   *Instruments
}

func newScene() *scene {
	s := &scene{studio: &StudioLog{}, page: &PageLog{Snapshots: []Snapshot{{At: 1, StateAt: testOffset - 1}}}, browser: &Instruments{}}
	for i := range 60 {
		ts := uint32(4294900000 + testTicks*i) // wraps within the scene
		s.studio.Frames = append(s.studio.Frames, StudioFrame{
			Frame: uint64(100 + i), Bar: int64((100 + i) % 128), TS: ts, CaptureTime: time.Unix(1700000000, 0).Add(time.Duration(i) * frameTime),
		})
		at := float64(10 + 33*i)
		canonical := testOffset + uint64(testTicks*i)
		rtp := int64(uint32(canonical))
		d := Drawn{At: at, Bar: int64((100 + i) % 128), RTP: rtp, Overlay: true}
		if i%10 == 5 {
			id := string(rune('a' + i/10))
			s.published = append(s.published, croupier.Record{
				ID: id, By: "capture_time", Frame: uint64(100 + i), Answer: &marker.Resolved{ID: id, TS: canonical, ErrorMS: 0.5},
			})
			d.Fired = []Fired{{ID: id, TS: canonical}}
		}
		s.page.Drawn = append(s.page.Drawn, d)
		s.browser.Presented = append(s.browser.Presented, Presented{At: at, RTP: rtp})
	}
	return s
}

// drop takes frame i off the screen, and its marker to the next.
func (s *scene) drop(i int, skipped bool) {
	next := &s.page.Drawn[i+1]
	for _, f := range s.page.Drawn[i].Fired {
		f.Skipped, f.Frames = skipped, 1
		next.Fired = append(next.Fired, f)
	}
	s.page.Drawn = append(s.page.Drawn[:i], s.page.Drawn[i+1:]...)
}

// begin has another encoder's frames from frame i on.
func (s *scene) begin(i int) {
	for ; i < len(s.studio.Frames); i++ {
		s.studio.Frames[i].SSRC = 2
	}
}

// ask has an event by capture time resolved to frame i, and drawn on it, which was named
// as a frame that the encoder never made, later than frame i.
func (s *scene) ask(i int, later time.Duration, errorMS float64, clock string) {
	at, d := s.studio.Frames[i].CaptureTime.Add(later), &s.page.Drawn[i]
	canonical := testOffset + uint64(testTicks*i)
	s.published = append(s.published, croupier.Record{
		ID: "z", By: "capture_time", Frame: 999, CaptureTime: &at, Answer: &marker.Resolved{ID: "z", TS: canonical, ErrorMS: errorMS, Clock: clock},
	})
	d.Fired = append(d.Fired, Fired{ID: "z", TS: canonical})
}

func (s *scene) judge() *Verdict { return Judge(s.studio, s.published, s.page, s.browser) }

func TestJudge(t *testing.T) {
	tests := []struct {
		name   string
		change func(*scene)
		exact  int
		skip   int
		wrong  string // part of the first complaint; none if empty
	}{
		{name: "all right", change: func(*scene) {}, exact: 6},
		{name: "frame not drawn", change: func(s *scene) { s.drop(25, true) }, exact: 5, skip: 1},
		{name: "not drawn, and not said", change: func(s *scene) { s.drop(25, false) }, exact: 5, wrong: "does not say that it was skipped"},
		{name: "drawn one frame late", wrong: "the SDK says 0 frames off", exact: 5, change: func(s *scene) {
			s.page.Drawn[26].Fired, s.page.Drawn[25].Fired = s.page.Drawn[25].Fired, nil
		}},
		{name: "drawn one frame early", wrong: "drawn before it on 124", exact: 5, change: func(s *scene) {
			s.page.Drawn[24].Fired, s.page.Drawn[25].Fired = s.page.Drawn[25].Fired, nil
		}},
		{name: "never drawn", wrong: "never drawn", exact: 5, change: func(s *scene) { s.page.Drawn[25].Fired = nil }},
		{name: "drawn twice", wrong: "fired 2 times", exact: 6, change: func(s *scene) { s.page.Drawn[30].Fired = s.page.Drawn[25].Fired }},
		{name: "pixels of another frame", wrong: "but the pixels say", exact: 6, change: func(s *scene) { s.page.Drawn[25].Bar++ }},
		{name: "unreadable pixels", wrong: "but the pixels say -1", exact: 6, change: func(s *scene) { s.page.Drawn[40].Bar = -1 }},
		{name: "time goes back", wrong: "was drawn after", exact: 6, change: func(s *scene) {
			s.page.Drawn[30], s.page.Drawn[31] = s.page.Drawn[31], s.page.Drawn[30]
		}},
		{name: "resolved to another frame", wrong: "resolved +3000 ticks away", exact: 6, change: func(s *scene) {
			s.published[2].Answer.TS += testTicks
		}},
		{name: "a timestamp of its own", wrong: "which the studio never sent", exact: 6, change: func(s *scene) {
			s.browser.Presented = append(s.browser.Presented, Presented{At: 5000, RTP: 77})
		}},
		{name: "on a timestamp of its own", wrong: "which the studio never sent", exact: 5, change: func(s *scene) { s.page.Drawn[25].RTP++ }},
		{name: "nothing published", wrong: "no published marker", change: func(s *scene) { s.published = nil }},
		{name: "before the snapshot", exact: 5, change: func(s *scene) {
			s.page.Snapshots[0].At = s.page.Drawn[7].At
			s.page.Drawn[5].Fired = nil
		}},
		{name: "within the bound of a frame before", exact: 7, change: func(s *scene) { s.ask(30, 1100*time.Microsecond, 1.5, "") }},
		{name: "beyond the bound of a frame before", exact: 6, wrong: "resolved -3000 ticks away", change: func(s *scene) { s.ask(30, 1100*time.Microsecond, 0.5, "") }},
		{name: "by arrival, and said so", exact: 7, change: func(s *scene) { s.begin(10); s.ask(30, 200*time.Millisecond, 201, timeline.FromArrival) }},
		{name: "by arrival, long after reports have come", exact: 6, wrong: "resolved -18000 ticks away", change: func(s *scene) { s.ask(30, 200*time.Millisecond, 201, timeline.FromArrival) }},
		{name: "at the first, within the bound of the one before", exact: 7, change: func(s *scene) { s.ask(31, 1100*time.Microsecond-frameTime, 1.5, "") }},
		{name: "by arrival, with a bound that is not true", exact: 6, wrong: "resolved -18000 ticks away", change: func(s *scene) { s.begin(10); s.ask(30, 200*time.Millisecond, 199, timeline.FromArrival) }},
		{name: "late, and its frame is still on screen", exact: 6, change: func(s *scene) {
			d := s.page.Drawn[25]
			s.page.Drawn[25].Fired = nil
			d.Again = true
			d.Fired[0].Late = true
			s.page.Drawn = append(s.page.Drawn[:26], append([]Drawn{d}, s.page.Drawn[26:]...)...)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			tt.change(s)
			v := s.judge()
			if v.Exact != tt.exact || v.Skipped != tt.skip {
				t.Errorf("%d exact, %d skipped; want %d and %d", v.Exact, v.Skipped, tt.exact, tt.skip)
			}
			first := strings.Join(v.Wrong, "; ")
			if (tt.wrong == "") != (first == "") || !strings.Contains(first, tt.wrong) {
				t.Errorf("complaints %q, want one with %q", first, tt.wrong)
			}
		})
	}
}
