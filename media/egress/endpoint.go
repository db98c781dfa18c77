package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/transport/v4"
	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/media/codec"
)

// EndpointConfig says where viewers reach the relay.
type EndpointConfig struct {
	Conn      net.PacketConn // the one UDP port; the endpoint owns it
	PublicIPs []netip.Addr   // announced instead of the local addresses
	Loopback  bool           // also announce loopback addresses
	Net       transport.Net  // nil = the machine's own
	Logger    *slog.Logger
}

// Endpoint is the UDP port on which all viewers' sessions meet.
type Endpoint struct {
	mux         ice.UDPMux
	settings    webrtc.SettingEngine
	certificate webrtc.Certificate
}

// TrackFormat is how one track of an offer is answered.
type TrackFormat struct {
	Codec          codec.Codec
	PayloadType    uint8
	FMTP           string
	RTXPayloadType uint8  // 0 = none offered
	MID            string // RFC 5888
}

// Offer is a viewer's offer and what the relay chose of it.
type Offer struct {
	SDP          string
	Video, Audio *TrackFormat // nil = not offered or not there
	Channels     bool         // the offer has an application section
}

// The header extensions that viewers may negotiate.
const (
	uriPlayoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	uriCaptureTime  = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	uriMarker       = "urn:framelock:rtp-hdrext:marker:1"
)

// ErrOffer is wrapped by the error for an offer that cannot be answered.
var ErrOffer = errors.New("the offer cannot be answered")

// NewEndpoint returns the endpoint on a UDP port. The relay is ICE-lite: it sends
// nothing to an address that has not proven itself.
func NewEndpoint(c EndpointConfig) (*Endpoint, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{certificate: *certificate}
	logs := pionLogs{c.Logger}
	e.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: c.Conn, Net: c.Net, Logger: logs.NewLogger("ice-mux")})
	s := &e.settings
	s.LoggerFactory = logs
	s.SetLite(true)
	s.SetICETimeouts(5*time.Second, 10*time.Second, 2*time.Second)
	s.SetICEUDPMux(e.mux)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(c.Loopback)
	if c.Net != nil {
		s.SetNet(c.Net)
	}
	if len(c.PublicIPs) > 0 {
		external := make([]string, len(c.PublicIPs))
		for i, ip := range c.PublicIPs {
			external[i] = ip.String()
		}
		err = s.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External: external, AsCandidateType: webrtc.ICECandidateTypeHost,
		})
	}
	return e, errors.Join(err, s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer))
}

// Close ends all sessions of the endpoint and closes its port.
func (e *Endpoint) Close() error { return e.mux.Close() }

// Open answers an offer. The session talks to feedback from then on, starting
// before Open returns.
func (e *Endpoint) Open(offer Offer, feedback Feedback) (*Peer, string, error) {
	engine := &webrtc.MediaEngine{}
	for _, f := range []*TrackFormat{offer.Video, offer.Audio} {
		if err := register(engine, f); err != nil {
			return nil, "", err
		}
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(e.settings),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	pc, err := api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{e.certificate}})
	if err != nil {
		return nil, "", err
	}
	p, err := newPeer(pc, offer, feedback)
	if err == nil {
		var answer string
		if answer, err = p.answer(offer.SDP); err == nil {
			return p, answer, nil
		}
	}
	return nil, "", errors.Join(fmt.Errorf("%w: %w", ErrOffer, err), pc.Close())
}

// register tells pion of one format, with the offer's own payload types, so that
// nothing else can be negotiated.
func register(engine *webrtc.MediaEngine, f *TrackFormat) error {
	if f == nil {
		return nil
	}
	kind, channels := webrtc.RTPCodecTypeVideo, uint16(0)
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}}
	if !f.Codec.Video() {
		kind, channels, feedback = webrtc.RTPCodecTypeAudio, 2, nil
	}
	capability := webrtc.RTPCodecCapability{
		MimeType: kind.String() + "/" + f.Codec.String(), ClockRate: f.Codec.ClockRate(), Channels: channels,
		SDPFmtpLine: f.FMTP, RTCPFeedback: feedback,
	}
	err := engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: capability, PayloadType: webrtc.PayloadType(f.PayloadType),
	}, kind)
	if err == nil && f.RTXPayloadType != 0 {
		err = engine.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: f.Codec.ClockRate(),
				SDPFmtpLine: fmt.Sprintf("apt=%d", f.PayloadType),
			},
			PayloadType: webrtc.PayloadType(f.RTXPayloadType),
		}, kind)
	}
	extensions := []string{uriCaptureTime}
	if f.Codec.Video() {
		extensions = []string{uriPlayoutDelay, uriCaptureTime, uriMarker}
	}
	for _, uri := range extensions {
		if err == nil {
			err = engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind)
		}
	}
	return err
}

// oneByte reports whether a header extension's identifier fits the one-byte form.
func oneByte(id int) bool { return id >= 1 && id <= 14 }

// oneByteForm leaves out of an offer the header extensions that only the two-byte
// form can carry (RFC 8285, section 6), so that they are not answered.
func oneByteForm(offer string) string {
	lines := strings.SplitAfter(offer, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		value, ok := strings.CutPrefix(line, "a=extmap:")
		if !ok {
			return false
		}
		id, err := strconv.Atoi(value[:strings.IndexAny(value+" ", "/ ")])
		return err == nil && !oneByte(id)
	}), "")
}

// answer completes the negotiation. With ICE-lite on one port all candidates are
// known at once.
func (p *Peer) answer(offer string) (string, error) {
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: oneByteForm(offer)})
	if err != nil {
		return "", err
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	sdp := p.pc.LocalDescription().SDP
	if !strings.Contains(sdp, "a=candidate:") {
		return "", errors.New("no address to announce: set media.public_ips, or listen on an address that viewers reach")
	}
	return sdp, nil
}
