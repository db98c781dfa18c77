// Package report turns measured rows into what people read: JSON, tables and a
// chart, and says whether the relay keeps its promises. It is pure.
package report

import (
	"slices"

	"github.com/framelock/relay/bench/measure"
)

// The servers that can be measured.
const (
	Floor       = "floor"        // encrypts and sends, runs of equal packets joined
	FloorSingle = "floor-single" // encrypts and sends, each packet a message of its own
	Relay       = "relay"
	Pion        = "pion"         // plain, without interceptors
	PionDefault = "pion-default" // plain, with the default interceptors
)

// The servers of other projects, which are measured if they are asked for.
const (
	LiveKit = "livekit"
	Janus   = "janus"
)

// Titles are what the servers are called in tables.
var Titles = map[string]string{
	Floor:       "floor: encrypt and send, GSO",
	FloorSingle: "floor: encrypt and send, one by one",
	Relay:       "Framelock relay",
	Pion:        "plain pion, no interceptors",
	PionDefault: "plain pion, default interceptors",
	LiveKit:     "LiveKit 1.13.5",
	Janus:       "Janus",
}

// Latency is the time that a server adds to a packet, from the studio's system call
// to the kernel's receipt at the viewer, in milliseconds.
type Latency struct {
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p99_9_ms"`
	Samples int     `json:"samples"`
}

// Row is one measurement of one server.
type Row struct {
	Server  string  `json:"server"`
	Input   string  `json:"input"` // burst or spread
	Viewers int     `json:"viewers"`
	Streams int     `json:"streams"` // Viewers is for each of them
	Round   int     `json:"round"`
	Seconds float64 `json:"seconds"`

	Sent      uint64 `json:"sent"`     // by the studio
	Expected  uint64 `json:"expected"` // at all viewers together
	Delivered uint64 `json:"delivered"`
	Repaired  uint64 `json:"repaired,omitempty"` // of them, sent again because a viewer missed them

	CPU     float64  `json:"cpu_us_per_packet"`
	Cores   float64  `json:"server_cores"`
	RSS     float64  `json:"rss_kib_per_viewer"`
	Latency *Latency `json:"added_latency,omitempty"`

	Load   float64 `json:"load_cores"`   // what the measuring itself took
	Others float64 `json:"others_cores"` // what the machine did besides

	// Fault says why the row is not to be compared; empty if it is good.
	Fault string `json:"fault,omitempty"`
}

// Events is what events cost the relay at one rate.
type Events struct {
	Rate     float64 `json:"events_per_second"`
	Viewers  int     `json:"viewers"`
	Channels bool    `json:"channels"` // else the events ride on media alone
	Round    int     `json:"round"`
	CPU      float64 `json:"cpu_us_per_packet"` // of media packets, everything included
	Cores    float64 `json:"server_cores"`
	Events   uint64  `json:"events"`
	Received uint64  `json:"received"` // event messages at all viewers, repeats included
	Fault    string  `json:"fault,omitempty"`
}

// Joins is what joining costs the relay while others watch.
type Joins struct {
	Watching  int     `json:"watching"`
	Joined    int     `json:"joined"`
	Round     int     `json:"round"`
	Seconds   float64 `json:"seconds"`
	CPUMillis float64 `json:"cpu_ms_per_join"`
	Busy      float64 `json:"machine_busy"` // share of the processors
	Load      float64 `json:"load_cores"`
	Fault     string  `json:"fault,omitempty"`
}

// Result is a whole run.
type Result struct {
	Processors int      `json:"processors"`
	Kernel     string   `json:"kernel"`
	Go         string   `json:"go"`
	Size       int      `json:"video_packet_bytes"`
	Relay      string   `json:"relay"` // what was measured under that name: its revision
	Rows       []Row    `json:"rows"`
	Events     []Events `json:"events,omitempty"`
	Joins      []Joins  `json:"joins,omitempty"`
}

// Setting is what rows have in common that may be compared with each other.
type Setting struct {
	Input   string
	Viewers int
	Streams int
}

// Summary is all good rows of one server in one setting.
type Summary struct {
	Server string
	Setting
	Good, Bad      int // rows
	CPU, RSS, Load measure.Spread
	P50, P99, P999 measure.Spread
	Latency        bool   // there is any
	Fault          string // of the last bad row
}

// Settings returns the settings of the rows, in the order in which they first appear.
func (r *Result) Settings() []Setting {
	var all []Setting
	for _, row := range r.Rows {
		if s := row.setting(); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

func (r Row) setting() Setting { return Setting{r.Input, r.Viewers, r.Streams} }

// Servers returns the servers of the rows, in the order in which they first appear.
func (r *Result) Servers() []string {
	var all []string
	for _, row := range r.Rows {
		if !slices.Contains(all, row.Server) {
			all = append(all, row.Server)
		}
	}
	return all
}

// Summarize returns what a server did in a setting; false if it was not measured.
func (r *Result) Summarize(server string, setting Setting) (Summary, bool) {
	s := Summary{Server: server, Setting: setting}
	values := map[*measure.Spread][]float64{}
	add := func(to *measure.Spread, v float64) { values[to] = append(values[to], v) }
	for _, row := range r.Rows {
		if row.Server != server || row.setting() != setting {
			continue
		}
		if row.Fault != "" {
			s.Bad++
			s.Fault = row.Fault
			continue
		}
		s.Good++
		add(&s.CPU, row.CPU)
		add(&s.RSS, row.RSS)
		add(&s.Load, row.Load)
		if l := row.Latency; l != nil {
			s.Latency = true
			add(&s.P50, l.P50)
			add(&s.P99, l.P99)
			add(&s.P999, l.P999)
		}
	}
	for to, list := range values {
		*to = measure.SpreadOf(list)
	}
	return s, s.Good+s.Bad > 0
}
