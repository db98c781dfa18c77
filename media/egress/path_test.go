package egress

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/framelock/relay/media/forward"
)

// frame sends a whole frame of two packets, and one of sound, to all viewers.
func (r *room) frame(keyframe bool) {
	b := r.batches.Get()
	for i, p := range append(r.packets(forward.Video, 2), r.packets(forward.Audio, 1)...) {
		p.FrameStart, p.Keyframe = i == 0, keyframe && i == 0
		p.Header.Marker = i == 1
		b.Add(&p)
		p.Buffer.Release()
	}
	r.shard.Media(b)
	synctest.Wait()
}

// A path that loses half of everything and takes seconds does not carry the stream:
// the viewer is told so, keeps the sound, and asks for a keyframe to go on with. The
// other viewer gets everything.
func TestACongestedViewer(t *testing.T) {
	inRoom(t, func(r *room) {
		poor, wp, good := newLine(), &wishes{}, newLine()
		bad, fine := r.viewer(poor, wp), r.viewer(good, &wishes{})
		for _, v := range []*Viewer{bad, fine} {
			r.shard.Join(v, [][]byte{[]byte("s1")}, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		}
		const frames = 300
		for i := range frames {
			r.frame(i%30 == 0)
			if i%30 == 29 {
				if i < 90 {
					bad.ear.Report(forward.Video, 0, 0.02)
				} else {
					bad.ear.Report(forward.Video, 0.5, 1)
				}
				fine.ear.Report(forward.Video, 0, 0.02)
			}
			time.Sleep(33 * time.Millisecond)
		}
		log, all := poor.taken(), good.taken()
		if video, sound := count(all, "rtp 11"), count(all, "rtp 21"); video != 1+2*frames || sound != frames {
			t.Errorf("the other viewer was sent %d packets of video and %d of sound, want %d and %d", video, sound, 1+2*frames, frames)
		}
		if video, sound := count(log, "rtp 11"), count(log, "rtp 21"); video < 180 || video > 400 || sound != frames {
			t.Errorf("%d packets of video and %d of sound, want those of 90 to 200 frames and %d", video, sound, frames)
		}
		if n := count(log, "0 "+string(congestedNotice)); n != 1 {
			t.Errorf("%d notices that it is congested", n)
		}
		if !slices.Contains(wp.taken(), "keyframe") {
			t.Error("no keyframe is waited for")
		}
		if r.drops.n[DropCongested] == 0 {
			t.Errorf("drops %v", r.drops.n)
		}
		if i := slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, "congested") }); i >= 0 {
			t.Error("the other viewer was told that it is congested")
		}
	})
}

// Transport-wide numbers are without gaps over all tracks and retransmissions.
func TestTransportWideNumbers(t *testing.T) {
	inRoom(t, func(r *room) {
		l := newLine()
		for i := range l.formats.Track {
			l.formats.Track[i].TransportSequence = 7
		}
		v := r.viewer(l, &wishes{})
		r.shard.Join(v, nil, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		for i := range 40 {
			r.frame(i == 0)
		}
		again := r.packets(forward.Video, 1)
		again[0].Slot, again[0].Retransmitted = r.slot-5, true
		r.shard.Resend(v, again)
		synctest.Wait()
		for i, o := range l.sent {
			e := o.Extensions[3]
			if got := int(e.Value[0])<<8 | int(e.Value[1]); e.ID != 7 || e.Size != 2 || got != i {
				t.Fatalf("packet %d has number %d in extension %d", i, got, e.ID)
			}
		}
		if !l.sent[len(l.sent)-1].RTX {
			t.Error("nothing was sent again")
		}
	})
}

// Two wishes for a keyframe may be answered with two bursts. No sequence number goes
// out twice: each is encrypted once.
func TestABurstTooMany(t *testing.T) {
	inRoom(t, func(r *room) {
		l := newLine()
		v := r.viewer(l, &wishes{})
		r.shard.Join(v, nil, r.packets(forward.Video, 1), [forward.Tracks]ClockMap{})
		r.frame(true)
		again := r.packets(forward.Video, 2)
		for i := range again {
			again[i].Slot = r.slot - 5 + uint64(i)
		}
		r.shard.Burst(v, again)
		synctest.Wait()
		r.frame(false)
		seen := map[[2]uint32]bool{}
		for _, o := range l.sent {
			if id := [2]uint32{o.SSRC, o.Rollover<<16 | uint32(o.Sequence)}; seen[id] {
				t.Errorf("number %d of SSRC %d was sent twice", o.Sequence, o.SSRC)
			} else {
				seen[id] = true
			}
		}
	})
}
