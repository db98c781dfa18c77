package congestion

import (
	"testing"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"pgregory.net/rapid"
)

// told is what a walk says of one packet.
type told struct {
	number          uint64
	received, timed bool
	at              int64
}

func tellAll(w walk) (all []told) {
	for w.next() {
		all = append(all, told{w.number, w.received, w.timed, w.at})
	}
	return all
}

func TestWalk(t *testing.T) {
	const (
		no    = rtcp.TypeTCCPacketNotReceived
		small = rtcp.TypeTCCPacketReceivedSmallDelta
		large = rtcp.TypeTCCPacketReceivedLargeDelta
		bare  = rtcp.TypeTCCPacketReceivedWithoutDelta
	)
	run := func(symbol, n uint16) rtcp.PacketStatusChunk {
		return &rtcp.RunLengthChunk{PacketStatusSymbol: symbol, RunLength: n}
	}
	vector := func(symbols ...uint16) rtcp.PacketStatusChunk {
		return &rtcp.StatusVectorChunk{SymbolList: symbols}
	}
	deltas := func(micros ...int64) (all []*rtcp.RecvDelta) {
		for _, d := range micros {
			all = append(all, &rtcp.RecvDelta{Delta: d})
		}
		return all
	}
	tests := []struct {
		name   string
		count  uint16
		chunks []rtcp.PacketStatusChunk
		deltas []*rtcp.RecvDelta
		want   []told
	}{
		{"nothing", 0, []rtcp.PacketStatusChunk{run(small, 9)}, deltas(1), nil},
		{"a run", 2, []rtcp.PacketStatusChunk{run(small, 2)}, deltas(250, 500), []told{{7, true, true, 1001}, {8, true, true, 1003}}},
		{"the count ends it", 1, []rtcp.PacketStatusChunk{run(small, 2)}, deltas(250, 500), []told{{7, true, true, 1001}}},
		{"a vector and a run", 4, []rtcp.PacketStatusChunk{vector(no, large), run(no, 2)}, deltas(-1000),
			[]told{{7, false, false, 1000}, {8, true, true, 996}, {9, false, false, 996}, {10, false, false, 996}}},
		{"received without a time", 2, []rtcp.PacketStatusChunk{vector(bare, small)}, deltas(250),
			[]told{{7, true, false, 1000}, {8, true, true, 1001}}},
		{"chunks are missing", 9, []rtcp.PacketStatusChunk{run(no, 1)}, nil, []told{{7, false, false, 1000}}},
		{"deltas are missing", 2, []rtcp.PacketStatusChunk{run(small, 2)}, deltas(250), []told{{7, true, true, 1001}}},
		{"nil everywhere", 3, []rtcp.PacketStatusChunk{nil, (*rtcp.RunLengthChunk)(nil), (*rtcp.StatusVectorChunk)(nil), run(small, 1)}, []*rtcp.RecvDelta{nil}, nil},
		{"empty chunks", 1, []rtcp.PacketStatusChunk{run(no, 0), vector(), run(no, 1)}, nil, []told{{7, false, false, 1000}}},
		{"no such delta", 1, []rtcp.PacketStatusChunk{run(small, 1)}, deltas(1 << 60), []told{{7, true, true, 1000 + 1<<15}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cc := &rtcp.TransportLayerCC{PacketStatusCount: tt.count, PacketChunks: tt.chunks, RecvDeltas: tt.deltas}
			got := tellAll(newWalk(cc, 7, 1000))
			if len(got) != len(tt.want) {
				t.Fatalf("%+v, want %+v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("%+v, want %+v", got[i], tt.want[i])
				}
			}
		})
	}
}

// What a receiver has written down comes out again, by way of the wire.
func TestWalkReadsWhatPionWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		recorder := twcc.NewRecorder(1)
		number := rapid.Uint16().Draw(t, "first")
		at := rapid.Int64Range(1e6, 1e12).Draw(t, "start")
		came := map[uint16]int64{}
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			number += uint16(rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(t, "step"))
			at += rapid.Int64Range(0, 100_000).Draw(t, "µs")
			recorder.Record(2, number, at)
			came[number] = at
		}
		found := 0
		var clock conversation
		for _, p := range recorder.BuildFeedbackPacket() {
			b, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			var cc rtcp.TransportLayerCC
			if err := cc.Unmarshal(b); err != nil {
				t.Fatal(err)
			}
			reference := clock.unwrap(cc.ReferenceTime)
			for _, g := range tellAll(newWalk(&cc, 1<<20+uint64(cc.BaseSequenceNumber), reference)) {
				at, ok := came[uint16(g.number)]
				if ok != g.received {
					t.Fatalf("%+v; came: %v", g, ok)
				}
				// The reference time has 24 bits of 64 ms: what wraps is the same.
				const period = referenceTicks * referenceWraps
				if apart := ((at/250-g.at)%period + period + 1) % period; ok && apart > 2 {
					t.Fatalf("%+v; came at %d ticks", g, at/250)
				}
				if ok {
					found++
				}
			}
		}
		if found != len(came) {
			t.Fatalf("%d packets of %d", found, len(came))
		}
	})
}

func TestReferenceTimeUnwraps(t *testing.T) {
	var c conversation
	c.time = (referenceWraps - 2) * referenceTicks
	for i, want := range []int64{-1, 0, 1, 5, 3, -2, 1 << 20} {
		got := c.unwrap(uint32(want) & (referenceWraps - 1))
		if got != (referenceWraps+want)*referenceTicks {
			t.Errorf("%d: %d steps, want %d", i, got/referenceTicks, referenceWraps+want)
		}
	}
}
