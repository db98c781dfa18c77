//go:build linux

package windows

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/internal/impair"
)

// candidate is the line of an answer that says where the relay is reached.
var candidate = regexp.MustCompile(`(?m)^(a=candidate:\S+ \d+ udp \d+) (\S+) (\d+) `)

// detour is an HTTP transport whose answers to joins name a proxy's address in place
// of the relay's.
type detour struct {
	http.RoundTripper
	to netip.AddrPort
}

// RoundTrip implements http.RoundTripper.
func (d detour) RoundTrip(q *http.Request) (*http.Response, error) {
	answer, err := d.RoundTripper.RoundTrip(q)
	if err != nil || q.Method != http.MethodPost {
		return answer, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusCreated && !candidate.Match(body) {
		return nil, fmt.Errorf("no candidate in the answer:\n%s", body)
	}
	body = candidate.ReplaceAll(body, fmt.Appendf(nil, "${1} %s %d ", d.to.Addr(), d.to.Port()))
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer.Header.Del("Content-Length")
	return answer, nil
}

// far puts a viewer so far away that everything takes so long each way.
func (w *table) far(up, down time.Duration) func(*load.Viewing) {
	w.Helper()
	p, err := impair.Listen(impair.Config{
		Server: netip.MustParseAddrPort(w.relay.Addrs().UDP), Seed: 1,
		Up: impair.Direction{Path: impair.Path{Delay: up}}, Down: impair.Direction{Path: impair.Path{Delay: down}},
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	return func(v *load.Viewing) { v.HTTP = &http.Client{Transport: detour{http.DefaultTransport, p.Addr()}} }
}
