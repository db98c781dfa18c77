package packet

// Extend16 widens a 16-bit RTP sequence number to the 64-bit number nearest to
// ref that ends in v. Near zero it never goes below v itself.
func Extend16(ref uint64, v uint16) uint64 {
	return extend(ref, uint64(v), 1<<16)
}

// Extend32 widens a 32-bit RTP timestamp to the 64-bit number nearest to ref
// that ends in v. Near zero it never goes below v itself.
func Extend32(ref uint64, v uint32) uint64 {
	return extend(ref, uint64(v), 1<<32)
}

func extend(ref, v, period uint64) uint64 {
	x := ref - ref%period + v
	switch {
	case x > ref && x-ref > period/2 && x >= period:
		return x - period
	case x < ref && ref-x >= period/2:
		return x + period
	}
	return x
}
