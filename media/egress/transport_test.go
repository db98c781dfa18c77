package egress

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v3"
	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/udp"
)

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// plays is a Source that starts its viewer with some packets and two parts of a
// snapshot.
type plays struct {
	wishes
	packets  []forward.Packet
	messages chan string
	nacks    chan string
	left     chan string
}

func (p *plays) Join(v *Viewer, snapshot bool) {
	var parts [][]byte
	if snapshot {
		parts = [][]byte{[]byte("s1"), []byte("s2")}
	}
	v.shard.Join(v, parts, p.packets, [forward.Tracks]ClockMap{{At: time.Now(), Rate: 90000}})
}

func (p *plays) Resend(_ *Viewer, _ forward.Track, slots []uint64) bool {
	p.nacks <- fmt.Sprint(slots)
	return true
}
func (p *plays) Message(_ *Viewer, b []byte)   { p.messages <- string(b) }
func (p *plays) Left(_ *Viewer, reason string) { p.left <- reason }

// port is an endpoint that runs, on loopback.
type port struct {
	*room
	endpoint *Endpoint
	source   *plays
}

func openPort(t *testing.T, address string) *port {
	t.Helper()
	conn, err := udp.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &port{room: newRoom(t), source: &plays{messages: make(chan string, 9), nacks: make(chan string, 9), left: make(chan string, 1)}}
	p.endpoint, err = NewEndpoint(EndpointConfig{
		Conn: conn, Addresses: []netip.AddrPort{conn.LocalAddr()}, Now: time.Now, Drops: &p.drops, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	writer, err := conn.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	p.shard.set.Writer, p.shard.queue = writer, udp.NewQueue(writer)
	stop := p.run()
	reading := make(chan error, 1)
	go func() { reading <- p.endpoint.Run() }()
	t.Cleanup(func() {
		stop()
		if err := p.endpoint.Close(); err != nil {
			t.Error(err)
		}
		if err := <-reading; err != nil {
			t.Error(err)
		}
	})
	return p
}

// client is a viewer by pion.
type client struct {
	*webrtc.PeerConnection
	packets chan *rtp.Packet
	events  chan string
	actions *webrtc.DataChannel
	opened  chan string // is told when actions may be sent
}

func newClient(t *testing.T, options ...func(*webrtc.SettingEngine)) *client {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	for _, c := range []webrtc.RTPCodecParameters{
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, PayloadType: 96},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=96"}, PayloadType: 97},
	} {
		if err := engine.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
			t.Fatal(err)
		}
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	for _, o := range options {
		o(&settings)
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	c := &client{PeerConnection: pc, packets: make(chan *rtp.Packet, 99), events: make(chan string, 9), opened: make(chan string, 1)}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			c.packets <- p
		}
	})
	negotiated := true
	for _, ch := range []Channel{Events, Actions} {
		id := uint16(ch)
		dc, err := pc.CreateDataChannel("x", &webrtc.DataChannelInit{ID: &id, Negotiated: &negotiated})
		if err != nil {
			t.Fatal(err)
		}
		if ch == Actions {
			c.actions = dc
			dc.OnOpen(func() { c.opened <- "actions" })
		} else {
			dc.OnMessage(func(m webrtc.DataChannelMessage) { c.events <- string(m.Data) })
		}
	}
	if _, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	return c
}

var attribute = regexp.MustCompile(`a=fingerprint:(\S+) (\S+)`)

// join makes a session for the client. change may spoil the offer.
func (p *port) join(c *client, change func(*Offer)) *Viewer {
	p.t.Helper()
	offer, err := c.CreateOffer(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.SetLocalDescription(offer); err != nil {
		p.t.Fatal(err)
	}
	var o Offer
	for _, m := range attribute.FindAllStringSubmatch(offer.SDP, -1) {
		o.Fingerprint = Fingerprint{Hash: m[1], Value: m[2]}
	}
	o.Formats.Channels = true
	o.Formats.Track[forward.Video] = Format{PayloadType: 96, RTXPayloadType: 97, PlayoutDelay: 3}
	if change != nil {
		change(&o)
	}
	v, a, err := Open(p.endpoint, o, Who{ID: "x"}, 1, p.source, p.shard)
	if err != nil {
		p.t.Fatal(err)
	}
	lines := []string{
		"v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=ice-lite", "a=fingerprint:sha-256 " + a.Fingerprint,
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendonly", "a=rtcp-mux", "a=rtpmap:96 VP8/90000",
		"a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", fmt.Sprintf("a=ssrc-group:FID %d %d", a.Formats.Track[0].SSRC, a.Formats.Track[0].RTXSSRC),
		fmt.Sprintf("a=ssrc:%d cname:x", a.Formats.Track[0].SSRC), "TRANSPORT",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:1", "a=sctp-port:5000", "TRANSPORT", "",
	}
	transport := []string{"a=ice-ufrag:" + a.Ufrag, "a=ice-pwd:" + a.Password, "a=setup:passive"}
	for _, ap := range a.Addresses {
		transport = append(transport, fmt.Sprintf("a=candidate:1 1 udp 1 %s %d typ host", ap.Addr(), ap.Port()))
	}
	answer := strings.ReplaceAll(strings.Join(lines, "\r\n"), "TRANSPORT", strings.Join(transport, "\r\n"))
	if err := c.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		p.t.Fatal(err)
	}
	return v
}

// within returns what comes by a channel.
func within[T any](t *testing.T, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
	return value
}

// A whole session with an independent viewer, over IPv4 and IPv6 and by every
// SRTP profile: snapshot, then packets; feedback and messages back.
func TestASessionByPion(t *testing.T) {
	for name, tt := range map[string]struct {
		address string
		profile dtls.SRTPProtectionProfile
	}{
		"AES-128-GCM":  {"127.0.0.1:0", dtls.SRTP_AEAD_AES_128_GCM},
		"AES-256-GCM":  {"127.0.0.1:0", dtls.SRTP_AEAD_AES_256_GCM},
		"AES-CM, IPv6": {"[::1]:0", dtls.SRTP_AES128_CM_HMAC_SHA1_80},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPort(t, tt.address)
			p.source.packets = p.packets(forward.Video, 5)
			payload := slices.Clone(p.source.packets[4].Payload())
			c := newClient(t, func(s *webrtc.SettingEngine) { s.SetSRTPProtectionProfiles(tt.profile) })
			v := p.join(c, nil)
			for _, want := range []string{"s1", "s2"} {
				if got := within(t, "snapshot", c.events); got != want {
					t.Errorf("event %q, want %q", got, want)
				}
			}
			var last *rtp.Packet
			for range 5 {
				next := within(t, "packet", c.packets)
				if last != nil && next.SequenceNumber != last.SequenceNumber+1 {
					t.Errorf("packet %d after %d", next.SequenceNumber, last.SequenceNumber)
				}
				if delay := next.GetExtension(3); !bytes.Equal(delay, []byte{0, 0x10, 2}) {
					t.Errorf("playout delay %x", delay)
				}
				last = next
			}
			if !bytes.Equal(last.Payload, payload) {
				t.Error("the payload was changed")
			}
			ssrc := v.session.Formats().Track[forward.Video].SSRC
			if err := c.WriteRTCP([]rtcp.Packet{
				&rtcp.PictureLossIndication{MediaSSRC: ssrc},
				&rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: []rtcp.NackPair{{PacketID: last.SequenceNumber}}},
			}); err != nil {
				t.Fatal(err)
			}
			if got, want := within(t, "NACK", p.source.nacks), fmt.Sprintf("[%d]", p.slot-1); got != want {
				t.Errorf("NACK of slot %s, want %s", got, want)
			}
			if !slices.Contains(p.source.taken(), "wanted") {
				t.Error("the PLI was not heard")
			}
			within(t, "channel", c.opened)
			if err := c.actions.SendText("hello"); err != nil {
				t.Fatal(err)
			}
			if got := within(t, "message", p.source.messages); got != "hello" {
				t.Errorf("message %q", got)
			}
			_ = c.Close()
			if got := within(t, "end", p.source.left); got != "closed" {
				t.Errorf("left: %s", got)
			}
		})
	}
}

func TestACertificateThatTheOfferDoesNotName(t *testing.T) {
	p := openPort(t, "127.0.0.1:0")
	c := newClient(t)
	v := p.join(c, func(o *Offer) { o.Fingerprint.Value = strings.Repeat("00:", 31) + "00" })
	if got := within(t, "end", p.source.left); got != "handshake_failed" {
		t.Errorf("left: %s", got)
	}
	if v.session.(*Transport).keys.Load() != nil || len(c.packets) > 0 {
		t.Error("a stranger has got keys")
	}
}

func TestAChannelOfTheViewersOwn(t *testing.T) {
	p := openPort(t, "127.0.0.1:0")
	c := newClient(t)
	id := uint16(10)
	if _, err := c.CreateDataChannel("mine", &webrtc.DataChannelInit{ID: &id}); err != nil {
		t.Fatal(err)
	}
	p.join(c, nil)
	if got := within(t, "end", p.source.left); got != "channel_not_of_the_protocol" {
		t.Errorf("left: %s", got)
	}
}

func TestAMessageThatIsTooLarge(t *testing.T) {
	p := openPort(t, "127.0.0.1:0")
	c := newClient(t)
	p.join(c, nil)
	within(t, "snapshot", c.events)
	within(t, "channel", c.opened)
	if err := c.actions.SendText(strings.Repeat("x", maxMessage+1)); err != nil {
		t.Fatal(err)
	}
	if got := within(t, "end", p.source.left); got != "message_too_large" {
		t.Errorf("left: %s", got)
	}
}

// What strangers send costs no cryptography, is counted, and gets no answer.
func TestStrangers(t *testing.T) {
	p := openPort(t, "127.0.0.1:0")
	conn, err := net.Dial("udp", p.endpoint.cfg.Conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	check := append([]byte{0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42, 12: 0, 19: 0}, 0, 6, 0, 5, 'n', 'o', ':', 'n', 'o', 0, 0, 0)
	for _, b := range [][]byte{check, {22, 254, 253, 0}, {0x80, 200, 0, 1, 0, 0, 0, 1}, {0, 1}, {255}} {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int{DropCheck: 1, DropStranger: 3, DropUnreadable: 1}
	for deadline := time.Now().Add(patience); ; {
		p.drops.mu.Lock()
		got := fmt.Sprint(p.drops.n)
		p.drops.mu.Unlock()
		if got == fmt.Sprint(want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, want %v", got, want)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 99)); err == nil {
		t.Errorf("an answer of %d bytes", n)
	}
}

// A session that nobody connects to has no goroutine, and is forgotten.
func TestAnAbandonedSession(t *testing.T) {
	p := openPort(t, "127.0.0.1:0")
	v, _, err := Open(p.endpoint, Offer{}, Who{ID: "x"}, 1, p.source, p.shard)
	if err != nil {
		t.Fatal(err)
	}
	v.Leave("deleted")
	if got := within(t, "end", p.source.left); got != "deleted" {
		t.Errorf("left: %s", got)
	}
	p.endpoint.mu.Lock()
	defer p.endpoint.mu.Unlock()
	if len(p.endpoint.byUfrag)+len(p.endpoint.byAddress) != 0 {
		t.Error("it is still known")
	}
}

func TestNoAddressToAnnounce(t *testing.T) {
	e, err := NewEndpoint(EndpointConfig{Conn: udp.NewMemory(netip.AddrPort{}), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Open(Offer{}, nil); err != ErrNoAddress {
		t.Error(err)
	}
}

// A check with another viewer's address for its sender moves nobody, as long as
// that viewer lives.
func TestAnAddressThatIsTaken(t *testing.T) {
	p := openPort(t, "127.0.0.1:0")
	c := newClient(t)
	v := p.join(c, nil)
	within(t, "snapshot", c.events)
	victim := v.session.(*Transport)
	thief, _, err := p.endpoint.Open(Offer{}, &told{})
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	check := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(thief.agent.Ufrag+":thief"),
		stun.NewShortTermIntegrity(thief.agent.Password), stun.Fingerprint)
	r := reader{e: p.endpoint}
	now := time.Now()
	r.check(check.Raw, victim.address(), now)
	if thief.remote.Load() != nil || p.endpoint.at(victim.address()) != victim {
		t.Error("the address has changed hands")
	}
	r.check(check.Raw, victim.address(), now.Add(addressRest+consent)) // the victim is long gone
	if thief.address() != victim.address() {
		t.Error("the address of a viewer who is gone is still taken")
	}
}
