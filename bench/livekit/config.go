//go:build linux

package livekit

import "fmt"

// Version is the release that is measured.
const Version = "v1.13.5"

// Package is what `go install` builds the server from.
const Package = "github.com/livekit/livekit-server/cmd/server"

// Ports are where the server is to listen on loopback.
type Ports struct{ HTTP, UDP, TCP int }

// Config is a configuration of the server: loopback alone, one UDP port, ICE-lite, as
// the relay has them; all else as it comes.
func Config(p Ports) string {
	return fmt.Sprintf(`port: %d
bind_addresses: ["127.0.0.1"]
log_level: error
rtc:
  udp_port: %d
  tcp_port: %d
  node_ip: 127.0.0.1
  use_external_ip: false
  use_ice_lite: true
  enable_loopback_candidate: true
  interfaces: {includes: [lo]}
keys: {%s: %s}
`, p.HTTP, p.UDP, p.TCP, key, secret)
}
