package stream

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/internal/studio/h264bar"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/timeline"
)

// timedSPS is an SPS that announces clock timestamps, of 24 bits of time offset.
const timedSPS = "6742e01eda0280bfe59a83068320000003002000000783e2c5d4"

// labelled sends a frame of packets of their own: access unit delimiter, SPS on a
// keyframe, SEI with the label 10:00:00 + n frames at 30 fps, slices. Whatever is in
// between is done when the delimiter has left.
func (tb *table) labelled(key bool, n int, between func()) {
	tb.t.Helper()
	tb.packet([]byte{9, 0xF0}, false)
	between()
	if key {
		sps, err := hex.DecodeString(timedSPS)
		if err != nil {
			tb.t.Fatal(err)
		}
		tb.packet(sps, false)
	}
	tb.packet(h264bar.SEI(h264bar.Times{
		Hours: 10, Seconds: n / 30, Frames: n % 30, UnixMicro: tb.now.UnixMicro(),
	}), false)
	tb.frame(key, 2)
}

func nothing() {}

func timecode(t *testing.T, s string) *timeline.Timecode {
	t.Helper()
	c, ok := timeline.ParseTimecode(s)
	if !ok {
		t.Fatalf("%q is no timecode", s)
	}
	return &c
}

func TestTimecodeNamesTheFrame(t *testing.T) {
	tb := newTable(t)
	tb.frame(true, 2) // without any
	for n := range 40 {
		tb.labelled(n%15 == 0, n, nothing)
	}
	first := uint64(epochStart.Unix())*90000 + ticks // of the frame 10:00:00:00
	tsOf := func(n int) uint64 { return first + uint64(n)*ticks }

	past := answered1(t, tb.mark(marker.Request{ID: "past", At: marker.At{Timecode: timecode(t, "10:00:01:05")}}))
	if past.Err != nil || past.Resolved.TS != tsOf(35) || past.Resolved.Timecode != "10:00:01:05" || past.Resolved.LateMS == 0 {
		t.Errorf("past: %+v, want ts %d, late", past, tsOf(35))
	}
	at := epochStart.Add(36 * interval)
	stamp := answered1(t, tb.mark(marker.Request{ID: "stamp", At: marker.At{SEITime: at.Truncate(time.Microsecond)}}))
	if stamp.Err != nil || stamp.Resolved.TS != tsOf(35) || stamp.Resolved.SEITime.UnixMicro() != at.UnixMicro() {
		t.Errorf("SEI time %v: %+v, want ts %d", at, stamp, tsOf(35))
	}

	future := tb.mark(marker.Request{ID: "future", At: marker.At{Timecode: timecode(t, "10:00:01:12")}})
	for n := 40; n < 42; n++ {
		tb.labelled(false, n, nothing)
	}
	if len(future) != 0 {
		t.Fatal("it was bound before its frame came")
	}
	before := len(tb.out)
	tb.labelled(false, 42, nothing)
	if a := answered1(t, future); a.Err != nil || a.Resolved.TS != tsOf(42) || a.Resolved.Frame != 44 {
		t.Errorf("future: %+v, want ts %d", a, tsOf(42))
	}
	// The delimiter leaves before the frame is known to be the one; the slices after.
	var order []string
	for _, o := range tb.out[before:] {
		switch {
		case o.message != nil && strings.Contains(string(o.message.Bytes), `"future"`):
			order = append(order, "event")
		case o.packet != nil:
			order = append(order, hex.EncodeToString(o.payload[:1]))
		}
	}
	if got := strings.Join(order, " "); got != "09 event 06 41 41" {
		t.Errorf("left in the order %s", got)
	}
	if got := tb.core.Info(tb.now, 0).Tracks[0]; got.Timecode != "10:00:01:12" || got.SEITime.IsZero() {
		t.Errorf("info %+v", got)
	}
}

func TestTimecodesThatNameNothing(t *testing.T) {
	tb := newTable(t)
	check := func(id string, at marker.At, want error, text string) {
		t.Helper()
		a := answered1(t, tb.mark(marker.Request{ID: id, At: at}))
		if !errors.Is(a.Err, want) || !strings.Contains(a.Err.Error(), text) {
			t.Errorf("%s: %v, want %v with %q", id, a.Err, want, text)
		}
	}
	tb.frame(true, 1)
	check("no-timecode", marker.At{Timecode: timecode(t, "10:00:00:00")}, marker.ErrNotCarried, "SEI")
	check("no-sei-time", marker.At{SEITime: tb.now}, marker.ErrNotCarried, "SEI")
	for n := range 20 {
		tb.labelled(n == 0, n, nothing)
	}
	check("drop", marker.At{Timecode: timecode(t, "10:00:00;15")}, marker.ErrUnresolvable, "otherwise: its newest frame carries timecode 10:00:00:19;")
	check("ahead", marker.At{Timecode: timecode(t, "10:00:30:00")}, marker.ErrUnresolvable, "10:00:00:19")
	check("old", marker.At{Timecode: timecode(t, "09:59:59:29")}, marker.ErrUnresolvable, "10:00:00:19")
	check("ahead-in-time", marker.At{SEITime: tb.now.Add(time.Minute)}, marker.ErrUnresolvable, "ahead")
	missing := tb.mark(marker.Request{ID: "missing", At: marker.At{Timecode: timecode(t, "10:00:00:29")}, Timeout: time.Second})
	tb.advance(1100 * time.Millisecond)
	if a := answered1(t, missing); !errors.Is(a.Err, marker.ErrFrameNotSeen) {
		t.Errorf("missing: %v", a.Err)
	}
}

// A window that is to close on a timecode closes before any of that picture leaves,
// though the frame's first packet has left without it; a next that is asked for in
// between is the frame after.
func TestAWindowClosesOnATimecode(t *testing.T) {
	tb := newTable(t)
	for n := range 10 {
		tb.labelled(n == 0, n, nothing)
	}
	opened := tb.open(marker.OpenRequest{Window: "w", At: marker.At{Timecode: timecode(t, "10:00:00:10")}})
	closed := make(chan Answer, 1)
	tb.core.CloseWindow(marker.CloseRequest{Window: "w", At: marker.At{Timecode: timecode(t, "10:00:00:12")}}, marker.WindowClosing, closed, tb.now)
	if a := answered1(t, closed); a.Err == nil {
		t.Fatal("a window that is not open was closed")
	}
	for n := 10; n < 12; n++ {
		tb.labelled(false, n, nothing)
	}
	start := uint64(epochStart.Unix()) * 90000
	if a := answered1(t, opened); a.Err != nil || a.Resolved.TS != start+10*ticks {
		t.Fatalf("opened on %+v", a)
	}
	tb.core.CloseWindow(marker.CloseRequest{Window: "w", At: marker.At{Timecode: timecode(t, "10:00:00:12")}}, marker.WindowClosing, closed, tb.now)
	var next chan Answer
	tb.labelled(false, 12, func() { next = tb.mark(marker.Request{ID: "next", At: marker.At{Next: true}}) })
	if a := answered1(t, closed); a.Err != nil || a.Resolved.TS != start+12*ticks {
		t.Fatalf("closed on %+v", a)
	}
	if w, _ := tb.core.book.Window("w"); w.CloseTS != start+12*ticks {
		t.Errorf("it is closed from %d on, want %d", w.CloseTS, start+12*ticks)
	}
	tb.labelled(false, 13, nothing)
	if a := answered1(t, next); a.Err != nil || a.Resolved.TS != start+13*ticks {
		t.Errorf("next is %+v", a)
	}
}

// A frame whose SEI comes in a packet of its own costs no memory either.
func TestTimedPacketPathAllocatesNothing(t *testing.T) {
	tb := newTable(t)
	tb.labelled(true, 0, nothing)
	sink := &silent{}
	tb.core.out = sink
	sei := h264bar.SEI(h264bar.Times{Hours: 10, UnixMicro: tb.now.UnixMicro()})
	slice := append([]byte{0x41}, make([]byte, 1100)...)
	send := func() {
		for i, payload := range [][]byte{{9, 0xF0}, sei, slice, slice} {
			b := tb.pool.Get()
			b.Data = packet.AppendHeader(b.Memory()[:0], 96, tb.feed.seq, tb.feed.ts, tb.feed.ssrc)
			if i == 3 {
				b.Data[1] |= 0x80
			}
			b.Data = append(b.Data, payload...)
			h, _ := parse(b.Data)
			tb.core.Media(forward.Video, tb.feed.from, forward.Arrival{Buffer: b, Header: h, At: tb.now})
			tb.feed.seq++
		}
		tb.feed.ts += ticks
		tb.now = tb.now.Add(interval)
	}
	for range 400 {
		send()
	}
	if n := testing.AllocsPerRun(300, send); n != 0 {
		t.Errorf("%v allocations per frame of 4 packets, want 0", n)
	}
	if s := tb.core.frames.NewestStamps(); sink.packets < 700*4 || !s.HasTimecode || s.SEITime.IsZero() {
		t.Errorf("%d packets were forwarded, %+v read", sink.packets, s)
	}
}
