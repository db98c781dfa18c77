package auth

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/framelock/relay/signaling/problem"
)

// Require returns a middleware that lets a request through if its caller has the
// scope for the stream that streamOf names; an empty name, or a nil streamOf,
// stands for no particular stream. The handler finds the caller with FromContext.
// Others get 401 without a valid token and 403 without the scope (RFC 6750,
// section 3).
func Require(a Authority, scope Scope, streamOf func(*http.Request) string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stream := ""
			if streamOf != nil {
				stream = streamOf(r)
			}
			identity, err := a.Authenticate(r)
			switch {
			case errors.Is(err, ErrNoToken):
				w.Header().Set("WWW-Authenticate", `Bearer realm="relay"`)
				problem.Write(w, http.StatusUnauthorized, ErrNoToken.Error())
			case err != nil:
				w.Header().Set("WWW-Authenticate", `Bearer realm="relay", error="invalid_token"`)
				problem.Write(w, http.StatusUnauthorized, ErrBadToken.Error())
			case !identity.Allows(scope, stream):
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="relay", error="insufficient_scope", scope="%s"`, scope))
				problem.Write(w, http.StatusForbidden, fmt.Sprintf("the caller %q lacks the scope %s for this; use a token that has it for this stream", identity.Name, scope))
			default:
				identity.Viewer = viewerOf(r)
				next.ServeHTTP(w, r.WithContext(WithIdentity(r.Context(), identity)))
			}
		})
	}
}

// StreamOf returns the {stream} of a request's path, for Require.
func StreamOf(r *http.Request) string { return r.PathValue("stream") }
