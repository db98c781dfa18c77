package watch

import (
	"fmt"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
)

// The header extensions that the offer asks for.
const (
	uriMarker         = "urn:framelock:rtp-hdrext:marker:1"
	uriPlayoutDelay   = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	uriAbsCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	uriMID            = "urn:ietf:params:rtp-hdrext:sdes:mid"
)

// offeredVideo lists the video codecs in order of preference; each has RTX on
// the payload type after its own.
var offeredVideo = []struct {
	payloadType webrtc.PayloadType
	mime, fmtp  string
}{
	{102, webrtc.MimeTypeH264, h264Format("42e01f")},
	{104, webrtc.MimeTypeH264, h264Format("42001f")},
	{106, webrtc.MimeTypeH264, h264Format("4d001f")},
	{108, webrtc.MimeTypeH264, h264Format("64001f")},
	{112, webrtc.MimeTypeH264, h264Format("f4001f")},
	{96, webrtc.MimeTypeVP8, ""},
}

func h264Format(profile string) string {
	return "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile
}

// replayWindow is how far behind the newest, in packets, a plain resend is
// still taken: the 64 of the default is less than one frame of a 1080p feed.
const replayWindow = 2048

func newAPI(transportFeedback bool, settings func(*webrtc.SettingEngine)) (*webrtc.API, error) {
	engine := &webrtc.MediaEngine{}
	if err := registerCodecs(engine); err != nil {
		return nil, fmt.Errorf("watch: codecs: %w", err)
	}
	if err := registerExtensions(engine); err != nil {
		return nil, fmt.Errorf("watch: header extensions: %w", err)
	}
	registry := &interceptor.Registry{}
	if transportFeedback {
		silent := &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled} // of what fails at the end
		if err := webrtc.ConfigureTWCCSenderWithOptions(engine, registry, twcc.WithLoggerFactory(silent)); err != nil {
			return nil, fmt.Errorf("watch: transport feedback: %w", err)
		}
	}
	reports, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	registry.Add(reports)

	var se webrtc.SettingEngine
	se.SetIncludeLoopbackCandidate(true)
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	se.SetSRTPReplayProtectionWindow(replayWindow)
	if settings != nil {
		settings(&se)
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(se)), nil
}

func registerCodecs(engine *webrtc.MediaEngine) error {
	feedback := []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	for _, c := range offeredVideo {
		media := webrtc.RTPCodecParameters{PayloadType: c.payloadType, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: c.mime, ClockRate: 90000, SDPFmtpLine: c.fmtp, RTCPFeedback: feedback,
		}}
		repair := webrtc.RTPCodecParameters{PayloadType: c.payloadType + 1, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", c.payloadType),
		}}
		for _, p := range []webrtc.RTPCodecParameters{media, repair} {
			if err := engine.RegisterCodec(p, webrtc.RTPCodecTypeVideo); err != nil {
				return err
			}
		}
	}
	return engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
	}}, webrtc.RTPCodecTypeAudio)
}

func registerExtensions(engine *webrtc.MediaEngine) error {
	for _, e := range []struct {
		uri   string
		kinds []webrtc.RTPCodecType
	}{
		{uriMID, []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio}},
		{uriAbsCaptureTime, []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio}},
		{uriPlayoutDelay, []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo}},
		{uriMarker, []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo}},
	} {
		for _, kind := range e.kinds {
			if err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: e.uri}, kind); err != nil {
				return err
			}
		}
	}
	return nil
}
