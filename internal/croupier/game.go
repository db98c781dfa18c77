package croupier

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Script is what a croupier may know of its wheel beforehand: the frames on which
// the ball comes to rest, in a picture that repeats. It stands for a sensor whose
// word comes before the picture does.
type Script struct {
	Loop  uint64 // frames after which the picture repeats; 0 if nothing is known
	Rests []Rest
}

// Rest is one spin's end.
type Rest struct {
	Frame  uint64 // counted from the loop's first frame
	Pocket int
}

// at returns the pocket in which the ball comes to rest on a frame.
func (s Script) at(frame uint64) (pocket int, ok bool) {
	if s.Loop == 0 {
		return 0, false
	}
	for _, r := range s.Rests {
		if r.Frame == frame%s.Loop {
			return r.Pocket, true
		}
	}
	return 0, false
}

// clockRate is the rate of the RTP timestamps of video, in Hz.
const clockRate = 90000

// kept is how many results the state holds.
const kept = 8

// Spans of a round, after the ball has come to rest. The next rest follows 5.7 s
// later at the earliest: bets close a second before.
const (
	untilBetting  = 1000 * time.Millisecond
	untilSpinning = 4600 * time.Millisecond
)

// What a round's window takes of each viewer.
const (
	chips     = 3
	chipBytes = 64 // {"pocket":17,"chips":1}
)

// windowOpen is the kind of an event that opens a window.
const windowOpen = "window.open"

// event is something to publish, and the frame it is meant for.
type event struct {
	Mark
	Frame     uint64
	Bar       uint64
	Predicted bool // an outcome that was named before its frame was sent
	// Open is how long a window takes bets, on the timeline. Its name is the ID.
	Open time.Duration
}

// game turns the frames of one studio run into events. It is the whole of the
// croupier's judgement, without clock or network.
type game struct {
	script  Script
	lead    uint64 // frames ahead that are named
	rate    float64
	studio  Studio
	round   int
	rest    uint64  // frame of the newest outcome
	results []int   // newest first
	turn    int     // events other than outcomes so far
	owed    float64 // of the extra markers
	plan    []planned
	early   map[uint64]int // pocket by frame of the outcomes that were named early
	bets    string         // the window that takes bets on the coming outcome; "" if none does
	settled string         // the window of the newest outcome
}

// planned is a state change that is due on a frame.
type planned struct {
	frame uint64
	phase string
}

func newGame(script Script, lead uint64, rate float64) *game {
	return &game{script: script, lead: lead, rate: rate}
}

// start begins a new run of the studio: frames count from zero again.
func (g *game) start(s Studio) {
	g.studio = s
	g.plan, g.owed, g.rest = nil, 0, ^uint64(0)
	g.early = make(map[uint64]int)
	g.bets, g.settled = "", ""
}

// frame returns what is to be published when the studio has sent f.
func (g *game) frame(f Frame) []event {
	if g.studio.FPS <= 0 {
		return nil // the log's first line has not come
	}
	var events []event
	if f.Round != nil {
		events = append(events, g.rested(f, f.Round.Pocket)...)
	}
	if pocket, ok := g.script.at(f.Frame + g.lead); ok && g.lead > 0 {
		if _, done := g.early[f.Frame+g.lead]; !done {
			g.early[f.Frame+g.lead] = pocket
			e := g.outcome(g.ahead(f, g.lead), pocket)
			e.Predicted = true
			events = append(events, e)
		}
	}
	for len(g.plan) > 0 && g.plan[0].frame <= f.Frame+g.lead {
		at, phase := g.ahead(f, g.lead), g.plan[0].phase
		events = append(events, g.state(at, phase))
		if phase == "betting" {
			events = append(events, g.open(at))
		}
		g.plan = g.plan[1:]
	}
	return append(events, g.extra(f)...)
}

// rested deals with a frame on which the ball really came to rest: it publishes
// the outcome, unless that was done early and rightly.
func (g *game) rested(f Frame, pocket int) []event {
	early, named := g.early[f.Frame]
	delete(g.early, f.Frame)
	if named && early == pocket {
		return nil
	}
	events := []event{g.outcome(f, pocket)}
	if named {
		data := fmt.Appendf(nil, `{"of":%q,"reason":"the ball lies in another pocket"}`, g.id("o", f.Frame))
		events[0].ID = g.id("c", f.Frame)
		events = append([]event{g.name(f, Mark{ID: g.id("v", f.Frame), Kind: "void", Data: data})}, events...)
	}
	return events
}

// failed takes back what the relay did not accept: of an early outcome, so that the
// frame itself will bring it if it comes; of a window, so that the outcome will not
// be about it.
func (g *game) failed(e event) {
	if e.Kind != windowOpen {
		delete(g.early, e.Frame)
	} else if g.bets == e.ID {
		g.bets = ""
	}
}

// open opens the window for bets on the coming outcome. The relay closes it.
func (g *game) open(f Frame) event {
	g.bets = g.id("w", f.Frame)
	e := g.name(f, Mark{ID: g.bets, Kind: windowOpen})
	e.Open = untilSpinning - untilBetting
	return e
}

// outcome is the result of a round, with the state that it brings.
func (g *game) outcome(f Frame, pocket int) event {
	if again := g.round > 0 && g.rest == f.Frame; again {
		g.results = g.results[1:] // named early, and not accepted or wrong
	} else {
		g.round++
		g.settled, g.bets = g.bets, ""
	}
	g.rest = f.Frame
	g.results = append([]int{pocket}, g.results...)
	g.results = g.results[:min(len(g.results), kept)]
	g.plan = []planned{
		{f.Frame + g.frames(untilBetting), "betting"},
		{f.Frame + g.frames(untilSpinning), "spinning"},
	}
	return g.name(f, Mark{
		ID:     g.id("o", f.Frame),
		Kind:   "outcome",
		Window: g.settled,
		Data:   fmt.Appendf(nil, `{"pocket":%d,"frame":%d}`, pocket, f.Bar),
		Patch: object(map[string]any{
			"phase": "result", "round": g.round, "result": pocket, "results": slices.Clone(g.results),
		}),
	})
}

// state is a change of phase.
func (g *game) state(f Frame, phase string) event {
	patch := map[string]any{"phase": phase}
	if phase == "betting" {
		patch["round"], patch["result"] = g.round+1, nil
	}
	return g.name(f, Mark{ID: g.id("s", f.Frame), Kind: "state", Patch: object(patch)})
}

// extra returns the test markers that are due: rate a second, on frames that are
// still to come.
func (g *game) extra(f Frame) []event {
	var events []event
	g.owed += g.rate / float64(g.studio.FPS)
	for n := 0; g.owed >= 1; n++ {
		g.owed--
		at := g.ahead(f, g.lead)
		id := g.id("m", at.Frame)
		if n > 0 {
			id = fmt.Sprintf("%s-%d", id, n)
		}
		events = append(events, g.name(at, Mark{ID: id, Kind: "marker", Data: fmt.Appendf(nil, `{"frame":%d}`, at.Bar)}))
	}
	return events
}

// name completes an event with the name of its frame. Every second outcome, and
// three in four of the others, go by capture time; the rest by the studio's SSRC
// and timestamp.
func (g *game) name(f Frame, m Mark) event {
	bySource := g.turn%4 == 3
	if m.Kind == "outcome" {
		bySource = g.round%2 == 0
	} else {
		g.turn++
	}
	if bySource {
		m.At.Source = &SourceTime{SSRC: f.SSRC, TS: f.TS}
	} else {
		t := f.CaptureTime.UTC()
		m.At.CaptureTime = &t
	}
	return event{Mark: m, Frame: f.Frame, Bar: f.Bar}
}

// ahead returns the frame that the studio will send n frames after f, if nothing
// holds it up.
func (g *game) ahead(f Frame, n uint64) Frame {
	next := f
	next.Frame += n
	next.TS += uint32(n) * uint32(clockRate/g.studio.FPS)
	next.CaptureTime = f.CaptureTime.Add(time.Duration(n) * time.Second / time.Duration(g.studio.FPS))
	next.Round = nil
	if next.Bar += n; f.Bar != f.Frame || g.studio.Codec == "vp8" {
		// The picture's number repeats with the clip.
		if g.script.Loop > 0 {
			next.Bar %= g.script.Loop
		}
	}
	return next
}

// frames is a span in frames.
func (g *game) frames(d time.Duration) uint64 {
	return uint64(d * time.Duration(g.studio.FPS) / time.Second)
}

// id names an event of this run of the studio.
func (g *game) id(letter string, frame uint64) string {
	return fmt.Sprintf("%s-%08x-%d", letter, g.studio.SSRC, frame)
}

// object is a JSON object of plain values.
func object(v map[string]any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers, strings and lists of them always marshal
	}
	return b
}
