// Package plainpion is the smallest selective forwarding unit that one writes with
// pion: a local track for each of a stream's two tracks, to which every viewer's
// connection is added. It is the yardstick beside the relay, and nothing is done to
// make it slow: one UDP port for all, ICE-lite, GCM where the viewer offers it.
package plainpion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

// Config says what to serve. Streams are named s0, s1 and so on.
type Config struct {
	Streams int
	// Interceptors adds pion's default ones: NACK, reports, congestion feedback.
	Interceptors bool
	// Format is the video's, as in an SDP's a=fmtp line; the audio is Opus.
	Format               string
	VideoType, AudioType uint8
}

// Addresses are where the server listens, in the relay's own form.
type Addresses struct {
	HTTP    string           `json:"http"`
	Admin   string           `json:"admin,omitempty"` // of the relay alone
	Streams map[string]Input `json:"streams"`
}

// Input is where the server takes a stream's RTP.
type Input struct {
	Video string `json:"video"`
	Audio string `json:"audio"`
}

type server struct {
	config   Config
	mux      ice.UDPMux
	streams  map[string]*stream
	mu       sync.Mutex
	sessions []*webrtc.PeerConnection
}

type stream struct {
	tracks [2]*webrtc.TrackLocalStaticRTP
	inputs [2]*net.UDPConn
}

// Serve serves on free ports of loopback until ctx ends, and writes where to out.
func Serve(ctx context.Context, c Config, out io.Writer) error {
	s, err := newServer(c)
	if err != nil {
		return fmt.Errorf("plain pion: %w", err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, s.close())
	}
	addresses := Addresses{HTTP: listener.Addr().String(), Streams: map[string]Input{}}
	var readers sync.WaitGroup
	for name, st := range s.streams {
		addresses.Streams[name] = Input{st.inputs[0].LocalAddr().String(), st.inputs[1].LocalAddr().String()}
		for i := range st.tracks {
			readers.Go(func() { forward(st.inputs[i], st.tracks[i]) })
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whep/{stream}", s.play)
	web := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	err = json.NewEncoder(out).Encode(addresses)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
		}
	}
	err = errors.Join(err, web.Close(), s.close())
	readers.Wait()
	return err
}

func newServer(c Config) (*server, error) {
	s := &server{config: c, streams: map[string]*stream{}}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	const buffer = 4 << 20 // bytes asked of the kernel, as the relay asks
	err = errors.Join(conn.SetReadBuffer(buffer), conn.SetWriteBuffer(buffer))
	s.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	for i := range c.Streams {
		st, openErr := newStream(c)
		if openErr != nil {
			return nil, errors.Join(openErr, s.close())
		}
		s.streams[fmt.Sprintf("s%d", i)] = st
	}
	return s, err
}

func newStream(c Config) (*stream, error) {
	s := &stream{}
	video := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: c.Format}
	audio := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	for i, codec := range []webrtc.RTPCodecCapability{video, audio} {
		var err error
		if s.tracks[i], err = webrtc.NewTrackLocalStaticRTP(codec, fmt.Sprintf("track%d", i), "stream"); err != nil {
			return nil, err
		}
		if s.inputs[i], err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return nil, err
		}
		if err := s.inputs[i].SetReadBuffer(4 << 20); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// forward sends what comes to every viewer, until the input is closed.
func forward(from *net.UDPConn, to *webrtc.TrackLocalStaticRTP) {
	b := make([]byte, 1500)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		_, _ = to.Write(b[:n]) // a viewer who is gone is no reason to end
	}
}

func (s *server) api() (*webrtc.API, error) {
	engine := &webrtc.MediaEngine{}
	registry := &interceptor.Registry{}
	err := errors.Join(
		engine.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: s.config.Format,
				RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}},
			}, PayloadType: webrtc.PayloadType(s.config.VideoType),
		}, webrtc.RTPCodecTypeVideo),
		engine.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
			PayloadType:        webrtc.PayloadType(s.config.AudioType),
		}, webrtc.RTPCodecTypeAudio))
	if s.config.Interceptors {
		err = errors.Join(err, webrtc.RegisterDefaultInterceptors(engine, registry))
	}
	var settings webrtc.SettingEngine
	settings.SetLite(true)
	settings.SetICEUDPMux(s.mux)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(registry)), err
}

// play answers a viewer's offer.
func (s *server) play(w http.ResponseWriter, r *http.Request) {
	st := s.streams[r.PathValue("stream")]
	if st == nil {
		http.NotFound(w, r)
		return
	}
	offer, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return
	}
	answer, err := s.open(st, string(offer))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", r.URL.Path+"/session")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

func (s *server) open(st *stream, offer string) (string, error) {
	api, err := s.api()
	if err != nil {
		return "", err
	}
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.sessions = append(s.sessions, pc)
	s.mu.Unlock()
	for _, track := range st.tracks {
		sender, err := pc.AddTrack(track)
		if err != nil {
			return "", err
		}
		go func() { // interceptors see feedback only if it is read
			b := make([]byte, 1500)
			for {
				if _, _, err := sender.Read(b); err != nil {
					return
				}
			}
		}()
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}

func (s *server) close() error {
	for _, st := range s.streams {
		for _, in := range st.inputs {
			in.Close()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pc := range s.sessions {
		pc.Close()
	}
	return s.mux.Close()
}
