package studio

import (
	"context"
	"fmt"
	"time"

	"github.com/framelock/relay/internal/studio/h264bar"
)

// Audio packets: 20 ms at 48 kHz.
const (
	tonesPerSecond = 50
	toneTicks      = 960
	toneClock      = tonesPerSecond * toneTicks
)

const videoClock = 90000

// maxLate is how far a studio may fall behind its schedule, because the process
// or the machine did not run, and still send what it missed.
const maxLate = time.Second

// run is a studio at work. One goroutine owns it.
type run struct {
	*Studio
	video, audio *outlet // audio is nil if there is none

	start  time.Time
	frames uint64 // whose time has passed
	tones  uint64
	held   bool // nothing is sent until a keyframe comes, after a pause or lost time
	// The step from which on a track owes a sender report.
	videoReport, audioReport uint64
}

// play sends each frame and each packet of sound at its time.
func (r *run) play(ctx context.Context) error {
	r.start = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s := r.Studio; s.cfg.Frames == 0 || r.frames < s.cfg.Frames; {
		next := due(r.start, r.frames, s.fps)
		sound := r.audio != nil && due(r.start, r.tones, tonesPerSecond).Before(next)
		if sound {
			next = due(r.start, r.tones, tonesPerSecond)
		}
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
			r.end()
			return nil
		case <-timer.C:
		}
		if r.skip(time.Now(), next) {
			continue
		}
		if sound {
			r.playTone(next)
		} else if err := r.playFrame(next); err != nil {
			return err
		}
	}
	r.end()
	return nil
}

// skip passes over whole seconds that are lost and reports whether there were
// any. It goes by the wall clock, which unlike timers goes on while a machine
// sleeps: capture times stay true, and the timers are set by it anew.
func (r *run) skip(now, next time.Time) bool {
	late := now.Round(0).Sub(next.Round(0))
	if late <= maxLate {
		return false
	}
	seconds := uint64(late / time.Second)
	r.start = now.Add(r.start.Round(0).Sub(now.Round(0)))
	r.frames += seconds * uint64(r.fps)
	r.tones += seconds * tonesPerSecond
	r.stats.hold(seconds * uint64(r.fps))
	r.held = true
	return true
}

// playFrame logs and sends the next frame.
func (r *run) playFrame(captured time.Time) error {
	step := r.frames
	n := r.first + step
	r.frames++
	if r.Paused() {
		r.held = true
	} else if r.held && r.pictures.keyAt(n) {
		r.held, r.videoReport, r.audioReport = false, step, r.tones
	}
	if r.held {
		r.stats.hold(1)
		return nil
	}
	r.stats.frame()
	if r.cfg.ObeyPLI && r.stats.keyframeWanted() {
		r.pictures.skipToKey(n)
	}
	var times h264bar.Times
	var sei []byte
	if r.cfg.SEITimes {
		times = r.times(step, captured)
		sei = h264bar.SEI(times)
	}
	p, err := r.pictures.at(n, sei)
	if err != nil {
		return err
	}
	record := Record{
		Frame: n, Bar: p.bar, TS: r.cfg.Video.Timestamp + uint32(step*videoClock/uint64(r.fps)) + r.jumped(videoClock),
		SSRC: r.cfg.Video.SSRC, CaptureTime: captured.UTC(), Key: p.key,
	}
	if sei != nil {
		record.Timecode = fmt.Sprintf("%02d:%02d:%02d:%02d", times.Hours, times.Minutes, times.Seconds, times.Frames)
		record.SEITime = time.UnixMicro(times.UnixMicro).UTC()
	}
	if pocket, ok := r.pictures.info.RestsAt(r.pictures.place(n)); ok {
		record.Round = &Round{pocket}
	}
	if err := writeLine(r.cfg.Log, record); err != nil {
		return err
	}
	if r.cfg.OnFrame != nil {
		r.cfg.OnFrame(record)
	}
	if r.cfg.SenderReports && step >= r.videoReport {
		r.video.report(captured.Add(r.cfg.EncoderDelay), record.TS)
		r.videoReport = step + uint64(r.fps)
	}
	r.video.send(record.TS, p.payloads, true)
	return nil
}

// times returns what a frame carries of its time: labels are counted from the first
// frame's on, which is the time of day.
func (r *run) times(step uint64, captured time.Time) h264bar.Times {
	start := r.start.UTC()
	day := start.Sub(start.Truncate(24 * time.Hour))
	label := uint64(day)*uint64(r.fps)/uint64(time.Second) + step
	seconds := label / uint64(r.fps) % (24 * 3600)
	return h264bar.Times{
		Hours: int(seconds / 3600), Minutes: int(seconds / 60 % 60), Seconds: int(seconds % 60), Frames: int(label % uint64(r.fps)),
		UnixMicro: captured.UnixMicro(),
	}
}

// playTone sends the next packet of sound.
func (r *run) playTone(captured time.Time) {
	step := r.tones
	r.tones++
	if r.held {
		return
	}
	timestamp := r.cfg.Audio.Timestamp + uint32(step*toneTicks) + r.jumped(toneClock)
	if r.cfg.SenderReports && step >= r.audioReport {
		r.audio.report(captured.Add(r.cfg.EncoderDelay), timestamp)
		r.audioReport = step + tonesPerSecond
	}
	r.audio.send(timestamp, r.tone[step%uint64(len(r.tone)):][:1], false)
}

func (r *run) end() {
	r.video.end()
	if r.audio != nil {
		r.audio.end()
	}
}
