package studio

import "encoding/binary"

// payloadsH264 cuts the NAL units of one access unit into RTP payloads of at
// most size bytes (RFC 6184, packetization mode 1): a unit that fits goes alone,
// a longer one in fragments (FU-A).
func payloadsH264(nals [][]byte, size int) [][]byte {
	var out [][]byte
	for _, nal := range nals {
		if len(nal) <= size {
			out = append(out, nal)
			continue
		}
		const fuA, start, end = 28, 0x80, 0x40
		indicator, kind := nal[0]&0xE0|fuA, nal[0]&0x1F
		flags := byte(start)
		for rest := nal[1:]; len(rest) > 0; flags = 0 {
			n := min(len(rest), size-2)
			if n == len(rest) {
				flags |= end
			}
			out = append(out, append([]byte{indicator, flags | kind}, rest[:n]...))
			rest = rest[n:]
		}
	}
	return out
}

// aggregate joins NAL units in one payload (RFC 6184, section 5.7.1: STAP-A).
func aggregate(nals ...[]byte) []byte {
	const stapA = 24
	var importance byte
	for _, nal := range nals {
		importance = max(importance, nal[0]&0x60)
	}
	out := []byte{importance | stapA}
	for _, nal := range nals {
		out = binary.BigEndian.AppendUint16(out, uint16(len(nal)))
		out = append(out, nal...)
	}
	return out
}

// payloadsVP8 cuts a frame into RTP payloads of at most size bytes, each with a
// payload descriptor that has a 15-bit PictureID (RFC 7741, section 4.2).
func payloadsVP8(frame []byte, pictureID uint16, size int) [][]byte {
	const extended, startOfPartition, hasPictureID, long = 0x80, 0x10, 0x80, 0x8000
	var out [][]byte
	first := byte(startOfPartition)
	for len(frame) > 0 {
		payload := []byte{extended | first, hasPictureID}
		payload = binary.BigEndian.AppendUint16(payload, long|pictureID)
		n := min(len(frame), size-len(payload))
		out, first = append(out, append(payload, frame[:n]...)), 0
		frame = frame[n:]
	}
	return out
}
