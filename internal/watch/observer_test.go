package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pion/webrtc/v4"
)

// script drives an observer without a network. Frames are one VP8 packet each, 33
// ms apart, named by their number; frame 0 is at ts 1e12.
type script struct {
	o   *observer
	now time.Time
	seq uint16
}

const scriptTS = uint64(1_000_000_000_000)

func tsOf(frame int) uint64 { return scriptTS + uint64(frame)*3000 }

func newScript() *script {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	cfg := Config{URL: "http://relay/whep/wheel"}
	if err := cfg.fill(); err != nil {
		panic(err)
	}
	return &script{o: newObserver(cfg, now), now: now, seq: 65533}
}

func (s *script) say(channel uint16, message string) {
	s.o.arrive(arrival{at: s.now, channel: channel, message: []byte(message)})
}

func (s *script) snapshot(seq, stateFrame int, pending string) {
	body := fmt.Sprintf(`{\"type\":\"snapshot\",\"log\":\"a\",\"seq\":%d,\"state_at\":%d,\"pending\":[%s],\"clock\":{\"ts\":%d,\"capture_time\":\"2026-11-22T12:00:00Z\",\"server_time\":\"2026-11-22T12:00:00Z\"}}`,
		seq, tsOf(stateFrame), strings.ReplaceAll(pending, `"`, `\"`), tsOf(0))
	s.say(channelEvents, `{"type":"snapshot","part":1,"parts":1,"body":"`+body+`"}`)
}

func eventOf(seq, frame int, kind, more string) string {
	return fmt.Sprintf(`{"type":"event","log":"a","seq":%d,"kind":%q,"epoch":1,"ts":%d%s}`, seq, kind, tsOf(frame), more)
}

// event says an event on both channels.
func (s *script) event(seq, frame int, kind, more string) {
	s.say(channelEvents, eventOf(seq, frame, kind, more))
	s.say(channelFast, eventOf(seq, frame, kind, more))
}

// markOf is the extension of an event as eventOf makes it.
func markOf(seq, frame int, kind uint8, more string) *mark {
	sum := sha256.Sum256([]byte("\x00" + eventOf(seq, frame, kindName(kind), more)))
	return &mark{kind: kind, epoch: 1, seq: uint32(seq), refTS: uint32(tsOf(frame)), digest: [4]byte(sum[:4])}
}

// frame sends a frame with an extension, or none.
func (s *script) frame(n int, m *mark) {
	s.now = s.now.Add(33 * time.Millisecond)
	p := packetAt(s.seq, uint32(tsOf(n)), true, true, s.now)
	p.mark = m
	s.seq++
	s.o.arrive(arrival{at: s.now, packet: p})
	s.o.tick(s.now)
}

func (s *script) frames(from, to int) {
	for n := from; n < to; n++ {
		s.frame(n, nil)
	}
}

func TestObserver(t *testing.T) {
	late := func(m *mark) *mark { m.late = true; return m }
	repeat := func(m *mark) *mark { m.repeat = true; return m }
	tests := []struct {
		name   string
		script func(*script)
		want   Events
		hash   FrameHash
	}{
		{name: "on its frame", want: Events{Reliable: 1, Fast: 1, ByExtension: 1, BothPaths: 1, FrameError: map[int]int{0: 1}}, script: func(s *script) {
			s.event(8, 3, "outcome", "")
			s.frames(1, 3)
			s.frame(3, markOf(8, 3, 6, ""))
			s.frame(4, repeat(markOf(8, 3, 6, "")))
		}},
		{name: "event after its frame", want: Events{Reliable: 1, Fast: 1, ByExtension: 1, BothPaths: 1, FrameError: map[int]int{0: 1}}, script: func(s *script) {
			s.frames(1, 3)
			s.frame(3, markOf(8, 3, 6, ""))
			s.event(8, 3, "outcome", "")
			s.frame(4, nil)
		}},
		{name: "two frames off", want: Events{Reliable: 1, Fast: 1, ByExtension: 1, BothPaths: 1, FrameError: map[int]int{2: 1}}, script: func(s *script) {
			s.event(8, 3, "outcome", "")
			s.frames(1, 5)
			s.frame(5, markOf(8, 3, 6, ""))
		}},
		{name: "its own frame and the next, unmarked as a repeat", want: Events{Reliable: 1, Fast: 1, ByExtension: 1, BothPaths: 1, FrameError: map[int]int{1: 1}}, script: func(s *script) {
			s.event(8, 3, "outcome", "")
			s.frames(1, 3)
			s.frame(3, markOf(8, 3, 6, ""))
			s.frame(4, markOf(8, 3, 6, ""))
		}},
		{name: "late", want: Events{Reliable: 1, Fast: 1, ByExtension: 1, BothPaths: 1, LateOnly: 1}, script: func(s *script) {
			s.frames(1, 5)
			s.event(8, 3, "outcome", `,"late_ms":40`)
			s.frame(5, late(markOf(8, 3, 6, `,"late_ms":40`)))
		}},
		{name: "only as a repeat", want: Events{Reliable: 1, Fast: 1, ByExtension: 1, BothPaths: 1, RepeatOnly: 1}, script: func(s *script) {
			s.event(8, 3, "outcome", "")
			s.frames(1, 4)
			s.frame(4, repeat(markOf(8, 3, 6, "")))
		}},
		{name: "never carried", want: Events{Reliable: 1, Fast: 1, NotCarried: 1}, script: func(s *script) {
			s.event(8, 3, "outcome", "")
			s.frames(1, 6)
		}},
		{name: "its frame never came", want: Events{Reliable: 1, Fast: 1, CarrierLost: 1}, script: func(s *script) {
			s.event(8, 3, "outcome", "")
			s.frames(1, 3)
			s.frames(4, 6)
		}},
		{name: "its frame never came, carried by the next", want: Events{Reliable: 1, Fast: 1, ByExtension: 1, BothPaths: 1, FrameUnknown: 1}, script: func(s *script) {
			s.event(8, 3, "outcome", "")
			s.frames(1, 3)
			s.frame(4, markOf(8, 3, 6, ""))
		}},
		{name: "in flight", want: Events{Reliable: 1, Fast: 1, InFlight: 1}, script: func(s *script) {
			s.frames(1, 3)
			s.event(8, 9, "outcome", "")
		}},
		{name: "only on packets", want: Events{OnlyByExtension: 1}, script: func(s *script) {
			s.frames(1, 3)
			s.frame(3, markOf(8, 3, 6, ""))
		}},
		{name: "on packets from before the join", want: Events{}, script: func(s *script) {
			s.frame(1, repeat(markOf(6, 0, 6, "")))
		}},
		{name: "only on the fast channel", want: Events{Fast: 1, OnlyByFast: 1, ByExtension: 1, FrameError: map[int]int{0: 1}}, script: func(s *script) {
			s.say(channelFast, eventOf(8, 3, "outcome", ""))
			s.frames(1, 3)
			s.frame(3, markOf(8, 3, 6, ""))
		}},
		{name: "events that never fire", want: Events{Reliable: 2, Silent: 2, Fast: 2}, hash: FrameHash{Unknown: 1}, script: func(s *script) {
			s.event(8, 1, "frame_hash", `,"data":{"of_seq":5,"alg":"sha-256","hash":"00"}`)
			s.event(9, 1, "recovered", `,"data":{"last_durable":7}`)
			s.frames(1, 4)
		}},
		{name: "recovered may jump", want: Events{Reliable: 1, Silent: 1, Fast: 1}, script: func(s *script) {
			s.event(4097, 1, "recovered", "")
			s.frames(1, 4)
		}},
		{name: "others may not", want: Events{Reliable: 1, Fast: 1, Gaps: 1, ByExtension: 1, BothPaths: 1, FrameError: map[int]int{0: 1}}, script: func(s *script) {
			s.event(9, 3, "marker", "")
			s.frames(1, 3)
			s.frame(3, markOf(9, 3, 1, ""))
		}},
		{name: "another log", want: Events{ForeignLog: 1}, script: func(s *script) {
			s.say(channelEvents, `{"type":"event","log":"b","seq":8,"kind":"marker","ts":1}`)
			s.frames(1, 4)
		}},
		{name: "frame hash", want: Events{Reliable: 2, Silent: 1, Fast: 2, ByExtension: 1, BothPaths: 1, FrameError: map[int]int{0: 1}}, hash: FrameHash{Checked: 1}, script: func(s *script) {
			s.event(8, 1, "outcome", "")
			s.frame(1, markOf(8, 1, 6, ""))
			sum := sha256.Sum256([]byte{byte(s.seq - 1)})
			s.event(9, 1, "frame_hash", `,"data":{"of_seq":8,"alg":"sha-256","hash":"`+hex.EncodeToString(sum[:])+`"}`)
			s.frame(2, nil)
		}},
		{name: "hash of a frame that never came", want: Events{Reliable: 2, Silent: 1, Fast: 2, CarrierLost: 1}, hash: FrameHash{Incomplete: 1}, script: func(s *script) {
			s.event(8, 1, "outcome", "")
			s.event(9, 1, "frame_hash", `,"data":{"of_seq":8,"alg":"sha-256","hash":"00"}`)
			s.frames(2, 4)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript()
			s.snapshot(7, 0, "")
			tt.script(s)
			got := s.o.report(s.now)
			tt.want.Snapshots = 1
			if diff := cmp.Diff(tt.want, got.Events, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.hash, got.FrameHash); diff != "" {
				t.Errorf("frame hashes (-want +got):\n%s", diff)
			}
			if len(got.Malformed) > 0 {
				t.Errorf("malformed: %q", got.Malformed)
			}
		})
	}
}

// What was pending when the snapshot was cut rides on packets and came by no
// event message.
func TestObserverPending(t *testing.T) {
	s := newScript()
	s.snapshot(7, 0, eventOf(7, 3, "outcome", ""))
	s.frames(1, 3)
	s.frame(3, markOf(7, 3, 6, ""))
	s.frame(4, nil)
	got := s.o.report(s.now)
	if e := got.Events; e.ByExtension != 1 || e.FrameError[0] != 1 || e.OnlyByExtension != 0 || got.Problems() != nil {
		t.Errorf("events %+v, problems %q; want one on its frame", e, got.Problems())
	}
}

// A watch of any length forgets what it has judged.
func TestObserverForgets(t *testing.T) {
	s := newScript()
	s.snapshot(7, 0, "")
	const n = 3 * frameMemory
	for i := 1; i <= n; i++ {
		s.say(channelEvents, eventOf(7+i, i, "marker", ""))
		s.frame(i, markOf(7+i, i, 1, ""))
	}
	if entries, frames := len(s.o.ledger.entries), len(s.o.frames.index); entries > 200 || frames > frameMemory {
		t.Errorf("%d events and %d frames are remembered", entries, frames)
	}
	got := s.o.report(s.now)
	if e := got.Events; e.BothPaths != n || e.FrameError[0] != n || got.Problems() != nil {
		t.Errorf("events %+v, problems %q; want %d on their frames", e, got.Problems(), n)
	}
}

func TestObserverMalformed(t *testing.T) {
	for _, tt := range []struct{ name, message, want string }{
		{"no JSON", `nonsense`, "channel 0"},
		{"event with a text for a number", `{"type":"event","seq":"8"}`, "event:"},
		{"second part first", `{"type":"snapshot","part":2,"parts":2,"body":""}`, "snapshot part 2 of 2"},
		{"snapshot that is none", `{"type":"snapshot","part":1,"parts":1,"body":"{}"}`, `type ""`},
		{"clock without a time", `{"type":"clock","ts":5}`, "clock"},
		{"hash of another kind", `{"type":"event","seq":8,"kind":"frame_hash","ts":1,"data":{"of_seq":5,"alg":"md5","hash":"00"}}`, "frame_hash 8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript()
			s.say(channelEvents, tt.message)
			got := s.o.report(s.now)
			if m := strings.Join(got.Malformed, "; "); !strings.Contains(m, tt.want) || got.Problems() == nil {
				t.Errorf("malformed %q, problems %q; want one with %q", m, got.Problems(), tt.want)
			}
		})
	}
}

// Extensions of the header that the relay sends beside its own.
func TestObserverExtensions(t *testing.T) {
	s := newScript()
	s.snapshot(7, 0, "")
	s.now = s.now.Add(time.Second)
	p := packetAt(0, uint32(tsOf(30)), true, true, s.now)
	p.mark = &mark{heartbeat: true, seq: 7}
	// Frame 30 was captured 1 s after frame 0; the extension says 2.5 ms more.
	captured := time.Date(2026, 11, 22, 12, 0, 1, 2_500_000, time.UTC)
	p.absCapture = uint64(captured.Unix()+2208988800)<<32 | uint64(captured.Nanosecond())<<32/1e9
	s.o.arrive(arrival{at: s.now, packet: p})
	other := packetAt(1, uint32(tsOf(31)), true, true, s.now)
	other.ssrc = 99
	s.o.arrive(arrival{at: s.now, packet: other})
	bad := packetAt(1, uint32(tsOf(31)), true, true, s.now)
	_, bad.markErr = parseMark([]byte{0})
	s.o.arrive(arrival{at: s.now, packet: bad})
	got := s.o.report(s.now)
	want := Extensions{Heartbeats: 1, Malformed: 1, AbsCaptureTime: 1, AbsCaptureErrorMS: 2.5}
	if diff := cmp.Diff(want, got.Extensions, cmpopts.EquateApprox(0, 0.001)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Video.OtherSSRC != 1 || got.Video.Codec != webrtc.MimeTypeVP8 {
		t.Errorf("video %+v, want one packet of another SSRC", got.Video)
	}
	if got.Latency.N != 2 || got.Latency.Min > 0.001 {
		t.Errorf("latency %+v, want 2 frames, the first within 1 us", got.Latency)
	}
}
