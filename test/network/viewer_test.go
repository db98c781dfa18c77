package network

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/internal/impair"
	"github.com/framelock/relay/internal/watch"
)

// viewer is a native viewer behind a proxy, and what it got.
type viewer struct {
	table   *table
	tape    *tape // may be nil
	proxy   *impair.Proxy
	detour  *detour
	started time.Time
	stop    context.CancelFunc
	ended   chan struct{}
	report  watch.Report // once ended is closed
	err     error

	mu      sync.Mutex
	frames  []gotFrame
	sounds  map[uint32]bool      // timestamps of audio packets
	sound   time.Time            // when the first of them came,
	soundTS uint32               // and its timestamp
	arrived []time.Time          // of every packet of media
	events  map[string]time.Time // of the events channel
	fast    map[string]time.Time // of any channel
	notices []notice
}

// gotFrame is a frame as it came, in the order of its sequence numbers.
type gotFrame struct {
	place    int // on the tape; -1 if the frame is not whole
	complete bool
	at       time.Time
}

type notice struct {
	code string
	at   time.Time
}

// watch lets a viewer watch through a proxy until it is stopped.
func (w *table) watch(p *impair.Proxy, tape *tape, change ...func(*watch.Config)) *viewer {
	v := &viewer{started: time.Now(), table: w, tape: tape, proxy: p, ended: make(chan struct{}), sounds: map[uint32]bool{}, events: map[string]time.Time{}, fast: map[string]time.Time{}}
	client, d := w.through(p)
	v.detour = d
	cfg := watch.Config{
		URL: w.url(), HTTP: client, Settings: onLoopback, TransportFeedback: true,
		Frames: v.frame, Packets: v.packet, Messages: v.message,
	}
	for _, f := range change {
		f(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	v.stop = cancel
	go func() {
		defer close(v.ended)
		v.report, v.err = watch.Run(ctx, cfg)
	}()
	w.Cleanup(func() {
		cancel()
		<-v.ended
	})
	return v
}

// onLoopback keeps a viewer to one address: each that it tries is a client of its own
// to the proxy.
func onLoopback(e *webrtc.SettingEngine) {
	e.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	e.SetIncludeLoopbackCandidate(true)
}

func (v *viewer) frame(f watch.Frame) {
	got := gotFrame{place: -1, at: f.Arrival, complete: f.Complete}
	if f.Complete && v.tape != nil {
		n, ok := v.tape.place(f.Data)
		if !ok {
			v.table.Errorf("a frame came that the studio never sent: %d, %d bytes", f.TS, len(f.Data))
			return
		}
		got.place = n
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.frames = append(v.frames, got)
}

func (v *viewer) packet(p watch.Packet) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.arrived = append(v.arrived, p.Arrival)
	if !p.Video {
		if len(v.sounds) == 0 {
			v.sound, v.soundTS = p.Arrival, p.RTPTimestamp
		}
		v.sounds[p.RTPTimestamp] = true
	}
}

func (v *viewer) message(m watch.Message) {
	var head struct{ Type, Code, ID, Kind string }
	if json.Unmarshal(m.Data, &head) != nil {
		return // the watch says so
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case head.Type == "event" && head.Kind == "outcome":
		if _, again := v.fast[head.ID]; !again {
			v.fast[head.ID] = m.Arrival
		}
		if m.Channel == 0 {
			v.events[head.ID] = m.Arrival
		}
	case head.Type == "notice":
		v.notices = append(v.notices, notice{head.Code, m.Arrival})
	}
}

// begun reports whether the viewer has a whole frame.
func (v *viewer) begun() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.frames) > 0 && v.frames[len(v.frames)-1].complete
}

// end stops the viewer. It must not have ended by itself.
func (v *viewer) end() {
	v.table.Helper()
	v.stop()
	<-v.ended
	if v.err != nil {
		v.table.Errorf("the viewer ended with %v", v.err)
	}
}

// missed returns the published events that the viewer did not get.
func (v *viewer) missed(published []outcome) (missed []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, o := range published {
		if _, ok := v.events[o.id]; !ok {
			missed = append(missed, o.id)
		}
	}
	return missed
}

// delays returns how long after their publication events came on the events channel,
// and how long on any channel: the median and the longest.
func (v *viewer) delays(published []outcome) (ordered, any [2]time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	spread := func(arrived map[string]time.Time) (d [2]time.Duration) {
		var all []time.Duration
		for _, o := range published {
			if at, ok := arrived[o.id]; ok {
				all = append(all, at.Sub(o.at))
			}
		}
		if len(all) > 0 {
			slices.Sort(all)
			d = [2]time.Duration{all[len(all)/2], all[len(all)-1]}
		}
		return d
	}
	return spread(v.events), spread(v.fast)
}

// behind counts the events that came, on any channel, by more than a limit later than
// they came to another viewer.
func (v *viewer) behind(other *viewer, published []outcome, limit time.Duration) (n int) {
	other.mu.Lock()
	there := maps.Clone(other.fast)
	other.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, o := range published {
		if v.fast[o.id].Sub(there[o.id]) > limit {
			n++
		}
	}
	return n
}

// sum is what became of the frames that the studio sent, from the first that the
// viewer got to the last one before until.
type sum struct {
	sent, whole int
	lacking     []int // places of those that did not come whole
	// skipped are frames that follow another one than theirs, though nothing was
	// lost between them and they are no keyframes: no decoder can show them.
	skipped []int
	// stranded are whole frames that cannot be decoded because something before
	// them was lost on the way.
	stranded []int
	// strandedFor is the longest time, as the studio sent them, from the first frame
	// after one that was not whole to the last of those that it stranded.
	strandedFor time.Duration
}

func (s sum) share() float64 { return float64(s.whole) / float64(max(1, s.sent)) }

func (v *viewer) sum(until time.Time) (s sum) {
	tape := v.tape.sent()
	v.mu.Lock()
	defer v.mu.Unlock()
	got := map[int]bool{}
	first, before, stranded, decodes := -1, -1, 0, false
	for _, f := range v.frames {
		if !f.complete {
			before, decodes = -1, false
			continue
		}
		got[f.place] = true
		if first < 0 {
			first = f.place
		}
		key := tape[f.place].key
		if before >= 0 && f.place != before+1 && !key {
			s.skipped = append(s.skipped, f.place)
		}
		if decodes = key || decodes && f.place == before+1; !decodes {
			if before < 0 {
				stranded = f.place
			}
			s.stranded = append(s.stranded, f.place)
			s.strandedFor = max(s.strandedFor, tape[f.place].at.Sub(tape[stranded].at))
		}
		before = f.place
	}
	for n := max(first, 0); n < len(tape) && tape[n].at.Before(until); n++ {
		s.sent++
		if got[n] {
			s.whole++
		} else {
			s.lacking = append(s.lacking, n)
		}
	}
	return s
}

// lostSound returns how many packets of audio were sent between two moments, and how
// many of them never came. delay is that of the path at its beginning.
func (v *viewer) lostSound(from, to time.Time, delay time.Duration) (sent, lost int) {
	tape := v.tape.heard()
	v.mu.Lock()
	defer v.mu.Unlock()
	base := 0 // the packet that came first
	for base+1 < len(tape) && !tape[base+1].After(v.sound.Add(-delay)) {
		base++
	}
	for n, at := range tape {
		if n < base || at.Before(from) || !at.Before(to) {
			continue
		}
		sent++
		if !v.sounds[v.soundTS+uint32(n-base)*soundTicks] {
			lost++
		}
	}
	return sent, lost
}

const soundTicks = 960 // of a packet of audio: 20 ms at 48 kHz
