// Package auth says who calls the relay and what they may do: bearer tokens with
// scopes, read from files.
//
// An [Authority] turns a request into an [Identity], and [Require] keeps the
// requests out whose identity does not suffice. [Static] knows tokens, [Open]
// asks for none, [Reloadable] lets one take another's place while requests run.
//
// Tokens are taken from the Authorization header alone (RFC 6750, section 2.1):
// query strings end up in logs, and cookies are sent by pages that the relay does
// not know.
package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"path"
	"slices"
)

// Scope is something that a token may do.
type Scope string

// The scopes.
const (
	View    Scope = "view"    // play a stream
	Mark    Scope = "mark"    // publish events
	Act     Scope = "act"     // take part in windows
	Publish Scope = "publish" // send media
	Read    Scope = "read"    // the API's read calls
	Admin   Scope = "admin"   // the operators' calls
)

// Scopes returns all scopes.
func Scopes() []Scope { return []Scope{View, Mark, Act, Publish, Read, Admin} }

// AnonymousScopes returns what a caller without a token may do where none is
// asked for: everything but Admin, which always takes a decision.
func AnonymousScopes() []Scope { return []Scope{View, Mark, Act, Publish, Read} }

// Identity is who calls.
type Identity struct {
	Name    string   // of the token: what a stream's log gives as "by"
	Scopes  []Scope  // what they may do
	Streams []string // to which streams: path.Match patterns; empty means all
	Shared  bool     // the token is many people's, who are told apart by Viewer
	// Viewer is a secret of the caller's client, from the header ViewerHeader: who
	// comes back with it is who came with it. Empty if there is none.
	Viewer string
}

// ViewerHeader is the request header in which a client says that it is the same
// viewer as before: 16 to 128 characters that nobody else knows.
const ViewerHeader = "Framelock-Viewer"

// viewerOf returns what ViewerHeader says, empty if that is no secret.
func viewerOf(r *http.Request) string {
	if v := r.Header.Get(ViewerHeader); len(v) >= 16 && len(v) <= 128 {
		return v
	}
	return ""
}

// Allows reports whether the caller may do what scope says to a stream. An empty
// stream stands for no particular one.
func (i Identity) Allows(scope Scope, stream string) bool {
	if !slices.Contains(i.Scopes, scope) {
		return false
	}
	if len(i.Streams) == 0 || stream == "" {
		return true
	}
	return slices.ContainsFunc(i.Streams, func(pattern string) bool {
		ok, err := path.Match(pattern, stream)
		return ok && err == nil
	})
}

// Authority says who calls.
type Authority interface {
	// Authenticate returns ErrNoToken if a token is needed and there is none, and
	// ErrBadToken if there is one that is not known.
	Authenticate(*http.Request) (Identity, error)
}

// The reasons for which nobody is known to call.
var (
	ErrNoToken  = errors.New("no token: send one as Authorization: Bearer TOKEN")
	ErrBadToken = errors.New("the token is not valid: send a current one, once, as Authorization: Bearer TOKEN")
)

// NewToken returns a fresh token of 256 random bits, as base64url.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

type identityKey struct{}

// FromContext returns who makes the request that ctx belongs to, as Require left
// it there. Without that it is the zero Identity, which may do nothing.
func FromContext(ctx context.Context) Identity {
	i, _ := ctx.Value(identityKey{}).(Identity)
	return i
}

// WithIdentity returns a context that says who makes the request.
func WithIdentity(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, i)
}
