package network

import (
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/studio"
)

// withBackup gives a stream a second encoder, on free ports.
func withBackup(s *relay.StreamConfig) {
	b, video, audio := relay.DefaultBackup(), relay.DefaultVideo(), relay.DefaultAudio()
	video.Codec, video.Listen, audio.Listen = "h264", "127.0.0.1:0", "127.0.0.1:0"
	b.RTP.Video, b.RTP.Audio = &video, &audio
	s.Backup = &b
}

// withTwoPaths gives a stream a second path, on free ports.
func withTwoPaths(s *relay.StreamConfig) {
	p := relay.DefaultSecondPath()
	p.VideoListen, p.AudioListen = "127.0.0.1:0", "127.0.0.1:0"
	s.RTP.SecondPath = &p
}

// TestSource has what goes wrong with a studio's encoder, on real sockets, with events
// asked for all along in every form. The encoders' logs say which frame each belongs
// to: none is on another, and none is lost.
func TestSource(t *testing.T) {
	begin(t)
	obeys := func(_ *encoder, c *studio.Config) { c.ObeyPLI = true }
	lead, trail := ofFull(10*time.Second, 2500*time.Millisecond), ofFull(20*time.Second, 4*time.Second)
	for _, c := range []struct {
		name    string
		stream  func(*relay.StreamConfig)
		encoder func(*encoder, *studio.Config) // the one that begins
		happens func(w *table, v *witness, on *encoder)
		excused func(asked) bool
		notices []string
		epochs  uint32
		gap     time.Duration // longest without a frame
	}{
		{
			name: "timestamps and numbers wrap", epochs: 1,
			encoder: func(_ *encoder, c *studio.Config) {
				c.Video.Timestamp, c.Video.Seq = 1<<32-4*90000, 65400
				c.Audio.Timestamp, c.Audio.Seq = 1<<32-4*48000, 65400
			},
		},
		{
			name: "10 s ahead", epochs: 2, notices: []string{"source_restarted"}, excused: unseen, gap: time.Second,
			happens: func(_ *table, _ *witness, on *encoder) { on.Jump(10 * time.Second) },
		},
		{
			name: "10 s back", epochs: 2, notices: []string{"source_restarted"}, excused: unseen, gap: time.Second,
			happens: func(_ *table, _ *witness, on *encoder) { on.Jump(-10 * time.Second) },
		},
		{
			name: "a pause", epochs: 1, notices: []string{"paused", "resumed"}, excused: silent,
			happens: func(w *table, v *witness, on *encoder) {
				on.SetPaused(true)
				stopped := time.Now()
				eventually(w.T, "viewers are told of the pause", func() bool { return slices.Contains(v.told(stopped), "paused") })
				during(w.Context(), time.Second)
				on.SetPaused(false)
			},
		},
		{
			name: "another SSRC", epochs: 2, notices: []string{"source_restarted"}, excused: silent,
			happens: func(w *table, v *witness, on *encoder) {
				on.stop()
				v.follow(w.encode(w.relay.Addrs().Streams["wheel"].InputAddrs, 100_000))
			},
		},
		{
			name: "a switch by hand", stream: withBackup, epochs: 2, notices: []string{"input_switched"}, excused: unseen, gap: time.Second,
			happens: func(w *table, v *witness, _ *encoder) {
				backup := w.encode(w.relay.Addrs().Streams["wheel"].Backup, 100_000)
				v.follow(backup)
				eventually(w.T, "the backup can take over", func() bool {
					_, err := w.wheel.SwitchInput(w.Context(), relay.Backup)
					return err == nil
				})
			},
		},
		{
			name: "the primary is killed", stream: withBackup, epochs: 2, notices: []string{"input_switched"}, excused: unseen, gap: time.Second,
			happens: func(w *table, v *witness, on *encoder) {
				backup := w.encode(w.relay.Addrs().Streams["wheel"].Backup, 100_000, obeys)
				v.follow(backup)
				w.standsBy()
				on.wires.dead.Store(true)
			},
		},
		{
			name: "two paths that lose 5% each", stream: withTwoPaths, epochs: 1, gap: time.Second,
			encoder: func(e *encoder, _ *studio.Config) { e.wires.loss = 0.05 },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var change []func(*relay.StreamConfig)
			if c.stream != nil {
				change = append(change, c.stream)
			}
			w := newTable(t, change...)
			var shape []func(*encoder, *studio.Config)
			if c.encoder != nil {
				shape = append(shape, c.encoder)
			}
			on := w.encode(w.relay.Addrs().Streams["wheel"].InputAddrs, 0, shape...)
			v := w.witness(on)
			during(t.Context(), lead)
			from := time.Now()
			if c.happens != nil {
				c.happens(w, v, on)
			}
			during(t.Context(), trail)
			gap, told := v.gap(from), v.told(from)
			info, err := w.wheel.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			v.end()
			r := v.judge(c.excused)
			t.Logf("%+v; longest wait for a frame %v; viewers were told %q", r, gap.Round(time.Millisecond), told)
			if r.right < 50 || r.wrong > 0 || r.lost > 0 {
				t.Errorf("%+v, want none wrong and none lost", r)
			}
			for _, code := range c.notices {
				if !slices.Contains(told, code) {
					t.Errorf("viewers were told %q, want %q", told, c.notices)
				}
			}
			if info.Epoch != c.epochs {
				t.Errorf("epoch %d, want %d", info.Epoch, c.epochs)
			}
			if c.gap > 0 && gap > c.gap {
				t.Errorf("no frame came for %v", gap)
			}
			if c.stream != nil && info.Inputs.Inputs[0].Tracks[0].Paths != nil {
				w.checkPaths(v, on, info)
			}
		})
	}
}

// standsBy waits until the backup is heard.
func (w *table) standsBy() {
	w.Helper()
	eventually(w.T, "the backup stands by", func() bool {
		info, err := w.wheel.Info(w.Context())
		return err == nil && info.Inputs.Inputs[1].State == "standby"
	})
}

// checkPaths holds what was lost against what neither path was sent.
func (w *table) checkPaths(v *witness, on *encoder, info relay.Info) {
	w.Helper()
	on.wires.mu.Lock()
	defer on.wires.mu.Unlock()
	lost := 0
	for _, n := range on.wires.lost {
		lost += n
	}
	t := info.Tracks[0]
	sound := info.Tracks[1]
	w.Logf("%d packets were sent, %d of them by neither path; the relay lost %d of %d", on.wires.sent, lost, t.Lost+sound.Lost, t.Packets+sound.Packets)
	if got := int(t.Lost + sound.Lost); got > lost || on.wires.sent < 500 {
		w.Errorf("%d packets were lost, and %d came by neither path", got, lost)
	}
	for _, in := range info.Inputs.Inputs[0].Tracks {
		if in.Paths[0].First == 0 || in.Paths[1].First == 0 || in.Paths[0].Differ+in.Paths[1].Differ > 0 {
			w.Errorf("%s: %+v", in.Track, in.Paths)
		}
	}
	// Every frame between the first and the last that came is there, but for those of
	// which a packet came by neither path.
	got := map[uint32]bool{}
	all := v.shown()
	for _, s := range all {
		got[s.TS] = true
	}
	missing, first, last := 0, all[0].Frame, all[len(all)-1].Frame
	for _, r := range on.newest(1 << 20) {
		if r.Frame > first && r.Frame < last && !got[r.TS] {
			// A packet that is missing between two frames may be of either.
			torn := on.wires.lost[r.TS-3000] + on.wires.lost[r.TS] + on.wires.lost[r.TS+3000]
			if missing++; torn == 0 {
				w.Errorf("frame %d is missing, though all of it came", r.Frame)
			}
		}
	}
	w.Logf("%d frames came, %d are missing that did not all arrive", len(all), missing)
}
