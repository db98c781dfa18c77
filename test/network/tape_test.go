package network

import (
	"context"
	"crypto/sha256"
	"net"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/framelock/relay/internal/studio"
)

// tape is what the studio sent, written down where it leaves the studio. The number
// of a frame is its place on the tape; viewers' frames are known by their coded
// bytes, of which no two are equal, because each picture bears its number.
type tape struct {
	mu      sync.Mutex
	frames  []sentFrame
	places  map[fingerprint]int
	open    codecs.H264Packet
	coded   []byte
	packets int
	keys    map[uint32]bool // by timestamp, of frames that are still to be sent
	sounds  []time.Time     // packets of audio
}

type fingerprint [sha256.Size]byte

// sentFrame is a frame that has left the studio.
type sentFrame struct {
	at      time.Time // of its last packet
	coded   fingerprint
	key     bool
	packets int
}

func newTape() *tape { return &tape{places: map[fingerprint]int{}, keys: map[uint32]bool{}} }

// attach has the tape written by a studio.
func (t *tape) attach(c *studio.Config) {
	c.OnFrame = func(r studio.Record) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.keys[r.TS] = r.Key
	}
	c.Dial = func(ctx context.Context, _, to string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "udp", to)
		return &taped{conn, t, c.Video.PayloadType, c.Audio.PayloadType}, err
	}
}

// taped is a connection of the studio.
type taped struct {
	net.Conn
	tape         *tape
	video, audio uint8
}

func (c *taped) Write(b []byte) (int, error) {
	var p rtp.Packet
	if p.Unmarshal(b) == nil && b[1]&0x7f == p.PayloadType {
		switch p.PayloadType {
		case c.video:
			c.tape.picture(&p, time.Now())
		case c.audio:
			c.tape.sound(time.Now())
		}
	}
	return c.Conn.Write(b)
}

func (t *tape) picture(p *rtp.Packet, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	unit, err := t.open.Unmarshal(p.Payload)
	if err != nil {
		panic(err) // the studio sends something else than H.264
	}
	t.coded = append(t.coded, unit...)
	t.packets++
	if p.Marker {
		coded := fingerprint(sha256.Sum256(t.coded))
		t.places[coded] = len(t.frames)
		t.frames = append(t.frames, sentFrame{at: now, coded: coded, key: t.keys[p.Timestamp], packets: t.packets})
		delete(t.keys, p.Timestamp)
		t.coded, t.packets = t.coded[:0], 0
	}
}

func (t *tape) sound(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sounds = append(t.sounds, now)
}

// place returns the number of the frame with the coded bytes.
func (t *tape) place(coded []byte) (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.places[sha256.Sum256(coded)]
	return n, ok
}

func (t *tape) sent() []sentFrame {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.frames[:len(t.frames):len(t.frames)]
}

// heard returns when the packets of audio were sent.
func (t *tape) heard() []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sounds[:len(t.sounds):len(t.sounds)]
}
