package watch

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// testRelay is a WHEP server of one stream that follows docs/protocol.md on
// purpose, or breaks it where faults say so. It sends frames as fast as its
// session takes them, in bursts of one frame every few milliseconds.
type testRelay struct {
	t        *testing.T
	settings func(*webrtc.SettingEngine)
	faults   faults
	frames   int // those with events; it goes on without them; 0 = no media at all
	codec    string

	server   *httptest.Server
	sessions sync.WaitGroup
	deleted  chan struct{}
}

// faults are the ways in which the test relay breaks the protocol.
type faults struct {
	digest, wrongFrame, uncarried, gap, double, equivocate, hash, early, backward, field, unannounced bool
}

// The test stream: an event on every fifth frame from the tenth on, at 30 fps.
const (
	testLog      = "9f3c0a77d2e41b05"
	testCut      = 41 // sequence number of the snapshot
	testTicks    = 3000
	firstMarked  = 10
	markedEvery  = 5
	testFirstTS  = uint64(160000000000000) - 10*testTicks
	testInterval = 4 * time.Millisecond
)

func newTestRelay(t *testing.T, r *testRelay) *testRelay {
	t.Helper()
	r.t, r.deleted = t, make(chan struct{})
	if r.codec == "" {
		r.codec = webrtc.MimeTypeH264
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whep/{stream}", r.join)
	mux.HandleFunc("DELETE /whep/{stream}/{session}", func(w http.ResponseWriter, _ *http.Request) {
		close(r.deleted)
		w.WriteHeader(http.StatusOK)
	})
	r.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		r.server.CloseClientConnections()
		r.server.Close()
		r.sessions.Wait()
	})
	return r
}

func (r *testRelay) join(w http.ResponseWriter, req *http.Request) {
	if req.PathValue("stream") != "wheel" {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"title":"Not Found","status":404,"detail":"the relay has no such stream"}`)
		return
	}
	offer, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s, err := r.newTestSession(string(offer))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.sessions.Go(s.run)
	w.Header().Set("Location", "/whep/wheel/s1")
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, s.pc.LocalDescription().SDP)
}

// testSession is one viewer of the test relay.
type testSession struct {
	relay        *testRelay
	pc           *webrtc.PeerConnection
	video, audio *webrtc.TrackLocalStaticRTP
	extensions   map[string]uint8
	events, fast *webrtc.DataChannel
	actions      *webrtc.DataChannel
	opened       sync.WaitGroup
	seq          uint16
	eventSeq     uint64
	start        time.Time
	broken       chan struct{}
	once         sync.Once
}

func (r *testRelay) newTestSession(offer string) (*testSession, error) {
	engine := &webrtc.MediaEngine{}
	if err := registerCodecs(engine); err != nil {
		return nil, err
	}
	if err := registerExtensions(engine); err != nil {
		return nil, err
	}
	registry := &interceptor.Registry{}
	if err := webrtc.ConfigureNack(engine, registry); err != nil {
		return nil, err
	}
	var se webrtc.SettingEngine
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	se.SetIncludeLoopbackCandidate(true)
	if r.settings != nil {
		r.settings(&se)
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(se))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	s := &testSession{relay: r, pc: pc, start: time.Now(), seq: 65500, eventSeq: testCut, broken: make(chan struct{})}
	pc.OnConnectionStateChange(func(st webrtc.PeerConnectionState) {
		if st >= webrtc.PeerConnectionStateDisconnected {
			s.once.Do(func() { close(s.broken) })
		}
	})
	return s, s.answer(offer)
}

func (s *testSession) answer(offer string) error {
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	var err error
	s.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: s.relay.codec}, "v0", "wheel")
	if err != nil {
		return err
	}
	s.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a0", "wheel")
	if err != nil {
		return err
	}
	sender, err := s.pc.AddTrack(s.video)
	if err != nil {
		return err
	}
	s.relay.sessions.Go(func() { // the NACK responder works as RTCP is read
		for {
			if _, _, err := sender.ReadRTCP(); err != nil {
				return
			}
		}
	})
	if _, err := s.pc.AddTrack(s.audio); err != nil {
		return err
	}
	s.events, s.actions, s.fast = s.channel(0, true), s.channel(2, true), s.channel(4, false)
	s.actions.OnMessage(func(m webrtc.DataChannelMessage) {
		var ping struct{ ID int }
		if json.Unmarshal(m.Data, &ping) == nil {
			s.actions.SendText(fmt.Sprintf(`{"type":"pong","id":%d,"server_time":%q}`, ping.ID, time.Now().UTC().Format(time.RFC3339Nano)))
		}
	})
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(answer); err != nil {
		return err
	}
	<-gathered
	s.extensions = map[string]uint8{}
	for _, e := range sender.GetParameters().HeaderExtensions {
		s.extensions[e.URI] = uint8(e.ID)
	}
	return nil
}

func (s *testSession) channel(id uint16, ordered bool) *webrtc.DataChannel {
	negotiated := true
	init := &webrtc.DataChannelInit{ID: &id, Ordered: &ordered, Negotiated: &negotiated}
	if !ordered {
		init.MaxRetransmits = new(uint16)
	}
	dc, err := s.pc.CreateDataChannel(fmt.Sprint("channel", id), init)
	if err != nil {
		s.relay.t.Error(err)
		return nil
	}
	s.opened.Add(1)
	dc.OnOpen(s.opened.Done)
	return dc
}

// run sends the snapshot, then the frames, until all are sent and the viewer has gone.
func (s *testSession) run() {
	s.opened.Wait()
	if s.relay.faults.early {
		s.sendEvent(s.event("e0", "marker", testFirstTS+testTicks, 0))
	}
	if !s.relay.faults.unannounced {
		s.sendSnapshot()
	}
	tick := time.NewTicker(testInterval)
	defer tick.Stop()
	defer s.pc.GracefulClose()
	for i := 0; s.relay.frames > 0; i++ {
		select {
		case <-tick.C:
			s.sendFrame(i)
		case <-s.relay.deleted:
			return
		case <-s.broken:
			return
		}
	}
	select {
	case <-s.broken:
	case <-s.relay.deleted:
	}
}

func (s *testSession) clockFields(ts uint64) string {
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	captured := s.start.Add(time.Duration(int64(ts-testFirstTS) * int64(testInterval) / testTicks))
	return fmt.Sprintf(`"ts":%d,"capture_time":%q,"server_time":%q,"hold_ms":0,"error_ms":0.4`, ts, at(captured), at(time.Now()))
}

func (s *testSession) sendSnapshot() {
	body := fmt.Sprintf(`{"type":"snapshot","protocol":{"min":1,"max":1},"stream":"wheel","log":%q,"seq":%d,"epoch":1,`+
		`"state_at":%d,"state":{},"pending":[],"recent":[],"windows":[],"paused":false,"clock":{%s,"source":"sender_report"}}`,
		testLog, testCut, testFirstTS-testTicks, s.clockFields(testFirstTS))
	half := len(body) / 2
	for i, b := range []string{body[:half], body[half:]} {
		m, _ := json.Marshal(map[string]any{"type": "snapshot", "part": i + 1, "parts": 2, "body": b})
		s.events.SendText(string(m))
	}
}

// event builds the bytes of the next event.
func (s *testSession) event(id, kind string, ts uint64, late float64) []byte {
	s.eventSeq++
	return fmt.Appendf(nil, `{"v":1,"type":"event","log":%q,"stream":"wheel","track":"v0","epoch":1,"seq":%d,"kind":%q,"id":%q,"ts":%d,"late_ms":%g}`,
		testLog, s.eventSeq, kind, id, ts, late)
}

func (s *testSession) sendEvent(b []byte) {
	s.fast.SendText(string(b))
	s.events.SendText(string(b))
}

// sendFrame sends one frame with the events and extensions that belong to it.
func (s *testSession) sendFrame(i int) {
	ts := testFirstTS + uint64(i*testTicks)
	if s.relay.faults.backward && i == 20 {
		ts -= 3 * testTicks
	}
	payloads, coded := testFrame(s.relay.codec, i)
	marked := i >= firstMarked && i < s.relay.frames && (i-firstMarked)%markedEvery == 0
	var extension []byte
	if marked {
		extension = s.announce(i, ts)
	}
	if i%25 == 0 && !marked {
		extension = binary.BigEndian.AppendUint32([]byte{0x40, 0, 0, 1}, uint32(s.eventSeq))
	}
	for j, payload := range payloads {
		s.sendPacket(&rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: uint32(ts), Marker: j == len(payloads)-1},
			Payload: payload,
		}, extension)
		s.seq++
	}
	s.audio.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i * 960)}, Payload: []byte{0xf8, 0xff, 0xfe}})
	if i%8 == 0 {
		s.fast.SendText(`{"type":"clock",` + s.clockFields(ts) + `}`)
	}
	if marked && i%2 == 0 {
		sum := sha256.Sum256(coded)
		if s.relay.faults.hash && i == 20 {
			sum[0] ^= 1
		}
		of := s.eventSeq
		s.eventSeq++
		s.sendEvent(fmt.Appendf(nil, `{"v":1,"type":"event","log":%q,"track":"v0","epoch":1,"seq":%d,"kind":"frame_hash","id":"","ts":%d,"data":{"of_seq":%d,"alg":"sha-256","hash":%q}}`,
			testLog, s.eventSeq, ts, of, hex.EncodeToString(sum[:])))
	}
}

// announce sends the event of frame i and returns its header extension.
func (s *testSession) announce(i int, ts uint64) []byte {
	f, target := s.relay.faults, i == 20
	if f.gap && target {
		s.eventSeq++
	}
	b := s.event(fmt.Sprint("e", i), "outcome", ts, 0)
	if f.wrongFrame && target {
		b = fmt.Appendf(nil, `{"v":1,"type":"event","log":%q,"track":"v0","epoch":1,"seq":%d,"kind":"outcome","id":"x","ts":%d}`, testLog, s.eventSeq, ts-2*testTicks)
	}
	s.sendEvent(b)
	if f.double && target {
		s.events.SendText(string(b))
	}
	if f.equivocate && target {
		s.fast.SendText(string(b[:len(b)-1]) + `,"data":1}`)
	}
	if f.uncarried && target {
		return nil
	}
	leaf := sha256.Sum256(append([]byte{0}, b...))
	if f.digest && target {
		leaf[3] ^= 1
	}
	ref := ts
	if f.wrongFrame && target {
		ref -= 2 * testTicks
	}
	if f.field && target {
		ref++
	}
	ext := []byte{0x40, 6, 0, 1}
	ext = binary.BigEndian.AppendUint32(ext, uint32(s.eventSeq))
	ext = binary.BigEndian.AppendUint32(ext, uint32(ref))
	return append(ext, leaf[:4]...)
}

func (s *testSession) sendPacket(p *rtp.Packet, marker []byte) {
	set := func(uri string, b []byte) {
		if id := s.extensions[uri]; id != 0 && b != nil {
			if err := p.Header.SetExtension(id, b); err != nil {
				s.relay.t.Error(err)
			}
		}
	}
	set(uriMarker, marker)
	set(uriPlayoutDelay, []byte{0, 0, 0})
	if err := s.video.WriteRTP(p); err != nil && err != io.ErrClosedPipe {
		s.relay.t.Log(err)
	}
}

// testFrame makes frame i's packets, and by another way its coded bytes.
func testFrame(codec string, i int) (payloads [][]byte, coded []byte) {
	body := make([]byte, 300)
	for j := range body {
		body[j] = byte(i * j)
	}
	if codec == webrtc.MimeTypeVP8 {
		return [][]byte{append([]byte{0x10}, body[:100]...), append([]byte{0}, body[100:]...)}, body
	}
	startCode := []byte{0, 0, 0, 1}
	if i%10 == 0 { // STAP-A of SPS and PPS
		sps, pps := []byte{0x67, 0x42, byte(i)}, []byte{0x68, 0xce}
		payloads = append(payloads, append(append(append([]byte{0x78, 0, 3}, sps...), 0, 2), pps...))
		coded = append(append(append(append(coded, startCode...), sps...), startCode...), pps...)
	}
	payloads = append(payloads, append([]byte{0x7c, 0x85}, body[:120]...), append([]byte{0x7c, 0x05}, body[120:240]...),
		append([]byte{0x7c, 0x45}, body[240:]...), []byte{0x06, 0x05, 0x80})
	coded = append(append(append(coded, startCode...), 0x65), body...)
	return payloads, append(append(coded, startCode...), 0x06, 0x05, 0x80)
}
