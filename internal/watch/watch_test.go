package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v4/vnet"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched runs a watch until want frames have come.
func watched(t *testing.T, r *testRelay, want int, settings func(*webrtc.SettingEngine)) (Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	n := 0
	report, err := Run(ctx, Config{
		URL: r.server.URL + "/whep/wheel", HTTP: client, Settings: settings,
		Frames: func(f Frame) {
			if n++; n >= want {
				cancel()
			}
		},
	})
	if ctx.Err() == context.DeadlineExceeded {
		t.Errorf("only %d of %d frames came", n, want)
	}
	return report, err
}

const testFrames = 120

// The last event's frame is 115; events on 10, 15, … 115 are 22, and those on
// even frames have a hash: 11.
const testEvents, testHashes = 22, 11

// repairedBy is how many frames after a loss it has been repaired, if need be
// after two more losses: four rounds of NACKs at 100 ms.
const repairedBy = int(400 * time.Millisecond / testInterval)

func TestWatch(t *testing.T) {
	for _, codec := range []string{webrtc.MimeTypeH264, webrtc.MimeTypeVP8} {
		t.Run(codec, func(t *testing.T) {
			r := newTestRelay(t, &testRelay{frames: testFrames, codec: codec})
			got, err := watched(t, r, testFrames, nil)
			if err != nil {
				t.Fatal(err)
			}
			<-r.deleted
			if p := got.Problems(); p != nil {
				t.Errorf("problems: %q", p)
			}
			e := got.Events
			if got.Video.Codec != codec || got.Video.Complete != testFrames || got.Video.Incomplete != 0 || got.Video.Lost != 0 {
				t.Errorf("video %+v, want %d complete frames of %s", got.Video, testFrames, codec)
			}
			if e.Reliable < testEvents || e.ByExtension != testEvents || e.FrameError[0] != testEvents || e.BothPaths != testEvents {
				t.Errorf("events %+v, want %d by both paths", e, testEvents)
			}
			if got.FrameHash.Checked < testHashes-1 {
				t.Errorf("frame hashes %+v, want %d checked", got.FrameHash, testHashes)
			}
			if !got.SnapshotFirst || !got.SnapshotBeforeMedia || got.FirstFrameMS <= 0 || got.Latency.N == 0 {
				t.Errorf("snapshot first %v, before media %v; first frame %v ms; %d latencies", got.SnapshotFirst, got.SnapshotBeforeMedia, got.FirstFrameMS, got.Latency.N)
			}
			x := got.Extensions
			if uint64(x.PlayoutDelay) != got.Video.Packets || x.Heartbeats == 0 || x.Markers == 0 {
				t.Errorf("extensions %+v on %d packets", x, got.Video.Packets)
			}
			if got.Audio.Packets == 0 || got.Clock.RTTMS <= 0 {
				t.Errorf("audio %+v, clock %+v", got.Audio, got.Clock)
			}
		})
	}
}

// Every kind of fault must be seen for what it is.
func TestWatchNoticesFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults faults
		want   string
	}{
		{"digest", faults{digest: true}, "another digest"},
		{"wrong frame", faults{wrongFrame: true}, "another frame"},
		{"not carried", faults{uncarried: true}, "no packet carried"},
		{"gap", faults{gap: true}, "gaps"},
		{"double", faults{double: true}, "doubled"},
		{"two events, one seq", faults{equivocate: true}, "two different events"},
		{"frame hash", faults{hash: true}, "another hash"},
		{"event before the snapshot", faults{early: true}, "before the snapshot"},
		{"time goes back", faults{backward: true}, "does not go forward"},
		{"timestamp in the extension", faults{field: true}, "another timestamp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newTestRelay(t, &testRelay{frames: 60, faults: tt.faults})
			got, err := watched(t, r, 60, nil)
			if err != nil {
				t.Fatal(err)
			}
			if p := strings.Join(got.Problems(), "; "); !strings.Contains(p, tt.want) {
				t.Errorf("problems %q, want one with %q", p, tt.want)
			}
		})
	}
}

// On a path that loses every 20th datagram of media, retransmission makes the
// frames whole and the markers on them exact.
func TestWatchRepairsLoss(t *testing.T) {
	wan, err := vnet.NewRouter(&vnet.RouterConfig{CIDR: "10.0.0.0/24", LoggerFactory: logging.NewDefaultLoggerFactory()})
	if err != nil {
		t.Fatal(err)
	}
	host := func(ip string) func(*webrtc.SettingEngine) {
		n, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{ip}})
		if err != nil {
			t.Fatal(err)
		}
		if err := wan.AddNet(n); err != nil {
			t.Fatal(err)
		}
		return func(se *webrtc.SettingEngine) { se.SetNet(n) }
	}
	atRelay, atViewer := host("10.0.0.1"), host("10.0.0.2")
	media := 0
	wan.AddChunkFilter(func(c vnet.Chunk) bool {
		b := c.UserData()
		// Media alone: RTP by its first byte (RFC 7983), video by its size.
		if len(b) < 80 || b[0]>>6 != 2 {
			return true
		}
		media++
		return media%20 != 7
	})
	if err := wan.Start(); err != nil {
		t.Fatal(err)
	}
	defer wan.Stop()
	r := newTestRelay(t, &testRelay{frames: testFrames, settings: atRelay})
	got, err := watched(t, r, testFrames+repairedBy, atViewer)
	if err != nil {
		t.Fatal(err)
	}
	if p := got.Problems(); p != nil {
		t.Errorf("problems: %q", p)
	}
	if got.Video.Repaired == 0 {
		t.Error("nothing was repaired: the path lost nothing")
	}
	if got.Video.Incomplete > 0 {
		t.Errorf("frames are not whole: %+v", got.Video)
	}
	if e := got.Events; e.FrameError[0] != testEvents {
		t.Errorf("events %+v, want %d with frame error 0", e, testEvents)
	}
}

func TestWatchFails(t *testing.T) {
	r := newTestRelay(t, &testRelay{frames: 1})
	for _, tt := range []struct{ name, url, want string }{
		{"no URL", "", "want http(s)://HOST/whep/STREAM"},
		{"another scheme", "ftp://host/whep/wheel", "want http(s)://HOST/whep/STREAM"},
		{"unknown stream", r.server.URL + "/whep/none", "the relay answered 404 Not Found: the relay has no such stream"},
		{"nobody there", "http://127.0.0.1:1/whep/wheel", "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := &http.Client{}
			defer client.CloseIdleConnections()
			_, err := Run(t.Context(), Config{URL: tt.url, HTTP: client})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	t.Run("token", func(t *testing.T) {
		guard := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.Error(w, "not for "+req.Header.Get("Authorization"), http.StatusForbidden)
		}))
		defer guard.Close()
		client := &http.Client{}
		defer client.CloseIdleConnections()
		_, err := Run(t.Context(), Config{URL: guard.URL + "/whep/wheel", Token: "secret", HTTP: client})
		if want := "403 Forbidden: not for Bearer secret"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	})
	t.Run("no media", func(t *testing.T) {
		silent := newTestRelay(t, &testRelay{})
		client := &http.Client{}
		defer client.CloseIdleConnections()
		_, err := Run(t.Context(), Config{URL: silent.server.URL + "/whep/wheel", Duration: 200 * time.Millisecond, HTTP: client})
		if !errors.Is(err, ErrNoMedia) {
			t.Errorf("error %v, want %v", err, ErrNoMedia)
		}
	})
}

func TestReportForms(t *testing.T) {
	r := Report{URL: "http://relay/whep/wheel", Seconds: 60}
	r.Video = Video{Codec: "video/H264", Complete: 1800}
	r.Events = Events{Reliable: 3, FrameError: map[int]int{0: 2, -1: 1}}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1800 frames complete", "0 frames: 2, -1: 1", "1 events carried by another frame"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, &table)
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"frame_error":{"-1":1,"0":2}`; !bytes.Contains(raw, []byte(want)) {
		t.Errorf("JSON lacks %s: %s", want, raw)
	}
}

func TestPercentiles(t *testing.T) {
	var s samples
	if got := s.percentiles(); got != (Percentiles{}) {
		t.Errorf("of nothing: %+v", got)
	}
	for i := 100; i >= 1; i-- {
		s.add(float64(i))
	}
	want := Percentiles{N: 100, Min: 1, P50: 50, P95: 95, P99: 99, Max: 100}
	if got := s.percentiles(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for i := range 4 * maxSamples {
		s.add(float64(i))
	}
	if got := s.percentiles(); got.N > maxSamples || got.P50 < maxSamples || got.P50 > 3*maxSamples {
		t.Errorf("after thinning: %+v", got)
	}
}

func ExampleReport_WriteTable() {
	r := Report{Events: Events{FrameError: map[int]int{0: 250}}}
	fmt.Println(r.Problems() == nil)
	// Output: true
}
