package relay

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"sync"
	"time"
)

// wrap puts TLS around the viewer-facing listener, as configured.
func (c TLSConfig) wrap(l net.Listener, now func() time.Time, log *slog.Logger) (net.Listener, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch c.Mode {
	case TLSFiles:
		files := &certificateFiles{cert: c.CertFile, key: c.KeyFile, log: log}
		if _, err := files.get(nil); err != nil {
			return nil, err
		}
		config.GetCertificate = files.get
	case TLSSelfSigned:
		certificate, err := selfSigned(now())
		if err != nil {
			return nil, fmt.Errorf("http.tls: %w", err)
		}
		log.Warn("self-signed certificate: browsers will ask before they go on; for trying only",
			"sha256", fmt.Sprintf("%x", sha256.Sum256(certificate.Certificate[0])))
		config.Certificates = []tls.Certificate{certificate}
	default:
		return l, nil
	}
	return tls.NewListener(l, config), nil
}

// certificateFiles reads a certificate again when its file has changed. A pair
// that cannot be read leaves the old one in use.
type certificateFiles struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time
}

func (f *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.cert)
	if err == nil && f.loaded != nil && info.ModTime().Equal(f.changed) {
		return f.loaded, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(f.cert, f.key)
	}
	if err == nil {
		f.loaded, f.changed = &pair, info.ModTime()
		return f.loaded, nil
	}
	if f.loaded != nil {
		f.log.Error("http.tls: the new certificate cannot be used; the old one stays", "error", err)
		return f.loaded, nil
	}
	return nil, fmt.Errorf("http.tls: %w", err)
}

// selfSignedDays is how long a self-signed certificate is good for.
const selfSignedDays = 30

// selfSigned makes a certificate for every address of this machine.
func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Framelock relay (self-signed)"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, selfSignedDays),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"},
	}
	if host, err := os.Hostname(); err == nil {
		template.DNSNames = append(template.DNSNames, host)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return tls.Certificate{}, err
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			template.IPAddresses = append(template.IPAddresses, n.IP)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
