package congestion

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// wire returns what a receiver says of packets with these arrivals in ms, or lost.
func wire(t testing.TB, first uint16, arrivals ...float64) []byte {
	t.Helper()
	recorder := twcc.NewRecorder(1)
	for i, at := range arrivals {
		if at != lost {
			recorder.Record(2, first+uint16(i), int64(1000*at))
		}
	}
	var all []byte
	for _, p := range recorder.BuildFeedbackPacket() {
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(b))), b...)
	}
	return all
}

// FuzzFeedback takes messages as they come in, each after its length, while a
// stream goes on.
func FuzzFeedback(f *testing.F) {
	f.Add(wire(f, 0, 20, 21, 22, 23))
	f.Add(append(wire(f, 0, 20, lost, 22, 60, lost, lost, 61), wire(f, 5, 62, 63, 300)...))
	f.Add(wire(f, 65530, 1, 70, 2))
	f.Add([]byte{0, 24, 0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 1, 9, 0x1f, 0xff, 0xd5, 0x55, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Estimator
		var v Valve
		now, number := epoch, uint16(0)
		for len(b) >= 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			text := b[2 : 2+n]
			b = b[2+n:]
			for range 30 {
				now = now.Add(3 * time.Millisecond)
				v.Video(true, number%30 == 0, &e, now)
				e.Sent(number, 1200, now)
				number++
			}
			var cc rtcp.TransportLayerCC
			if err := cc.Unmarshal(text); err != nil {
				continue
			}
			e.Feedback(&cc, now)
			was := e
			e.Feedback(&cc, now)
			if e != was {
				t.Fatal("a message counts twice")
			}
			sane(t, &e, now)
		}
	})
}
