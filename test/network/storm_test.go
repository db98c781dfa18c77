package network

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/internal/impair"
)

// What a viewer may cost beyond its stream, as the relay promises: bytes of
// retransmission per second, and at once.
const (
	resendRate  = 125_000
	resendBurst = 64_000
)

// A viewer that asks for everything again, and for a keyframe, hundreds of times a
// second gets what its budget allows. Nobody else notices.
func TestStorm(t *testing.T) {
	begin(t)
	t.Parallel()
	w := newTable(t)
	studio, tape := w.studio()
	calm := w.watch(w.proxy(impair.Path{}, impair.Path{}), tape)
	eventually(t, "the viewer has a frame", calm.begun)
	proxy := w.proxy(impair.Path{}, impair.Path{})
	s := w.storm(proxy)
	eventually(t, "the storm has begun", func() bool { return s.sent.Load() > 0 })

	began := time.Now()
	plis := studio.Stats().KeyframeRequests
	_, calmBefore := calm.proxy.Bytes()
	_, before := proxy.Bytes()
	asked := s.sent.Load()
	during(t.Context(), ofFull(30*time.Second, 8*time.Second))
	took := time.Since(began).Seconds()
	_, calmAfter := calm.proxy.Bytes()
	_, after := proxy.Bytes()
	asked, plis = s.sent.Load()-asked, studio.Stats().KeyframeRequests-plis
	until := time.Now()
	during(t.Context(), time.Second)
	calm.end()

	baseline, sent := float64(calmAfter-calmBefore), float64(after-before)
	limit := 1.25*baseline + resendRate*took + resendBurst
	t.Logf("%.0f NACKs a second of %d packets each; %.0f bytes a second, the other viewer %.0f, at most allowed %.0f; %.1f keyframe requests a second",
		float64(asked)/took, nackedAtOnce, sent/took, baseline/took, limit/took, float64(plis)/took)
	if float64(asked)/took < 100 {
		t.Errorf("%d NACKs in %.1f s are no storm", asked, took)
	}
	if sent > limit {
		t.Errorf("%.0f bytes were sent, want at most %.0f", sent, limit)
	}
	if sent < baseline {
		t.Errorf("%.0f bytes were sent, less than the stream's %.0f: the case proves nothing", sent, baseline)
	}
	if float64(plis) > 2*took+1 {
		t.Errorf("the studio was asked for %d keyframes in %.1f s, want at most 2 a second", plis, took)
	}
	sum := calm.sum(until)
	if sum.whole != sum.sent || calm.report.Video.Lost != 0 || calm.report.Video.Repaired != 0 || calm.report.Audio.Lost != 0 {
		t.Errorf("the other viewer: %d of %d frames, %+v, %+v", sum.whole, sum.sent, calm.report.Video, calm.report.Audio)
	}
	calm.checkTruth(sum)
}

const (
	nackPairs    = 250            // of a datagram of 1,000 bytes
	nackedAtOnce = nackPairs * 17 // packets (RFC 4585, section 6.2.1)
	stormSpacing = time.Second / 300
)

// storm is a viewer that asks for too much.
type storm struct {
	pc     *webrtc.PeerConnection
	sent   atomic.Uint64 // NACKs
	newest atomic.Uint32 // sequence number
	tasks  sync.WaitGroup
}

// storm joins through a proxy and floods the relay until the test ends.
func (w *table) storm(p *impair.Proxy) *storm {
	w.Helper()
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		w.Fatal(err)
	}
	var settings webrtc.SettingEngine
	onLoopback(&settings)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{})).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		w.Fatal(err)
	}
	s := &storm{pc: pc}
	ctx, cancel := context.WithCancel(context.Background())
	w.Cleanup(func() {
		cancel()
		if err := pc.GracefulClose(); err != nil {
			w.Error(err)
		}
		s.tasks.Wait()
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		s.tasks.Go(func() {
			for {
				p, _, err := track.ReadRTP()
				if err != nil {
					return
				}
				s.newest.Store(uint32(p.SequenceNumber))
			}
		})
		s.tasks.Go(func() { s.flood(ctx, uint32(track.SSRC())) })
	})
	recv := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	_, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, recv)
	client, _ := w.through(p)
	if err = errors.Join(err, join(ctx, pc, client, w.url())); err != nil {
		w.Fatal(err)
	}
	return s
}

// flood names the newest few thousand packets as missing, and asks for a keyframe.
func (s *storm) flood(ctx context.Context, ssrc uint32) {
	tick := time.NewTicker(stormSpacing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		nack := &rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: ssrc}
		number := uint16(s.newest.Load())
		for range nackPairs {
			number -= 17
			nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: number, LostPackets: 0xffff})
		}
		if s.pc.WriteRTCP([]rtcp.Packet{nack}) != nil {
			return
		}
		s.sent.Add(1)
		_ = s.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{SenderSSRC: 1, MediaSSRC: ssrc}})
	}
}

// join does the WHEP exchange of a session.
func join(ctx context.Context, pc *webrtc.PeerConnection, client *http.Client, url string) error {
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(pc.LocalDescription().SDP))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/sdp")
	res, err := client.Do(q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusCreated {
		err = errors.New(res.Status + ": " + string(answer))
	}
	if err != nil {
		return err
	}
	return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)})
}
