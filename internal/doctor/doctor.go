// Package doctor says in words what will hurt viewers, and what to do about it. It
// is pure: somebody else gathers the facts.
package doctor

import (
	"fmt"
	"slices"
	"time"
)

// Severity says how bad a finding is.
type Severity string

// The severities, worst first.
const (
	Error   Severity = "error"   // viewers are hurt, or will be
	Warning Severity = "warning" // viewers may be hurt: it depends on what the doctor cannot see
	Note    Severity = "note"    // worth knowing
)

// Finding is one thing that the doctor found.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`  // for programs: what was found, such as "tls-off"
	Where    string   `json:"where"` // the configuration's key, the stream, or the machine
	What     string   `json:"what"`
	Why      string   `json:"why"` // what it does to viewers
	Do       string   `json:"do"`
}

// Report is what was gathered. What is nil or empty was not looked at.
type Report struct {
	Config  *Config
	Machine *Machine
	Disk    *Disk
	Ports   []Port
	Relay   *Relay
	Streams []Stream
}

// Examine returns the findings of a report, the worst first.
func Examine(r Report) []Finding {
	e := &exam{}
	if r.Config != nil {
		e.config(r.Config)
	}
	if r.Machine != nil {
		e.machine(r.Machine)
	}
	if r.Disk != nil {
		e.disk(r.Disk)
	}
	e.ports(r.Ports)
	if r.Relay != nil {
		e.relay(r.Relay)
	}
	for i := range r.Streams {
		e.stream(&r.Streams[i])
	}
	slices.SortStableFunc(e.found, func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() })
	return e.found
}

// Sick reports whether a finding is an error.
func Sick(found []Finding) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Severity == Error })
}

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Note}, s) }

// exam gathers findings.
type exam struct{ found []Finding }

func (e *exam) say(s Severity, code, where, what, why, do string) {
	e.found = append(e.found, Finding{s, code, where, what, why, do})
}

// Machine is what the machine allows the relay.
type Machine struct {
	ReceiveBuffer int // net.core.rmem_max in bytes; 0 if it is not known
	// Linux says whether the machine could cut datagrams in the kernel
	// (UDP_SEGMENT), Segmentation whether it does.
	Linux, Segmentation bool
}

// wantedBuffer is what the relay asks the kernel for, in bytes.
const wantedBuffer = 4 << 20

func (e *exam) machine(m *Machine) {
	if m.ReceiveBuffer > 0 && m.ReceiveBuffer < wantedBuffer {
		e.say(Warning, "receive-buffer", "this machine", fmt.Sprintf("net.core.rmem_max is %d KiB; the relay asks for %d KiB", m.ReceiveBuffer>>10, wantedBuffer>>10),
			"packets are lost when the studio's come in a burst, or many viewers' reports do",
			fmt.Sprintf("sysctl -w net.core.rmem_max=%d, and the same line in /etc/sysctl.d/", wantedBuffer))
	}
	if m.Linux && !m.Segmentation {
		e.say(Note, "no-gso", "this machine", "the kernel does not cut datagrams (UDP_SEGMENT)",
			"each viewer costs more: fewer fit on this machine", "use Linux 4.18 or later; some containers and virtual networks turn it off")
	}
}

// Disk is the state directory.
type Disk struct {
	Dir     string
	Missing bool          // it is not there yet; the relay makes it
	Err     string        // why it cannot be written
	Sync    time.Duration // how long a small file took to be durable
}

// slowSync is how long a write may take before it delays anything.
const slowSync = 100 * time.Millisecond

func (e *exam) disk(d *Disk) {
	switch {
	case d.Missing:
	case d.Err != "":
		e.say(Error, "state-unwritable", "state.dir", fmt.Sprintf("%s cannot be written: %s", d.Dir, d.Err),
			"the relay does not start, or stops taking events when its block of numbers is used up", "let the relay's user write there")
	case d.Sync > slowSync:
		e.say(Warning, "state-slow", "state.dir", fmt.Sprintf("making a small file durable in %s took %v", d.Dir, d.Sync.Round(time.Millisecond)),
			"events wait when the disk is slower than they come", "put state.dir on a local disk")
	}
}

// Port is an address that the configuration names.
type Port struct {
	Key, Address string
	Taken        bool // somebody listens there
	Forbidden    bool // this user may not
}

func (e *exam) ports(ports []Port) {
	taken := 0
	for _, p := range ports {
		if p.Taken {
			taken++
		}
	}
	running := taken == len(ports) && taken > 1
	for _, p := range ports {
		switch {
		case p.Forbidden:
			e.say(Error, "port-forbidden", p.Key, p.Address+" may not be opened by this user", "the relay does not start",
				"choose a port above 1023, or give it CAP_NET_BIND_SERVICE")
		case p.Taken && !running:
			e.say(Error, "port-taken", p.Key, p.Address+" is in use", "the relay does not start", "stop what uses it, or choose another port")
		}
	}
	if running {
		e.say(Note, "ports-taken", "ports", "all addresses are in use", "nothing, if it is the relay that runs already", "look at its streams with --url")
	}
}

// Relay is a running relay as a client sees it.
type Relay struct {
	URL      string
	TLS      bool
	Loopback bool   // its address is this machine's alone
	Err      string // why it does not answer
}

func (e *exam) relay(r *Relay) {
	switch {
	case r.Err != "":
		e.say(Error, "unreachable", r.URL, r.Err, "nobody can join", "check that the relay runs and that --url and --token-file are right")
	case !r.TLS && !r.Loopback:
		e.tlsOff(r.URL)
	}
}

func (e *exam) tlsOff(where string) {
	e.say(Warning, "tls-off", where, "pages and API are served without TLS",
		"browsers give WebCodecs and crypto.subtle only to HTTPS pages and to localhost: events are not checked, and in some browsers not exact; tokens travel in the clear",
		"set http.tls, or put a proxy with TLS in front and open the page through that")
}
