// Package ice is the ICE-lite side of a viewer's session (RFC 8445, section
// 2.5): it answers connectivity checks, says which of them nominate an address,
// and never sends anything to an address by itself. It is pure.
package ice

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/stun/v3"
)

// settled is how long the address in use has to be silent before a check from
// another one, that does not nominate it, moves the session there.
const settled = 400 * time.Millisecond

// Agent is the state of one session. One goroutine owns it.
type Agent struct {
	Ufrag, Password string // the relay's own

	selected netip.AddrPort
	heard    time.Time // last authenticated datagram from the selected address
	message  stun.Message
}

// Verdict is what a check means for the session.
type Verdict uint8

// The verdicts.
const (
	Refused  Verdict = iota // not a check of this session: nothing is sent
	Answered                // a check that changes nothing
	Moved                   // the session's address is now that of the check
)

// Ufrag returns the relay's ufrag that a datagram with a connectivity check names,
// without any cryptography: ok is false if it is none.
func Ufrag(b []byte) (ufrag string, ok bool) {
	if len(b) < headerSize || b[0] != 0 || b[1] != 1 || !stun.IsMessage(b) { // a binding request
		return "", false
	}
	for rest := b[headerSize:]; len(rest) >= 4; {
		kind, size := int(rest[0])<<8|int(rest[1]), int(rest[2])<<8|int(rest[3])
		if 4+size > len(rest) {
			return "", false
		}
		if stun.AttrType(kind) == stun.AttrUsername {
			for i, c := range rest[4 : 4+size] {
				if c == ':' { // receiver:sender (RFC 8445, section 7.2.2)
					return string(rest[4 : 4+i]), true
				}
			}
			return "", false
		}
		rest = rest[min(len(rest), 4+(size+3)&^3):]
	}
	return "", false
}

const headerSize = 20 // RFC 8489, section 5

// Check judges a connectivity check and appends the answer, if it gets one, to
// reply.
func (a *Agent) Check(b, reply []byte, from netip.AddrPort, now time.Time) ([]byte, Verdict) {
	if len(b) < headerSize || headerSize+int(binary.BigEndian.Uint16(b[2:])) != len(b) { // a datagram is one message
		return reply, Refused
	}
	m := &a.message
	m.Raw = append(m.Raw[:0], b...)
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		return reply, Refused
	}
	username, err := m.Get(stun.AttrUsername)
	// Whoever knows the password is the viewer, whichever of its m-lines' ufrags it
	// takes for the transport's.
	if err != nil || !strings.HasPrefix(string(username), a.Ufrag+":") {
		return reply, Refused
	}
	integrity := stun.NewShortTermIntegrity(a.Password)
	if integrity.Check(m) != nil {
		return reply, Refused
	}
	verdict := Answered
	answer := []stun.Setter{stun.NewTransactionIDSetter(m.TransactionID)}
	if m.Contains(stun.AttrICEControlled) { // RFC 8445, section 7.3.1.1: the lite side is the controlled one
		answer = append(answer, stun.BindingError, stun.CodeRoleConflict, integrity, stun.Fingerprint)
	} else {
		answer = append(answer, stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}, integrity, stun.Fingerprint)
		if a.moves(from, m.Contains(stun.AttrUseCandidate), now) {
			verdict = Moved
		}
		if a.selected == from {
			a.heard = now
		}
	}
	built, err := stun.Build(answer...)
	if err != nil {
		return reply, Refused
	}
	return append(reply, built.Raw...), verdict
}

// moves reports whether a valid check moves the session, and moves it.
func (a *Agent) moves(from netip.AddrPort, nominated bool, now time.Time) bool {
	if from == a.selected {
		return false
	}
	// A viewer whose address translation has changed goes on checking the pair that
	// it had nominated, perhaps without saying so again.
	if a.selected.IsValid() && !nominated && now.Sub(a.heard) < settled {
		return false
	}
	a.selected, a.heard = from, now
	return true
}

// Hear notes an authenticated datagram.
func (a *Agent) Hear(from netip.AddrPort, now time.Time) {
	if from == a.selected {
		a.heard = now
	}
}

// Heard returns when the viewer was last heard; zero if it never was.
func (a *Agent) Heard() time.Time { return a.heard }
