package network

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/studio"
	"github.com/framelock/relay/internal/watch"
)

// witness is a game server and a native viewer of one stream: it asks for events all
// along, in every form, and holds what the viewer got against the encoders' logs.
type witness struct {
	table    *table
	stopView context.CancelFunc
	viewed   chan struct{}
	report   watch.Report
	err      error
	stopAsk  context.CancelFunc
	asking   sync.WaitGroup

	mu       sync.Mutex
	on       *encoder // whose frames are named
	encoders []*encoder
	frames   []gotPicture
	torn     map[uint32]bool   // frames that did not come whole, by timestamp
	events   map[string]uint64 // ts by id, of the events channel
	notices  []notice
	asked    []asked
	last     relay.Resolved
}

// gotPicture is a frame that the viewer got whole.
type gotPicture struct {
	ts    uint32
	coded fingerprint
	at    time.Time
}

// asked is an event that was asked for, and what the relay answered.
type asked struct {
	id       string
	at       relay.At
	before   time.Time
	resolved relay.Resolved
	err      error
}

// witness begins to watch and to ask.
func (w *table) witness(on *encoder) *witness {
	v := &witness{table: w, viewed: make(chan struct{}), on: on, encoders: []*encoder{on}, events: map[string]uint64{}, torn: map[uint32]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	v.stopView = cancel
	go func() {
		defer close(v.viewed)
		v.report, v.err = watch.Run(ctx, watch.Config{URL: w.url(), HTTP: w.http, Settings: onLoopback, Frames: v.frame, Messages: v.message})
	}()
	w.Cleanup(func() {
		cancel()
		<-v.viewed
	})
	eventually(w.T, "the viewer has a frame", func() bool { return v.pictures() > 0 })
	ctx, v.stopAsk = context.WithCancel(context.Background())
	v.asking.Go(func() { v.ask(ctx) })
	w.Cleanup(func() {
		v.stopAsk()
		v.asking.Wait()
	})
	return v
}

// follow has an encoder's frames named from now on.
func (v *witness) follow(e *encoder) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.on = e
	if !slices.Contains(v.encoders, e) {
		v.encoders = append(v.encoders, e)
	}
}

func (v *witness) pictures() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.frames)
}

func (v *witness) frame(f watch.Frame) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !f.Complete {
		v.torn[f.RTPTimestamp] = true
		return
	}
	v.frames = append(v.frames, gotPicture{f.RTPTimestamp, sha256.Sum256(f.Data), f.Arrival})
}

func (v *witness) message(m watch.Message) {
	var head struct {
		Type, Code, ID, Kind string
		TS                   uint64
	}
	if json.Unmarshal(m.Data, &head) != nil {
		return // the watch says so
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case head.Type == "notice":
		v.notices = append(v.notices, notice{head.Code, m.Arrival})
	case head.Type == "event" && head.Kind == "outcome" && m.Channel == 0:
		v.events[head.ID] = head.TS
	}
}

// ask asks for an event every 50 ms.
func (v *witness) ask(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		v.mu.Lock()
		at, form := v.name(i)
		v.mu.Unlock()
		q := asked{id: fmt.Sprint(form, "-", i), at: at, before: time.Now()}
		v.asking.Go(func() {
			q.resolved, q.err = v.table.wheel.Mark(context.Background(), relay.Marker{ID: q.id, Kind: relay.Outcome, At: at, Timeout: 5 * time.Second})
			v.mu.Lock()
			defer v.mu.Unlock()
			v.asked = append(v.asked, q)
			if q.err == nil && q.resolved.TS > v.last.TS {
				v.last = q.resolved
			}
		})
	}
}

// name returns a way to name a frame.
func (v *witness) name(i int) (relay.At, string) {
	log := v.on.newest(4)
	newest := log[len(log)-1]
	switch {
	case i%5 == 1:
		return relay.AtCapture(newest.CaptureTime.Add(4 * frame)), "to-be-captured"
	case i%5 == 2:
		return relay.AtSource(newest.SSRC, newest.TS+4*3000), "source-to-come"
	case i%5 == 3:
		return relay.AtSource(log[0].SSRC, log[0].TS), "source"
	case i%5 == 4 && v.last.TS != 0:
		return relay.AtTS(v.last.TS + 5*3000), "ts"
	}
	return relay.Next(), "next"
}

// end stops asking and, when all has been answered and repaired, the viewer.
func (v *witness) end() {
	v.table.Helper()
	v.stopAsk()
	v.asking.Wait()
	during(v.table.Context(), 500*time.Millisecond)
	v.stopView()
	<-v.viewed
	if v.err != nil {
		v.table.Errorf("the viewer ended with %v", v.err)
	}
	if p := v.report.Problems(); len(p) > 0 {
		v.table.Errorf("the viewer found: %q", p)
	}
}

// shown is a frame that the viewer got, and what an encoder's log says of it.
type shown struct {
	gotPicture
	studio.Record
	ts64 uint64
}

// shown returns the frames in the order in which they came, each with its record.
func (v *witness) shown() (list []shown) {
	v.table.Helper()
	high := v.last.TS
	for _, f := range v.frames {
		s := shown{gotPicture: f, ts64: high + uint64(int64(int32(f.ts-uint32(high))))}
		for _, e := range v.encoders {
			if r, ok := e.record(f.coded, f.at); ok {
				s.Record = r
			}
		}
		if s.CaptureTime.IsZero() {
			v.table.Fatalf("a frame came that no encoder sent")
		}
		if n := len(list); n > 0 && s.ts64 <= list[n-1].ts64 {
			v.table.Errorf("frame %d is called %d, after %d", s.Frame, s.ts64, list[n-1].ts64)
		}
		if n := len(list); n > 0 && s.TS == list[n-1].TS && s.SSRC == list[n-1].SSRC {
			v.table.Errorf("frame %d came twice, as %d and %d", s.Frame, list[n-1].ts64, s.ts64)
		}
		list = append(list, s)
	}
	return list
}

// verdict is what became of the events. Those on torn frames cannot be judged.
type verdict struct{ right, wrong, lost, refused, torn int }

// judge holds every event against the logs. Refused are those that the relay said
// would not come; they must be excused.
func (v *witness) judge(excused func(asked) bool) (r verdict) {
	v.table.Helper()
	all := v.shown()
	for _, q := range v.asked {
		if q.err != nil {
			r.refused++
			if (excused == nil || !excused(q)) && !v.stalled(q) {
				v.table.Errorf("%s: %v", q.id, q.err)
			}
			continue
		}
		ts, got := v.events[q.id]
		if !got || ts != q.resolved.TS {
			r.lost++
			v.table.Errorf("%s came at %d, and was to come at %d", q.id, ts, q.resolved.TS)
			continue
		}
		i := slices.IndexFunc(all, func(s shown) bool { return s.ts64 == ts })
		switch {
		case i < 0 && ts < all[0].ts64:
			r.right++ // before the viewer came
		case i < 0 && v.torn[uint32(ts)]:
			r.torn++
		case i < 0:
			r.wrong++
			v.table.Errorf("%s is on %d, where the viewer got no frame", q.id, ts)
		default:
			if why := v.off(q, all, i); why != "" {
				r.wrong++
				v.table.Errorf("%s is on frame %d: %s", q.id, all[i].Frame, why)
			} else {
				r.right++
			}
		}
	}
	return r
}

// stalled reports whether nothing had come for a while when an event was refused
// because of that, as on a machine that is busy.
func (v *witness) stalled(q asked) bool {
	return errors.Is(q.err, relay.ErrPaused) && !slices.ContainsFunc(v.frames, func(f gotPicture) bool {
		return f.at.Before(q.before) && q.before.Sub(f.at) < 350*time.Millisecond
	})
}

// off says why frame i is not what a request means; "" if it is.
func (v *witness) off(q asked, all []shown, i int) string {
	before := func(fits func(shown) bool) bool { return i > 0 && fits(all[i-1]) }
	switch at := q.at; {
	case at.Next:
		// A datagram may have waited for its reader.
		if early := q.before.Sub(all[i].at); early > 0 {
			return fmt.Sprintf("the viewer had it %v before it was asked for", early)
		}
	case at.TS != 0:
		if all[i].ts64 < at.TS || before(func(s shown) bool { return s.ts64 >= at.TS }) {
			return fmt.Sprintf("it is not the first at or after %d", at.TS)
		}
	case at.Source != nil:
		// After a jump back a source uses the same timestamps again.
		named := func(s shown) bool { return s.SSRC == at.Source.SSRC && s.TS == at.Source.TS }
		if exact := slices.IndexFunc(all, named); exact >= 0 && !named(all[i]) {
			return fmt.Sprintf("frame %d is what was named", all[exact].Frame)
		}
	default:
		// Within the bound that the answer gives, which a frame's own name never needs.
		exact := slices.IndexFunc(all, func(s shown) bool { return s.CaptureTime.Equal(at.CaptureTime) })
		bound := time.Duration(q.resolved.ErrorMS*float64(time.Millisecond)) + time.Millisecond
		switch {
		case exact >= 0 && exact == i:
		case exact >= 0:
			return fmt.Sprintf("frame %d is what was named", all[exact].Frame)
		case all[i].CaptureTime.Before(at.CaptureTime.Add(-bound)):
			return fmt.Sprintf("it was captured %v too early", at.CaptureTime.Sub(all[i].CaptureTime))
		case before(func(s shown) bool { return !s.CaptureTime.Before(at.CaptureTime.Add(bound)) }):
			return fmt.Sprintf("frame %d, captured %v after that time, was the first (answer: %+v)", all[i-1].Frame, all[i-1].CaptureTime.Sub(at.CaptureTime), q.resolved)
		}
	}
	return ""
}

// told returns the codes of the notices since a moment.
func (v *witness) told(since time.Time) (codes []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.notices {
		if n.at.After(since) {
			codes = append(codes, n.code)
		}
	}
	return codes
}

// gap returns the longest time between two frames that came after a moment.
func (v *witness) gap(since time.Time) (longest time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := 1; i < len(v.frames); i++ {
		if v.frames[i].at.After(since) {
			longest = max(longest, v.frames[i].at.Sub(v.frames[i-1].at))
		}
	}
	return longest
}

// unseen excuses a frame named as a source's that never came.
func unseen(q asked) bool {
	return q.at.Source != nil && (errors.Is(q.err, relay.ErrFrameNotSeen) || errors.Is(q.err, relay.ErrUnresolvable) || errors.Is(q.err, relay.ErrPaused))
}

// silent excuses what was asked while nothing came.
func silent(q asked) bool {
	return unseen(q) || errors.Is(q.err, relay.ErrPaused) || errors.Is(q.err, relay.ErrFrameNotSeen)
}
