package congestion

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"pgregory.net/rapid"
)

// departures gives a pacer packets of 1,250 bytes (10,000 bits) that come at once, and
// returns when each leaves, in ms.
func departures(p *Pacer, n int, pace float64, now time.Time) (at []float64) {
	const size = 1250
	came := now
	for i := 0; i < n; {
		wait := p.Leave(size, pace, (n-i)*size, now.Sub(came), now)
		if wait == 0 {
			at = append(at, now.Sub(came).Seconds()*1000)
			i++
		}
		now = now.Add(wait)
	}
	return at
}

func TestPacer(t *testing.T) {
	tests := []struct {
		name          string
		pace          float64
		packets       int
		atOnce, after int     // packets that leave at once, and that are left after 20 ms more
		last          float64 // ms, at least
		most          float64 // ms
	}{
		{"no limit is known", 0, 500, 500, 0, 0, 0},
		{"a usual frame", 6 * mbit, 7, 7, 0, 0, 0},
		{"a small frame on a slow path", mbit, 5, 5, 0, 0, 0},
		// 72,000 bits at once, then 6,000 a millisecond.
		{"a keyframe", 6 * mbit, 64, 8, 56 - 12, 90, 98},
		// 3 Mbit in 150 ms.
		{"one that is too large for its pace", mbit, 300, 20, 280 - 40, 130, 150},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := departures(&Pacer{}, tt.packets, tt.pace, epoch)
			atOnce, after := 0, 0
			for _, ms := range at {
				if ms == 0 {
					atOnce++
				}
				if ms > 20 {
					after++
				}
			}
			last := at[len(at)-1]
			if atOnce < tt.atOnce || atOnce > tt.atOnce*2 || after < tt.after*4/5 || after > tt.after*6/5 || last < tt.last || last > tt.most {
				t.Errorf("%d at once, %d after 20 ms, the last after %.1f ms; want about %d, %d, and %v to %v ms", atOnce, after, last, tt.atOnce, tt.after, tt.last, tt.most)
			}
		})
	}
}

// Whatever comes: nothing waits for more than MaxHold, what leaves at once after a
// rest is no less than a small frame, and without a deadline in sight no more leaves
// than the pace and what may leave at once.
func TestPacerKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Pacer
		pace := rapid.Float64Range(0.2, 20).Draw(t, "pace") * mbit
		type packet struct {
			size  int
			since time.Time
		}
		var queue []packet
		waiting, hurried := 0, false
		now, start, sent := epoch, epoch, 0.0
		send := func() {
			for len(queue) > 0 {
				head := queue[0]
				waited := now.Sub(head.since)
				if float64(waiting)*8 > pace*(MaxHold-waited).Seconds() {
					hurried = true
				}
				wait := p.Leave(head.size, pace, waiting, waited, now)
				if wait > 0 {
					if wait > MaxHold-waited {
						t.Fatalf("waits %v after %v", wait, waited)
					}
					return
				}
				sent += float64(head.size) * 8
				waiting -= head.size
				queue = queue[1:]
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "frames") {
			for range rapid.IntRange(1, 80).Draw(t, "packets") {
				size := rapid.IntRange(100, 1280).Draw(t, "size")
				queue = append(queue, packet{size, now})
				waiting += size
			}
			send()
			for range rapid.IntRange(0, 12).Draw(t, "steps") {
				now = now.Add(ms(float64(rapid.IntRange(1, 9).Draw(t, "step"))))
				send()
				if len(queue) > 0 && now.Sub(queue[0].since) > MaxHold {
					t.Fatalf("a packet waits for %v", now.Sub(queue[0].since))
				}
			}
			if most := pace*(now.Sub(start)+onceTime).Seconds() + leastAtOnce + 1280*8; !hurried && sent > most {
				t.Fatalf("%.0f bits in %v at %.0f a second", sent, now.Sub(start), pace)
			}
		}
		rest := now.Add(time.Minute)
		for sum := 0; sum+1250 <= leastAtOnce/8; sum += 1250 {
			if wait := p.Leave(1250, pace, 1250, 0, rest); wait > 0 {
				t.Fatalf("a small frame waits %v after %d bytes", wait, sum)
			}
		}
	})
}

func TestPacerAllocatesNothing(t *testing.T) {
	var p Pacer
	now := epoch
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(ms(1))
		p.Leave(1250, mbit, 12500, 0, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// report is a TWCC message on packets 0 to n-1, of which those from lost on are lost;
// the others came 1 ms apart.
func report(n, lost uint16) *rtcp.TransportLayerCC {
	cc := &rtcp.TransportLayerCC{PacketStatusCount: n, FbPktCount: 1}
	for i := range n {
		status := uint16(rtcp.TypeTCCPacketReceivedSmallDelta)
		if i >= lost {
			status = rtcp.TypeTCCPacketNotReceived
		} else {
			cc.RecvDeltas = append(cc.RecvDeltas, &rtcp.RecvDelta{Type: status, Delta: 1000})
		}
		cc.PacketChunks = append(cc.PacketChunks, &rtcp.RunLengthChunk{Type: rtcp.TypeTCCRunLengthChunk, PacketStatusSymbol: status, RunLength: 1})
	}
	return cc
}

func TestPace(t *testing.T) {
	sent := func() *Estimator {
		e := &Estimator{rate: 4 * mbit}
		for i := range uint16(30) {
			e.Sent(i, 1250, epoch)
		}
		return e
	}
	tests := []struct {
		name string
		tell func(*Estimator)
		want float64
	}{
		{"nothing is known", func(*Estimator) {}, 0},
		{"all came", func(e *Estimator) { e.Feedback(report(30, 30), after(50)) }, 0},
		{"one is lost", func(e *Estimator) { e.Feedback(report(30, 29), after(50)) }, 0},
		{"the end of a burst is lost", func(e *Estimator) { e.Feedback(report(30, 20), after(50)) }, 1.25 * 4 * mbit},
		{"a receiver report tells of loss", func(e *Estimator) {
			e.Report(0, ms(20), epoch)
			for i := range uint16(100) {
				e.Sent(30+i, 1250, after(10))
			}
			e.rate = 4 * mbit
			e.Report(0.05, ms(20), after(1000))
		}, 1.25 * 4 * mbit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := sent()
			tt.tell(e)
			if got := e.Pace(after(1100)); got < tt.want*0.99 || got > tt.want*1.01 {
				t.Errorf("a pace of %.2f Mbit/s, want %.2f", got/mbit, tt.want/mbit)
			}
			if got := e.Pace(after(70_000)); got != 0 {
				t.Errorf("a pace of %.2f Mbit/s after more than a minute without a sign", got/mbit)
			}
		})
	}
}

// What waits for its turn is part of what the path has to carry.
func TestWhatIsHeldCounts(t *testing.T) {
	e := pathOf(mbit, 0, false, epoch)
	e.Hold(12_500)
	if got := e.Backlog(epoch); got != ms(100) {
		t.Errorf("12,500 bytes that wait are %v at 1 Mbit/s, want 100 ms", got)
	}
	e.Hold(-12_500)
	if got := e.Backlog(epoch); got != 0 {
		t.Errorf("%v are left", got)
	}
}
