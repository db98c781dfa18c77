package network

import (
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/internal/impair"
	"github.com/framelock/relay/internal/studio"
)

// A link that steps from 4 to 1 Mbit/s and back, under a stream of about 2.5 Mbit/s:
// the viewer is told at once, keeps the sound, gets no frame that cannot be decoded,
// and has the whole video again soon after the link has recovered.
func TestStep(t *testing.T) {
	begin(t)
	t.Parallel()
	w := newTable(t)
	_, tape := w.studio(func(c *studio.Config) { c.Clip, c.FPS = "1080p60", 84 })
	link := func(rate float64) impair.Path { return impair.Path{Delay: 20 * time.Millisecond, Rate: rate} }
	up := impair.Path{Delay: 20 * time.Millisecond}
	v := w.watch(w.proxy(up, link(4e6)), tape)
	eventually(t, "the viewer has a frame", v.begun)
	_, bytesBefore := v.proxy.Bytes()
	during(t.Context(), 5*time.Second)
	_, bytesAfter := v.proxy.Bytes()
	stream := float64(bytesAfter-bytesBefore) * 8 / 5
	t.Logf("a stream of %.2f Mbit/s", stream/1e6)
	if stream < 2e6 {
		t.Error("a step to 1 Mbit/s is no trouble: the case proves nothing")
	}
	for range ofFull(5, 1) {
		began := time.Now()
		_, bytesBefore = v.proxy.Bytes()
		v.proxy.Change(up, link(1e6))
		during(t.Context(), 7*time.Second)
		recovered := time.Now()
		_, bytesAfter = v.proxy.Bytes()
		v.proxy.Change(up, link(4e6))
		during(t.Context(), 9*time.Second)
		v.judgeStep(began, recovered, float64(bytesAfter-bytesBefore)*8/recovered.Sub(began).Seconds())
	}
	until := time.Now()
	during(t.Context(), atRest)
	v.end()
	s := v.sum(until)
	t.Logf("%d of %d frames whole, %d that cannot be decoded, for at most %v; %d packets lost for good, %d repaired",
		s.whole, s.sent, len(s.stranded), s.strandedFor.Round(time.Millisecond), v.report.Video.Lost, v.report.Video.Repaired)
	// What builds on something that the link has dropped for good is sent until the
	// next keyframe at the latest: those come every 1.43 s.
	if s.strandedFor > 1500*time.Millisecond {
		t.Errorf("frames that cannot be decoded came for %v", s.strandedFor)
	}
	v.checkTruth(s)
}

// judgeStep judges what the viewer got of one step.
func (v *viewer) judgeStep(began, recovered time.Time, asked float64) {
	t := v.table
	t.Helper()
	told := v.told("congested", began)
	if v.last(began) == "congested" {
		told = 0 // one who has been so often is not taken for recovered at once
	}
	sent, lost := v.lostSound(began.Add(time.Second), recovered, 20*time.Millisecond)
	whole := v.wholeFrom(recovered, time.Now().Add(-1500*time.Millisecond))
	t.Logf("told %v after the step; %.2f Mbit/s were sent meanwhile; %d of %d packets of audio lost; video whole %v after the recovery",
		told, asked/1e6, lost, sent, whole)
	if told < 0 || told > time.Second {
		t.Errorf("the viewer was told %v after the step that it is congested, want within 1 s", told)
	}
	if sent < 200 || float64(lost) > 0.01*float64(sent) {
		t.Errorf("%d of %d packets of audio were lost, want at most 1%%", lost, sent)
	}
	if whole > 3*time.Second {
		t.Errorf("video was whole again %v after the link, want within 3 s", whole)
	}
}

// told returns how long after a moment the first notice with the code came; -1 if none.
func (v *viewer) told(code string, since time.Time) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if i := slices.IndexFunc(v.notices, func(n notice) bool { return n.code == code && n.at.After(since) }); i >= 0 {
		return v.notices[i].at.Sub(since)
	}
	return -1
}

// last returns the code of the newest notice before a moment.
func (v *viewer) last(before time.Time) (code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.notices {
		if n.at.Before(before) {
			code = n.code
		}
	}
	return code
}

// wholeFrom returns how long after a moment the first frame was sent from which on all
// frames came whole and can be decoded, of those sent before until.
func (v *viewer) wholeFrom(since, until time.Time) time.Duration {
	last := since
	tape := v.tape.sent()
	s := v.sum(until)
	for _, n := range slices.Concat(s.lacking, s.stranded) {
		if tape[n].at.After(last) && tape[n].at.Before(until) {
			last = tape[n].at
		}
	}
	return last.Sub(since)
}
