//go:build linux

package load

import (
	"net"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// TestDropsAreCounted sends RTP one by one and joined, with STUN between, to a socket
// that the kernel counts on.
func TestDropsAreCounted(t *testing.T) {
	sink, err := OpenSink(true, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	from, err := net.DialUDP("udp4", nil, sink.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	rtp := make([]byte, 1000)
	rtp[0], rtp[1] = 0x80, VideoType
	stun := make([]byte, 20)
	for range 5 {
		for _, b := range [][]byte{rtp, stun} {
			if _, err := from.Write(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := uint32(5)
	joined := append(append(append([]byte(nil), rtp...), rtp...), rtp...)
	_, err = ipv4.NewPacketConn(from).WriteBatch([]ipv4.Message{{Buffers: [][]byte{joined}, OOB: segmentSize(len(rtp))}}, 0)
	if err == nil { // a kernel that cannot segment has nothing to count
		want += 3
	}
	deadline := time.Now().Add(10 * time.Second)
	b := make([]byte, 1500)
	for range 5 { // what passes is read; loopback has delivered everything before it
		if err := sink.SetReadDeadline(deadline); err != nil {
			t.Fatal(err)
		}
		if n, err := sink.Read(b); err != nil || n != len(stun) {
			t.Fatalf("read %d bytes, %v, want the %d of STUN", n, err, len(stun))
		}
	}
	if got, err := sink.Dropped(); err != nil || got != want {
		t.Errorf("%d dropped, %v, want %d", got, err, want)
	}
}

// segmentSize is a control message of type UDP_SEGMENT.
func segmentSize(n int) []byte {
	b := make([]byte, unix.CmsgSpace(2))
	b[0] = byte(unix.CmsgLen(2))
	b[8], b[12] = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	b[unix.CmsgLen(0)], b[unix.CmsgLen(0)+1] = byte(n), byte(n>>8)
	return b
}

func TestArrivalTimes(t *testing.T) {
	sink, err := OpenSink(false, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	conn := &timedConn{Sink: sink}
	from, err := net.DialUDP("udp4", nil, sink.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	before := time.Now().UnixNano()
	packet := []byte{0x80, VideoType, 1, 2, 0, 0, 0, 0, 0, 0, 0, 9}
	if _, err := from.Write(packet); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := conn.ReadFrom(make([]byte, 1500)); err != nil || n != len(packet) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	at, ok := conn.arrived(9, 0x102)
	if !ok || at < before || at > time.Now().UnixNano() {
		t.Errorf("arrived at %d, %v, want after %d", at, ok, before)
	}
	if _, ok := conn.arrived(9, 0x103); ok {
		t.Error("a packet that never came has a time")
	}
}
