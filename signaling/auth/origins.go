package auth

import (
	"net/http"
	"slices"

	"github.com/rs/cors"
)

// AnyOrigin, in a list of origins, allows all.
const AnyOrigin = "*"

// CORS returns a middleware that lets pages of the given web origins use the
// handler (Fetch standard, section 3.2). Origins match exactly, such as
// "https://casino.example"; AnyOrigin allows all, and an empty list none but the
// relay's own. No cookies are ever involved: a page can only use a token that it
// has. Methods are those beyond GET, HEAD and POST.
func CORS(origins []string, methods ...string) func(http.Handler) http.Handler {
	options := cors.Options{
		AllowedMethods:     append([]string{http.MethodGet, http.MethodHead, http.MethodPost}, methods...),
		AllowedHeaders:     []string{"Authorization", "Content-Type", "If-Match", "Last-Event-ID", ViewerHeader},
		ExposedHeaders:     []string{"Location", "ETag", "Link", "Retry-After", "WWW-Authenticate"},
		MaxAge:             600, // seconds that a browser may remember the answer
		OptionsPassthrough: true,
	}
	if slices.Contains(origins, AnyOrigin) {
		options.AllowedOrigins = []string{AnyOrigin}
	} else {
		allowed := slices.Clone(origins)
		options.AllowOriginFunc = func(origin string) bool { return slices.Contains(allowed, origin) }
	}
	return cors.New(options).Handler
}
