package egress

import (
	"bytes"
	"net/netip"
	"testing"

	pion "github.com/pion/srtp/v3"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/srtp"
	"github.com/framelock/relay/media/udp"
)

// nowhere is a Writer that sends nothing.
type nowhere struct{}

func (nowhere) WriteRuns([]udp.Run) (int, error) { return 0, nil }

// connected returns a Transport as it is after its handshake.
func connected(t testing.TB, f Formats, n int) *Transport {
	t.Helper()
	key, salt := bytes.Repeat([]byte{byte(n)}, 16), bytes.Repeat([]byte{byte(n)}, 12)
	sealer, err := srtp.NewSealer(pion.ProtectionProfileAeadAes128Gcm, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pion.CreateContext(key, salt, pion.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		t.Fatal(err)
	}
	tr := &Transport{formats: f}
	tr.keys.Store(&keys{sealer: sealer, out: out})
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(n))
	tr.remote.Store(&to)
	return tr
}

// BenchmarkFanOut is a frame of seven packets of 1,200 bytes to 200 viewers, from
// the shard's inbox to the system calls, without these.
func BenchmarkFanOut(b *testing.B) {
	const viewers, frame = 200, 7
	r := newRoom(b)
	s := r.shard
	s.queue = udp.NewQueue(nowhere{})
	formats := Formats{Track: [forward.Tracks]Format{{SSRC: 11, RTXSSRC: 12, PayloadType: 96, RTXPayloadType: 97, PlayoutDelay: 1, CaptureTime: 2, Marker: 3, TransportSequence: 4}}}
	packets := r.packets(forward.Video, frame)
	for i := range packets {
		p := &packets[i]
		p.Buffer.Data = append(packet.AppendHeader(p.Buffer.Memory()[:0], 96, 1, 2, 3), bytes.Repeat([]byte{7}, 1188)...)
		p.Header, _ = packet.Parse(p.Buffer.Data)
		p.Capture, p.FrameStart = 1, i == 0
	}
	for n := range viewers {
		v := newViewer(Who{ID: "x"}, 1, &wishes{}, s)
		tr := connected(b, formats, n)
		v.session = tr
		v.setUp(&tr.formats)
		s.join(message{viewer: v, packets: r.packets(forward.Video, 1)})
	}
	b.ReportAllocs()
	for b.Loop() {
		batch := r.batches.Get()
		for i := range packets {
			packets[i].Slot += frame
			batch.Add(&packets[i])
		}
		s.fanOut(batch, false)
		s.transmit()
		batch.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/viewers/frame, "ns/packet")
}

// The whole way of a frame through a shard allocates nothing.
func TestFanOutAllocatesNothing(t *testing.T) {
	r := newRoom(t)
	s := r.shard
	s.queue = udp.NewQueue(nowhere{})
	formats := Formats{Track: [forward.Tracks]Format{{SSRC: 11, RTXSSRC: 12, PayloadType: 96, RTXPayloadType: 97, PlayoutDelay: 1, CaptureTime: 2, Marker: 3, TransportSequence: 4}}}
	tr := connected(t, formats, 1)
	v := newViewer(Who{ID: "x"}, 1, &wishes{}, s)
	v.session = tr
	v.setUp(&tr.formats)
	s.join(message{viewer: v, packets: r.packets(forward.Video, 1)})
	packets := r.packets(forward.Video, 7)
	packets[0].FrameStart = true
	if n := testing.AllocsPerRun(100, func() {
		batch := r.batches.Get()
		for i := range packets {
			packets[i].Slot += 7
			batch.Add(&packets[i])
		}
		s.fanOut(batch, false)
		s.transmit()
		batch.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
