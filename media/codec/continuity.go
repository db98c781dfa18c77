package codec

import "encoding/binary"

// VP8Continuity renumbers the pictures of a VP8 stream, so that PictureID and
// TL0PICIDX go on by one where the source changes: browsers freeze for seconds on
// a PictureID that starts anew. Until the first change nothing is altered. The
// zero value is ready.
//
// Whether a number has 7 or 15 bits is the source's choice and stays as it is. A
// change from 15 to 7 bits goes on in the low 7, as far as that form can.
type VP8Continuity struct {
	picture, tl0 numbering
}

// Reset says that the next packet comes from another source. It must be the first
// packet that is forwarded of it, one of a keyframe.
func (c *VP8Continuity) Reset() {
	c.picture.anchored, c.tl0.anchored = false, false
}

// Rewrite renumbers one payload in place. Errors are those of ParseVP8, and leave
// the payload as it is.
func (c *VP8Continuity) Rewrite(payload []byte) error {
	d, err := ParseVP8(payload)
	if err != nil {
		return err
	}
	switch {
	case d.HasPictureID && d.Wide:
		v := c.picture.next(d.PictureID, 1<<15-1)
		binary.BigEndian.PutUint16(payload[d.pictureAt:], v|vp8M<<8)
	case d.HasPictureID:
		payload[d.pictureAt] = byte(c.picture.next(d.PictureID, 1<<7-1))
	}
	if d.HasTL0 {
		payload[d.tl0At] = byte(c.tl0.next(uint16(d.TL0PICIDX), 1<<8-1))
	}
	return nil
}

// numbering carries one wrapping number across source changes.
type numbering struct {
	offset   uint16 // added to what comes in
	newest   uint16 // newest that went out
	started  bool   // one has gone out
	anchored bool   // offset belongs to the present source
}

// next returns what goes out for v. mask is the highest value, all ones.
func (n *numbering) next(v, mask uint16) uint16 {
	if !n.anchored {
		n.anchored = true
		if n.started {
			n.offset = n.newest + 1 - v
			n.newest++
		}
	}
	out := (v + n.offset) & mask
	if !n.started || (out-n.newest)&mask <= mask/2 {
		n.newest, n.started = out, true
	}
	return out
}
