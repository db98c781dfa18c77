package egress

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
	pion "github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/packetio"

	"github.com/framelock/relay/media/ice"
	"github.com/framelock/relay/media/srtp"
	"github.com/framelock/relay/media/udp"
)

// Transport is the Session of a viewer on an Endpoint: ICE-lite, a DTLS server,
// SRTP and the data channels. The endpoint's reader owns what comes in, the
// viewer's shard what goes out; what both use is atomic.
type Transport struct {
	endpoint    *Endpoint
	feedback    Feedback
	formats     Formats
	fingerprint Fingerprint // of the viewer's certificate

	// Owned by the reader.
	agent   ice.Agent
	budgets budgets
	begun   bool // the handshake has been started

	remote atomic.Pointer[netip.AddrPort] // where the viewer is; nil = not known yet
	before netip.AddrPort                 // where it was before; guarded by endpoint.mu
	heard  atomic.Int64                   // when it was last heard, in nanoseconds of Unix time
	keys   atomic.Pointer[keys]           // nil until the handshake is over

	inbox    *packetio.Buffer // DTLS that has come
	conn     atomic.Pointer[dtls.Conn]
	channels atomic.Pointer[streams]

	closed  sync.Once
	done    chan struct{} // closed by Close
	running sync.WaitGroup
}

// keys is the SRTP of a session: in is the reader's, the others are the shard's.
type keys struct {
	sealer  *srtp.Sealer
	in, out *pion.Context // of RTCP
}

// errNotConnected is for what is sent before the handshake is over.
var errNotConnected = errors.New("the viewer is not connected yet")

// Formats implements Session.
func (t *Transport) Formats() *Formats { return &t.formats }

// Send implements Session.
func (t *Transport) Send(q *udp.Queue, batch []Outgoing) error {
	keys, to := t.keys.Load(), t.remote.Load()
	if keys == nil || to == nil {
		return errNotConnected
	}
	for i := range batch {
		o := &batch[i]
		b := appendHeader(q.Room(), o)
		payload := o.Payload
		if o.RTX { // RFC 4588, section 4: the original number goes before the payload
			payload = append(b[len(b):], byte(o.Original>>8), byte(o.Original))
			payload = append(payload, o.Payload...)
		}
		sealed, err := keys.sealer.Seal(b, payload, o.Rollover)
		if err != nil {
			return err
		}
		q.Add(sealed, *to)
	}
	return nil
}

// SendRTCP implements Session.
func (t *Transport) SendRTCP(q *udp.Queue, b []byte) error {
	keys, to := t.keys.Load(), t.remote.Load()
	if keys == nil || to == nil {
		return errNotConnected
	}
	sealed, err := keys.out.EncryptRTCP(q.Room(), b, nil)
	if err != nil {
		return err
	}
	q.Add(append(q.Room(), sealed...), *to)
	return nil
}

// SendText implements Session.
func (t *Transport) SendText(c Channel, message []byte) error {
	channels := t.channels.Load()
	if channels == nil {
		return errors.New("the channel is not open")
	}
	_, err := channels[c].WriteSCTP(message, sctp.PayloadTypeWebRTCString)
	return err
}

// Queued implements Session.
func (t *Transport) Queued(c Channel) uint64 {
	if channels := t.channels.Load(); channels != nil {
		return channels[c].BufferedAmount()
	}
	return 0
}

// Close implements Session.
func (t *Transport) Close() error {
	t.closed.Do(func() { close(t.done) })
	t.endpoint.forget(t)
	if conn := t.conn.Load(); conn != nil {
		_ = conn.Close() // says goodbye
	}
	err := t.inbox.Close()
	t.running.Wait()
	return err
}

// address returns where the viewer is; zero if that is not known.
func (t *Transport) address() netip.AddrPort {
	if a := t.remote.Load(); a != nil {
		return *a
	}
	return netip.AddrPort{}
}

// end tells that the session is over, once.
func (t *Transport) end(reason string) {
	t.closed.Do(func() {
		close(t.done)
		go t.feedback.Closed(reason)
	})
}

// silentFor returns for how long the viewer has not been heard.
func (t *Transport) silentFor(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, t.heard.Load()))
}
