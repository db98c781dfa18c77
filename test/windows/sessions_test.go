//go:build linux

package windows

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/framelock/relay"
	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/internal/studio"
	"github.com/framelock/relay/sync/window"
)

// player is a viewer who acts, over a session of its own.
type player struct {
	*load.Viewer
	*frames // those that came; nil if the player does not decrypt

	mu      sync.Mutex
	waiting map[string][]chan []byte // for receipts, by the action's id, in order of sending
}

// frames are those that a viewer got, in order.
type frames struct {
	mu   sync.Mutex
	list []gotFrame
}

// gotFrame is a frame whose first packet came.
type gotFrame struct {
	ts uint64
	at time.Time
}

func (f *frames) take(p *rtp.Packet) {
	if p.PayloadType != load.VideoType {
		return
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	ts := extend(p.Timestamp, now)
	if n := len(f.list); n == 0 || f.list[n-1].ts < ts {
		f.list = append(f.list, gotFrame{ts, now})
	}
}

// extend finds the canonical timestamp of a frame of these seconds: 90,000 times Unix
// time (docs/protocol.md, section 1).
func extend(low uint32, now time.Time) uint64 {
	near := uint64(now.UnixMicro()) * 9 / 100
	return near + uint64(int64(int32(low-uint32(near))))
}

// newest returns the newest frame but n; zero if there is none.
func (f *frames) newest(n int) gotFrame {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n >= len(f.list) {
		return gotFrame{}
	}
	return f.list[len(f.list)-1-n]
}

// after returns the first frame from a timestamp on, and how many came before it.
func (f *frames) after(ts uint64) (gotFrame, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, g := range f.list {
		if g.ts >= ts {
			return g, i
		}
	}
	return gotFrame{}, len(f.list)
}

// before returns the last frame before a timestamp.
func (f *frames) before(ts uint64) (last gotFrame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.list {
		if g.ts < ts {
			last = g
		}
	}
	return last
}

// join lets a player in, who decrypts or only acts.
func (w *table) join(decrypts bool, change ...func(*load.Viewing)) *player {
	w.Helper()
	p, err := w.tryJoin(decrypts, change...)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := p.Close(); err != nil {
			w.Error(err)
		}
	})
	return p
}

func (w *table) tryJoin(decrypts bool, change ...func(*load.Viewing)) (p *player, err error) {
	p = &player{waiting: map[string][]chan []byte{}}
	open := make(chan struct{})
	var once sync.Once
	v := load.Viewing{
		URL: w.base + "/whep/wheel", Channels: true, Markers: true, Decrypt: decrypts, Reports: decrypts, HTTP: http.DefaultClient,
		Messages: func(channel uint16, b []byte) {
			if once.Do(func() { close(open) }); channel == 2 {
				p.receipt(b)
			}
		},
	}
	if decrypts {
		p.frames = &frames{}
		v.Packets = p.take
	}
	for _, f := range change {
		f(&v)
	}
	if p.Viewer, err = load.Join(w.Context(), v); err != nil {
		return nil, err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-open: // the relay's end of the channels is open
		return p, nil
	case <-timer.C:
		return nil, fmt.Errorf("no message came within %v", patience)
	}
}

// receipt hands a receipt to who has waited longest for it.
func (p *player) receipt(b []byte) {
	var r struct{ Type, ID string }
	if json.Unmarshal(b, &r) != nil || r.Type != "receipt" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if waiting := p.waiting[r.ID]; len(waiting) > 0 {
		waiting[0] <- b
		p.waiting[r.ID] = waiting[1:]
	}
}

// send acts on a frame and returns where the receipt will come.
func (p *player) send(id, window string, seen uint64) (<-chan []byte, error) {
	return p.say(id, fmt.Sprintf(`{"type":"action","id":%q,"window":%q,"seen":{"track":"v0","ts":%d},"data":{"bet":"red","amount":2500}}`, id, window, seen))
}

// say sends an action in a form of its own.
func (p *player) say(id, action string) (<-chan []byte, error) {
	receipt := make(chan []byte, 1)
	p.mu.Lock()
	p.waiting[id] = append(p.waiting[id], receipt)
	p.mu.Unlock()
	return receipt, p.Act(action)
}

// bet is send, and waits for the receipt.
func (p *player) bet(id, window string, seen uint64) ([]byte, error) {
	receipt, err := p.send(id, window, seen)
	if err != nil {
		return nil, err
	}
	return awaited(receipt, id)
}

func awaited(receipt <-chan []byte, id string) ([]byte, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case b := <-receipt:
		return b, nil
	case <-timer.C:
		return nil, fmt.Errorf("no receipt for %s within %v", id, patience)
	}
}

// clip has a studio play a clip until the test ends: far fewer packets than a
// measurement has.
func (w *table) clip() {
	w.Helper()
	c, to := studio.Default(), w.relay.Addrs().Streams["wheel"]
	c.Video.To, c.Audio.To = to.Video, to.Audio
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- studio.Run(ctx, c) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	eventually(w.T, "frames", func() bool {
		_, err := w.wheel.Mark(w.Context(), relay.Marker{ID: "begun", Kind: relay.Mark, At: relay.Next()})
		return err == nil
	})
}

// Viewers bet in three windows at once, over their own sessions, each bet sent three
// times.
func TestSessions(t *testing.T) {
	begin(t)
	people, rate, span := ofFull(500, 40), ofFull(2000, 400), ofFull(10*time.Second, 2*time.Second)
	w := runTable(t, config(t.TempDir()))
	w.clip()
	eye := w.join(true)
	players := make([]*player, people)
	var joining sync.WaitGroup
	places := make(chan struct{}, 8)
	for i := range players {
		joining.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			var err error
			if players[i], err = w.tryJoin(false); err != nil {
				t.Error(err)
			}
		})
	}
	joining.Wait()
	t.Cleanup(func() {
		var leaving sync.WaitGroup
		for _, p := range players {
			if p != nil {
				leaving.Go(func() { p.Close() })
			}
		}
		leaving.Wait()
	})
	if t.Failed() {
		t.FailNow()
	}
	p := newPurse(t)
	all := 0
	names := []string{"r1", "r2", "r3"}
	events := w.events()
	var opened relay.Resolved
	for _, name := range names {
		opened = w.open(name, func(r *relay.Window) { r.MaxAge = 10 * time.Second }) // on a slow machine too
	}
	const behind = 30 // frames: a second
	eventually(t, "frames of the windows have come", func() bool { return eye.newest(behind).ts >= opened.TS })
	measure := func(prefix string, rate int, d time.Duration) {
		n := int(d.Seconds() * float64(rate))
		all += n
		seen := sync.Map{} // by id: the frame, which is the same each time that it is sent
		c := crowd{waiting(func(id string) ([]byte, error) {
			var k int
			fmt.Sscanf(id[len(prefix)+1:], "%d", &k)
			// Others are sent frames at the same time, or almost: this one has left for all.
			frame, _ := seen.LoadOrStore(id, eye.newest(behind).ts)
			return players[k%people].bet(id, names[k%len(names)], frame.(uint64))
		})}
		if err := eye.Begin(); err != nil {
			t.Fatal(err)
		}
		got := c.offer(t.Context(), prefix, n, d)
		p.keep(got)
		t.Logf("%d sessions, %d actions at %d/s, each sent 3 times, in %v; the last receipt after %v; receipts p50 %v, p99 %v",
			people, n, rate, ms(got.Offered), ms(got.Drained), ms(share(got.Waits, 0.5)), ms(share(got.Waits, 0.99)))
		if s := eye.Seen(); s.Gaps > 0 {
			t.Errorf("%d packets of media are missing", s.Gaps)
		}
	}
	measure("slow", 100, ofFull(10*time.Second, 2*time.Second))
	measure("fast", rate, span)
	if p.len() != all {
		t.Errorf("%d receipts for %d actions; refused: %s", p.len(), all, p.refusals())
	}
	for _, name := range names {
		if _, err := w.wheel.CloseWindow(t.Context(), name, relay.Next()); err != nil {
			t.Fatal(err)
		}
		w.closed(events, name)
	}
	h := p.audit(export(t, w.base, "wheel"))
	if len(h.accepted) != p.len() || len(h.rejected) > 0 {
		t.Errorf("%d accepted and %d rejected, of %d", len(h.accepted), len(h.rejected), p.len())
		for _, a := range h.rejected {
			t.Fatalf("such as %+v", a)
		}
	}
}

// One viewer has much to say at once. Nothing is left unanswered.
func TestEveryActionIsAnswered(t *testing.T) {
	begin(t)
	w := newTable(t, config(t.TempDir()))
	one := w.join(true)
	opened := w.open("r1")
	eventually(t, "a frame of the window has come", func() bool { return one.newest(0).ts >= opened.TS })
	const actions = 90 // a viewer may say 100 things at once
	p := newPurse(t)
	var receipts [actions]<-chan []byte
	seen := one.newest(0).ts
	for i := range receipts {
		var err error
		if receipts[i], err = one.send(fmt.Sprint("bet-", i), "r1", seen); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range receipts {
		b, err := awaited(r, fmt.Sprint("bet-", i))
		if err != nil {
			t.Fatal(err)
		}
		if verdict := p.add(b); verdict != window.Accepted {
			t.Errorf("%s", b)
		}
	}
	p.audit(export(t, w.base, "wheel"))
}
