package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/croupier"
)

// clientFlags say how to reach a relay.
type clientFlags struct {
	url       string
	tokenFile string
	insecure  bool
}

func (c *clientFlags) add(cmd *cobra.Command) {
	url := cmp.Or(os.Getenv("RELAY_URL"), "http://127.0.0.1:8080")
	cmd.Flags().StringVar(&c.url, "url", url, "the relay's address (or set RELAY_URL)")
	cmd.Flags().StringVar(&c.tokenFile, "token-file", os.Getenv("RELAY_TOKEN_FILE"), "file that holds the bearer token (or set RELAY_TOKEN_FILE)")
	cmd.Flags().BoolVar(&c.insecure, "insecure", false, "accept any HTTPS certificate, as of a relay with --tls self-signed")
}

// clientTimeout bounds a call, beyond the 10 s for which the relay may wait for a frame.
const clientTimeout = 15 * time.Second

// client returns what the flags describe.
func (c *clientFlags) client() (*croupier.Client, error) {
	u, err := url.Parse(c.url)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, usagef("--url %q is not a relay's address (allowed: http://HOST[:PORT] or https://...)", c.url)
	}
	token := ""
	if c.tokenFile != "" {
		text, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, usagef("--token-file: %w", err)
		}
		if token = strings.TrimSpace(string(text)); token == "" {
			return nil, usageError{errors.New("--token-file " + c.tokenFile + " is empty")}
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	transport.ResponseHeaderTimeout = clientTimeout
	if c.insecure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // asked for by --insecure
	}
	return &croupier.Client{
		URL: strings.TrimSuffix(c.url, "/"), Token: token,
		HTTP: &http.Client{Transport: transport, Timeout: clientTimeout},
	}, nil
}

// milliseconds prints a span that a relay gave in ms.
func milliseconds(ms float64) string { return fmt.Sprintf("%.1f ms", ms) }
