package egress

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
	"golang.org/x/time/rate"

	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ice"
	"github.com/framelock/relay/media/packet"
)

// budgets bound what one viewer can make the relay compute, in datagrams.
type budgets struct{ checks, rtcp, dtls *rate.Limiter }

func newBudgets() budgets {
	return budgets{
		checks: rate.NewLimiter(50, 100), // a browser tries all pairs at once, then a few a second
		rtcp:   rate.NewLimiter(400, 200),
		dtls:   rate.NewLimiter(1000, 500), // SCTP acknowledges every second event
	}
}

// reader hands what comes on the endpoint's port to the session that it belongs to.
// One goroutine owns it.
type reader struct {
	e     *Endpoint
	reply []byte
	plain []byte
}

// take looks at the first byte of a datagram (RFC 7983, section 7).
func (r *reader) take(b []byte, from netip.AddrPort, now time.Time) {
	if len(b) == 0 || from.Port() == 0 { // nothing could be sent there
		r.drop(DropUnreadable)
		return
	}
	if b[0] <= 3 {
		r.check(b, from, now)
		return
	}
	t := r.e.at(from)
	if t == nil {
		if !r.guest("", b, from) {
			r.drop(DropStranger)
		}
		return
	}
	switch {
	case b[0] >= 20 && b[0] <= 63:
		if !t.budgets.dtls.AllowN(now, 1) {
			r.drop(DropFlood)
			return
		}
		if _, err := t.inbox.Write(b); errors.Is(err, io.ErrClosedPipe) {
			r.drop(DropStranger) // whose session has just ended
		} else if err != nil { // full
			r.drop(DropFlood)
		}
	case b[0] >= 128 && b[0] <= 191:
		if !t.budgets.rtcp.AllowN(now, 1) {
			r.drop(DropFlood)
			return
		}
		r.rtcp(t, b, from, now)
	default:
		r.drop(DropUnreadable)
	}
}

func (r *reader) drop(reason string) { r.e.cfg.Drops.Dropped(reason, 1) }

// check answers a connectivity check, and follows the viewer to where it is.
func (r *reader) check(b []byte, from netip.AddrPort, now time.Time) {
	ufrag, ok := ice.Ufrag(b)
	if !ok {
		if !r.guest("", b, from) { // an answer to a guest's own check
			r.drop(DropUnreadable)
		}
		return
	}
	t := r.e.named(ufrag)
	if t == nil {
		if !r.guest(ufrag, b, from) {
			r.drop(DropCheck)
		}
		return
	}
	if !t.budgets.checks.AllowN(now, 1) {
		r.drop(DropFlood)
		return
	}
	if r.taken(t, from, now) {
		r.drop(DropCheck)
		return
	}
	reply, verdict := t.agent.Check(b, r.reply[:0], from, now)
	r.reply = reply
	if verdict == ice.Refused {
		r.drop(DropCheck)
		return
	}
	t.heard.Store(t.agent.Heard().UnixNano())
	if verdict == ice.Moved || t.address() == from && r.e.at(from) != t { // somebody had taken it meanwhile
		r.e.move(t, from)
	}
	if err := r.e.cfg.Conn.WriteTo(reply, from); err != nil {
		r.drop(DropSend)
	}
	if !t.begun {
		t.begun = true
		r.e.start(t)
	}
}

// taken reports whether an address is that of another session, whose viewer lives:
// nobody moves there by writing a false sender on a check.
func (r *reader) taken(t *Transport, from netip.AddrPort, now time.Time) bool {
	other := r.e.at(from)
	return other != nil && other != t && other.silentFor(now) < addressRest
}

// addressRest is how long an address stays that of a viewer who has fallen silent.
const addressRest = 5 * time.Second

// rtcp decrypts a compound packet and hands on what it says.
func (r *reader) rtcp(t *Transport, b []byte, from netip.AddrPort, now time.Time) {
	keys := t.keys.Load()
	if keys == nil || len(b) < 8 || b[1] < 192 || b[1] > 223 { // RFC 5761, section 4
		r.drop(DropUnreadable)
		return
	}
	plain, err := keys.in.DecryptRTCP(r.plain[:0], b, nil)
	if err != nil {
		r.drop(DropUnreadable)
		return
	}
	r.plain = plain
	t.agent.Hear(from, now)
	t.heard.Store(t.agent.Heard().UnixNano())
	if bloated(plain) {
		r.drop(DropFlood)
		return
	}
	packets, err := rtcp.Unmarshal(plain)
	if err != nil {
		r.drop(DropUnreadable)
		return
	}
	for _, p := range packets {
		t.hear(p, now)
	}
}

// maxStatuses is how many packets one TWCC message may tell of: several seconds of a
// stream.
const maxStatuses = 1024

// bloated reports whether a compound holds a TWCC message that claims more packets:
// a few bytes of run lengths would be read into a megabyte.
func bloated(compound []byte) bool {
	for len(compound) >= 16 {
		size := 4 * (int(binary.BigEndian.Uint16(compound[2:])) + 1) // RFC 3550, section 6.4.1
		transport := compound[1] == byte(rtcp.TypeTransportSpecificFeedback) && compound[0]&31 == rtcp.FormatTCC
		if transport && binary.BigEndian.Uint16(compound[14:]) > maxStatuses {
			return true
		}
		if size >= len(compound) {
			return false
		}
		compound = compound[size:]
	}
	return false
}

// track returns the track with an SSRC of the session.
func (t *Transport) track(ssrc uint32) (forward.Track, bool) {
	for id := range t.formats.Track {
		if f := &t.formats.Track[id]; f.SSRC != 0 && f.SSRC == ssrc {
			return forward.Track(id), true
		}
	}
	return 0, false
}

// hear hands on one packet of a viewer's RTCP.
func (t *Transport) hear(p rtcp.Packet, now time.Time) {
	switch p := p.(type) {
	case *rtcp.TransportLayerNack:
		if track, ok := t.track(p.MediaSSRC); ok {
			t.feedback.Nack(track, nacked(p))
		}
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		if t.formats.Track[forward.Video].SSRC != 0 {
			t.feedback.KeyframeWanted()
		}
	case *rtcp.TransportLayerCC:
		t.feedback.Arrivals(p)
	case *rtcp.ReceiverReport:
		t.hearBlocks(p.Reports, now)
	case *rtcp.SenderReport:
		t.hearBlocks(p.Reports, now)
	}
}

func (t *Transport) hearBlocks(blocks []rtcp.ReceptionReport, now time.Time) {
	for _, block := range blocks {
		if track, ok := t.track(block.SSRC); ok {
			t.feedback.Report(track, float64(block.FractionLost)/256, roundTrip(block, now))
		}
	}
}

// nacked returns the sequence numbers that a NACK names, as far as they are
// answered.
func nacked(p *rtcp.TransportLayerNack) []uint16 {
	numbers := make([]uint16, 0, 17)
	for _, pair := range p.Nacks {
		pair.Range(func(n uint16) bool {
			if len(numbers) < maxNacked {
				numbers = append(numbers, n)
			}
			return len(numbers) < maxNacked
		})
	}
	return numbers
}

// roundTrip returns the round-trip time in seconds that a report tells of, or 0
// (RFC 3550, section 6.4.1).
func roundTrip(r rtcp.ReceptionReport, now time.Time) float64 {
	if r.LastSenderReport == 0 {
		return 0
	}
	d := uint32(packet.NTP(now)>>16) - r.LastSenderReport - r.Delay
	if d > 1<<31 {
		return 0
	}
	return float64(d) / 65536
}
