package doctor

import (
	"fmt"
	"net/netip"
	"slices"
)

// Config is what matters of a configuration.
type Config struct {
	Errors []string // why it is refused; the rest is not looked at then

	HTTP, Admin     Listener
	TLS, SelfSigned bool
	Insecure        bool       // nobody is asked for a token
	UDP             netip.Addr // that the media port is on
	PublicIPs       []netip.Addr
	OwnIPs          []netip.Addr // of this machine
	IncludeLoopback bool
	StateDir        bool
	Inputs          []Input
}

// Listener is a TCP listener. The zero value is none.
type Listener struct {
	On, Loopback bool
	Address      string
}

// Input is where a stream's studio sends to.
type Input struct {
	Key      string
	Loopback bool // only this machine can reach it
	Allowed  bool // only named senders are heard
}

func (e *exam) config(c *Config) {
	for _, text := range c.Errors {
		e.say(Error, "config", "configuration", text, "the relay does not start", "mend it; `relay config check` says more")
	}
	if len(c.Errors) > 0 {
		return
	}
	e.listeners(c)
	e.media(c)
	if !c.StateDir {
		e.say(Warning, "state-off", "state.dir", "is not set", "a restart begins a new log: players start again, and event numbers too",
			"set state.dir to a directory that survives restarts")
	}
	for _, in := range c.Inputs {
		if !in.Loopback && !in.Allowed {
			e.say(Warning, "input-open", in.Key, "anybody who reaches the port can be the studio",
				"whoever sends first is shown to viewers", "name the studio's addresses in rtp.allow")
		}
	}
}

func (e *exam) listeners(c *Config) {
	switch {
	case !c.HTTP.On:
	case c.HTTP.Loopback:
		e.say(Warning, "http-loopback", "http.listen", c.HTTP.Address+" is reached from this machine alone", "nobody else can join",
			"leave it so behind a proxy on this machine; otherwise listen on \":8080\" with tokens")
	default:
		if !c.TLS {
			e.tlsOff("http.listen")
		}
		if c.Insecure {
			e.say(Error, "unauthenticated", "auth.insecure", "anybody who reaches "+c.HTTP.Address+" can publish events",
				"viewers are shown what a stranger made up", "take auth.insecure out and make tokens with `relay token create`")
		}
	}
	if c.SelfSigned {
		e.say(Warning, "tls-self-signed", "http.tls.mode", "the certificate is made at start and nobody trusts it",
			"browsers warn, and stop players on other pages", "use mode files with a certificate of a known authority")
	}
	if c.Admin.On && !c.Admin.Loopback {
		severity, what := Warning, c.Admin.Address+" is reached from other machines, without TLS"
		if c.Insecure {
			severity, what = Error, c.Admin.Address+" is reached from other machines, and nobody is asked for a token"
		}
		e.say(severity, "admin-open", "admin.listen", what, "profiles and metrics of the relay are open, and a profile slows it down for viewers",
			"listen on 127.0.0.1:9090, or keep the port behind a firewall")
	}
}

// media looks at the addresses that viewers are sent to.
func (e *exam) media(c *Config) {
	offered := c.PublicIPs
	switch {
	case len(offered) > 0:
	case !c.UDP.IsUnspecified():
		offered = []netip.Addr{c.UDP}
	default:
		offered = slices.DeleteFunc(slices.Clone(c.OwnIPs), netip.Addr.IsLoopback)
	}
	all := func(f func(netip.Addr) bool) bool {
		return !slices.ContainsFunc(offered, func(a netip.Addr) bool { return !f(a) })
	}
	switch {
	case len(offered) == 0 || all(netip.Addr.IsLoopback):
		e.say(Warning, "media-loopback", "media.udp", "media is offered on this machine alone",
			"viewers elsewhere join and get no picture", `set media.udp to ":7882"`)
	case all(func(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }):
		key := "media.udp"
		if len(c.PublicIPs) > 0 {
			key = "media.public_ips"
		}
		e.say(Warning, "media-private", key, fmt.Sprintf("viewers are sent to private addresses alone: %v", offered),
			"viewers on the internet join and get no picture", "name the address that the NAT forwards from in media.public_ips")
	}
}
