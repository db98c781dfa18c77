package congestion

import "github.com/pion/rtcp"

// walk goes through the packets that a feedback message reports on, in order of
// their numbers. A message that ends too early just ends.
type walk struct {
	cc       *rtcp.TransportLayerCC
	number   uint64 // of the packet that next has found
	at       int64  // ticks of the receiver's clock, of the last packet received
	received bool
	timed    bool // received, and at is when

	done  uint16 // packets found
	chunk int    // index in PacketChunks
	used  uint16 // packets of that chunk found
	delta int    // index in RecvDeltas
}

// newWalk starts a walk; number and at are the base sequence number and the
// reference time (section 3.1), unwrapped.
func newWalk(cc *rtcp.TransportLayerCC, number uint64, at int64) walk {
	return walk{cc: cc, number: number - 1, at: at}
}

// next goes on to the next packet.
func (w *walk) next() bool {
	if w.done == w.cc.PacketStatusCount {
		return false
	}
	symbol, ok := w.symbol()
	if !ok {
		return false
	}
	w.done++
	w.number++
	w.received = symbol != rtcp.TypeTCCPacketNotReceived
	w.timed = false
	if symbol == rtcp.TypeTCCPacketReceivedSmallDelta || symbol == rtcp.TypeTCCPacketReceivedLargeDelta {
		if w.delta >= len(w.cc.RecvDeltas) || w.cc.RecvDeltas[w.delta] == nil {
			return false
		}
		// A delta on the wire has 16 bits at most.
		d := w.cc.RecvDeltas[w.delta].Delta / rtcp.TypeTCCDeltaScaleFactor
		w.at += min(max(d, -1<<15), 1<<15)
		w.timed = true
		w.delta++
	}
	return true
}

// symbol returns the status of the next packet (section 3.1.1).
func (w *walk) symbol() (symbol uint16, ok bool) {
	for w.chunk < len(w.cc.PacketChunks) {
		switch c := w.cc.PacketChunks[w.chunk].(type) {
		case *rtcp.RunLengthChunk:
			if c != nil && w.used < c.RunLength {
				w.used++
				return c.PacketStatusSymbol, true
			}
		case *rtcp.StatusVectorChunk:
			if c != nil && int(w.used) < len(c.SymbolList) {
				w.used++
				return c.SymbolList[w.used-1], true
			}
		}
		w.chunk, w.used = w.chunk+1, 0
	}
	return 0, false
}
