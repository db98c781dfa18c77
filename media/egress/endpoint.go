package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/transport/v4/packetio"

	"github.com/framelock/relay/media/ice"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// EndpointConfig says where viewers reach the relay.
type EndpointConfig struct {
	Conn      udp.Conn         // the one UDP port; the endpoint owns it
	Addresses []netip.AddrPort // announced to viewers
	Now       func() time.Time
	Drops     Drops
	Logger    *slog.Logger
}

// Endpoint is the UDP port on which all viewers' sessions meet. It answers
// connectivity checks, and sends to where the viewer's own, signed with the
// session's password, come from. As ICE-lite it sends no checks itself: a viewer
// whose network lets it write another's address on them can aim its stream there.
type Endpoint struct {
	cfg         EndpointConfig
	certificate tls.Certificate
	fingerprint string
	logs        pionLogs
	closed      atomic.Bool
	guests      atomic.Pointer[Guests] // nil if there never were any

	mu        sync.Mutex
	byUfrag   map[string]*Transport
	byAddress map[netip.AddrPort]*Transport // validated ones
}

// Offer is a viewer's offer, and what the relay chose of it. The SSRCs of Formats
// are not set; a track with payload type 0 is not sent.
type Offer struct {
	Fingerprint Fingerprint
	Formats     Formats
}

// Answer is what the viewer is told of its session.
type Answer struct {
	Ufrag, Password string
	Fingerprint     string // of the relay's certificate, by SHA-256
	Addresses       []netip.AddrPort
	Formats         Formats
}

// ErrNoAddress says that viewers could not reach the relay.
var ErrNoAddress = errors.New("no address to announce: set media.public_ips, or listen on an address that viewers reach")

// NewEndpoint returns the endpoint on a UDP port; Run makes it work.
func NewEndpoint(c EndpointConfig) (*Endpoint, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		return nil, err
	}
	fingerprint, err := fingerprintOf(certificate.Certificate[0], "sha-256")
	return &Endpoint{
		cfg: c, certificate: certificate, fingerprint: fingerprint, logs: pionLogs{c.Logger},
		byUfrag: map[string]*Transport{}, byAddress: map[netip.AddrPort]*Transport{},
	}, err
}

// Open makes a session for an offer. The session talks to feedback from then on,
// starting before Open returns.
func (e *Endpoint) Open(offer Offer, feedback Feedback) (*Transport, Answer, error) {
	if len(e.cfg.Addresses) == 0 {
		return nil, Answer{}, ErrNoAddress
	}
	t := &Transport{
		endpoint: e, feedback: feedback, formats: offer.Formats, fingerprint: offer.Fingerprint,
		agent:   ice.Agent{Ufrag: randomText(ufragSize), Password: randomText(passwordSize)},
		budgets: newBudgets(), inbox: packetio.NewBuffer(), done: make(chan struct{}),
	}
	t.inbox.SetLimitCount(inboxLimit)
	for id := range t.formats.Track {
		if f := &t.formats.Track[id]; f.PayloadType != 0 {
			f.SSRC = randomSSRC()
			if f.RTXPayloadType != 0 {
				f.RTXSSRC = randomSSRC()
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.byUfrag[t.agent.Ufrag] = t
	return t, Answer{
		Ufrag: t.agent.Ufrag, Password: t.agent.Password, Fingerprint: e.fingerprint,
		Addresses: e.cfg.Addresses, Formats: t.formats,
	}, nil
}

// Lengths of what is made up for a session, in characters of 6 bits. RFC 8445,
// section 5.3, asks for 24 and 128 bits; a ufrag that nobody guesses keeps checks
// of strangers away from the cryptography.
const (
	ufragSize    = 16
	passwordSize = 24
	inboxLimit   = 64 // datagrams of DTLS that wait
)

// randomText returns characters that ICE allows (RFC 8839, section 5.4).
func randomText(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[b[i]%64]
	}
	return string(b)
}

func randomSSRC() uint32 {
	n, _ := rand.Int(rand.Reader, big.NewInt(1<<32-1)) // never fails
	return uint32(n.Uint64()) + 1
}

// Run takes what comes until the endpoint is closed.
func (e *Endpoint) Run() error {
	stop := make(chan struct{})
	var sweeping sync.WaitGroup
	sweeping.Go(func() { e.sweep(stop) })
	defer sweeping.Wait()
	defer close(stop)
	pool := packet.NewPool(readBatch)
	batch := make([]udp.Datagram, readBatch)
	for i := range batch {
		batch[i].Buffer = pool.Get()
	}
	r := reader{e: e}
	failures := 0 // in a row
	for {
		n, err := e.cfg.Conn.ReadBatch(batch)
		if e.closed.Load() || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			if failures++; failures > maxFailures {
				return fmt.Errorf("viewers' UDP port: %w", err)
			}
			e.cfg.Logger.Warn("viewers' UDP port not read", "error", err)
			continue
		}
		failures = 0
		now := e.cfg.Now()
		for i := range batch[:n] {
			r.take(batch[i].Buffer.Data, batch[i].From, now)
		}
	}
}

const (
	readBatch   = 64 // datagrams
	maxFailures = 100
	// consent is how long a viewer may be silent: its checks come every few seconds
	// (RFC 7675, section 5.1, gives them 30 s).
	consent      = 10 * time.Second
	sweepSpacing = time.Second
)

// sweep ends the sessions of viewers that have fallen silent.
func (e *Endpoint) sweep(stop <-chan struct{}) {
	ticker := time.NewTicker(sweepSpacing)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := e.cfg.Now()
		e.mu.Lock()
		for _, t := range e.byUfrag {
			if t.remote.Load() != nil && t.silentFor(now) > consent {
				t.end("consent_lost")
			}
		}
		e.mu.Unlock()
	}
}

// named returns the session with a ufrag.
func (e *Endpoint) named(ufrag string) *Transport {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byUfrag[ufrag]
}

// at returns the session that has been moved to an address.
func (e *Endpoint) at(from netip.AddrPort) *Transport {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byAddress[from]
}

// move notes the address of a session. Addresses that it had before stay its own:
// what the viewer has sent from there may still be under way.
func (e *Endpoint) move(t *Transport, to netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byUfrag[t.agent.Ufrag] != t { // closed meanwhile
		return
	}
	if old := t.remote.Load(); old != nil && t.before != *old {
		if e.byAddress[t.before] == t {
			delete(e.byAddress, t.before)
		}
		t.before = *old
	}
	t.remote.Store(&to)
	e.byAddress[to] = t
}

// start begins the handshake of a session, unless it has been closed.
func (e *Endpoint) start(t *Transport) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byUfrag[t.agent.Ufrag] == t {
		t.start()
	}
}

func (e *Endpoint) forget(t *Transport) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byUfrag, t.agent.Ufrag)
	for _, a := range []netip.AddrPort{t.before, t.address()} {
		if e.byAddress[a] == t {
			delete(e.byAddress, a)
		}
	}
}

// Close closes the port. Sessions end with their viewers.
func (e *Endpoint) Close() error {
	e.closed.Store(true)
	if g := e.guests.Load(); g != nil {
		_ = g.Close() // never fails
	}
	return e.cfg.Conn.Close()
}
