package egress

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"
	pion "github.com/pion/srtp/v3"

	"github.com/framelock/relay/media/srtp"
)

// Fingerprint is what a viewer's offer says of its certificate (RFC 8122).
type Fingerprint struct {
	Hash  string // such as "sha-256"
	Value string // hexadecimal bytes with colons between them
}

// fingerprintOf returns the fingerprint of a certificate in DER, in the upper case
// that RFC 8122, section 5, asks for.
func fingerprintOf(der []byte, hash string) (string, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	algorithm, err := fingerprint.HashFromString(hash)
	if err != nil {
		return "", err
	}
	value, err := fingerprint.Fingerprint(certificate, algorithm)
	return strings.ToUpper(value), err
}

// profiles of SRTP, the cheapest first.
var profiles = []dtls.SRTPProtectionProfile{
	dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
}

const (
	dtlsMTU = 1200 // bytes of a flight's datagrams: fits any path
	// flightSpacing is how long a lost flight takes to be sent again, at first.
	flightSpacing = 250 * time.Millisecond
)

var errFingerprint = errors.New("the viewer's certificate is not that of its offer")

// start begins the handshake. Sessions whose viewers never show up have no
// goroutine.
func (t *Transport) start() {
	t.running.Go(func() {
		err := t.run()
		if err != nil {
			t.endpoint.cfg.Logger.Debug("session ended", "error", err)
		}
		t.end(reasonOf(err))
	})
}

// endError is an end that has a reason of its own.
type endError struct {
	reason string
	err    error
}

func (e *endError) Error() string { return fmt.Sprintf("%s: %v", e.reason, e.err) }

func reasonOf(err error) string {
	var end *endError
	switch {
	case err == nil:
		return "closed"
	case errors.As(err, &end):
		return end.reason
	}
	return "failed"
}

// run is the life of a session whose viewer has shown up.
func (t *Transport) run() error {
	conn, err := dtls.ServerWithOptions(&pipe{t}, viewerAddress{}, t.endpoint.dtlsOptions(t.fingerprint)...)
	if err != nil {
		return err
	}
	t.conn.Store(conn)
	defer conn.Close()
	select {
	case <-t.done: // Close may have come too early to see conn
		return nil
	default:
	}
	if err := conn.Handshake(); err != nil {
		return &endError{"handshake_failed", err}
	}
	k, err := sessionKeys(conn)
	if err != nil {
		return &endError{"handshake_failed", err}
	}
	t.keys.Store(k)
	t.feedback.Connected()
	if t.formats.Channels {
		return t.converse(conn)
	}
	var b [maxMessage]byte
	for { // nothing is said but goodbye
		if _, err := conn.Read(b[:]); err != nil {
			return nil
		}
	}
}

// dtlsOptions are those of a server whose peer has the certificate that its offer
// names, whoever signed it.
func (e *Endpoint) dtlsOptions(want Fingerprint) []dtls.ServerOption {
	return []dtls.ServerOption{
		dtls.WithCertificates(e.certificate),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerify(true), // of the chain
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 {
				return errFingerprint
			}
			got, err := fingerprintOf(raw[0], want.Hash)
			if err == nil && !strings.EqualFold(got, want.Value) {
				err = errFingerprint
			}
			return err
		}),
		dtls.WithMTU(dtlsMTU),
		dtls.WithFlightInterval(flightSpacing),
		dtls.WithLoggerFactory(e.logs),
	}
}

// sessionKeys takes a session's SRTP keys from its handshake (RFC 5764, section 4.2).
func sessionKeys(conn *dtls.Conn) (*keys, error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	state, connected := conn.ConnectionState()
	if !ok || !connected {
		return nil, errors.New("no SRTP profile was agreed on")
	}
	c := pion.Config{Profile: pion.ProtectionProfile(profile)}
	if err := c.ExtractSessionKeysFromDTLS(&state, false); err != nil {
		return nil, err
	}
	var k keys
	var errs [3]error
	k.sealer, errs[0] = srtp.NewSealer(c.Profile, c.Keys.LocalMasterKey, c.Keys.LocalMasterSalt)
	k.out, errs[1] = pion.CreateContext(c.Keys.LocalMasterKey, c.Keys.LocalMasterSalt, c.Profile)
	k.in, errs[2] = pion.CreateContext(c.Keys.RemoteMasterKey, c.Keys.RemoteMasterSalt, c.Profile, pion.SRTCPReplayProtection(replayWindow))
	return &k, errors.Join(errs[:]...)
}

const replayWindow = 64 // packets (RFC 3711, section 3.3.2)
