package ingest

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// TestPortPairs: the twin opens what is not taken, and chooses 1001, 1003, … for
// port 0.
func TestPortPairs(t *testing.T) {
	errTaken := syscall.EADDRINUSE
	tests := []struct {
		name, address string
		mux           bool
		taken         []uint16
		opened        []string // in order; those that failed too
		rtp           uint16   // 0: an error
	}{
		{"given", "192.0.2.10:5004", false, nil, []string{"192.0.2.10:5004", "192.0.2.10:5005"}, 5004},
		{"given, shared", "192.0.2.10:5004", true, []uint16{5005}, []string{"192.0.2.10:5004"}, 5004},
		{"given, taken", "192.0.2.10:5004", false, []uint16{5004}, []string{"192.0.2.10:5004"}, 0},
		{"given, next taken", "192.0.2.10:5004", false, []uint16{5005}, []string{"192.0.2.10:5004", "192.0.2.10:5005"}, 0},
		{"given, the last", "192.0.2.10:65535", false, nil, []string{"192.0.2.10:65535"}, 0},
		{"the last, shared", "192.0.2.10:65535", true, nil, []string{"192.0.2.10:65535"}, 65535},
		{"chosen", "192.0.2.10:0", false, nil, []string{"192.0.2.10:0", "192.0.2.10:1002"}, 1001},
		{"chosen, next taken", "192.0.2.10:0", false, []uint16{1002, 1004},
			[]string{"192.0.2.10:0", "192.0.2.10:1002", "192.0.2.10:0", "192.0.2.10:1004", "192.0.2.10:0", "192.0.2.10:1006"}, 1005},
		{"chosen, shared", "192.0.2.10:0", true, []uint16{1002}, []string{"192.0.2.10:0"}, 1001},
		{"no port", "192.0.2.10", false, nil, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var opened []string
			var open []*closing
			chosen := uint16(999)
			listen := func(address string) (udp.Conn, error) {
				opened = append(opened, address)
				a := netip.MustParseAddrPort(address)
				if a.Port() == 0 {
					chosen += 2
					a = netip.AddrPortFrom(a.Addr(), chosen)
				}
				if slices.Contains(tt.taken, a.Port()) {
					return nil, errTaken
				}
				c := &closing{Memory: udp.NewMemory(a)}
				open = append(open, c)
				return c, nil
			}
			rtp, rtcp, err := listenPair(listen, tt.address, tt.mux)
			if diff := cmp.Diff(tt.opened, opened); diff != "" {
				t.Error(diff)
			}
			if (err != nil) != (tt.rtp == 0) || len(tt.taken) > 0 && err != nil && !errors.Is(err, errTaken) {
				t.Fatalf("%v", err)
			}
			for _, c := range open {
				if kept := udp.Conn(c) == rtp || udp.Conn(c) == rtcp; kept == c.closed {
					t.Errorf("%v: kept %v, closed %v", c.LocalAddr(), kept, c.closed)
				}
			}
			if err != nil {
				return
			}
			if rtp.LocalAddr().Port() != tt.rtp || (rtcp == nil) != tt.mux || rtcp != nil && rtcp.LocalAddr().Port() != tt.rtp+1 {
				t.Errorf("RTP on %v, RTCP %v", rtp.LocalAddr(), rtcp)
			}
		})
	}
	t.Run("always taken", func(t *testing.T) {
		tries := 0
		_, _, err := listenPair(func(address string) (udp.Conn, error) {
			if !strings.HasSuffix(address, ":0") {
				return nil, errTaken
			}
			tries++
			return udp.NewMemory(local), nil
		}, "192.0.2.10:0", false)
		if tries != portTries || !errors.Is(err, errTaken) {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}

// closing is a socket that knows whether it has been closed.
type closing struct {
	*udp.Memory
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return c.Memory.Close()
}

func TestListenSaysWhichTrack(t *testing.T) {
	a, err := Listen(forward.Audio, "127.0.0.1:0", true, packet.NewPool(1), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	_, err = Listen(forward.Audio, a.Address().String(), true, packet.NewPool(1), time.Now)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "track a0") {
		t.Errorf("%v", err)
	}
}
