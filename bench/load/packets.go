package load

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// The input, one stream of it: H.264 at 30 frames a second of 7 packets each, with
// the parameter sets before a keyframe once a second, and Opus every 20 ms: 261
// packets a second.
const (
	FrameInterval = time.Second / frameRate
	FramePackets  = 7
	DefaultSize   = 1200 // bytes of a video packet, RTP header included
	VideoType     = 96   // payload types
	AudioType     = 111

	frameRate     = 30 // a second
	audioRate     = 50
	keyframeEvery = 30 // frames
	audioSize     = 160
	headerSize    = 12 // of RTP without extensions
	videoClock    = 90000
	audioClock    = 48000
)

// What the payloads look like (RFC 6184, section 5.8; RFC 6716, section 3.1).
const (
	videoSkip      = 2 // bytes of an FU-A payload before the stamp
	audioSkip      = 1 // an Opus packet's table of contents
	fuaIndicator   = 3<<5 | 28
	fuStart, fuEnd = 0x80, 0x40
	nalSlice       = 1
	nalIDR         = 5
	opusTOC        = 31<<3 | 1<<2 // CELT, fullband, 20 ms, stereo, one frame
)

// parameterSets is a STAP-A with the parameter sets of a 640x360 constrained
// baseline stream: enough for a relay that looks for them. It carries no stamp.
var parameterSets = stapA(
	[]byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48},
	[]byte{0x68, 0xcb, 0x83, 0xcb, 0x20},
)

func stapA(units ...[]byte) []byte {
	b := []byte{3<<5 | 24}
	for _, u := range units {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(u))), u...)
	}
	return b
}

// Source makes one stream's packets. It is owned by one goroutine.
type Source struct {
	videoSSRC, audioSSRC uint32
	videoSeq, audioSeq   uint16
	base                 uint32 // RTP timestamp at position 0, for both tracks
	number               uint64
	frames               uint64 // begun
	video, audio         []byte // a packet of each kind, filled with noise
	sets                 []byte
}

// NewSource returns the source of a stream; size is that of its video packets.
func NewSource(stream, size int) *Source {
	random := rand.New(rand.NewPCG(uint64(stream), 1))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	return &Source{
		videoSSRC: 0x10000 + uint32(stream), audioSSRC: 0x20000 + uint32(stream),
		videoSeq: uint16(random.Uint32()), audioSeq: uint16(random.Uint32()), base: random.Uint32(),
		video: noise(size), audio: noise(audioSize),
		sets: append(make([]byte, headerSize), parameterSets...),
	}
}

// Packets calls send with each packet that a slot of the plan stands for, and the
// time it is sent at written into it. The bytes are good until send returns.
func (s *Source) Packets(slot Slot, now time.Time, send func(packet []byte)) {
	if !slot.Video {
		s.audio[headerSize] = opusTOC
		s.header(s.audio, AudioType, true, &s.audioSeq, s.timestamp(slot.At, audioClock), s.audioSSRC)
		s.stamp(s.audio, audioSkip, now)
		send(s.audio)
		return
	}
	ts := s.timestamp(slot.At, videoClock)
	if slot.Part == 0 {
		s.frames++
		if s.keyframe() {
			s.header(s.sets, VideoType, false, &s.videoSeq, ts, s.videoSSRC)
			send(s.sets)
		}
	}
	unit := byte(nalSlice)
	if s.keyframe() {
		unit = nalIDR
	}
	last := slot.Part == FramePackets-1
	switch {
	case slot.Part == 0:
		unit |= fuStart
	case last:
		unit |= fuEnd
	}
	s.video[headerSize], s.video[headerSize+1] = fuaIndicator, unit
	s.header(s.video, VideoType, last, &s.videoSeq, ts, s.videoSSRC)
	s.stamp(s.video, videoSkip, now)
	send(s.video)
}

// keyframe reports whether the frame that was begun last is one.
func (s *Source) keyframe() bool { return s.frames%keyframeEvery == 1 }

// timestamp is a position in the stream in units of a clock of rate Hz.
func (s *Source) timestamp(at time.Duration, rate int64) uint32 {
	return s.base + uint32(at.Microseconds()*rate/1e6)
}

func (s *Source) header(p []byte, payloadType byte, marker bool, seq *uint16, ts, ssrc uint32) {
	p[0], p[1] = 2<<6, payloadType
	if marker {
		p[1] |= 0x80
	}
	binary.BigEndian.PutUint16(p[2:], *seq)
	binary.BigEndian.PutUint32(p[4:], ts)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	*seq++
}

func (s *Source) stamp(p []byte, skip int, now time.Time) {
	Stamp{Sent: now, Number: s.number}.put(p[headerSize:], skip)
	s.number++
}

// inspect reads the stamp of a received payload. stamped is false for the one kind
// of packet that has none.
func inspect(video bool, payload []byte) (s Stamp, stamped bool, err error) {
	if !video {
		s, err = readStamp(payload, audioSkip)
		return s, true, err
	}
	if bytes.Equal(payload, parameterSets) {
		return Stamp{}, false, nil
	}
	s, err = readStamp(payload, videoSkip)
	return s, true, err
}
