//go:build linux

package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// Format is the H.264 format of the input, as in an SDP's a=fmtp line.
const Format = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"

// The codecs of the input.
var (
	VideoCodec = webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: videoClock, SDPFmtpLine: Format,
		RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}},
	}
	AudioCodec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: audioClock, Channels: 2}
)

// newAPI offers what a browser offers, as far as it changes what servers do: H.264
// and Opus, NACK and PLI, the playout delay, AES-128-GCM.
func newAPI(mux ice.UDPMux, v Viewing) (*webrtc.API, error) {
	engine, err := codecs()
	if v.Loss > 0 {
		err = errors.Join(err, engine.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: videoClock, SDPFmtpLine: fmt.Sprint("apt=", VideoType)},
			PayloadType:        VideoType + 1,
		}, webrtc.RTPCodecTypeVideo))
	}
	err = errors.Join(err, engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{
		URI: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"}, webrtc.RTPCodecTypeVideo))
	if v.Markers {
		err = errors.Join(err, engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{
			URI: "urn:framelock:rtp-hdrext:marker:1"}, webrtc.RTPCodecTypeVideo))
	}
	registry := &interceptor.Registry{}
	if v.Reports {
		reports, reportErr := report.NewReceiverInterceptor()
		registry.Add(feigned(v.Feign))
		registry.Add(reports)
		err = errors.Join(err, reportErr)
	}
	settings := loopback()
	settings.SetICEUDPMux(mux)
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(registry)), err
}

// NewPublisherAPI is for studios that publish by WebRTC, because their server takes
// nothing else.
func NewPublisherAPI() (*webrtc.API, error) {
	engine, err := codecs()
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(loopback()),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{})), err
}

func codecs() (*webrtc.MediaEngine, error) {
	engine := &webrtc.MediaEngine{}
	return engine, errors.Join(
		engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: VideoCodec, PayloadType: VideoType}, webrtc.RTPCodecTypeVideo),
		engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: AudioCodec, PayloadType: AudioType}, webrtc.RTPCodecTypeAudio))
}

func loopback() webrtc.SettingEngine {
	var s webrtc.SettingEngine
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)
	return s
}

// late is an interceptor that holds back RTCP.
type late struct {
	interceptor.NoOp
	by time.Duration
}

type feigned time.Duration

// NewInterceptor implements interceptor.Factory.
func (f feigned) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &late{by: time.Duration(f)}, nil
}

// BindRTCPWriter implements interceptor.Interceptor.
func (l *late) BindRTCPWriter(w interceptor.RTCPWriter) interceptor.RTCPWriter {
	if l.by == 0 {
		return w
	}
	return interceptor.RTCPWriterFunc(func(packets []rtcp.Packet, a interceptor.Attributes) (int, error) {
		time.AfterFunc(l.by, func() { _, _ = w.Write(packets, a) }) // into a session that may have ended
		return len(packets), nil
	})
}
