package clips

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// IVFHeader is what an IVF file says of its frames. IVF is a 32-byte header and
// then, per frame, its length (u32), its number (u64) and its bytes, all little
// endian; ffmpeg reads and writes it.
type IVFHeader struct {
	FourCC        string // "VP80", "H264" or "OPUS"
	Width, Height int    // pixels; zero for audio
	Rate          int    // frames a second
}

const ivfHeaderSize, ivfFrameHeaderSize = 32, 12

var errIVF = errors.New("not an IVF file")

// WriteIVF returns a file that holds the frames.
func WriteIVF(h IVFHeader, frames [][]byte) []byte {
	le := binary.LittleEndian
	b := append([]byte("DKIF"), 0, 0, ivfHeaderSize, 0)
	b = append(b, h.FourCC[:4]...)
	b = le.AppendUint16(b, uint16(h.Width))
	b = le.AppendUint16(b, uint16(h.Height))
	b = le.AppendUint32(b, uint32(h.Rate))
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, uint32(len(frames)))
	b = le.AppendUint32(b, 0)
	for i, f := range frames {
		b = le.AppendUint32(b, uint32(len(f)))
		b = le.AppendUint64(b, uint64(i))
		b = append(b, f...)
	}
	return b
}

// ReadIVF returns the frames of a file; they share its memory.
func ReadIVF(b []byte) (IVFHeader, [][]byte, error) {
	le := binary.LittleEndian
	if len(b) < ivfHeaderSize || string(b[:4]) != "DKIF" || le.Uint16(b[6:]) != ivfHeaderSize {
		return IVFHeader{}, nil, errIVF
	}
	scale := max(1, int(le.Uint32(b[20:])))
	h := IVFHeader{
		FourCC: string(b[8:12]), Width: int(le.Uint16(b[12:])), Height: int(le.Uint16(b[14:])),
		Rate: int(le.Uint32(b[16:])) / scale,
	}
	var frames [][]byte
	for b = b[ivfHeaderSize:]; len(b) > 0; {
		if len(b) < ivfFrameHeaderSize || uint64(le.Uint32(b)) > uint64(len(b)-ivfFrameHeaderSize) {
			return IVFHeader{}, nil, fmt.Errorf("%w: frame %d is cut short", errIVF, len(frames))
		}
		end := ivfFrameHeaderSize + int(le.Uint32(b))
		frames = append(frames, b[ivfFrameHeaderSize:end:end])
		b = b[end:]
	}
	return h, frames, nil
}
