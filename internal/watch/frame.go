package watch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// Frame is one video frame as it came over the wire.
type Frame struct {
	TS           uint64 // canonical timestamp; only its low 32 bits before the first clock message
	RTPTimestamp uint32
	Codec        string // MIME type
	// Data is the coded frame: for H.264 every NAL unit behind a four-byte start
	// code, for VP8 the frame. It is nil if the frame is not complete.
	Data     []byte
	Complete bool
	Packets  int
	Arrival  time.Time // of the packet that came last
	Captured time.Time // as the relay's newest clock says; zero before there is one
	Marks    []Mark    // what the header extension said on the frame's packets
}

// Mark is an event's appearance in the header extension of one packet.
type Mark struct {
	Seq          uint32 // low 32 bits
	RefTS        uint32 // the frame that the event refers to
	Late, Repeat bool
}

// Key reports whether the frame is complete and a keyframe.
func (f *Frame) Key() bool {
	switch f.Codec {
	case webrtc.MimeTypeH264:
		for nal := range bytes.SplitSeq(f.Data, []byte{0, 0, 0, 1}) {
			if len(nal) > 0 && nal[0]&0x1f == 5 { // IDR (ITU-T H.264, table 7-1)
				return true
			}
		}
	case webrtc.MimeTypeVP8:
		return len(f.Data) > 0 && f.Data[0]&1 == 0 // RFC 6386, section 9.1
	}
	return false
}

// Hash returns the hash of the frame's coded bytes, as a frame_hash event gives it.
func (f *Frame) Hash() string {
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:])
}

// codedBytes rebuilds a frame from the payloads of its packets, in RTP order.
// The bytes are those that an encoded-frame transform sees in a browser.
func codedBytes(codec string, payloads [][]byte) ([]byte, error) {
	switch codec {
	case webrtc.MimeTypeH264:
		return codedH264(payloads)
	case webrtc.MimeTypeVP8:
		return codedVP8(payloads)
	}
	return nil, fmt.Errorf("codec %q: no coded form is defined", codec)
}

func codedH264(payloads [][]byte) ([]byte, error) {
	var d codecs.H264Packet // undoes STAP-A and FU-A (RFC 6184, 5.7.1 and 5.8)
	var out []byte
	for i, p := range payloads {
		nal, err := d.Unmarshal(p)
		if err != nil {
			return nil, fmt.Errorf("packet %d of the frame: %w", i, err)
		}
		out = append(out, nal...)
	}
	return out, nil
}

func codedVP8(payloads [][]byte) ([]byte, error) {
	var out []byte
	for i, p := range payloads {
		var d codecs.VP8Packet // takes off the payload descriptor (RFC 7741, 4.2)
		part, err := d.Unmarshal(p)
		if err != nil {
			return nil, fmt.Errorf("packet %d of the frame: %w", i, err)
		}
		out = append(out, part...)
	}
	return out, nil
}

// opensFrame says whether a payload can be the first of a keyframe: what a
// session must begin with.
func opensFrame(codec string, p []byte) bool {
	if len(p) == 0 {
		return false
	}
	switch codec {
	case webrtc.MimeTypeH264:
		const sei, sps, pps, aud, stapA = 6, 7, 8, 9, 24
		switch p[0] & 0x1f {
		case sei, sps, pps, aud, stapA:
			return true
		}
		return false
	case webrtc.MimeTypeVP8:
		return p[0]&0x10 != 0 && p[0]&0x07 == 0 // S set, partition 0
	}
	return true
}
