package stream

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/sync/journal"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// annexBHash is the hash of a frame whose packets are single NAL units, worked
// out from docs/protocol.md alone.
func annexBHash(nals [][]byte) string {
	h := sha256.New()
	for _, nal := range nals {
		h.Write([]byte{0, 0, 0, 1})
		h.Write(nal)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func releaseAll(packets []forward.Packet) {
	for i := range packets {
		packets[i].Buffer.Release()
	}
}

func parse(b []byte) (packet.Header, error) { return packet.Parse(b) }

// silent is an Output that only counts.
type silent struct{ packets int }

func (s *silent) Forward(*forward.Packet)             { s.packets++ }
func (s *silent) GOPBegins()                          {}
func (s *silent) Tell(egress.Message)                 {}
func (s *silent) Answer([]Ticket, Answer)             {}
func (s *silent) RequestKeyframe()                    {}
func (s *silent) Lease(journal.Lease)                 {}
func (s *silent) Drop(string, int)                    {}
func (s *silent) Log(*marker.Event, []byte)           {}
func (s *silent) Judged(*act)                         {}
func (s *silent) Repeat(*window.Action, func([]byte)) {}
func (s *silent) Catch()                              {}
func (s *silent) Seal(string)                         {}
func (s *silent) RequestStandbyKeyframe()             {}
func (s *silent) Switched(forward.Encoder, string)    {}
