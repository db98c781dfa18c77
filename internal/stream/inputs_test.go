package stream

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
)

// pair is a stream with two encoders that film the same table.
type pair struct {
	*trouble
	encoders [forward.Encoders]*generator
	dead     [forward.Encoders]bool
	obeys    bool // an encoder that is asked for a keyframe sends one
	answered int  // wishes for one that were
	sounds   []sound
}

// sound is a packet of audio, and when it was captured.
type sound struct {
	encoder  forward.Encoder
	captured time.Time
	payload  string
}

func newPair(t *testing.T, change ...func(*Config)) *pair {
	input := func(c codec.Codec, payloadType uint8) *Input { return &Input{Codec: c, PayloadType: payloadType} }
	tr := newTrouble(t, 11, 1<<32-90000, 65500, append([]func(*Config){func(c *Config) {
		c.Audio = input(codec.Opus, 111)
		c.Backup = &Backup{
			Video: input(codec.H264, 96), Audio: input(codec.Opus, 111), Reorder: c.Reorder, Silence: c.Silence, After: 200 * time.Millisecond,
		}
	}}, change...)...)
	p := &pair{trouble: tr}
	backup := tr.generator(forward.Backup, 22, 123456, 9)
	p.encoders = [forward.Encoders]*generator{tr.on, backup}
	tr.generators = append(tr.generators, backup)
	return p
}

// film lets both encoders send for some frames. The primary's keyframes come at the
// frames that 30 divides, the backup's at others.
func (p *pair) film(frames int) {
	for range frames {
		for e, g := range p.encoders {
			if p.dead[e] {
				g.ts += ticks
				continue
			}
			key := (p.frame+e*17)%30 == 0
			if asked := p.table.asked; p.obeys && forward.Encoder(e) != p.core.inputs.active && asked > p.answered {
				p.answered, key = asked, true
			}
			if p.frame%30 == e {
				g.report()
				g.reportSound()
			}
			g.shoot(key, 3)
			p.sound(g)
		}
		p.on = p.encoders[p.core.inputs.active]
		p.step()
	}
}

// sound sends a packet of audio, captured now.
func (p *pair) sound(g *generator) {
	elapsed := g.tb.now.Sub(g.since)
	payload := []byte{0xF8, byte(g.ssrc), byte(g.heardNo >> 8), byte(g.heardNo)}
	b := packet.AppendHeader(nil, 111, g.heardNo, uint32(elapsed.Seconds()*48000+.5)+g.ssrc*7777, g.ssrc+100)
	p.sounds = append(p.sounds, sound{g.origin.Encoder, g.tb.now, string(payload)})
	g.heardNo++
	g.send(sent{forward.Audio, append(b, payload...), g.origin})
}

// reportSound sends a sender report for the audio.
func (g *generator) reportSound() {
	g.tb.core.SenderReport(ingest.SenderReport{
		Origin: g.origin, Track: forward.Audio, From: g.from, SSRC: g.ssrc + 100, NTP: g.tb.now, At: g.tb.now,
		RTP: uint32(g.tb.now.Sub(g.since).Seconds()*48000+.5) + g.ssrc*7777,
	})
}

// checkSound holds the sound that left against what was sent: forward only, and
// with its clock, and so with the picture, within 40 ms.
func (p *pair) checkSound() {
	p.t.Helper()
	last := uint64(0)
	heard := 0
	for _, o := range p.out {
		if o.packet == nil || o.packet.Track != forward.Audio {
			continue
		}
		if o.packet.TS <= last {
			p.t.Fatalf("sound at %d after %d", o.packet.TS, last)
		}
		last = o.packet.TS
		heard++
		i := slices.IndexFunc(p.sounds, func(s sound) bool { return s.payload == string(o.payload) })
		if i < 0 {
			p.t.Fatalf("a sound that nobody sent: %x", o.payload)
		}
		// The line is anchored to the wall clock: what it says and when it was captured
		// differ by what the viewers' sender reports say, the same for both tracks.
		wall := time.Unix(0, int64(float64(o.packet.TS)/48000*1e9))
		if d := wall.Sub(p.sounds[i].captured).Abs(); d > 40*time.Millisecond {
			p.t.Fatalf("sound captured at %v is at %v", p.sounds[i].captured, wall)
		}
	}
	if heard < 100 {
		p.t.Errorf("%d packets of sound", heard)
	}
}

// gap returns the longest time between two frames that left after from, as they came.
func gap(f forwarded, from time.Time) (longest time.Duration) {
	for i := 1; i < len(f.at); i++ {
		if !f.at[i].Before(from) {
			longest = max(longest, f.at[i].Sub(f.at[i-1]))
		}
	}
	return longest
}

func TestSwitchOfInputs(t *testing.T) {
	const frame = interval + time.Millisecond
	for _, c := range []struct {
		name    string
		change  func(*Config)
		happens func(p *pair)
		moved   []string
		notices []string
		gap     time.Duration // longest without a new frame
		epochs  uint32
		active  forward.Encoder
	}{
		{name: "nothing", happens: func(p *pair) { p.film(90) }, gap: frame, epochs: 1},
		{
			name: "the primary is killed", happens: func(p *pair) { p.dead[forward.Primary] = true; p.film(90) },
			moved: []string{"backup loss"}, notices: []string{"paused", "input_switched", "resumed"}, epochs: 2, active: forward.Backup,
			gap: time.Second + 200*time.Millisecond, // the backup's keyframe
		},
		{
			name: "the primary is killed, the backup sends keyframes when asked", happens: func(p *pair) {
				p.obeys = true
				p.dead[forward.Primary] = true
				p.film(90)
			},
			moved: []string{"backup loss"}, notices: []string{"input_switched"}, epochs: 2, active: forward.Backup,
			gap: 300 * time.Millisecond,
		},
		{
			name: "by hand", happens: func(p *pair) {
				if err := p.core.SwitchInput(forward.Backup, p.now); err != nil {
					p.t.Error(err)
				}
				p.film(90)
			},
			moved: []string{"backup operator"}, notices: []string{"input_switched"}, epochs: 2, active: forward.Backup, gap: 2 * frame,
		},
		{
			name: "by hand, there and back", happens: func(p *pair) {
				for _, to := range []forward.Encoder{forward.Backup, forward.Primary} {
					if err := p.core.SwitchInput(to, p.now); err != nil {
						p.t.Error(err)
					}
					p.film(60)
				}
			},
			moved:   []string{"backup operator", "primary operator"},
			notices: []string{"input_switched", "input_switched"}, epochs: 3, gap: 2 * frame,
		},
		{
			name: "the primary comes back and is left alone", happens: func(p *pair) {
				p.dead[forward.Primary] = true
				p.film(60)
				p.dead[forward.Primary] = false
				p.film(300)
			},
			moved: []string{"backup loss"}, notices: []string{"paused", "input_switched", "resumed"}, epochs: 2, active: forward.Backup,
			gap: time.Second + 200*time.Millisecond,
		},
		{
			name: "the primary comes back and takes over", change: func(c *Config) { c.Backup.ReturnAfter = 3 * time.Second },
			happens: func(p *pair) {
				p.dead[forward.Primary] = true
				p.film(60)
				p.dead[forward.Primary] = false
				p.film(300)
			},
			moved:   []string{"backup loss", "primary return"},
			notices: []string{"paused", "input_switched", "resumed", "input_switched"}, epochs: 3,
			gap: time.Second + 200*time.Millisecond,
		},
		{
			name: "one after the other is killed", happens: func(p *pair) {
				p.dead[forward.Primary] = true
				p.film(60)
				p.dead = [forward.Encoders]bool{forward.Backup: true}
				p.film(90)
			},
			moved: []string{"backup loss", "primary loss"}, epochs: 3,
			notices: []string{"paused", "input_switched", "resumed", "input_switched"},
			gap:     time.Second + 300*time.Millisecond,
		},
		{
			name: "the primary is slow for a moment", happens: func(p *pair) {
				p.dead[forward.Primary] = true
				p.film(5)
				p.dead[forward.Primary] = false
				p.film(60)
			},
			epochs: 1, gap: 6 * frame,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, func(cfg *Config) {
				if c.change != nil {
					c.change(cfg)
				}
			})
			p.film(60)
			from, told := p.now, len(p.notices())
			c.happens(p)
			until := p.now
			p.advance(3 * time.Second)
			f := p.compare(true)
			right, withdrawn := p.judge(f)
			p.checkSound()
			g := gap(f, from)
			t.Logf("%d events on their frames, %d withdrawn; longest wait for a frame %v", right, withdrawn, g)
			if g > c.gap {
				t.Errorf("no frame left for %v, want at most %v", g, c.gap)
			}
			if !slices.Equal(p.moved, c.moved) {
				t.Errorf("switches %q, want %q", p.moved, c.moved)
			}
			if got := p.notices()[told:]; !slices.Equal(got[:len(got)-1], c.notices) {
				t.Errorf("viewers were told %q, want %q", got[:len(got)-1], c.notices)
			}
			info := p.core.Info(until, 0)
			if info.Epoch != c.epochs || info.Inputs.Active != c.active.String() {
				t.Errorf("epoch %d, %s is on; want %d, %s", info.Epoch, info.Inputs.Active, c.epochs, c.active)
			}
			p.core.Close()
			if n := p.pool.Live(); n != 0 {
				t.Errorf("%d buffers are still held", n)
			}
		})
	}
}

func TestSwitchesThatCannotBe(t *testing.T) {
	alone := newTrouble(t, 1, 1, 1)
	if err := alone.core.SwitchInput(forward.Backup, alone.now); !errors.Is(err, ErrNoBackup) {
		t.Errorf("without a backup: %v", err)
	}
	p := newPair(t)
	p.dead[forward.Backup] = true
	p.film(30)
	if err := p.core.SwitchInput(forward.Backup, p.now); !errors.Is(err, ErrInputSilent) {
		t.Errorf("to a silent one: %v", err)
	}
	if err := p.core.SwitchInput(forward.Primary, p.now); err != nil || len(p.moved) > 0 {
		t.Errorf("to the one that is on: %v, %v", err, p.moved)
	}
	if !p.codes["standby_silent"] {
		t.Error("health does not tell that the backup is silent")
	}
}

// The picture comes from the backup if that is all there is.
func TestBackupAlone(t *testing.T) {
	p := newPair(t)
	p.dead[forward.Primary] = true
	p.film(90)
	if !slices.Equal(p.moved, []string{"backup loss"}) || !p.codes["on_backup"] {
		t.Errorf("switches %q, health %v", p.moved, p.codes)
	}
}

// PictureIDs go on by one over every change of the source (RFC 7741, section 4.2):
// browsers freeze on one that begins anew.
func TestPictureIDsGoOn(t *testing.T) {
	p := newPair(t, func(c *Config) { c.Video.Codec, c.Backup.Video.Codec = codec.VP8, codec.VP8 })
	for _, g := range p.encoders {
		g.codec = codec.VP8
	}
	p.film(60)
	for _, to := range []forward.Encoder{forward.Backup, forward.Primary} {
		if err := p.core.SwitchInput(to, p.now); err != nil {
			t.Fatal(err)
		}
		p.film(60)
	}
	p.dead[forward.Primary] = true
	p.film(60)
	p.encoders[forward.Backup].jump(10 * 90000)
	p.film(60)
	if len(p.moved) != 3 {
		t.Errorf("switches %q", p.moved)
	}
	last, frames, ts := -1, 0, uint64(0)
	for _, o := range p.packets() {
		if o.packet.Track != forward.Video || o.packet.TS == ts {
			continue
		}
		ts = o.packet.TS
		var v codecs.VP8Packet
		if _, err := v.Unmarshal(o.payload); err != nil {
			t.Fatal(err)
		}
		if last >= 0 && int(v.PictureID) != (last+1)&0x7FFF {
			t.Errorf("PictureID %d after %d", v.PictureID, last)
		}
		last = int(v.PictureID)
		frames++
	}
	if frames < 250 {
		t.Errorf("%d frames", frames)
	}
}

// What there is of a frame that a killed encoder did not end is not to be taken for
// all of it: a slot stays empty behind it. The keyframe after that begins a GOP.
func TestAFrameThatIsBrokenOff(t *testing.T) {
	p := newPair(t)
	p.obeys = true
	p.film(60)
	g := p.encoders[forward.Primary]
	n := 0
	g.deliver = func(s sent) {
		if n++; n <= 2 { // of 3, and of the sound nothing
			g.arrive(s)
		}
	}
	p.film(1)
	p.dead[forward.Primary] = true
	p.film(30)
	f := p.compare(true)
	broken, whole := f.ts[[2]int{0, 60}], f.order[len(f.order)-1][0] == 1
	var slots []uint64
	for _, o := range p.packets() {
		if o.packet.TS == broken && o.packet.Track == forward.Video {
			slots = append(slots, o.packet.Slot)
		}
		if n := len(slots); o.packet.TS > broken && n > 0 && o.packet.Track == forward.Video {
			if n != 2 || o.packet.Slot != slots[1]+2 || !whole {
				t.Errorf("slots %v of the broken frame, then %d", slots, o.packet.Slot)
			}
			break
		}
	}
	if burst := p.core.Burst(); len(burst) == 0 {
		t.Error("nobody can join")
	} else {
		releaseAll(burst)
	}
}

// Whatever happens to two encoders, in whatever order: no frame is mixed of two, names
// go forward, an event is on the frame that was meant, and every buffer is given back.
func TestAnythingMayHappenToTwoEncoders(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPair(t, func(c *Config) {
			if rapid.Bool().Draw(r, "returns") {
				c.Backup.ReturnAfter = time.Second
			}
			if rapid.Bool().Draw(r, "held") {
				c.Hold = 300 * time.Millisecond
			}
		})
		p.obeys = rapid.Bool().Draw(r, "obeys")
		p.film(30)
		for range rapid.IntRange(1, 8).Draw(r, "steps") {
			e := forward.Encoder(rapid.IntRange(0, 1).Draw(r, "encoder"))
			g := p.encoders[e]
			switch rapid.SampledFrom([]string{"kill", "revive", "switch", "jump", "lose", "whole"}).Draw(r, "what") {
			case "kill":
				p.dead[e] = true
			case "revive":
				p.dead[e] = false
			case "switch":
				if err := p.core.SwitchInput(e, p.now); err != nil && !errors.Is(err, ErrInputSilent) {
					t.Fatal(err)
				}
			case "jump":
				g.jump(int32(rapid.SampledFrom([]int{-10, 2, 10}).Draw(r, "seconds")) * 90000)
			case "lose":
				n, every := 0, rapid.IntRange(2, 40).Draw(r, "one of")
				g.deliver = func(s sent) {
					if n++; n%every != 0 {
						g.arrive(s)
					}
				}
			case "whole":
				g.deliver = nil
			}
			p.film(rapid.IntRange(1, 60).Draw(r, "frames"))
		}
		p.advance(3 * time.Second)
		p.compare(true)
		p.core.Close()
		if n := p.pool.Live(); n != 0 {
			t.Fatalf("%d buffers are still held", n)
		}
		if t.Failed() {
			r.FailNow()
		}
	})
}
