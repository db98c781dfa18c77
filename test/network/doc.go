// Package network tests whole sessions over bad networks: a relay, a studio, a game
// server and viewers, with real sockets, and a proxy with a seed between the relay
// and each viewer that loses, delays, limits or moves what passes (internal/impair).
//
// The tests run only if the environment variable NETWORK is set: to 1 for the short
// cases of `make test`, to full for the long ones of `make e2e`.
//
// What viewers should get is what the studio wrote down when it sent it (tape), what
// they were sent is what the proxies counted. The relay's own word is not asked for
// either.
package network
