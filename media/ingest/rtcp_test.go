package ingest

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// sr is a sender report without report blocks (RFC 3550, section 6.4.1).
func sr(ssrc uint32, ntp uint64, rtp uint32) []byte {
	b := []byte{0x80, 200, 0, 6}
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = binary.BigEndian.AppendUint64(b, ntp)
	b = binary.BigEndian.AppendUint32(b, rtp)
	return append(b, 0, 0, 0, 9, 0, 0, 0, 99) // packets, bytes
}

// bye is a goodbye (section 6.6).
func bye(ssrcs ...uint32) []byte {
	b := []byte{0x80 | byte(len(ssrcs)), 203, 0, byte(len(ssrcs))}
	for _, s := range ssrcs {
		b = binary.BigEndian.AppendUint32(b, s)
	}
	return b
}

// list is a sink for what one compound packet says.
type list struct {
	reports []SenderReport
	packets int
}

func (l *list) SenderReport(r SenderReport) { l.reports = append(l.reports, r) }

func (l *list) Media(b *Batch) {
	for _, p := range b.Packets {
		p.Buffer.Release()
	}
	l.packets += len(b.Packets)
	b.Recycle()
}

func TestCompoundPackets(t *testing.T) {
	cat := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	blocks := sr(7, 1<<63, 1)
	blocks[0], blocks[3] = 0x81, 12
	blocks = append(blocks, make([]byte, 24)...)
	extended := append(slices.Clone(blocks), 1, 2, 3, 4)
	extended[3] = 13
	unknown := []byte{0x81, 210, 0, 1, 1, 2, 3, 4}
	noTerminator := []byte{0x81, 202, 0, 3, 0, 0, 0, 7, 1, 200, 'a', 'b', 'c', 'd', 'e', 'f'} // CNAME longer than its chunk
	long := sr(7, 1<<63, 1)
	long[3] = 7
	old := sr(7, 1<<63, 1)
	old[0] = 0x40
	short := sr(7, 1<<63, 1)
	short[3] = 5
	fewBlocks := sr(7, 1<<63, 1)
	fewBlocks[0] = 0x81
	fewSources := bye(1)
	fewSources[0] = 0x82
	tests := []struct {
		name      string
		in        []byte
		want      []uint32 // SSRCs
		malformed bool
	}{
		{"report", sr(7, 1<<63, 1), []uint32{7}, false},
		{"report with blocks", blocks, []uint32{7}, false},
		{"report with an extension of its profile", extended, []uint32{7}, false},
		{"report, description, unknown type, goodbye", cat(sr(7, 1<<63, 1), noTerminator, unknown, bye(7, 8)), []uint32{7, 7, 8}, false},
		{"goodbye to nobody", bye(), nil, false},
		{"nothing that is read", unknown, nil, false},
		{"empty", nil, nil, true},
		{"cut head", cat(sr(7, 1<<63, 1), []byte{0x80, 203, 0}), nil, true},
		{"longer than the datagram", long, nil, true},
		{"other version", cat(sr(7, 1<<63, 1), old), nil, true},
		{"report that is too short", short, nil, true},
		{"fewer blocks than said", fewBlocks, nil, true},
		{"fewer sources than said", fewSources, nil, true},
		{"a good part before a bad one", cat(sr(7, 1<<63, 1), fewSources), nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, got := NewListener(forward.Video, nil, nil, nil, nil), &list{}
			l.reportsIn(tt.in, studio, noon, got)
			var ssrcs []uint32
			for _, r := range got.reports {
				ssrcs = append(ssrcs, r.SSRC)
			}
			if malformed, _ := l.Dropped(); !slices.Equal(ssrcs, tt.want) || (malformed == 1) != tt.malformed {
				t.Errorf("reports of %v, %d malformed", ssrcs, malformed)
			}
		})
	}
}

// FuzzDatagram feeds a listener any datagram, on either port. It never fails,
// gives every buffer back, counts what it drops, and reads of RTCP what another
// implementation does.
func FuzzDatagram(f *testing.F) {
	for _, b := range [][]byte{
		nil, {0x80}, []byte("garbage"), rtp(96, 1, "media"), rtp(200, 1, ""), sr(7, 1<<63, 1),
		append(sr(7, 1<<63, 1), bye(1, 2)...), bye(), make([]byte, 2000),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pool, got := packet.NewPool(4), &list{}
		l := NewListener(forward.Video, nil, nil, pool, nil)
		d := udp.Datagram{Buffer: pool.Get(), From: studio}
		if len(b) <= packet.MaxSize { // else the socket says length 0
			d.Buffer.Data = d.Buffer.Memory()[:copy(d.Buffer.Memory(), b)]
		}
		out := l.batch()
		l.sort(&d, noon, out, got)
		got.Media(out)
		d.Buffer.Release()
		if pool.Live() != 0 {
			t.Fatalf("%d buffers live", pool.Live())
		}
		malformed, oversize := l.Dropped()
		isRTCP := len(b) >= 2 && len(b) <= packet.MaxSize && b[1] >= 192 && b[1] <= 223
		if !isRTCP && got.packets+int(malformed+oversize) != 1 || isRTCP && (got.packets > 0 || oversize > 0) {
			t.Fatalf("%d packets, %d malformed, %d oversize", got.packets, malformed, oversize)
		}
		l.reportsIn(b, studio, noon, &list{})
		if theirs, err := rtcp.Unmarshal(b); err == nil && isRTCP {
			agree(t, got.reports, theirs)
		}
	})
}

func agree(t *testing.T, ours []SenderReport, theirs []rtcp.Packet) {
	var want []SenderReport
	for _, p := range theirs {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			want = append(want, SenderReport{SSRC: p.SSRC, RTP: p.RTPTime})
		case *rtcp.Goodbye:
			for _, s := range p.Sources {
				want = append(want, SenderReport{SSRC: s, Bye: true})
			}
		}
	}
	for i := range ours {
		ours[i].NTP, ours[i].At, ours[i].From = time.Time{}, time.Time{}, netip.AddrPort{}
	}
	if !slices.Equal(ours, want) {
		t.Fatalf("read %+v, pion reads %+v", ours, want)
	}
}
