package doctor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// healthy is a configuration and a stream of which there is nothing to say.
func healthy() Report {
	return Report{
		Config: &Config{
			HTTP: Listener{On: true, Address: ":443"}, Admin: Listener{On: true, Loopback: true, Address: "127.0.0.1:9090"},
			TLS: true, UDP: netip.MustParseAddr("0.0.0.0"), StateDir: true,
			OwnIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("203.0.113.5")},
			Inputs: []Input{{Key: "streams.wheel.rtp.video.listen", Allowed: true}},
		},
		Machine: &Machine{ReceiveBuffer: 4 << 20, Linux: true, Segmentation: true},
		Disk:    &Disk{Dir: "/var/lib/relay", Sync: 2 * time.Millisecond},
		Ports:   []Port{{Key: "http.listen", Address: "tcp :443"}, {Key: "media.udp", Address: "udp :7882"}},
		Relay:   &Relay{URL: "https://relay.example", TLS: true},
		Streams: []Stream{{
			Name: "wheel", Tracks: []Track{{Name: "v0", Packets: 100_000, Lost: 10}},
			Seen: &Seen{
				Span: 6 * time.Second, Codec: "video/H264", Frames: 180, Keyframes: 3, KeyDistance: 2 * time.Second, Packets: 700,
				Jitter: 10 * time.Millisecond, ClockKnown: true, ClockAhead: -30 * time.Millisecond,
			},
		}},
	}
}

func TestExamine(t *testing.T) {
	private := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fe80::1")}
	for _, tt := range []struct {
		name   string
		change func(*Report)
		want   string // severity and code of each finding, worst first
	}{
		{"nothing", func(*Report) {}, ""},
		{"refused configuration", func(r *Report) { r.Config = &Config{Errors: []string{"a", "b"}} }, "error config, error config"},
		{"loopback alone", func(r *Report) {
			r.Config.HTTP.Loopback, r.Config.TLS = true, false
			r.Config.UDP = netip.MustParseAddr("127.0.0.1")
		}, "warning http-loopback, warning media-loopback"},
		{"no listener", func(r *Report) { r.Config.HTTP, r.Config.TLS = Listener{}, false }, ""},
		{"no TLS", func(r *Report) { r.Config.TLS = false }, "warning tls-off"},
		{"self-signed", func(r *Report) { r.Config.SelfSigned = true }, "warning tls-self-signed"},
		{"nobody is asked", func(r *Report) { r.Config.Insecure = true }, "error unauthenticated"},
		{"nobody is asked, on loopback", func(r *Report) { r.Config.Insecure, r.Config.HTTP.Loopback = true, true }, "warning http-loopback"},
		{"admin open", func(r *Report) { r.Config.Admin.Loopback = false }, "warning admin-open"},
		{"admin open, nobody is asked", func(r *Report) { r.Config.Admin.Loopback, r.Config.Insecure = false, true }, "error unauthenticated, error admin-open"},
		{"behind a NAT", func(r *Report) { r.Config.OwnIPs = private }, "warning media-private"},
		{"behind a NAT, mended", func(r *Report) {
			r.Config.OwnIPs, r.Config.PublicIPs = private, []netip.Addr{netip.MustParseAddr("203.0.113.5")}
		}, ""},
		{"private public address", func(r *Report) { r.Config.PublicIPs = private[1:2] }, "warning media-private"},
		{"one address of many is public", func(r *Report) { r.Config.OwnIPs = append(private, netip.MustParseAddr("203.0.113.5")) }, ""},
		{"no address", func(r *Report) { r.Config.OwnIPs = private[:1] }, "warning media-loopback"},
		{"no state", func(r *Report) { r.Config.StateDir = false }, "warning state-off"},
		{"open input", func(r *Report) { r.Config.Inputs[0].Allowed = false }, "warning input-open"},
		{"open input on loopback", func(r *Report) { r.Config.Inputs[0] = Input{Key: "k", Loopback: true} }, ""},

		{"small buffer", func(r *Report) { r.Machine.ReceiveBuffer = 212992 }, "warning receive-buffer"},
		{"unknown buffer", func(r *Report) { r.Machine.ReceiveBuffer = 0 }, ""},
		{"no GSO", func(r *Report) { r.Machine.Segmentation = false }, "note no-gso"},
		{"no Linux", func(r *Report) { r.Machine = &Machine{} }, ""},
		{"state not there yet", func(r *Report) { r.Disk = &Disk{Missing: true} }, ""},
		{"state unwritable", func(r *Report) { r.Disk.Err = "permission denied" }, "error state-unwritable"},
		{"slow disk", func(r *Report) { r.Disk.Sync = 300 * time.Millisecond }, "warning state-slow"},
		{"a port taken", func(r *Report) { r.Ports[1].Taken = true }, "error port-taken"},
		{"all ports taken", func(r *Report) { r.Ports[0].Taken, r.Ports[1].Taken = true, true }, "note ports-taken"},
		{"forbidden port", func(r *Report) { r.Ports[0].Forbidden = true }, "error port-forbidden"},

		{"unreachable", func(r *Report) { r.Relay, r.Streams = &Relay{URL: "http://relay", Err: "refused"}, nil }, "error unreachable"},
		{"plain HTTP", func(r *Report) { r.Relay.TLS = false }, "warning tls-off"},
		{"plain HTTP on loopback", func(r *Report) { r.Relay.TLS, r.Relay.Loopback = false, true }, ""},
		{"paused", func(r *Report) { r.Streams[0].Paused, r.Streams[0].Arrival = true, true }, "error paused"},
		{"no sender reports", func(r *Report) { r.Streams[0].Arrival = true }, "warning no-sender-reports"},
		{"loss", func(r *Report) { r.Streams[0].Tracks[0].Lost = 200 }, "warning input-loss"},
		{"second sender", func(r *Report) { r.Streams[0].Tracks[0].Foreign = 1 }, "warning second-sender"},
		{"the relay's own words", func(r *Report) { r.Streams[0].Health = []Told{{"v0: odd", "mend it"}} }, "warning health"},
		{"its own words of what has a rule", func(r *Report) {
			r.Streams[0].Health, r.Streams[0].Arrival = []Told{{Text: "v0: no sender reports"}}, true
		}, "warning no-sender-reports"},
		{"no picture", func(r *Report) { r.Streams[0].Seen = &Seen{Err: "no frame"} }, "error no-picture"},
		{"B-frames", func(r *Report) { r.Streams[0].Seen.Backward = 60 }, "error b-frames"},
		{"long GOP", func(r *Report) { r.Streams[0].Seen.KeyDistance = 4100 * time.Millisecond }, "warning long-gop"},
		{"no keyframe", func(r *Report) { r.Streams[0].Seen.Keyframes = 0 }, "warning long-gop"},
		{"no parameter sets", func(r *Report) { r.Streams[0].Seen.WithoutSets = 3 }, "error no-parameter-sets"},
		{"oversize", func(r *Report) { r.Streams[0].Seen.Oversize = 5 }, "warning oversize"},
		{"jitter", func(r *Report) { r.Streams[0].Seen.Jitter = 41 * time.Millisecond }, "warning jitter"},
		{"loss to the viewer", func(r *Report) { r.Streams[0].Seen.Lost = 1 }, "warning viewer-loss"},
		{"clock ahead", func(r *Report) { r.Streams[0].Seen.ClockAhead = 21 * time.Millisecond }, "warning clock-ahead"},
		{"clock behind", func(r *Report) { r.Streams[0].Seen.ClockAhead = -1100 * time.Millisecond }, "warning clock-behind"},
		{"clock unknown", func(r *Report) { r.Streams[0].Seen.ClockKnown, r.Streams[0].Seen.ClockAhead = false, time.Hour }, ""},
		{"broken promise", func(r *Report) { r.Streams[0].Seen.Broken = []string{"1 gaps"} }, "error protocol"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := healthy()
			tt.change(&r)
			found := Examine(r)
			var got []string
			for _, f := range found {
				got = append(got, string(f.Severity)+" "+f.Code)
				if f.Where == "" || f.What == "" || f.Why == "" || f.Do == "" {
					t.Errorf("something is not said: %+v", f)
				}
			}
			if text := strings.Join(got, ", "); text != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
			if Sick(found) != strings.Contains(tt.want, "error") {
				t.Errorf("sick: %v", Sick(found))
			}
		})
	}
}

// TestObserver plays frames at 30 a second, of which the sets of NAL units say what
// they are.
func TestObserver(t *testing.T) {
	const step = 3000
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key, bare, delta := []byte("\x00\x00\x00\x01\x67a\x00\x00\x00\x01\x68b\x00\x00\x00\x01\x65c"), []byte("\x00\x00\x00\x01\x65c"), []byte("\x00\x00\x00\x01\x41d")
	var o Observer
	ts := uint32(1<<32 - 60*step) // wraps on the way
	at := start
	frame := func(data []byte, ticks int32, late time.Duration) {
		ts += uint32(ticks)
		at = at.Add(time.Duration(ticks) * time.Second / 90_000)
		o.Frame("video/H264", ts, data, at.Add(late))
	}
	for n := range 200 {
		data, late := delta, time.Duration(0)
		switch {
		case n == 0 || n == 60:
			data = key
		case n == 120:
			data = bare
		case n == 150: // and so the frame after it comes early
			late = 50 * time.Millisecond
		}
		frame(data, step, late)
	}
	frame(delta, -2*step, 0)
	for _, size := range []int{100, 1138, 1139} {
		o.Packet(size)
	}
	want := Seen{
		Codec: "video/H264", Frames: 201, Backward: 1, Keyframes: 3, WithoutSets: 1, KeyDistance: 79 * time.Second / 30,
		Packets: 3, Oversize: 1, Jitter: 50 * time.Millisecond, Span: 197 * time.Second / 30,
	}
	near := cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < time.Millisecond })
	if diff := cmp.Diff(want, o.Seen(), near); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var vp8 Observer
	vp8.Frame("video/VP8", 0, []byte{0x10}, start)
	vp8.Frame("video/VP8", step, []byte{0x11}, start)
	vp8.Frame("video/VP8", 2*step, nil, start)
	if v := vp8.Seen(); v.Keyframes != 1 || v.WithoutSets != 0 || v.Frames != 3 {
		t.Errorf("VP8: %+v", v)
	}
}
