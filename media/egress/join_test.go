package egress

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/framelock/relay/media/forward"
)

// A viewer may leave at any stage: its stream hears of that once, and of nothing
// afterwards.
func TestLeavingAtEveryStage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		until func(*ear)
		want  []string
	}{
		{"handshake", func(*ear) {}, []string{"left deleted"}},
		{"channel not open yet", func(l *ear) { l.Connected() }, []string{"left deleted"}},
		{"channel never opened", func(l *ear) { l.Connected(); time.Sleep(2 * channelPatience) }, []string{"join false", "left deleted"}},
		{"channel open", func(l *ear) { l.Connected(); l.ChannelOpen() }, []string{"join true", "left deleted"}},
		{"channel open late", func(l *ear) { l.Connected(); time.Sleep(2 * channelPatience); l.ChannelOpen() },
			[]string{"join false", "snapshot", "left deleted"}},
		{"gone already", func(l *ear) { l.Closed("failed") }, []string{"left failed"}},
		{"no handshake", func(*ear) { time.Sleep(2 * handshakeLimit) }, []string{"left handshake_timeout"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRoom(t, func(r *room) {
				l, w := newLine(), &wishes{}
				v := r.viewer(l, w)
				v.ear.mu.Lock()
				v.ear.shake()
				v.ear.mu.Unlock()
				tt.until(v.ear)
				synctest.Wait()
				v.Leave("deleted")
				synctest.Wait()
				if !v.Gone() {
					t.Error("the viewer is not gone")
				}
				v.ear.Connected()
				v.ear.ChannelOpen()
				v.Leave("again")
				time.Sleep(time.Minute)
				synctest.Wait()
				r.expect("the stream hears", w.taken(), tt.want)
				r.expect("the session is closed once", l.taken(), []string{"closed"})
			})
		})
	}
}

// The stream's answer to a wish to join may come after the viewer has left.
func TestAJoinAfterLeavingIsNothing(t *testing.T) {
	inRoom(t, func(r *room) {
		l, w := newLine(), &wishes{}
		v := r.viewer(l, w)
		v.Leave("deleted")
		r.shard.Join(v, [][]byte{[]byte("s")}, r.packets(forward.Video, 2), [forward.Tracks]ClockMap{})
		r.shard.Tell(v, [][]byte{[]byte("s")})
		r.shard.Burst(v, r.packets(forward.Video, 2))
		r.fan(1, "e")
		r.expect("session", l.taken(), []string{"closed"})
		r.expect("stream", w.taken(), []string{"left deleted"})
	})
}
