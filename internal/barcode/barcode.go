// Package barcode writes and reads the frame number that the studio's pictures
// carry in their bottom rows, so that a test can tell from pixels alone which
// frame a viewer saw.
//
// The bar is a row of 40 cells of 16 x 16 luma samples or taller, left to right
// from the picture's left edge, white for 1 and black for 0:
//
//	cells  0..2   1 0 1, a guard
//	cells  3..26  the frame number, 24 bits, most significant first
//	cells 27..34  CRC-8 (polynomial 0x07, initial value 0) of the number's three bytes
//	cells 35..37  1 0 1, a guard
//	cells 38..39  0
//
// What is to the right of the last cell is black.
package barcode

// Geometry of the bar, in cells and in luma samples.
const (
	Cells  = 40              // cells in a bar
	Cell   = 16              // width of a cell
	Width  = Cells * Cell    // width of a bar
	Sample = 8               // rows above the picture's bottom edge at which a cell is read
	Max    = uint32(1) << 24 // frame numbers are taken modulo Max
)

// Luma values of the cells (BT.601 and BT.709, narrow range), and the value
// from which on a sample counts as white.
const (
	Black     byte = 16
	White     byte = 235
	threshold byte = 126
)

const (
	numberAt = 3
	crcAt    = numberAt + 24
	guardAt  = crcAt + 8
)

// Encode returns the cells that show frame modulo Max; true is white.
func Encode(frame uint32) [Cells]bool {
	frame %= Max
	var cells [Cells]bool
	for _, at := range [...]int{0, guardAt} {
		cells[at], cells[at+2] = true, true
	}
	crc := crc8(byte(frame>>16), byte(frame>>8), byte(frame))
	for i := range 24 {
		cells[numberAt+i] = frame>>(23-i)&1 == 1
	}
	for i := range 8 {
		cells[crcAt+i] = crc>>(7-i)&1 == 1
	}
	return cells
}

// Decode returns the frame number that the cells show, below Max. It reports
// false for cells with a wrong guard or CRC: such a bar is unreadable.
func Decode(cells [Cells]bool) (frame uint32, ok bool) {
	for _, at := range [...]int{0, guardAt} {
		if !cells[at] || cells[at+1] || !cells[at+2] {
			return 0, false
		}
	}
	var crc byte
	for i := range 24 {
		frame = frame<<1 | bit(cells[numberAt+i])
	}
	for i := range 8 {
		crc = crc<<1 | byte(bit(cells[crcAt+i]))
	}
	if crc != crc8(byte(frame>>16), byte(frame>>8), byte(frame)) {
		return 0, false
	}
	return frame, true
}

// Read decodes the bar of an unscaled picture: width x height luma samples, rows
// stride bytes apart. It reports false for a bar that is unreadable and for a
// picture that is too small to hold one.
func Read(luma []byte, stride, width, height int) (frame uint32, ok bool) {
	row := (height - Sample) * stride
	if width < Width || stride < width || height < Cell || len(luma) < row+width {
		return 0, false
	}
	var cells [Cells]bool
	for i := range cells {
		cells[i] = luma[row+i*Cell+Cell/2] >= threshold
	}
	return Decode(cells)
}

// Draw writes the bar of a frame over the bottom rows of a picture of width x
// height luma samples, rows stride bytes apart. The picture must be at least
// Width samples wide and rows high.
func Draw(luma []byte, stride, width, height, rows int, frame uint32) {
	cells := Encode(frame)
	for y := height - rows; y < height; y++ {
		line := luma[y*stride : y*stride+width]
		for x := range line {
			line[x] = Black
			if x < Width && cells[x/Cell] {
				line[x] = White
			}
		}
	}
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func crc8(data ...byte) byte {
	var crc byte
	for _, b := range data {
		crc ^= b
		for range 8 {
			carry := crc&0x80 != 0
			crc <<= 1
			if carry {
				crc ^= 0x07
			}
		}
	}
	return crc
}
