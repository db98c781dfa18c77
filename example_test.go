package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/framelock/relay"
)

// A relay inside a program: one stream, its studio on UDP, an outcome on the next
// frame.
func Example() {
	cfg := relay.DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", ""
	wheel := relay.DefaultStream()
	video := relay.DefaultVideo()
	video.Codec, video.Listen = "h264", "127.0.0.1:0"
	wheel.RTP.Video = &video
	cfg.Streams["wheel"] = wheel

	r, err := relay.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-r.Ready()
	go studio(ctx, r.Addrs().Streams["wheel"].Video)

	stream, _ := r.Stream("wheel")
	waitForPicture(ctx, stream)
	frame, err := stream.Mark(ctx, relay.Marker{
		ID: "round-1", Kind: relay.Outcome, At: relay.Next(), Data: json.RawMessage(`{"pocket":17}`),
	})
	fmt.Println("outcome on a frame:", frame.Frame > 0, err)
	stop()
	fmt.Println("ended:", <-ended)
	// Output:
	// outcome on a frame: true <nil>
	// ended: <nil>
}

// The state of a table is changed on a frame, and read.
func ExampleStream_Mark_state() {
	run(func(ctx context.Context, stream *relay.Stream) {
		_, err := stream.Mark(ctx, relay.Marker{
			ID: "open", Kind: relay.State, At: relay.Next(), Patch: json.RawMessage(`{"phase":"betting","round":7}`),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		s, err := stream.Snapshot(ctx)
		fmt.Println(string(s.State), err)
	})
	// Output: {"phase":"betting","round":7} <nil>
}

// A window takes actions for two seconds, and closes by itself.
func ExampleStream_OpenWindow() {
	run(func(ctx context.Context, stream *relay.Stream) {
		opened, closes, err := stream.OpenWindow(ctx, relay.Window{
			Window: "round-57", At: relay.Next(), ClosesAfter: 2 * time.Second,
		})
		fmt.Println("open for", (closes-opened.TS)/90000, "s", err)
		receipt, err := stream.Act(ctx, relay.Action{
			ID: "bet-1", Window: "round-57", Data: json.RawMessage(`{"pocket":17}`),
		}, "user-4711")
		var r struct{ Verdict string }
		fmt.Println(json.Unmarshal(receipt, &r), r.Verdict, err)
	})
	// Output:
	// open for 2 s <nil>
	// <nil> accepted <nil>
}

// The journal has every action with its verdict and, apart from it, what was sent:
// here it is read from its beginning to the first action.
func ExampleStream_Follow() {
	dir, err := os.MkdirTemp("", "relay")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	keep := func(c *relay.Config) { c.State.Dir = dir }
	run(func(ctx context.Context, stream *relay.Stream) {
		if _, _, err := stream.OpenWindow(ctx, relay.Window{Window: "round-57", At: relay.Next()}); err != nil {
			fmt.Println(err)
			return
		}
		bet := relay.Action{ID: "bet-1", Window: "round-57", Data: json.RawMessage(`{"pocket":17}`)}
		if _, err := stream.Act(ctx, bet, "user-4711"); err != nil {
			fmt.Println(err)
			return
		}
		windows, err := stream.Windows(ctx)
		for _, w := range windows {
			fmt.Println(w.Name, w.Phase, w.Accepted, err)
		}
		enough := errors.New("enough")
		err = stream.Follow(ctx, 1, func(_ uint64, line, payload []byte) error {
			var action struct{ Type, ID, Verdict string }
			if err := json.Unmarshal(line, &action); err != nil || action.Type != "action" {
				return err
			}
			var sent struct{ Data json.RawMessage }
			fmt.Println(json.Unmarshal(payload, &sent), action.ID, action.Verdict, string(sent.Data))
			return enough
		})
		fmt.Println(errors.Is(err, enough))
	}, keep)
	// Output:
	// round-57 open 1 <nil>
	// <nil> bet-1 accepted {"pocket":17}
	// true
}

// Events are followed as they are sequenced.
func ExampleStream_Subscribe() {
	run(func(ctx context.Context, stream *relay.Stream) {
		events, err := stream.Subscribe(ctx, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := stream.Mark(ctx, relay.Marker{ID: "m1", At: relay.Next()}); err != nil {
			fmt.Println(err)
			return
		}
		e, err := relay.DecodeEvent(<-events)
		fmt.Println(e.Seq, e.Kind, e.ID, err)
	})
	// Output: 1 marker m1 <nil>
}

// The viewer-facing surface is served by a server of the embedder's own.
func ExampleRelay_Handler() {
	cfg := relay.DefaultConfig()
	cfg.HTTP.Listen = "" // no listener of the relay's
	cfg.Auth.Insecure = true
	r, err := relay.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	answer, err := http.Get(server.URL + "/v1/streams")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.StatusCode)
	// Output: 200
}

// run is Example's beginning and end around f.
func run(f func(context.Context, *relay.Stream), change ...func(*relay.Config)) {
	cfg := relay.DefaultConfig()
	cfg.HTTP.Listen, cfg.Media.UDP, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", ""
	wheel := relay.DefaultStream()
	video := relay.DefaultVideo()
	video.Codec, video.Listen = "h264", "127.0.0.1:0"
	wheel.RTP.Video = &video
	cfg.Streams["wheel"] = wheel
	for _, c := range change {
		c(&cfg)
	}
	r, err := relay.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-r.Ready()
	go studio(ctx, r.Addrs().Streams["wheel"].Video)
	stream, _ := r.Stream("wheel")
	waitForPicture(ctx, stream)
	f(ctx, stream)
	stop()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
}

// waitForPicture returns when the stream's studio sends.
func waitForPicture(ctx context.Context, stream *relay.Stream) {
	for {
		if s, err := stream.Snapshot(ctx); err != nil || s.StateAt != 0 {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// studio sends keyframes of one packet, 50 a second.
func studio(ctx context.Context, to string) {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return
	}
	defer conn.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := uint32(0); ctx.Err() == nil; n++ {
		ts := n * 1800
		packet := []byte{0x80, 0x80 | 96, byte(n >> 8), byte(n), byte(ts >> 24), byte(ts >> 16), byte(ts >> 8), byte(ts), 0, 0, 0, 7, 0x65, 0x88}
		if _, err := conn.Write(packet); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
