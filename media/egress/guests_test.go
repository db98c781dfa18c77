package egress

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"pgregory.net/rapid"
)

// vp8 is an API whose only codec is VP8.
func vp8(t *testing.T, set func(*webrtc.SettingEngine)) *webrtc.API {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, PayloadType: 96,
	}, webrtc.RTPCodecTypeVideo); err != nil {
		t.Fatal(err)
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	set(&settings)
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
}

// publish connects a publisher to a PeerConnection on the port, and returns its track
// and what comes of it.
func (p *port) publish() (*webrtc.TrackLocalStaticRTP, <-chan *rtp.Packet) {
	t := p.t.(*testing.T)
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	near, err := vp8(t, func(s *webrtc.SettingEngine) { s.SetICEUDPMux(p.endpoint.Guests()) }).NewPeerConnection(webrtc.Configuration{})
	must(err)
	t.Cleanup(func() { _ = near.GracefulClose() })
	far, err := vp8(t, func(*webrtc.SettingEngine) {}).NewPeerConnection(webrtc.Configuration{})
	must(err)
	t.Cleanup(func() { _ = far.GracefulClose() })
	packets := make(chan *rtp.Packet, 999)
	near.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			got, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			packets <- got
		}
	})
	connected := make(chan struct{}, 9)
	far.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			connected <- struct{}{}
		}
	})
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "v", "s")
	must(err)
	_, err = far.AddTrack(track)
	must(err)
	offer, err := far.CreateOffer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(far)
	must(far.SetLocalDescription(offer))
	<-gathered
	must(near.SetRemoteDescription(*far.LocalDescription()))
	answer, err := near.CreateAnswer(nil)
	must(err)
	gathered = webrtc.GatheringCompletePromise(near)
	must(near.SetLocalDescription(answer))
	<-gathered
	must(far.SetRemoteDescription(*near.LocalDescription()))
	within(t, "connection", connected)
	return track, packets
}

// Publishers and viewers share one UDP port, and neither loses a packet.
func TestPublishersOnTheViewersPort(t *testing.T) {
	p := openPort(t, "127.0.0.1:0")
	p.source.packets = p.large(2, true)
	c := newClient(t)
	p.join(c, nil)
	within(t, "media", c.packets)
	within(t, "media", c.packets)
	const publishers, sent = 3, 400
	var tracks []*webrtc.TrackLocalStaticRTP
	var arrived []<-chan *rtp.Packet
	for range publishers {
		track, packets := p.publish()
		tracks, arrived = append(tracks, track), append(arrived, packets)
	}
	watched := make(chan uint16, sent)
	go func() {
		for range sent {
			watched <- (<-c.packets).SequenceNumber
		}
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range sent {
		<-tick.C
		for n, track := range tracks {
			packet := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i) * 90}, Payload: make([]byte, 1000+n)}
			if err := track.WriteRTP(packet); err != nil {
				t.Fatal(err)
			}
		}
		b := p.batches.Get()
		for _, fresh := range p.large(1, false) {
			b.Add(&fresh)
			fresh.Buffer.Release()
		}
		p.shard.Media(b)
	}
	before := within(t, "what the viewer got", watched)
	for range sent - 1 {
		number := within(t, "what the viewer got", watched)
		if number != before+1 {
			t.Fatalf("the viewer got number %d after %d", number, before)
		}
		before = number
	}
	for n, packets := range arrived {
		for i := range sent {
			if got := within(t, "what was published", packets); got.SequenceNumber != uint16(i) || len(got.Payload) != 1000+n {
				t.Fatalf("publisher %d: packet %d of %d bytes, want %d of %d", n, got.SequenceNumber, len(got.Payload), i, 1000+n)
			}
		}
	}
	p.drops.mu.Lock()
	defer p.drops.mu.Unlock()
	if p.drops.n[DropGuest]+p.drops.n[DropShardBehind] > 0 {
		t.Errorf("drops %v", p.drops.n)
	}
}

// A guest is known by its ufrag, and then by the addresses from which that came; no
// ufrag takes another's address, and what has left is not known any more.
func TestWhoIsAGuest(t *testing.T) {
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		g := &Guests{ufrags: map[string][]netip.AddrPort{}, addresses: map[netip.AddrPort]string{}}
		here, owner, count := map[string]bool{}, map[netip.AddrPort]string{}, map[string]int{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			name := rapid.SampledFrom(names).Draw(t, "ufrag")
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), rapid.Uint16Range(1, 40).Draw(t, "port"))
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				g.expect(name)
				here[name] = true
			case 1:
				g.forget(name)
				here[name], count[name] = false, 0
				maps.DeleteFunc(owner, func(_ netip.AddrPort, who string) bool { return who == name })
			case 2:
				got := g.knows("", from)
				if want := owner[from] != ""; got != want {
					t.Fatalf("%v is known: %v, want %v", from, got, want)
				}
			default:
				want := here[name] && (owner[from] == name || owner[from] == "" && count[name] < guestAddresses)
				if got := g.knows(name, from); got != want {
					t.Fatalf("a check for %s from %v is taken: %v, want %v", name, from, got, want)
				}
				if want && owner[from] == "" {
					owner[from] = name
					count[name]++
				}
			}
		}
	})
}
