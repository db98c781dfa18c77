package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/framelock/relay/internal/impair"
)

// Network stands between a relay and its viewers' browsers: it serves the relay's
// own pages and API, and whoever joins there has its media go through the Proxy.
// HTTP takes the round trip as well, and loses nothing.
type Network struct {
	*impair.Proxy
	page  *httptest.Server
	stop  context.CancelFunc
	ended chan error
}

// StartNetwork puts a network in front of a relay that runs. Pages from World.Page
// then go through it. The same seed loses the same datagrams.
func (w *World) StartNetwork(seed uint64, up, down impair.Path) error {
	media, err := netip.ParseAddrPort(w.udp)
	if err != nil {
		return fmt.Errorf("the relay's media address: %w", err)
	}
	n := &Network{ended: make(chan error, 1)}
	// Every interface: Firefox does not take loopback candidates.
	n.Proxy, err = impair.Listen(impair.Config{
		Server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), media.Port()),
		Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), 0),
		Seed:   seed, Up: impair.Direction{Path: up}, Down: impair.Direction{Path: down},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	go func() { n.ended <- n.Run(ctx) }()
	w.Network = n
	n.page = httptest.NewServer(after(up.Delay+down.Delay, w.viewersHandler()))
	return nil
}

// after has every request take so much longer.
func after(delay time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(delay):
			h.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// Close ends the network; who is behind it hears nothing more.
func (n *Network) Close() error {
	n.page.Close()
	n.stop()
	err := <-n.ended
	if refused := n.Refused(); refused > 0 {
		err = errors.Join(err, fmt.Errorf("the network refused %d datagrams: the case proves nothing", refused))
	}
	return err
}

// Page is an address for a viewer's browser: on the network if there is one, or on
// the relay itself.
func (w *World) Page(path string) string {
	if w.Network == nil {
		return w.URL(path)
	}
	return w.Network.page.URL + path
}

// viewersHandler passes viewers' requests on to the relay; with a network, the media
// of those who join goes through it.
func (w *World) viewersHandler() http.Handler {
	// Without forwarding headers: a relay on loopback trusts nobody who comes from elsewhere.
	target := &url.URL{Scheme: "http", Host: w.HTTP}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	if n := w.Network; n != nil {
		proxy.ModifyResponse = func(r *http.Response) error { return detour(r, n.Addr().Port()) }
	}
	return proxy
}

// candidate is a line of an answer that says where the relay is reached.
var candidate = regexp.MustCompile(`(?m)^(a=candidate:\S+ \d+ udp \d+ \S+) (\d+) `)

// detour has the answer to a join lead to another port.
func detour(r *http.Response, port uint16) error {
	if r.Request.Method != http.MethodPost || r.StatusCode != http.StatusCreated || r.Header.Get("Content-Type") != "application/sdp" {
		return nil
	}
	answer, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return err
	}
	if !candidate.Match(answer) {
		return fmt.Errorf("no candidate in the answer:\n%s", answer)
	}
	answer = candidate.ReplaceAll(answer, fmt.Appendf(nil, "${1} %d ", port))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	r.Header.Set("Content-Length", strconv.Itoa(len(answer)))
	return nil
}
