package studio

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"
)

// TestUDP sends to a socket, and to a port that nobody listens on, which answers
// with ICMP: neither ends the run.
func TestUDP(t *testing.T) {
	open, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	shut, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := shut.LocalAddr().String()
	shut.Close()

	c := Default()
	c.Codec, c.RTCPMux, c.Frames, c.FPS = "vp8", true, 30, 120
	c.Video.To, c.Audio.To = open.LocalAddr().String(), nobody
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.Frames != 30 || got.Datagrams < 30 {
		t.Errorf("%+v, want 30 frames", got)
	}
	b := make([]byte, 1500)
	if err := open.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _, err := open.ReadFrom(b)
	if err != nil || !bytes.Equal(b[:2], []byte{0x80, 200}) {
		t.Errorf("first datagram % x, %v; want a sender report", b[:min(n, 8)], err)
	}
}

func TestEndedBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := Default()
	c.Video.To = "127.0.0.1:9"
	if err := Run(ctx, c); err != nil {
		t.Errorf("Run = %v, want nil at the end of its context", err)
	}
}

func TestLocalAddress(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	taken := conn.LocalAddr().String()
	c := Default()
	c.Video.To, c.Video.Local, c.Frames = taken, taken, 1
	if err := Run(context.Background(), c); err == nil {
		t.Error("a local address that is taken was no error")
	}
	c.Video.To, c.Video.Local = "192.0.2.1:nope", ""
	if err := Run(context.Background(), c); err == nil {
		t.Error("an address without a port was no error")
	}
}
