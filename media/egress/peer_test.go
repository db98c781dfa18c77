package egress

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
)

func TestExtensionsOfTheOneByteFormOnly(t *testing.T) {
	for _, tt := range []struct{ id, want int }{{0, 0}, {1, 1}, {14, 14}, {15, 0}, {16, 0}, {255, 0}, {256, 0}, {257, 0}, {4096, 0}} {
		var f Format
		f.extensions([]webrtc.RTPHeaderExtensionParameter{
			{URI: uriPlayoutDelay, ID: tt.id}, {URI: uriCaptureTime, ID: tt.id}, {URI: uriMarker, ID: tt.id}, {URI: "urn:other", ID: 9},
		})
		want := uint8(tt.want)
		if f.PlayoutDelay != want || f.CaptureTime != want || f.Marker != want {
			t.Errorf("identifier %d: %+v, want %d", tt.id, f, want)
		}
	}
}

func TestOneByteForm(t *testing.T) {
	offer := func(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }
	given := offer("v=0", "a=extmap-allow-mixed", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=extmap:14 urn:a", "a=extmap:15 urn:b",
		"a=extmap:3/recvonly urn:c", "a=extmap:16/sendonly urn:d", "a=extmap:4100 urn:e", "a=extmap:x urn:f", "a=extmap:0 urn:g")
	want := offer("v=0", "a=extmap-allow-mixed", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=extmap:14 urn:a", "a=extmap:3/recvonly urn:c", "a=extmap:x urn:f")
	if got := oneByteForm(given); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// plays is a Source that starts its viewer with some packets.
type plays struct {
	wishes
	packets []forward.Packet
	left    chan struct{}
}

func (p *plays) Join(v *Viewer, _ bool) {
	v.shard.Join(v, nil, p.packets, [forward.Tracks]ClockMap{})
}

func (p *plays) Left(*Viewer, string) { close(p.left) }

// A viewer with an identifier above 14 in its offer gets its packets, without that
// extension.
func TestAPeerWithTwoByteIdentifiersIsSentPackets(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := NewEndpoint(EndpointConfig{Conn: conn, Loopback: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer endpoint.Close()
	r := newRoom(t)
	defer r.run()()
	client, arrived := newClient(t)
	defer client.Close()
	offer := client.LocalDescription().SDP
	offer = strings.Replace(offer, "a=mid:0\r\n", fmt.Sprintf(
		"a=mid:0\r\na=extmap-allow-mixed\r\na=extmap:16 %s\r\na=extmap:5 %s\r\n", uriPlayoutDelay, uriCaptureTime), 1)
	source := &plays{packets: r.packets(forward.Video, 3), left: make(chan struct{})}
	for i := range source.packets {
		source.packets[i].Capture = 1 // NTP
	}
	chosen := Offer{SDP: offer, Video: &TrackFormat{Codec: codec.VP8, PayloadType: 96, MID: "0"}}
	v, answer, err := Open(endpoint, chosen, "x", 1, source, r.shard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { v.Leave("test"); <-source.left }()
	if strings.Contains(answer, uriPlayoutDelay) || !strings.Contains(answer, "a=extmap:5 "+uriCaptureTime) {
		t.Errorf("the answer is %s", answer)
	}
	if err := client.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		select {
		case ids := <-arrived:
			if !slices.Equal(ids, []uint8{5}) {
				t.Errorf("the packet's extensions are %v", ids)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no packet")
		}
	}
}

// newClient is a viewer with its offer made, and the extensions of each packet
// that it is sent.
func newClient(t *testing.T) (*webrtc.PeerConnection, <-chan []uint8) {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	err := engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, PayloadType: 96,
	}, webrtc.RTPCodecTypeVideo)
	if err != nil {
		t.Fatal(err)
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan []uint8, 16)
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			arrived <- p.GetExtensionIDs()
		}
	})
	recvonly := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, recvonly); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return pc, arrived
}
