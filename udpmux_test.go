package relay

import (
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

// A connection of the embedder's own works on the port that viewers use.
func TestConnectionOfTheEmbeddersOwn(t *testing.T) {
	r := start(t, func(c *Config) { c.Media.IncludeLoopback = true })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	connect := func(change func(*webrtc.SettingEngine)) *webrtc.PeerConnection {
		var settings webrtc.SettingEngine
		settings.SetIncludeLoopbackCandidate(true)
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
		change(&settings)
		pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
		must(err)
		t.Cleanup(func() { _ = pc.GracefulClose() })
		return pc
	}
	mine := connect(func(s *webrtc.SettingEngine) { s.SetICEUDPMux(r.UDPMux()) })
	other := connect(func(*webrtc.SettingEngine) {})
	said := make(chan string, 1)
	mine.OnDataChannel(func(d *webrtc.DataChannel) {
		d.OnMessage(func(m webrtc.DataChannelMessage) { said <- string(m.Data) })
	})
	channel, err := other.CreateDataChannel("test", nil)
	must(err)
	channel.OnOpen(func() { _ = channel.SendText("hello") })

	describe := func(pc *webrtc.PeerConnection, d webrtc.SessionDescription, err error) webrtc.SessionDescription {
		t.Helper()
		must(err)
		gathered := webrtc.GatheringCompletePromise(pc)
		must(pc.SetLocalDescription(d))
		<-gathered
		return *pc.LocalDescription()
	}
	offer, err := other.CreateOffer(nil)
	must(mine.SetRemoteDescription(describe(other, offer, err)))
	answer, err := mine.CreateAnswer(nil)
	must(other.SetRemoteDescription(describe(mine, answer, err)))
	select {
	case text := <-said:
		if text != "hello" {
			t.Errorf("%q came", text)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came over the relay's port")
	}
}
