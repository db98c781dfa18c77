package barcode

import (
	"testing"

	"pgregory.net/rapid"
)

// TestCRC checks values published elsewhere: the check value of CRC-8/SMBUS in
// the catalogue of parametrised CRC algorithms, the header error control of
// idle cells (ITU-T I.432.1, which adds 0x55), and the packet error codes of
// the examples in the data sheet of the MLX90614 sensor (SMBus 1.1).
func TestCRC(t *testing.T) {
	for _, c := range []struct {
		data []byte
		want byte
	}{
		{[]byte("123456789"), 0xF4},
		{[]byte{0x00, 0x00, 0x00, 0x01}, 0x52 ^ 0x55},
		{[]byte{0xB4, 0x07, 0xB5, 0xD2, 0x3A}, 0x30},
		{[]byte{0xB4, 0x22, 0x07, 0xC8}, 0x48},
		{nil, 0},
	} {
		if got := crc8(c.data...); got != c.want {
			t.Errorf("crc8(% x) = %#02x, want %#02x", c.data, got, c.want)
		}
	}
}

// TestCells writes out whole bars by hand. Frame 1 has the CRC of an idle cell,
// the last two are remainders of a long division by x^8+x^2+x+1 in other code.
func TestCells(t *testing.T) {
	for _, c := range []struct {
		frame uint32
		want  string
	}{
		{0, "101" + "000000000000000000000000" + "00000000" + "101" + "00"},
		{1, "101" + "000000000000000000000001" + "00000111" + "101" + "00"},
		{Max + 1, "101" + "000000000000000000000001" + "00000111" + "101" + "00"},
		{0x800000, "101" + "100000000000000000000000" + "00001011" + "101" + "00"},
		{48213, "101" + "000000001011110001010101" + "00011111" + "101" + "00"},
	} {
		got := ""
		for _, cell := range Encode(c.frame) {
			got += string('0' + rune(bit(cell)))
		}
		if got != c.want {
			t.Errorf("Encode(%#x)\n got %s\nwant %s", c.frame, got, c.want)
		}
	}
}

func TestPictureRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := rapid.Uint32().Draw(t, "frame")
		width := rapid.SampledFrom([]int{640, 1280, 1920}).Draw(t, "width")
		height := rapid.IntRange(24, 64).Draw(t, "height")
		stride := width + rapid.IntRange(0, 32).Draw(t, "padding")
		luma := make([]byte, stride*height)
		Draw(luma, stride, width, height, 24, frame)
		if got, ok := Read(luma, stride, width, height); !ok || got != frame%Max {
			t.Fatalf("Read = %d, %v, want %d", got, ok, frame%Max)
		}
	})
}

// TestSingleErrors flips each cell that carries meaning: no such bar may read
// as a number.
func TestSingleErrors(t *testing.T) {
	for i := range guardAt + 3 {
		cells := Encode(48213)
		cells[i] = !cells[i]
		if n, ok := Decode(cells); ok {
			t.Errorf("cell %d flipped: read %d, want unreadable", i, n)
		}
	}
}

func TestReadRefusesSmallPictures(t *testing.T) {
	for _, c := range []struct{ n, stride, width, height int }{
		{0, 640, 640, 360}, {1 << 20, 639, 639, 360}, {1 << 20, 640, 640, 15}, {1 << 20, 320, 640, 360}, {640 * 352, 640, 640, 360},
	} {
		if _, ok := Read(make([]byte, c.n), c.stride, c.width, c.height); ok {
			t.Errorf("%+v: read a bar", c)
		}
	}
}
