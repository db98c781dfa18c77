package evidence

import (
	"errors"
	"math/bits"
)

// Ids of EBML elements, without the marker bit of their length (RFC 8794, section 5;
// RFC 9559, section 5).
const (
	idSegment     = 0x08538067
	idCluster     = 0x0F43B675
	idBlockGroup  = 0x20
	idBlock       = 0x21
	idSimpleBlock = 0x23
)

// errEBML says that a file's elements are not what they say.
var errEBML = errors.New("an element is longer than the file, or its frames are laced; take the file as the relay wrote it")

// checkEBML checks what the reader of EBML takes on trust and allocates by: that no
// element is longer than what is left of the file, and that no block says by itself how
// long its frames are. Elements that hold blocks are looked into.
func checkEBML(b []byte) error {
	for len(b) > 0 {
		id, n, _ := vint(b)
		size, m, unknown := vint(b[n:])
		if n == 0 || m == 0 {
			return errEBML
		}
		b = b[n+m:]
		switch {
		case id == idSegment || id == idCluster || id == idBlockGroup:
			if !unknown && size > uint64(len(b)) {
				return errEBML
			}
			continue
		case size > uint64(len(b)):
			return errEBML
		case id == idBlock || id == idSimpleBlock:
			_, track, _ := vint(b[:size])
			if flags := track + 2; uint64(flags) >= size || track == 0 || b[flags]&0x06 != 0 {
				return errEBML
			}
		}
		b = b[size:]
	}
	return nil
}

// vint reads a variable-size integer (RFC 8794, section 4) without its marker, and its
// length, 0 if it is none. ones says that all its bits are 1, which as a size means
// that it is not known.
func vint(b []byte) (v uint64, length int, ones bool) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0, false
	}
	length = bits.LeadingZeros8(b[0]) + 1
	if length > len(b) {
		return 0, 0, false
	}
	v = uint64(b[0]) &^ (1 << (8 - length))
	for _, c := range b[1:length] {
		v = v<<8 | uint64(c)
	}
	return v, length, v == 1<<(7*length)-1
}
