//go:build linux

package windows

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/sync/transcript"
	"github.com/framelock/relay/sync/window"
)

// claim is an action, and what its viewer knows of it.
type claim struct {
	id      string
	seen    uint64
	sent    time.Time
	arrived time.Time // of the receipt
	liar    bool      // seen is not what the viewer saw last
	transcript.Receipt
}

// claims are the actions of one player in a window.
type claims struct {
	player *player
	name   string // of the player
	window string
	list   []*claim
	all    sync.WaitGroup
}

// make acts on a frame; the receipt is waited for by itself.
func (c *claims) make(w *table, p *purse, seen uint64, liar bool) {
	cl := &claim{id: fmt.Sprint(c.window, "-", c.name, "-", len(c.list)), seen: seen, liar: liar, sent: time.Now()}
	c.list = append(c.list, cl)
	receipt, err := c.player.send(cl.id, c.window, seen)
	if err != nil {
		w.Error(err)
		return
	}
	c.all.Go(func() {
		b, err := awaited(receipt, cl.id)
		if err != nil {
			w.Error(err)
			return
		}
		cl.arrived = time.Now()
		if p.add(b) == "" {
			return
		}
		cl.Receipt, err = transcript.DecodeReceipt(b)
		if err != nil {
			w.Error(err)
		}
	})
}

// honest acts on each frame that comes until stop.
func (c *claims) honest(w *table, p *purse, stop <-chan struct{}) {
	last := uint64(0)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if f := c.player.newest(0); f.ts > last && (last == 0 || f.ts-last >= 2*90000/40) { // a viewer may say 50 things a second
			last = f.ts
			c.make(w, p, f.ts, false)
		}
	}
}

// lie sees frames as they come, and says until stop that it still sees the last one
// before the close frame.
func (c *claims) lie(w *table, p *purse, closeTS <-chan uint64, stop <-chan struct{}) {
	ts := <-closeTS
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if f := c.player.before(ts); f.ts > 0 {
			c.make(w, p, f.ts, true)
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// A window closes while viewers near and far act on every frame that they get, and
// others say that they got other frames than they did. What was right is known from
// the frames that came and from the times of sending, receipt and closing.
func TestClose(t *testing.T) {
	begin(t)
	w := newTable(t, config(t.TempDir()))
	p := newPurse(t)
	near := w.join(true)
	honest := map[string]*player{
		"near": near, "far": w.join(true, w.far(60*time.Millisecond, 60*time.Millisecond)),
		"down": w.join(true, w.far(0, 100*time.Millisecond)),
	}
	liars := map[string]*player{
		"liar": w.join(true), "feigning": w.join(true, func(v *load.Viewing) { v.Feign = 400 * time.Millisecond }),
		"distant": w.join(true, w.far(200*time.Millisecond, 0)),
	}
	for i := range ofFull(6, 0) {
		honest[fmt.Sprint("near", i)] = w.join(true)
		liars[fmt.Sprint("feigning", i)] = w.join(true, func(v *load.Viewing) { v.Feign = time.Duration(100*i) * time.Millisecond })
	}
	during(t.Context(), ofFull(5*time.Second, 2500*time.Millisecond)) // reports of the round trip
	events := w.events()
	gains := map[time.Duration]time.Duration{}
	graces := []time.Duration{0, 250 * time.Millisecond, 100 * time.Millisecond, time.Second}
	for _, grace := range graces[:ofFull(4, 2)] {
		name := fmt.Sprint("grace", grace.Milliseconds())
		opened := w.open(name, func(r *relay.Window) { r.Grace = grace })
		gains[grace] = w.around(name, opened, grace, p, honest, liars, events)
	}
	w.forge(p, near)
	p.audit(export(t, w.base, "wheel"))
	for grace, gain := range gains {
		t.Logf("grace %v: the most that a liar gained is %v", grace, ms(gain))
		if gain > grace {
			t.Errorf("a liar gained %v with a grace of %v", gain, grace)
		}
	}
}

// around has players act while a window closes, and returns how long after the closing
// an action of a liar was taken.
func (w *table) around(name string, opened relay.Resolved, grace time.Duration, p *purse, honest, liars map[string]*player, events <-chan []byte) (gain time.Duration) {
	w.Helper()
	stop := make(chan struct{})
	var acting sync.WaitGroup
	var all []*claims
	begin := func(who string, player *player, do func(*claims)) {
		c := &claims{player: player, name: who, window: name}
		all = append(all, c)
		acting.Go(func() { do(c) })
	}
	for who, player := range honest {
		begin(who, player, func(c *claims) { c.honest(w, p, stop) })
	}
	told := make(chan uint64, len(liars))
	for who, player := range liars {
		begin(who, player, func(c *claims) { c.lie(w, p, told, stop) })
	}
	during(w.Context(), 300*time.Millisecond)
	closing, err := w.wheel.CloseWindow(w.Context(), name, relay.Next())
	if err != nil {
		w.Fatal(err)
	}
	for range liars {
		told <- closing.TS
	}
	w.closed(events, name)
	during(w.Context(), 300*time.Millisecond)
	close(stop)
	acting.Wait()
	for _, c := range all {
		c.all.Wait()
	}
	at := p.closingAt(w, name)
	taken, late := 0, 0
	for _, c := range all {
		for _, cl := range c.list {
			want := expected(cl, opened.TS, closing.TS, at, grace)
			got := cl.Verdict + cl.Reason
			if !want[got] {
				w.Errorf("%s: action %s on frame %d, received %v after the closing on frame %d: %s, want one of %v", c.name, cl.id, cl.seen, cl.ReceivedAt.Sub(at), closing.TS, got, want)
			}
			if cl.ReceivedAt.Before(cl.sent) || cl.ReceivedAt.After(cl.arrived) {
				w.Errorf("action %s was sent at %v, receipted at %v, and received at %v", cl.id, cl.sent, cl.arrived, cl.ReceivedAt)
			}
			if cl.Verdict == window.Accepted {
				taken++
				if after := cl.ReceivedAt.Sub(at); after > 0 {
					late++
					gain = max(gain, after)
				}
			}
		}
	}
	w.Logf("%s: %d accepted, %d of them in the grace", name, taken, late)
	return gain
}

// expected is what can be said of a claim: verdict and reason. What came in the same
// instant as the closing came before or after it.
func expected(c *claim, open, closeTS uint64, at time.Time, grace time.Duration) map[string]bool {
	rejected := func(reason string) string { return window.Rejected + reason }
	want := map[string]bool{}
	after := c.ReceivedAt.Sub(at)
	if after >= grace && after >= 0 {
		want[rejected(window.ReasonWindowClosed)] = true
		if after > 0 {
			return want
		}
	}
	switch {
	case c.seen < open:
		want[rejected(window.ReasonSeenBeforeOpen)], want[rejected(window.ReasonWindowNotOpen)] = true, true
	case c.seen >= closeTS:
		want[rejected(window.ReasonSeenAfterClose)] = true
	default:
		want[window.Accepted] = true
	}
	return want
}

// closingAt returns when a window closed, as its event says.
func (p *purse) closingAt(w *table, name string) time.Time {
	w.Helper()
	var d struct{ At time.Time }
	if err := json.Unmarshal(p.read(export(w.T, w.base, "wheel")).closing[name].Data, &d); err != nil {
		w.Fatal(err)
	}
	return d.At
}

// forge has a player claim what cannot be.
func (w *table) forge(p *purse, eye *player) {
	w.Helper()
	const maxAge = 500 * time.Millisecond
	opened := w.open("forged", func(r *relay.Window) { r.MaxAge = maxAge })
	eventually(w.T, "many frames of the window have come", func() bool { return eye.newest(0).ts > opened.TS+3*90_000 })
	late := w.join(true)
	eventually(w.T, "the newcomer gets frames", func() bool { return late.newest(5).ts > 0 })
	before := func(p *player, ticks uint64) uint64 { // a frame that came a while ago
		f, _ := p.after(p.newest(0).ts - ticks)
		return f.ts
	}
	first, _ := late.after(0)
	other := eye.before(eye.before(first.ts).ts)
	for _, c := range []struct {
		what, want string
		player     *player
		seen       func() uint64
	}{
		{"a frame that came", "", eye, func() uint64 { return eye.newest(1).ts }},
		{"a time between two frames", window.ReasonSeenNotSent, eye, func() uint64 { return eye.newest(2).ts + 1 }},
		{"a frame to come", window.ReasonSeenFuture, eye, func() uint64 { return eye.newest(0).ts + 90_000 }},
		{"a frame in a year", window.ReasonSeenFuture, eye, func() uint64 { return eye.newest(0).ts + 365*86400*90_000 }},
		{"a frame that is too old", window.ReasonSeenTooOld, eye, func() uint64 { return before(eye, 2*90_000) }},
		{"a frame before the window", window.ReasonSeenBeforeOpen, eye, func() uint64 { f, _ := eye.after(0); return f.ts }},
		{"no frame", window.ReasonSeenMissing, eye, nil},
		{"a frame of another session", window.ReasonSeenNotSent, late, func() uint64 { return other.ts }},
	} {
		id := "forged-" + fmt.Sprint(len(p.ids()))
		var receipt <-chan []byte
		var err error
		if c.seen != nil {
			receipt, err = c.player.send(id, "forged", c.seen())
		} else {
			receipt, err = c.player.say(id, fmt.Sprintf(`{"type":"action","id":%q,"window":"forged","data":1}`, id))
		}
		if err != nil {
			w.Fatal(err)
		}
		b, err := awaited(receipt, id)
		if err != nil {
			w.Fatal(err)
		}
		p.add(b)
		if r, err := transcript.DecodeReceipt(b); err != nil || r.Reason != c.want || r.Order == 0 {
			w.Errorf("%s: %s %v, want %q", c.what, b, err, c.want)
		}
	}
}
