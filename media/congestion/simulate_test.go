package congestion

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"

	"github.com/framelock/relay/internal/impair"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

const (
	mbit       = 1e6
	audioSize  = 160  // bytes of a packet of sound
	videoSize  = 1200 // bytes of a packet of video, at most
	audioEvery = 20 * time.Millisecond
	fps        = 30
)

// scene is one simulated viewer: a stream, a path and how the viewer reports.
type scene struct {
	seed     uint64
	rate     float64       // of the video, bits per second on average
	gop      time.Duration // between keyframes
	keyframe float64       // size of a keyframe, in other frames
	vary     float64       // how much the other frames vary in size, as a share
	scenes   bool          // besides, the rate changes every few seconds from half to 3/2
	spread   bool          // a frame's packets come over the whole frame time, not at once

	down     impair.Path
	changes  []impair.Change
	up       impair.Path
	feedback time.Duration // between two TWCC messages; 0 = receiver reports instead
	resend   bool          // lost video is sent again
	length   time.Duration
}

// sent is what the simulation remembers of a packet.
type sent struct {
	at      time.Time
	audio   bool
	frame   int
	size    int
	tries   int
	arrived bool
}

// frame is what became of a video frame.
type frame struct {
	at       time.Time
	keyframe bool
	packets  int // of it
	passed   int // the valve
	there    int // have arrived
}

// moment is the estimate at a time.
type moment struct {
	at   time.Time
	rate float64
}

// outcome is what a simulation has shown. Times are since its beginning.
type outcome struct {
	packets []sent
	frames  []frame
	moments []moment
	notices []time.Duration // congested, over, congested, …
	counts  impair.Counts
}

// happening is a thing to do at a time.
type happening struct {
	at  time.Time
	nth int
	do  func(now time.Time)
}

type agenda struct {
	list []happening
	n    int
}

func (a *agenda) Len() int      { return len(a.list) }
func (a *agenda) Swap(i, j int) { a.list[i], a.list[j] = a.list[j], a.list[i] }
func (a *agenda) Push(x any)    { a.list = append(a.list, x.(happening)) }
func (a *agenda) Less(i, j int) bool {
	x, y := &a.list[i], &a.list[j]
	return x.at.Before(y.at) || x.at.Equal(y.at) && x.nth < y.nth
}

func (a *agenda) Pop() any {
	last := len(a.list) - 1
	h := a.list[last]
	a.list = a.list[:last]
	return h
}

func (a *agenda) at(t time.Time, do func(now time.Time)) {
	a.n++
	heap.Push(a, happening{t, a.n, do})
}

// world runs a scene.
type world struct {
	scene
	agenda
	outcome
	random   *rand.Rand
	down, up *impair.Link

	estimator Estimator
	valve     Valve
	number    uint16        // of the next packet; it begins near the wrap
	numbers   []int         // packets by their number
	swing     float64       // of the stream's rate
	newest    time.Duration // that the last packet to arrive was in a queue

	recorder *twcc.Recorder
	got, had uint64 // packets by the viewer's count, and at the last report
	highest  int    // one past the newest packet that has come
	before   int    // and at the last report
}

// play runs a scene from its beginning to its end.
func play(s scene) *outcome {
	w := &world{
		scene: s, random: rand.New(rand.NewPCG(s.seed, 1)), swing: 1,
		down: impair.NewLink(s.seed, epoch, s.down, s.changes...), up: impair.NewLink(s.seed+1000, epoch, s.up),
		recorder: twcc.NewRecorder(1), number: 65000, numbers: make([]int, 1<<16),
	}
	w.at(epoch, func(now time.Time) { w.videoFrame(0, now) })
	w.at(epoch, w.audio)
	w.at(epoch.Add(ms(50)), w.look)
	if s.feedback > 0 {
		// The viewer's clock for its messages has nothing to do with the stream's.
		w.at(epoch.Add(time.Duration(w.random.Float64()*float64(s.feedback))), w.speak)
	} else {
		w.at(epoch.Add(ms(700)), w.receiverReport)
	}
	for w.Len() > 0 {
		h := heap.Pop(&w.agenda).(happening)
		if h.at.Sub(epoch) > s.length {
			break
		}
		h.do(h.at)
	}
	w.counts = w.down.Counts()
	return &w.outcome
}

func (w *world) videoFrame(n int, now time.Time) {
	inGOP := int(w.gop.Seconds() * fps)
	if w.scenes && n%(fps*4) == 0 {
		w.swing = 0.5 + w.random.Float64()
	}
	delta := w.rate / fps * float64(inGOP) / (float64(inGOP) - 1 + w.keyframe) / 8
	size := delta * w.swing * (1 + w.vary*(2*w.random.Float64()-1))
	keyframe := n%inGOP == 0
	if keyframe {
		size = delta * w.swing * w.keyframe
	}
	packets := int(size/videoSize) + 1
	w.frames = append(w.frames, frame{at: now, keyframe: keyframe, packets: packets})
	for i := range packets {
		at := now
		if w.spread {
			at = now.Add(time.Second / fps * time.Duration(i) / time.Duration(packets))
		}
		w.at(at, func(now time.Time) {
			f := &w.frames[n]
			if w.valve.Video(i == 0, keyframe, &w.estimator, now) {
				f.passed++
				w.send(sent{frame: n, size: int(size) / packets}, now)
			}
			if c := w.valve.Congested(); c != (len(w.notices)%2 == 1) {
				w.notices = append(w.notices, now.Sub(epoch))
			}
		})
	}
	w.at(epoch.Add(time.Duration(n+1)*time.Second/fps), func(now time.Time) { w.videoFrame(n+1, now) })
}

func (w *world) audio(now time.Time) {
	w.send(sent{audio: true, size: audioSize}, now)
	w.at(now.Add(audioEvery), w.audio)
}

func (w *world) send(p sent, now time.Time) {
	number := w.number
	w.number++
	p.at = now
	p.tries++
	id := len(w.packets)
	w.packets = append(w.packets, p)
	w.numbers[number] = id
	w.estimator.Sent(number, p.size, now)
	arrivals := w.down.Send(p.size, now)
	for _, at := range arrivals {
		w.at(at, func(now time.Time) { w.arrive(id, number, now) })
	}
	if len(arrivals) == 0 && w.resend && !p.audio && p.tries <= 3 {
		w.nack(p, now.Add(w.newest), 10)
	}
}

// nack asks for a packet that was lost, when the viewer has seen the gap, and once
// each round trip, the queue included, as long as the relay has no room for it.
func (w *world) nack(p sent, seen time.Time, times int) {
	rtt := w.scene.down.Delay + w.scene.up.Delay + w.newest
	w.at(seen.Add(rtt+ms(20)), func(now time.Time) {
		if w.valve.Resend(&w.estimator, now) {
			w.send(p, now)
		} else if times > 1 {
			w.nack(p, now, times-1)
		}
	})
}

func (w *world) arrive(id int, number uint16, now time.Time) {
	p := &w.packets[id]
	if p.arrived {
		return
	}
	p.arrived = true
	w.got++
	w.highest = max(w.highest, id+1)
	if !p.audio {
		w.frames[p.frame].there++
	}
	w.newest = now.Sub(p.at) - w.scene.down.Delay
	// The viewer's clock is another one, and runs 50 ppm fast.
	w.recorder.Record(2, number, int64(float64(now.Sub(epoch).Microseconds())*1.00005)+987_654_321)
}

// speak sends TWCC feedback, by way of its bytes.
func (w *world) speak(now time.Time) {
	for _, p := range w.recorder.BuildFeedbackPacket() {
		b, err := p.Marshal()
		if err != nil {
			panic(err)
		}
		for _, at := range w.up.Send(len(b)+40, now) {
			w.at(at, func(now time.Time) {
				var cc rtcp.TransportLayerCC
				if err := cc.Unmarshal(b); err != nil {
					panic(err)
				}
				w.estimator.Feedback(&cc, now)
			})
		}
	}
	w.at(now.Add(w.feedback), w.speak)
}

// receiverReport says what a receiver report would, once a second or so.
func (w *world) receiverReport(now time.Time) {
	expected, got := w.highest-w.before, w.got-w.had
	w.before, w.had = w.highest, w.got
	if expected > 0 {
		lost := max(0, 1-float64(got)/float64(expected))
		rtt := w.scene.down.Delay + w.scene.up.Delay + w.newest
		w.at(now.Add(w.scene.up.Delay), func(now time.Time) { w.estimator.Report(lost, rtt, now) })
	}
	w.at(now.Add(ms(700+600*w.random.Float64())), w.receiverReport)
}

// look writes down the estimate, twenty times a second.
func (w *world) look(now time.Time) {
	w.moments = append(w.moments, moment{at: now, rate: w.estimator.Estimate()})
	w.at(now.Add(ms(50)), w.look)
}

// between says whether a time is within seconds of the simulation.
func between(at time.Time, from, to float64) bool {
	s := at.Sub(epoch).Seconds()
	return s >= from && s < to
}

// audioLost returns the share of sound lost that was sent within some seconds.
func (o *outcome) audioLost(from, to float64) float64 {
	all, lost := 0, 0
	for i := range o.packets {
		if p := &o.packets[i]; p.audio && between(p.at, from, to) {
			all++
			if !p.arrived {
				lost++
			}
		}
	}
	return float64(lost) / float64(max(all, 1))
}

// dropped returns how many frames of some seconds the valve kept back, whole or in
// part, and how many it let through whole.
func (o *outcome) dropped(from, to float64) (dropped, partly, passed int) {
	for _, f := range o.frames {
		switch {
		case !between(f.at, from, to):
		case f.passed == f.packets:
			passed++
		case f.passed == 0:
			dropped++
		default:
			partly++
		}
	}
	return dropped, partly, passed
}

// complete returns how many frames of some seconds have arrived whole.
func (o *outcome) complete(from, to float64) (frames, keyframes int) {
	for _, f := range o.frames {
		if between(f.at, from, to) && f.there >= f.packets {
			frames++
			if f.keyframe {
				keyframes++
			}
		}
	}
	return frames, keyframes
}

// estimates returns the smallest and largest estimate within some seconds.
func (o *outcome) estimates(from, to float64) (least, most float64) {
	for _, m := range o.moments {
		if between(m.at, from, to) {
			if least == 0 || m.rate < least {
				least = m.rate
			}
			most = max(most, m.rate)
		}
	}
	return least, most
}

// wholeAgain returns the seconds after which every frame flowed, from some time on.
func (o *outcome) wholeAgain(from, to float64) float64 {
	last := from
	for _, f := range o.frames {
		if between(f.at, from, to) && f.passed < f.packets {
			last = f.at.Sub(epoch).Seconds() + 1.0/fps
		}
	}
	return last - from
}

func (s scene) String() string {
	return fmt.Sprintf("seed %d, GOP %v, RTT %v, queue %v, feedback %v, spread %v", s.seed, s.gop,
		s.down.Delay+s.up.Delay, s.down.Queue, s.feedback, s.spread)
}
