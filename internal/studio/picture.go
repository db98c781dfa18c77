package studio

import (
	"fmt"

	"github.com/framelock/relay/internal/barcode"
	"github.com/framelock/relay/internal/studio/clips"
	"github.com/framelock/relay/internal/studio/h264bar"
	"github.com/framelock/relay/media/codec"
)

// pictures makes the RTP payloads of a clip's frames.
type pictures struct {
	info   clips.Info
	frames [][]byte
	size   int             // bytes in a payload
	bars   *h264bar.Writer // H.264 only
	inBand bool            // parameter sets go before every keyframe
	shift  uint64          // frames of the clip that were passed over
}

// picture is one frame, ready to send.
type picture struct {
	payloads [][]byte
	bar      uint32 // the number that is in the picture
	key      bool
}

func newPictures(c Config) (*pictures, error) {
	info, err := c.ClipInfo()
	if err != nil {
		return nil, err
	}
	p := &pictures{info: info, size: c.PacketSize - headerSize, inBand: !c.SDPParameterSets}
	if p.frames, err = clips.Load(info); err != nil {
		return nil, err
	}
	if info.Codec == codec.H264 {
		p.bars, err = h264bar.NewWriter(p.frames[0], clips.BarRows)
		if err == nil && c.SEITimes {
			err = p.bars.CarryTimes()
		}
	}
	return p, err
}

// at returns frame n, with an SEI NAL unit if there is one. Frames come in order;
// after a gap the next one must be a keyframe.
func (p *pictures) at(n uint64, sei []byte) (picture, error) {
	place := p.place(n)
	if p.bars == nil {
		return picture{
			payloads: payloadsVP8(p.frames[place], uint16(n&0x7FFF), p.size),
			bar:      uint32(place), key: p.keyAt(n),
		}, nil
	}
	nals, key, err := p.bars.Picture(p.frames[place], uint32(n))
	if err != nil {
		return picture{}, fmt.Errorf("frame %d of clip %s: %w", place, p.info.File(), err)
	}
	var first [][]byte
	if key && p.inBand {
		sps, pps := p.bars.ParameterSets()
		first = append(first, sps, pps)
	}
	if sei != nil {
		first = append(first, sei)
	}
	payloads := payloadsH264(nals, p.size)
	switch len(first) {
	case 0:
	case 1:
		payloads = append(first, payloads...)
	default:
		payloads = append([][]byte{aggregate(first...)}, payloads...)
	}
	return picture{payloads, uint32(n) % barcode.Max, key}, nil
}

// place returns which frame of the clip frame n is.
func (p *pictures) place(n uint64) int { return int((n + p.shift) % uint64(p.info.Frames)) }

// skipToKey passes over frames of the clip until frame n is a keyframe.
func (p *pictures) skipToKey(n uint64) {
	for !p.keyAt(n) {
		p.shift++
	}
}

// keyAt reports whether frame n is a keyframe.
func (p *pictures) keyAt(n uint64) bool { return p.place(n)%p.info.KeyInterval == 0 }
