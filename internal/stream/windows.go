package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/state"
	"github.com/framelock/relay/sync/timeline"
	"github.com/framelock/relay/sync/window"
)

// closePatience is how long after its deadline a window waits for the frame with
// which it closes. Without one it closes after the newest frame.
const closePatience = 500 * time.Millisecond

// schedule is when the relay does something about a window by itself.
type schedule struct {
	close   time.Time // close without a frame; zero if it is closed by hand or closing already
	seal    time.Time // when nothing that comes counts any more; zero while it is open
	sealing bool      // what it took is being counted
}

// OpenWindow opens a window on the frame that the request names, now or when it
// comes. The request is valid.
func (c *Core) OpenWindow(r marker.OpenRequest, ticket Ticket, now time.Time) {
	p := &pending{request: r.Request(), digest: r.Digest(), tickets: []Ticket{ticket}}
	p.prepare = func(f *timeline.Frame, e *marker.Event, _ time.Time) error {
		rules := window.Rules{
			ClosesTS: r.Deadline(f.TS, f.Capture), Grace: r.Grace, MaxPerViewer: orDefault(r.MaxPerViewer, marker.MaxPerViewer),
			MaxBytes: orDefault(r.MaxBytes, marker.DefaultMaxBytes), MaxActions: orDefault(r.MaxActions, marker.DefaultMaxActions),
			MaxAge: orDefault(r.MaxAge, marker.DefaultSeenAge),
		}
		return setData(e, rules)
	}
	c.request(p, now)
}

// CloseWindow closes a window before its time, on a frame that has not left, or
// voids it.
func (c *Core) CloseWindow(r marker.CloseRequest, kind marker.Kind, ticket Ticket, now time.Time) {
	q := r.Request(kind)
	p := &pending{request: q, digest: q.Digest(), tickets: []Ticket{ticket}}
	if kind != marker.WindowClosing {
		c.request(p, now)
		return
	}
	p.prepare = func(f *timeline.Frame, e *marker.Event, now time.Time) error {
		d := window.ClosingData{CloseTS: f.TS, Reason: window.ClosingRequested, At: c.book.Time(now)}
		if !f.Sent.IsZero() && !p.begun {
			d.CloseTS++ // no frame will come
		}
		return setData(e, d)
	}
	c.request(p, now)
}

// closes reports whether an event is bound to its frame when that leaves, not when
// it comes: what viewers see as open is open.
func closes(k marker.Kind) bool { return k == marker.WindowClosing }

// closingFrame returns the frame on which a window can be closed now: none while the
// frame that was named has not left, the newest if no frame will come.
func (c *Core) closingFrame(f *timeline.Frame, err error, now time.Time) (*timeline.Frame, error) {
	switch {
	case errors.Is(err, marker.ErrPaused):
		if f = c.lastFrame(now); f != nil {
			return f, nil
		}
	case f != nil && f.Sent.IsZero():
		return nil, nil
	case f != nil:
		return nil, fmt.Errorf("%w: a window cannot be closed on a frame that has left already; close it on the next", marker.ErrUnresolvable)
	}
	return nil, err
}

func orDefault[T int | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}

func setData(e *marker.Event, v any) (err error) {
	e.Data, err = json.Marshal(v)
	return err
}

// closesOn reports whether a window may close with a frame.
func (c *Core) closesOn(f *timeline.Frame) bool {
	for _, w := range c.book.Live() {
		if w.Phase == window.Open && w.Rules.ClosesTS != 0 && f.TS >= w.Rules.ClosesTS {
			return true
		}
	}
	for _, p := range c.pending {
		if closes(p.request.Kind) {
			return true
		}
	}
	return false
}

// closeOn closes what closes with a frame that is about to leave: from then on
// viewers see that it is over.
func (c *Core) closeOn(f *timeline.Frame, now time.Time) {
	c.out.Catch()
	for _, w := range c.book.Live() {
		if w.Phase == window.Open && w.Rules.ClosesTS != 0 && f.TS >= w.Rules.ClosesTS {
			c.close(w.Name, f, window.ClosingData{CloseTS: f.TS, Reason: window.ClosingDeadline, At: c.book.Time(now)}, now)
		}
	}
	c.resolveThose(func(p *pending) bool { return closes(p.request.Kind) }, f, false, now)
}

// close publishes that a window is closing. What cannot be published now is tried
// again with the next frame or tick.
func (c *Core) close(name string, f *timeline.Frame, d window.ClosingData, now time.Time) {
	e := marker.Event{Kind: marker.WindowClosing, ID: "close:" + name, By: relayName, Window: name}
	err := setData(&e, d)
	if err == nil {
		err = c.publish(&e, f, now)
	}
	if err != nil {
		c.out.Drop(DropNoClose, 1)
		return
	}
	c.hashFrame(&e, f, now)
}

// DropNoClose counts tries to publish the close of a window that failed; they are
// repeated.
const DropNoClose = "window_close_unpublished"

// scheduled notes what an event that has been applied means for a window's times.
// accepted is when its frame came, or as much as is known of that after a restart:
// when it was captured.
func (c *Core) scheduled(e *marker.Event, accepted time.Time) {
	w, _ := c.book.Window(e.Window)
	switch e.Kind {
	case marker.WindowOpen:
		s := &schedule{}
		if w.Rules.ClosesTS != 0 {
			s.close = accepted.Add(lineTime(w.Rules.ClosesTS - e.TS)).Add(c.cfg.Hold + closePatience)
		}
		c.schedules[e.Window] = s
	case marker.WindowClosing:
		c.schedules[e.Window] = &schedule{seal: w.ClosingAt.Add(w.Rules.Grace)}
	case marker.WindowClose, marker.Void:
		delete(c.schedules, e.Window)
	}
}

// lineTime returns the time that a count of the video line's ticks takes.
func lineTime(n uint64) time.Duration { return time.Duration(n) * time.Second / 90000 }

// tendWindows closes the windows for which no frame came, and has those counted
// that take nothing any more. heard is the time up to which every action that was
// received has been judged.
func (c *Core) tendWindows(now, heard time.Time) {
	for name, s := range c.schedules {
		switch {
		case !s.close.IsZero() && !now.Before(s.close):
			if f := c.lastFrame(now); f != nil {
				c.close(name, f, window.ClosingData{CloseTS: f.TS + 1, Reason: window.ClosingNoFrame, At: c.book.Time(now)}, now)
			}
		case !s.seal.IsZero() && !s.sealing && !heard.Before(s.seal):
			s.sealing = true
			c.out.Seal(name)
		}
	}
}

// nextWindow returns when tendWindows has something to do.
func (c *Core) nextWindow() (next time.Time, ok bool) {
	for _, s := range c.schedules {
		at := s.close
		if !s.seal.IsZero() && !s.sealing {
			at = s.seal
		}
		if !at.IsZero() && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	return next, ok
}

// Sealed says that all that a window has taken is durable: it is closed with the
// record of it.
func (c *Core) Sealed(name string, now time.Time) {
	s, w := c.schedules[name], window.Window{}
	if s == nil {
		return // voided meanwhile
	}
	w, _ = c.book.Window(name)
	e := marker.Event{Kind: marker.WindowClose, ID: "closed:" + name, By: relayName, Window: name}
	err := setData(&e, w.CloseData())
	f := c.lastFrame(now)
	if f == nil {
		err = errors.New("no frame is known")
	}
	if err == nil {
		err = c.publish(&e, f, now)
	}
	if err != nil {
		s.sealing, s.seal = false, now.Add(closePatience) // again
		c.out.Drop(DropNoClose, 1)
	}
}

// lastFrame returns the newest frame. After a restart, before the first has come,
// that is the newest that the log knows.
func (c *Core) lastFrame(now time.Time) *timeline.Frame {
	if f := c.frames.Newest(); f != nil {
		return f
	}
	if c.lastTS == 0 {
		return nil
	}
	f := &timeline.Frame{TS: c.lastTS, Epoch: c.durable.Epoch, Accepted: now, Sent: now}
	f.Capture = time.Unix(0, 0).Add(lineTime(c.lastTS)).UTC()
	if t := c.tracks[forward.Video]; t != nil {
		f.Source = "arrival"
	}
	return f
}

// liveWindows describes the windows that are not over, for a snapshot.
func (c *Core) liveWindows(now time.Time) []state.Window {
	var list []state.Window
	for _, w := range c.book.Live() {
		if s := c.schedules[w.Name]; s != nil {
			v := state.Window{Name: w.Name, Phase: w.Phase, OpenTS: w.OpenTS, CloseTS: w.CloseTS, Rules: w.Rules}
			if !s.close.IsZero() {
				v.RemainingMS = max(0, milliseconds(s.close.Add(-closePatience).Sub(now)))
			}
			list = append(list, v)
		}
	}
	return list
}

// windowList describes all windows that are known.
func (c *Core) windowList(now time.Time) []state.Window {
	live := map[string]state.Window{}
	for _, v := range c.liveWindows(now) {
		live[v.Name] = v
	}
	list := []state.Window{}
	for _, w := range c.book.Windows() {
		v, ok := live[w.Name]
		if !ok {
			v = state.Window{Name: w.Name, Phase: w.Phase, OpenTS: w.OpenTS, CloseTS: w.CloseTS, Rules: w.Rules}
		}
		v.Accepted, v.Rejected, v.Root = w.Accepted, w.Rejected, w.Root
		list = append(list, v)
	}
	return list
}
