package studio

import (
	"sync"

	"github.com/pion/rtcp"
)

// Stats counts what a studio did, over both tracks.
type Stats struct {
	Frames           uint64 // video frames sent
	Held             uint64 // video frames whose time passed while the studio was paused or did not run
	Datagrams        uint64 // RTP and RTCP packets handed to the network
	Bytes            uint64 // in them, without IP and UDP headers
	SendErrors       uint64 // packets that the network refused; nobody listening is one
	Damaged          uint64 // packets lost, duplicated or reordered on purpose
	KeyframeRequests uint64 // PLI and FIR received
	ReceiverReports  uint64 // report blocks received
}

// counters guards Stats, which the sender and the readers of RTCP write.
type counters struct {
	mu sync.Mutex
	Stats
	wanted bool // a keyframe, since it was asked last
}

func (c *counters) read() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Stats
}

func (c *counters) sent(bytes int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.SendErrors++
		return
	}
	c.Datagrams++
	c.Bytes += uint64(bytes)
}

func (c *counters) damaged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Damaged++
}

func (c *counters) frame() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Frames++
}

func (c *counters) hold(frames uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Held += frames
}

// keyframeWanted reports whether a keyframe was asked for since it was called last.
func (c *counters) keyframeWanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.wanted
	c.wanted = false
	return was
}

// received counts a datagram of RTCP; others are ignored.
func (c *counters) received(b []byte) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			c.KeyframeRequests++
			c.wanted = true
		case *rtcp.ReceiverReport:
			c.ReceiverReports += uint64(len(p.Reports))
		}
	}
}
