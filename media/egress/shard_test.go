package egress

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
)

func TestSnapshotThenBurstThenLive(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		r.shard.Join(r.viewer(l, w), [][]byte{[]byte("s1"), []byte("s2")}, r.packets(forward.Video, 2), [forward.Tracks]ClockMap{})
		r.fan(1, "e1")
		r.expect("order", l.taken(), []string{"0 s1", "0 s2", "rtp 11", "rtp 11", "0 e1", "4 e1", "rtp 11"})
		for i, o := range l.sent {
			if o.Sequence != l.sent[0].Sequence+uint16(i) {
				t.Errorf("packet %d has number %d after %d", i, o.Sequence, l.sent[0].Sequence)
			}
			if o.PayloadType != 96 || o.Extensions[0].ID != 1 || !bytes.Equal(o.Extensions[0].Value[:3], []byte{0, 0x10, 2}) {
				t.Errorf("packet %d: %+v", i, o)
			}
		}
		if l.sent[0].Sequence >= firstSequence {
			t.Errorf("the first number is %d", l.sent[0].Sequence)
		}
	})
}

func TestALargeSnapshotGoesAsTheChannelTakesIt(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		v := r.viewer(l, w)
		l.setQueued(Events, channelLow+1)
		r.shard.Join(v, [][]byte{[]byte("s1")}, r.packets(forward.Video, 2), [forward.Tracks]ClockMap{})
		r.fan(1)
		r.expect("while the channel is full", l.taken(), nil)
		l.setQueued(Events, 0)
		v.ear.ChannelLow()
		synctest.Wait()
		r.expect("then", l.taken(), []string{"0 s1"})
		r.expect("video is asked for again", w.taken(), []string{"start"})
		r.shard.Burst(v, r.packets(forward.Video, 1))
		r.fan(1)
		r.expect("at last", l.taken(), []string{"rtp 11", "rtp 11"})
	})
}

func TestWithoutAKeyframeVideoWaits(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		v := r.viewer(l, w)
		r.shard.Join(v, nil, nil, [forward.Tracks]ClockMap{})
		r.fan(3)
		r.expect("before", l.taken(), nil)
		r.shard.Burst(v, r.packets(forward.Video, 2))
		r.fan(1)
		r.expect("after", l.taken(), []string{"rtp 11", "rtp 11", "rtp 11"})
		if l.sent[2].Sequence != l.sent[0].Sequence+2 {
			t.Error("what was left out took numbers")
		}
	})
}

func TestANackIsAnsweredOnRTXWithinLimits(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		v := r.viewer(l, w)
		sent := r.packets(forward.Video, 3)
		sent[1].Marker, sent[1].MarkerSize = [16]byte{7}, 16
		for i := range sent {
			sent[i].Buffer.Retain(1)
		}
		r.shard.Join(v, nil, slices.Clone(sent), [forward.Tracks]ClockMap{})
		synctest.Wait()
		number := l.sent[1].Sequence
		for range 10 {
			v.ear.Nack(forward.Video, []uint16{number, number + 1000})
			synctest.Wait()
			time.Sleep(minResend)
		}
		want := fmt.Sprintf("resend v0 [%d]", sent[1].Slot)
		r.expect("asked of the stream", w.taken(), slices.Repeat([]string{want}, 7))
		l.taken()
		sent[1].Retransmitted = true
		r.shard.Resend(v, []forward.Packet{sent[1]})
		synctest.Wait()
		r.expect("sent", l.taken(), []string{fmt.Sprintf("rtx of %d", number)})
		again, first := l.sent[3], l.sent[1]
		if again.SSRC != 12 || again.PayloadType != 97 || again.Timestamp != first.Timestamp || again.Extensions != first.Extensions {
			t.Errorf("%+v, want a copy of %+v", again, first)
		}
		sent[0].Buffer.Release()
		sent[2].Buffer.Release()
	})
}

// minResend is longer than the least time between two answers to a NACK.
const minResend = 25 * time.Millisecond

func TestEventsAreRepeatedForLossyViewersOnly(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		v := r.viewer(l, w)
		r.shard.Join(v, [][]byte{[]byte("s")}, nil, [forward.Tracks]ClockMap{})
		r.fan(0, "e1")
		time.Sleep(100 * time.Millisecond)
		r.expect("no report yet", l.taken(), []string{"0 s", "0 e1", "4 e1", "4 e1", "4 e1"})
		v.ear.Report(forward.Video, 0, 0.05)
		r.fan(0, "e2")
		time.Sleep(100 * time.Millisecond)
		r.expect("no loss", l.taken(), []string{"0 e2", "4 e2"})
		v.ear.Report(forward.Video, 0.2, 0)
		v.ear.Report(forward.Audio, 0, 0)
		time.Sleep(time.Second)
		v.ear.Report(forward.Video, 0, 0)
		r.fan(0, "e3")
		time.Sleep(100 * time.Millisecond)
		r.expect("video was lost, sound was not", l.taken(), []string{"0 e3", "4 e3", "4 e3", "4 e3"})
		time.Sleep(lossMemory)
		r.fan(0, "e4")
		time.Sleep(100 * time.Millisecond)
		r.expect("long after", l.taken(), []string{"0 e4", "4 e4"})
	})
}

func TestASlowChannelEndsOneSessionAndNoOther(t *testing.T) {
	inRoom(t, func(r *room) {
		slow, w := newLine(), &wishes{}
		fine := newLine()
		r.shard.Join(r.viewer(slow, w), [][]byte{[]byte("s")}, nil, [forward.Tracks]ClockMap{})
		r.shard.Join(r.viewer(fine, &wishes{}), [][]byte{[]byte("s")}, nil, [forward.Tracks]ClockMap{})
		synctest.Wait()
		slow.setQueued(Events, channelLimit+1)
		slow.taken()
		fine.taken()
		r.fan(0, "e")
		r.expect("slow", slow.taken(), []string{"closed"})
		r.expect("its stream hears", w.taken(), []string{"left slow_channel"})
		r.expect("fine", fine.taken(), []string{"0 e", "4 e"})
	})
}

func TestAShardThatIsBehindDropsPacketsNotEvents(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		v := r.viewer(l, w)
		l.stall = make(chan struct{})
		r.shard.Join(v, [][]byte{[]byte("s")}, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		for range shedAbove + 10 {
			b := r.batches.Get()
			b.Messages = append(b.Messages, Message{Bytes: []byte("e"), Channel: Events})
			for _, p := range r.packets(forward.Video, 1) {
				b.Add(&p)
				p.Buffer.Release()
			}
			r.shard.Media(b)
		}
		close(l.stall)
		synctest.Wait()
		events, packets := 0, 0
		for _, s := range l.taken() {
			if s == "0 e" {
				events++
			} else if s == "rtp 11" {
				packets++
			}
		}
		if events != shedAbove+10 || packets >= shedAbove+10 || r.drops.n[DropShardBehind] == 0 {
			t.Errorf("%d events, %d packets, drops %v", events, packets, r.drops.n)
		}
		r.expect("a keyframe is waited for, once", w.taken(), []string{"keyframe"})
	})
}

// Whoever joined before a batch was lost has missed it; whoever joins after it has
// not, since its cut is newer.
func TestAnOverrunEndsWhoMissedSomethingAndNobodyElse(t *testing.T) {
	inRoom(t, func(r *room) {
		none := [forward.Tracks]ClockMap{}
		slow, joining, later := newLine(), newLine(), newLine()
		ws, wj, wl := &wishes{}, &wishes{}, &wishes{}
		slow.stall = make(chan struct{})
		r.shard.Join(r.viewer(slow, ws), nil, r.packets(forward.Video, 1), none)
		synctest.Wait() // stands in Send
		event := func(text string) {
			b := r.batches.Get()
			b.Messages = append(b.Messages, Message{Bytes: []byte(text), Channel: Events})
			r.shard.Media(b)
		}
		behind := r.viewer(joining, wj)
		r.shard.Join(behind, [][]byte{[]byte("s")}, r.packets(forward.Video, 1), none)
		for len(r.shard.inbox) < inboxSize {
			event("kept")
		}
		event("lost")
		close(slow.stall)
		synctest.Wait()
		r.shard.Burst(behind, r.packets(forward.Video, 1))
		r.shard.Join(r.viewer(later, wl), [][]byte{[]byte("s")}, nil, none)
		event("next")
		synctest.Wait()
		r.expect("who stood", ws.taken(), []string{"left overrun"})
		r.expect("who was joining", wj.taken(), []string{"left overrun"})
		r.expect("what it was sent", joining.taken(), []string{"closed"})
		r.expect("who joins later", later.taken(), []string{"0 s", "0 next"})
		r.expect("and stays", wl.taken(), nil)
	})
}

// The shard may learn of an overrun only from the join that was queued after it.
func TestAJoinQueuedAfterAnOverrunStays(t *testing.T) {
	inRoom(t, func(r *room) {
		before, after, w := newLine(), newLine(), &wishes{}
		r.shard.Join(r.viewer(before, &wishes{}), [][]byte{[]byte("s")}, nil, [forward.Tracks]ClockMap{})
		synctest.Wait()
		r.shard.overruns.Add(1)
		r.shard.Join(r.viewer(after, w), [][]byte{[]byte("s")}, nil, [forward.Tracks]ClockMap{})
		synctest.Wait()
		r.expect("who joined before", before.taken(), []string{"0 s", "closed"})
		r.expect("who joins after", after.taken(), []string{"0 s"})
		r.expect("and stays", w.taken(), nil)
	})
}

func TestTheFirstPacketIsTimed(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		v := r.viewer(l, w)
		time.Sleep(20 * time.Millisecond)
		r.shard.Join(v, nil, nil, [forward.Tracks]ClockMap{})
		sound := r.batches.Get()
		for _, p := range r.packets(forward.Audio, 1) {
			sound.Add(&p)
			p.Buffer.Release()
		}
		r.shard.Media(sound)
		synctest.Wait()
		if len(w.began) != 0 {
			t.Error("sound alone is no beginning for who waits for the picture")
		}
		time.Sleep(30 * time.Millisecond)
		r.shard.Burst(v, r.packets(forward.Video, 1))
		r.fan(3)
		if !slices.Equal(w.began, []time.Duration{50 * time.Millisecond}) {
			t.Errorf("%v, want 50ms, once", w.began)
		}
	})
}

func TestSenderReportsComeFromOneClock(t *testing.T) {
	inRoom(t, func(r *room) {
		l := newLine()
		at := time.Now()
		clocks := [forward.Tracks]ClockMap{{TS: 90000 * 1000, At: at, Rate: 90000}, {TS: 48000 * 1000, At: at, Rate: 48000}}
		r.shard.Join(r.viewer(l, &wishes{}), nil, nil, clocks)
		time.Sleep(reportSpacing + 10*time.Millisecond)
		synctest.Wait()
		if len(l.rtcp) < 4 {
			t.Fatalf("%d reports", len(l.rtcp))
		}
		for i, b := range l.rtcp[len(l.rtcp)-2:] {
			rate := float64(clocks[i].Rate)
			ntp, ts := packet.FromNTP(binary.BigEndian.Uint64(b[8:])), binary.BigEndian.Uint32(b[16:])
			want := uint32(clocks[i].TS) + uint32(ntp.Sub(at).Seconds()*rate)
			if d := int32(ts - want); d < -2 || d > 2 {
				t.Errorf("track %d: RTP time %d at %v, want %d", i, ts, ntp, want)
			}
		}
	})
}
