package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Anonymous is the name of callers that present no token where none is asked for.
const Anonymous = "anonymous"

// Open is an Authority that asks nobody for a token: for a listener on loopback,
// or where the operator said that everybody may come. A token that is presented
// still counts, for its name and scopes; a wrong one is refused, so that a mistake
// does not pass as anonymous.
type Open struct {
	// Tokens are those that count; with none at all, presented tokens are ignored.
	Tokens *Static
	// Scopes are what a caller without a token may do; nil means AnonymousScopes.
	Scopes []Scope
	// Loopback refuses callers without a token that address the relay by a name
	// other than localhost or a loopback address, which keeps out pages whose owner
	// lets a name of his point at the viewer's own machine (DNS rebinding). It also
	// refuses calls that a reverse proxy says it forwards. A proxy that says nothing
	// cannot be told from a program on this machine: behind one, give out tokens.
	Loopback bool
}

// Authenticate implements Authority.
func (o Open) Authenticate(r *http.Request) (Identity, error) {
	if o.Tokens.Len() > 0 && len(r.Header.Values("Authorization")) > 0 {
		return o.Tokens.Authenticate(r)
	}
	if o.Loopback && (!loopbackHost(r.Host) || forwarded(r.Header)) {
		return Identity{}, ErrNoToken
	}
	scopes := o.Scopes
	if scopes == nil {
		scopes = AnonymousScopes()
	}
	return Identity{Name: Anonymous, Scopes: scopes, Shared: true}, nil
}

// forwarded reports whether a proxy passed the call on (RFC 7239, and what came
// before it).
func forwarded(h http.Header) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

// loopbackHost reports whether a Host header names the machine itself.
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
