package congestion

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtcp"
	"pgregory.net/rapid"
)

// lost marks a packet that has not arrived.
const lost = -1

// message is feedback on the packets from base on, each with its arrival in ms of
// the receiver's clock, or lost.
func message(count uint8, base uint16, arrivals ...float64) *rtcp.TransportLayerCC {
	cc := &rtcp.TransportLayerCC{BaseSequenceNumber: base, PacketStatusCount: uint16(len(arrivals)), FbPktCount: count}
	chunk := &rtcp.StatusVectorChunk{}
	at := int64(-1)
	for _, a := range arrivals {
		if a == lost {
			chunk.SymbolList = append(chunk.SymbolList, rtcp.TypeTCCPacketNotReceived)
			continue
		}
		micros := int64(a * 1000)
		if at < 0 {
			cc.ReferenceTime = uint32(micros / 64_000)
			at = int64(cc.ReferenceTime) * 64_000
		}
		chunk.SymbolList = append(chunk.SymbolList, rtcp.TypeTCCPacketReceivedLargeDelta)
		cc.RecvDeltas = append(cc.RecvDeltas, &rtcp.RecvDelta{Delta: micros - at})
		at = micros
	}
	cc.PacketChunks = []rtcp.PacketStatusChunk{chunk}
	return cc
}

func after(milliseconds float64) time.Time { return epoch.Add(ms(milliseconds)) }

// sendAll sends n packets of 1,000 bytes, one each millisecond, from number on.
func sendAll(e *Estimator, number uint16, n int) {
	for i := range n {
		e.Sent(number+uint16(i), 1000, after(float64(i)))
	}
}

// known returns which of n packets the estimator still waits to hear of: 'w', or
// 'l' for those that were called lost; '.' for the others.
func known(e *Estimator, number uint16, n int) string {
	b := make([]byte, n)
	for i := range b {
		f := e.flights.at(e.flights.extend(number + uint16(i)))
		switch {
		case f == nil:
			b[i] = '.'
		case f.lost():
			b[i] = 'l'
		default:
			b[i] = 'w'
		}
	}
	return string(b)
}

func TestFeedbackCountsOnce(t *testing.T) {
	type heard struct {
		cc   *rtcp.TransportLayerCC
		at   float64 // ms
		want string  // of the six packets sent
	}
	tests := []struct {
		name  string
		first uint16
		heard []heard
	}{
		{"all arrive", 100, []heard{{message(0, 100, 5, 6, 7, 8, 9, 10), 20, "......"}}},
		{"numbers wrap", 65533, []heard{{message(0, 65533, 5, 6, lost, 8, 9, 10), 20, "..l..."}}},
		{"two messages", 100, []heard{{message(0, 100, 5, 6, lost), 20, "..lwww"}, {message(1, 103, 8, 9, 10), 30, "..l..."}}},
		{"what was lost comes late", 100, []heard{{message(0, 100, 5, lost, 7), 20, ".l.www"}, {message(1, 101, 9, 7), 30, "...www"}}},
		{"a duplicate", 100, []heard{{message(7, 100, 5, lost), 20, ".lwwww"}, {message(7, 100, 5, 6, 7), 21, ".lwwww"}}},
		{"an older message", 100, []heard{{message(7, 102, 5, 6), 20, "ww..ww"}, {message(6, 100, 5, 6), 21, "ww..ww"}}},
		{"the count wraps", 100, []heard{{message(255, 100, 5), 20, ".wwwww"}, {message(0, 101, 6), 30, "..wwww"}}},
		{"after a pause any count will do", 100, []heard{{message(7, 100, 5), 20, ".wwwww"}, {message(3, 101, 6), 2100, "..wwww"}}},
		{"never sent", 100, []heard{{message(0, 106, 5, 6, lost), 20, "wwwwww"}, {message(1, 90, 5, 6, lost), 30, "wwwwww"}}},
		{"half of it never sent", 100, []heard{{message(0, 98, 3, 4, 5, 6), 20, "..wwww"}, {message(1, 105, 10, 11, lost), 30, "..www."}}},
		{"far away", 100, []heard{{message(0, 100+1<<15, 5, 6), 20, "wwwwww"}}},
		{"more than can be under way", 100, []heard{{&rtcp.TransportLayerCC{BaseSequenceNumber: 100, PacketStatusCount: 65535,
			PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{RunLength: 65535}}}, 20, "wwwwww"}}},
		{"an empty message", 100, []heard{{&rtcp.TransportLayerCC{}, 20, "wwwwww"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e Estimator
			e.Feedback(message(200, tt.first, 1, 2), epoch) // before anything was sent
			sendAll(&e, tt.first, 6)
			for i, h := range tt.heard {
				e.Feedback(h.cc, after(h.at))
				if got := known(&e, tt.first, 6); got != h.want {
					t.Errorf("after message %d: %s, want %s", i, got, h.want)
				}
			}
		})
	}
}

func TestPacketsTooLongAgoAreForgotten(t *testing.T) {
	var e Estimator
	sendAll(&e, 65000, flightLimit+10)
	if got := known(&e, 65000, 12); got != "..........ww" {
		t.Errorf("%s", got)
	}
	e.Feedback(message(0, 65009, 5, 6), after(2000))
	if got := known(&e, 65000, 12); got != "...........w" {
		t.Errorf("%s", got)
	}
	// A jump of the numbers leaves nothing of before.
	e.Sent((65000+flightLimit+5000)&0xffff, 1000, after(3000))
	if got := known(&e, (65000+flightLimit)&0xffff, 12); got != "............" {
		t.Errorf("%s", got)
	}
}

func TestFlight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(-10, 3000).Draw(t, "size")
		at := rapid.Int64Range(0, 1<<40).Draw(t, "at")
		age := rapid.Int64Range(0, flightTime).Draw(t, "age")
		f := newFlight(size, at)
		if f == 0 || f.lost() {
			t.Fatal("a packet that is none, or lost")
		}
		if got := f.sent(at + age); got != at {
			t.Fatalf("sent at %d, want %d", got, at)
		}
		if want := float64(min(max(size, sizeStep), 255*sizeStep)) * 8; math.Abs(f.bits()-want) > sizeStep/2*8 {
			t.Fatalf("%v bits, want %v", f.bits(), want)
		}
		if f |= flightLost; !f.lost() || f.sent(at+age) != at {
			t.Fatal("what is lost changes")
		}
	})
}

// The receiver's clock may be set: what looks like a delay of more than ten seconds
// is none.
func TestReceiverClockIsSet(t *testing.T) {
	var e Estimator
	for i := range 400 {
		at := float64(10 * i)
		e.Sent(uint16(i), 1000, after(at))
		theirs := at + 5
		if i >= 200 {
			theirs += 60_000
		}
		e.Feedback(message(uint8(i), uint16(i), theirs), after(at+10))
	}
	if e.Limited() || e.Estimate() < 0.7*mbit || e.Estimate() > 1.3*mbit {
		t.Errorf("limited %v, %.2f Mbit/s; want 0.8 to 1.2", e.Limited(), e.Estimate()/mbit)
	}
}

func TestReportRefusesNonsense(t *testing.T) {
	report := func(lost float64, rtt time.Duration) Estimator {
		var e Estimator
		for i := range 40 {
			for range 100 {
				e.Sent(uint16(i), 1000, after(float64(100*i)))
			}
			l, r := 0.0, ms(20)
			if i == 39 {
				l, r = lost, rtt
			}
			e.Report(l, r, after(float64(100*i)+300*float64(i/39)))
		}
		return e
	}
	fine := report(0, ms(20))
	for name, e := range map[string]Estimator{
		"not a number": report(math.NaN(), ms(20)), "below 0": report(-1, ms(20)), "above 1": report(2, ms(20)),
		"a round trip below 0": report(0, -time.Hour), "an endless round trip": report(0, time.Hour),
	} {
		if e.Limited() || math.Abs(e.Estimate()-fine.Estimate()) > fine.Estimate()/2 {
			t.Errorf("%s: limited %v, %.2f Mbit/s; want %.2f", name, e.Limited(), e.Estimate()/mbit, fine.Estimate()/mbit)
		}
	}
	if e := report(0.5, ms(20)); !e.Limited() {
		t.Error("half of the packets lost is no limit")
	}
	if e := report(0, ms(400)); !e.Limited() {
		t.Error("a queue of 380 ms is no limit")
	}
}

// Reports say nothing beside TWCC feedback, which is better.
func TestReportsDoNotDisturbFeedback(t *testing.T) {
	var e Estimator
	sendAll(&e, 0, 20)
	e.Feedback(message(0, 0, 5, 6, 7, 8), after(20))
	was := e
	e.Report(0.9, ms(900), after(30))
	if e != was {
		t.Error("a report counts")
	}
}

// sane checks what must be true of an estimator whatever it was told.
func sane(t interface{ Fatalf(string, ...any) }, e *Estimator, now time.Time) {
	if rate := e.Estimate(); !(rate >= 0) || math.IsInf(rate, 0) {
		t.Fatalf("an estimate of %v", rate)
	}
	if waits := e.Backlog(now); waits < 0 {
		t.Fatalf("a backlog of %v", waits)
	}
	if e.room < 0 || e.room > patience {
		t.Fatalf("room for %v", e.room)
	}
	if l := e.loss; !(l.lost >= 0) || !(l.reported >= 0) || l.lost > l.reported*1.001+1 {
		t.Fatalf("losses %+v", l)
	}
}

// A viewer may say what it likes: nothing breaks, nothing grows, and what is not
// new changes nothing.
func TestAnyFeedback(t *testing.T) {
	arrival := rapid.SampledFrom([]float64{lost, 0, 1, 5, 100, 10_000})
	rapid.Check(t, func(t *rapid.T) {
		var e Estimator
		var v Valve
		now := epoch
		number := rapid.Uint16().Draw(t, "first")
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(ms(300))).Draw(t, "later")))
			for range rapid.IntRange(0, 30).Draw(t, "packets") {
				number += uint16(rapid.SampledFrom([]int{1, 1, 1, 1, 0, 7, 3000}).Draw(t, "step"))
				e.Sent(number, rapid.IntRange(0, 1500).Draw(t, "size"), now)
			}
			times := rapid.SliceOfN(arrival, 0, 40).Draw(t, "arrivals")
			base := number - uint16(rapid.IntRange(-20, 60).Draw(t, "behind"))
			cc := message(rapid.Uint8().Draw(t, "count"), base, times...)
			cc.ReferenceTime += rapid.SampledFrom([]uint32{0, 0, 1, 1 << 23, 1<<24 - 1}).Draw(t, "clock")
			cc.PacketStatusCount += rapid.SampledFrom([]uint16{0, 0, 1, 500, 65535}).Draw(t, "more")
			e.Feedback(cc, now)
			was := e
			e.Feedback(cc, now)
			if e != was {
				t.Fatalf("a message counts twice")
			}
			if rapid.Bool().Draw(t, "reports") {
				e.Report(rapid.Float64().Draw(t, "lost"), time.Duration(rapid.Int64().Draw(t, "rtt")), now)
			}
			v.Video(true, rapid.Bool().Draw(t, "keyframe"), &e, now)
			sane(t, &e, now)
		}
	})
}

// The numbers below are what a viewer costs.
func TestSizeOfAViewer(t *testing.T) {
	if size := unsafe.Sizeof(Estimator{}) + unsafe.Sizeof(Valve{}); size > 6<<10 {
		t.Errorf("%d bytes", size)
	} else {
		t.Logf("%d bytes", size)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var e Estimator
	var v Valve
	number, now := uint16(0), epoch
	messages := make([]*rtcp.TransportLayerCC, 256)
	for i := range messages {
		messages[i] = message(uint8(i), uint16(20*i), 5, 6, lost, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24)
	}
	if n := testing.AllocsPerRun(200, func() {
		for range 20 {
			v.Video(true, number%100 == 0, &e, now)
			e.Sent(number, 1200, now)
			number++
			now = now.Add(time.Millisecond)
		}
		e.Feedback(messages[number/20-1], now)
		e.Report(0.1, ms(50), now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPacket(b *testing.B) {
	var e Estimator
	var v Valve
	now := epoch
	b.ReportAllocs()
	for i := range b.N {
		now = now.Add(3 * time.Millisecond)
		if v.Video(i%7 == 0, i%210 == 0, &e, now) {
			e.Sent(uint16(i), 1200, now)
		}
	}
}

// BenchmarkFeedback is one message on 20 packets, with as many on their way.
func BenchmarkFeedback(b *testing.B) {
	var e Estimator
	now := epoch
	cc := message(0, 0, 5, 6, lost, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24)
	b.ReportAllocs()
	for i := range b.N {
		for range 20 {
			now = now.Add(3 * time.Millisecond)
			e.Sent(uint16(e.flights.next), 1200, now)
		}
		cc.FbPktCount, cc.BaseSequenceNumber = uint8(i), uint16(20*(i-1))
		cc.ReferenceTime = uint32(now.Sub(epoch)/(64*time.Millisecond)) & (referenceWraps - 1)
		e.Feedback(cc, now)
	}
}
