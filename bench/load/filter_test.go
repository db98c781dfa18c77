package load

import (
	"testing"

	"golang.org/x/net/bpf"
)

// datagram is a packet as a socket filter sees it: with the UDP header.
func datagram(payload ...byte) []byte { return append(make([]byte, payloadAt), payload...) }

func TestDropRTP(t *testing.T) {
	vm, err := bpf.NewVM(dropRTP(0))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		packet []byte
		pass   bool
	}{
		"video":               {datagram(0x80, 96, 0, 1), false},
		"video, marker":       {datagram(0x80, 96|0x80, 0, 1), false},
		"audio, marker":       {datagram(0x90, 111|0x80, 0, 1), false},
		"lowest RTP":          {datagram(128, 0), false},
		"highest RTP":         {datagram(191, 255), false},
		"type 63 with marker": {datagram(0x80, 191), false},
		"sender report":       {datagram(0x80, 200, 0, 6), true},
		"receiver report":     {datagram(0x81, 201, 0, 7), true},
		"feedback":            {datagram(0x81, 205, 0, 3), true},
		"first of RTCP":       {datagram(0x80, 192), true},
		"last of RTCP":        {datagram(0x80, 223), true},
		"one after RTCP":      {datagram(0x80, 224), false},
		"STUN request":        {datagram(0, 1, 0, 80), true},
		"STUN answer":         {datagram(1, 1, 0, 80), true},
		"DTLS handshake":      {datagram(22, 254, 253), true},
		"DTLS data":           {datagram(23, 254, 253), true},
		"TURN channel":        {datagram(64, 0, 0, 4), true},
		"above RTP":           {datagram(192, 96), true},
	} {
		n, err := vm.Run(tt.packet)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if pass := n > 0; pass != tt.pass {
			t.Errorf("%s: passes %v, want %v", name, pass, tt.pass)
		}
	}
}

// With loss the program has jumps of another length; chance is not in the VM's reach,
// so a number stands for it.
func TestMissedRTP(t *testing.T) {
	const video, sent = VideoType, VideoType + 1
	for _, random := range []uint32{0, 1 << 31} {
		program := dropRTP(0.25)
		for i, instruction := range program {
			if _, ok := instruction.(bpf.LoadExtension); ok {
				program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: random}
			}
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		missed := random == 0
		for name, tt := range map[string]struct {
			packet []byte
			pass   bool
		}{
			"video":           {datagram(0x80, video), missed},
			"video, marker":   {datagram(0x80, video|0x80), missed},
			"sent again":      {datagram(0x80, sent), false},
			"audio":           {datagram(0x80, AudioType), false},
			"receiver report": {datagram(0x81, 201), true},
			"last of RTCP":    {datagram(0x80, 223), true},
			"STUN":            {datagram(0, 1), true},
			"above RTP":       {datagram(192, 96), true},
		} {
			n, err := vm.Run(tt.packet)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if pass := n > 0; pass != tt.pass {
				t.Errorf("%s, random %d: passes %v, want %v", name, random, pass, tt.pass)
			}
		}
	}
}
