package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	minToken     = 16   // characters
	maxToken     = 4096 // characters
	maxTokenFile = 64 << 10
	maxName      = 64 // bytes, as "by" may have in an event
)

// Rule says what the tokens of a file may do.
type Rule struct {
	// Name is who uses them; empty means the file's name without its extension.
	// At most 64 bytes.
	Name string
	// File holds one token a line, of 16 to 4096 characters, so that an old one can
	// stay valid while a new one is handed out. Empty lines and lines that begin
	// with # are passed over. Nobody but its owner may have access to it.
	File string
	// Scopes are what the tokens may do; at least one.
	Scopes []Scope
	// Streams are to which streams, as path.Match patterns; empty means all.
	Streams []string
	// Shared says that many people have the token: see Identity.
	Shared bool
}

// Static is an Authority that knows a fixed set of tokens, by their SHA-256 only.
type Static struct{ tokens []knownToken }

type knownToken struct {
	hash     [sha256.Size]byte
	identity Identity
	file     string
}

// Load reads the token files of all rules. The error names everything that is
// wrong and never shows a token.
func Load(rules []Rule) (*Static, error) {
	s := new(Static)
	var errs []error
	for _, r := range rules {
		if err := s.add(r); err != nil {
			errs = append(errs, fmt.Errorf("token file %q: %w", r.File, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Static) add(r Rule) error {
	identity, err := r.identity()
	if err != nil {
		return err
	}
	text, err := readSecret(r.File)
	if err != nil {
		return err
	}
	found := false
	number := 0
	for line := range strings.Lines(text) {
		number++
		token := strings.TrimSpace(line)
		if token == "" || strings.HasPrefix(token, "#") {
			continue
		}
		if !validToken(token) {
			return fmt.Errorf("line %d: a token has %d to %d characters, letters, digits or - . _ ~ + / with = at the end; `relay token create` makes one", number, minToken, maxToken)
		}
		hash := sha256.Sum256([]byte(token))
		if i := slices.IndexFunc(s.tokens, func(k knownToken) bool { return k.hash == hash }); i >= 0 {
			return fmt.Errorf("line %d: the token is also in %q; each may be there once", number, s.tokens[i].file)
		}
		s.tokens = append(s.tokens, knownToken{hash, identity, r.File})
		found = true
	}
	if !found {
		return errors.New("holds no token; `relay token create` makes one")
	}
	return nil
}

// identity checks a rule and returns whom it describes.
func (r Rule) identity() (Identity, error) {
	name := r.Name
	if name == "" {
		base := filepath.Base(r.File)
		if name = strings.TrimSuffix(base, filepath.Ext(base)); name == "" {
			name = base // a name such as ".token" is all extension
		}
	}
	if len(name) > maxName || !utf8.ValidString(name) {
		return Identity{}, fmt.Errorf("name %q: allowed: at most %d bytes of UTF-8", name, maxName)
	}
	if len(r.Scopes) == 0 {
		return Identity{}, fmt.Errorf("no scopes: allowed: %v", Scopes())
	}
	for _, scope := range r.Scopes {
		if !slices.Contains(Scopes(), scope) {
			return Identity{}, fmt.Errorf("scope %q: allowed: %v", scope, Scopes())
		}
	}
	for _, pattern := range r.Streams {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return Identity{}, fmt.Errorf("streams: %q: allowed: a stream's name or a pattern such as roulette-*", pattern)
		}
	}
	return Identity{Name: name, Scopes: slices.Clone(r.Scopes), Streams: slices.Clone(r.Streams), Shared: r.Shared}, nil
}

// readSecret reads a file that only its owner has access to.
func readSecret(name string) (string, error) {
	// Looked at before it is opened: opening a pipe would wait for its writer.
	if info, err := os.Stat(name); err != nil {
		return "", plain(err)
	} else if !info.Mode().IsRegular() {
		return "", errors.New("is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", plain(err)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("mode %04o gives others access; run: chmod 600 %s", perm, shellWord(name))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", plain(err)
	}
	if len(b) > maxTokenFile {
		return "", fmt.Errorf("is larger than %d bytes", maxTokenFile)
	}
	return string(b), nil
}

// plain returns what the operating system says without the file's name.
func plain(err error) error {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// shellWord quotes s for a POSIX shell where that is needed.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r)
	}
	if s != "" && s[0] != '-' && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	quoted := "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	if strings.HasPrefix(s, "-") {
		return "-- " + quoted
	}
	return quoted
}

// validToken reports whether a header can carry the token (b64token in RFC 6750).
func validToken(s string) bool {
	if len(s) < minToken || len(s) > maxToken {
		return false
	}
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// Authenticate implements Authority. It compares the hash of the presented token
// with that of every known one, in the same time whichever it is.
func (s *Static) Authenticate(r *http.Request) (Identity, error) {
	token, err := bearer(r)
	if err != nil {
		return Identity{}, err
	}
	hash := sha256.Sum256([]byte(token))
	match := -1
	for i := range s.tokens {
		if subtle.ConstantTimeCompare(hash[:], s.tokens[i].hash[:]) == 1 {
			match = i
		}
	}
	if match < 0 {
		return Identity{}, ErrBadToken
	}
	return s.tokens[match].identity, nil
}

// Len returns how many tokens are known.
func (s *Static) Len() int {
	if s == nil {
		return 0
	}
	return len(s.tokens)
}

// bearer returns the token of the Authorization header.
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", ErrNoToken
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || !validToken(token) {
		return "", ErrBadToken
	}
	return token, nil
}
