package relay

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/framelock/relay/signaling/auth"
)

// authority says who may call the viewer-facing surface, as configured. A token
// is asked for unless the listener is on loopback or the operator has opened it;
// where tokens are configured, one is asked for all the same of those who publish.
func (c *Config) authority() (auth.Authority, error) {
	rules := make([]auth.Rule, len(c.Auth.Tokens))
	for i, t := range c.Auth.Tokens {
		rules[i] = auth.Rule{Name: t.Name, File: t.File, Streams: t.Streams, Shared: t.Shared}
		for _, scope := range t.Scopes {
			rules[i].Scopes = append(rules[i].Scopes, auth.Scope(scope))
		}
	}
	tokens, err := auth.Load(rules)
	if err != nil {
		return nil, fmt.Errorf("auth.tokens: %w", err)
	}
	open := auth.Open{Tokens: tokens, Loopback: !c.Auth.Insecure}
	if tokens.Len() > 0 {
		// Who gives out tokens means something by it: without one, people watch.
		open.Scopes = []auth.Scope{auth.View, auth.Read}
	}
	if c.Auth.Insecure || isLoopback(c.HTTP.Listen) {
		return open, nil
	}
	return tokens, nil
}

// extension returns the value of the playout-delay header extension: two numbers
// of 12 bits in steps of 10 ms.
func (d PlayoutDelay) extension() (b [3]byte) {
	const step = 10 * time.Millisecond
	var word [4]byte
	binary.BigEndian.PutUint32(word[:], uint32(d.Min/step)<<12|uint32(d.Max/step))
	copy(b[:], word[1:])
	return b
}
